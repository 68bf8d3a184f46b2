"""A machine that only plays: it contributes, waits, survives what happens to it, and is found out when it cheats."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from tests.topologies.fleet_of_toys import found_fleet, package_of, start_member
from tests.waiting import PATIENCE_S, until

from gamefleet.errors import ConfigError, IncompatibleError, RunFolderError
from gamefleet.experience.chunk_file import StoredChunk, decode, encode
from gamefleet.experience.replay import Replay
from gamefleet.files import read_json, write_json
from gamefleet.runs.deadline import Deadline
from gamefleet.topologies.actors_only.member import Membership
from gamefleet.topologies.actors_only.plan import ActorsPlan
from gamefleet.topologies.actors_only.wiring import opened, play
from gamefleet.topologies.build import make_network
from gamefleet.topologies.config import RunConfig
from gamefleet.topologies.shared_folder.ingest import Ingest, IngestRules
from gamefleet.topologies.shared_folder.ingest_checker import Checker
from gamefleet.transport.folder import FolderExperienceReceiver
from gamefleet.transport.folder_files import read_chunk, write_chunk
from gamefleet.weights.content import NETWORK
from gamefleet.weights.manifests import Card
from gamefleet.weights.member import Member
from gamefleet.weights.settings import MergeSettings
from gamefleet.weights.shared_paths import SharedPaths
from gamefleet.weights.store import SharedStore

LEARNER = "job-m0"


class Silence:
    def show(self, step: int, total_steps: int, values: Any) -> None:
        pass

    def say(self, text: str) -> None:
        pass


@pytest.fixture
def fleet(tmp_path: Path) -> tuple[SharedStore, RunConfig]:
    return found_fleet(tmp_path / "shared")


@pytest.fixture
def members() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that were started; what still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def learner_of(store: SharedStore, config: RunConfig, *, verify_first: int = 3, verify_share: float = 0.0) -> Ingest:
    """A learner's intake, as its wiring makes it."""
    package = package_of(config.game_name)
    spec = package.make_spec(config.game)
    store.introduce(LEARNER, Card(kind="learner", token="t"))
    facts = store.facts()
    assert facts is not None
    foreign = Replay(
        {array.name: (array.shape, array.dtype) for array in spec.observations},
        config.replay,
        num_streams=2,
        state_size=state_size(config),
        num_steps=config.learner.num_steps,
        seed=0,
    )
    return Ingest(
        receiver=FolderExperienceReceiver(store.paths, LEARNER, compatibility=facts.compatibility["hash"]),
        foreign=foreign,
        checker=Checker(package, config.game),
        rules=IngestRules(
            num_actions=spec.num_actions,
            state_size=state_size(config),
            verify_first=verify_first,
            verify_share=verify_share,
            may_write=True,
            me=LEARNER,
        ),
        paths=store.paths,
        rng=random.Random(1),
    )


def state_size(config: RunConfig) -> int:
    package = package_of(config.game_name)
    return int(make_network(package, package.make_spec(config.game), config).state_size)


def manifests(store: SharedStore, member: str = "laptop") -> list[Path]:
    return sorted(store.paths.experience(member).glob("e*/*.json"))


def plan_of(store: SharedStore, tmp_path: Path, **changes: Any) -> ActorsPlan:
    return replace(
        ActorsPlan(shared_dir=store.paths.root, member="laptop", state_folder=tmp_path / "state", chunk_steps=20),
        **changes,
    )


def test_what_a_second_process_plays_arrives_in_a_learners_replay(
    fleet: tuple[SharedStore, RunConfig], tmp_path: Path, members: list[subprocess.Popen[str]]
) -> None:
    store, config = fleet
    ingest = learner_of(store, config)
    members.append(start_member(store.paths.root, tmp_path / "log"))

    until(lambda: ingest.step() or ingest.counts["accepted"] >= 10, "accepted chunk")
    members[0].send_signal(signal.SIGINT)
    out, _ = members[0].communicate(timeout=PATIENCE_S)
    ingest.close()

    account = json.loads(out)
    assert account["reason"] == "signal SIGINT"
    assert account["chunks"] >= 10
    assert ingest.counts["checked"] >= 3
    assert ingest.counts["refused"] == 0
    assert ingest.row()["shared/foreign_steps"] == ingest.steps_by_member["laptop"] > 0
    assert read_json(store.paths.heartbeat("laptop"))["step"] == account["steps"]
    assert read_json(store.paths.reading(LEARNER))["laptop"].keys() == {"e000", "e001"}


@pytest.mark.long
def test_a_member_that_is_killed_leaves_only_whole_chunks_and_goes_on_after_them(
    fleet: tuple[SharedStore, RunConfig], tmp_path: Path, members: list[subprocess.Popen[str]]
) -> None:
    store, _ = fleet
    members.append(start_member(store.paths.root, tmp_path / "log"))
    until(lambda: len(manifests(store)) >= 3, "chunk")
    members[0].kill()
    members[0].wait()
    before = len(manifests(store))
    (store.paths.experience("laptop") / "e000" / "000999-0123456789ab.chunk").write_bytes(b"half")

    hand_over(store, tmp_path, num_chunks=before + 4)

    found = [read_chunk(path, max_bytes=10**7) for path in manifests(store)]
    assert {finding.kind for finding in found} == {"whole"}
    places = [(path.parent.name, int(path.stem)) for path in manifests(store)]
    assert [(facts.environment, facts.seq) for facts in (decode(one.data).facts for one in found)] == places
    for environment in ("e000", "e001"):
        numbers = [seq for name, seq in places if name == environment]
        assert numbers == list(range(len(numbers)))
    assert not list(store.paths.experience("laptop").glob("*/000999*")), "what nobody announced is removed"


def hand_over(store: SharedStore, tmp_path: Path, *, num_chunks: int) -> None:
    """Play in this process until so many chunks are there."""
    with opened(package_of("chain"), plan_of(store, tmp_path)) as actors:
        while len(manifests(store)) < num_chunks:
            actors.turn()


@pytest.mark.long
def test_a_member_that_was_stopped_goes_on(
    fleet: tuple[SharedStore, RunConfig], tmp_path: Path, members: list[subprocess.Popen[str]]
) -> None:
    store, _ = fleet
    members.append(start_member(store.paths.root, tmp_path / "log"))
    until(lambda: manifests(store), "chunk")

    members[0].send_signal(signal.SIGSTOP)
    before = len(manifests(store))
    with pytest.raises(subprocess.TimeoutExpired):
        members[0].wait(3)
    members[0].send_signal(signal.SIGCONT)

    until(lambda: len(manifests(store)) > before, "chunk after the stop")
    members[0].terminate()
    assert members[0].wait(PATIENCE_S) == 0


@pytest.mark.long
def test_a_member_waits_when_nobody_reads_and_goes_on_when_somebody_does(
    fleet: tuple[SharedStore, RunConfig], tmp_path: Path, members: list[subprocess.Popen[str]]
) -> None:
    store, config = fleet
    members.append(start_member(store.paths.root, tmp_path / "log", capacity_bytes=5_000))
    log = tmp_path / "log"
    until(lambda: "waiting: " in log.read_text(), "line that it waits")
    waiting = len(manifests(store))
    assert sum(path.stat().st_size for path in store.paths.experience("laptop").glob("e*/*.chunk")) < 6_000

    ingest = learner_of(store, config, verify_first=0)
    until(lambda: ingest.step() or ingest.counts["accepted"] > waiting, "chunk after those that waited")
    ingest.close()

    until(lambda: log.read_text().count("playing with") == 2, "line that it plays again")
    assert log.read_text().count("waiting: ") == 1


@pytest.mark.long
def test_a_folder_that_vanishes_and_comes_back_holds_a_member_up_only_meanwhile(
    fleet: tuple[SharedStore, RunConfig], tmp_path: Path, members: list[subprocess.Popen[str]]
) -> None:
    store, _ = fleet
    root, away, log = store.paths.root, tmp_path / "away", tmp_path / "log"
    members.append(start_member(root, log))
    until(lambda: manifests(store), "chunk")

    root.rename(away)
    until(lambda: "cannot be used" in log.read_text(), "line that the folder is gone")
    assert not root.exists(), "nothing was written where the folder had been"
    before = len(list((away / "members/laptop/experience").glob("e*/*.json")))
    away.rename(root)

    until(lambda: len(manifests(store)) > before, "chunk after the folder came back")
    assert log.read_text().count("cannot be used") == 1
    assert members[0].poll() is None


def test_a_member_whose_rewards_are_invented_is_dropped_and_named(
    fleet: tuple[SharedStore, RunConfig], tmp_path: Path
) -> None:
    store, config = fleet
    hand_over(store, tmp_path, num_chunks=8)
    store.introduce("cheat", Card(kind="actors", token="c"))
    for path in manifests(store):
        folder = store.paths.experience("cheat") / path.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        write_chunk(folder, int(path.stem), encode(richer(decode(read_chunk(path, max_bytes=10**7).data))))

    ingest = learner_of(store, config, verify_first=2)
    news = []
    until(lambda: news.extend(ingest.step()) or news, "news of the cheat")
    until(lambda: ingest.step() or ingest.counts["accepted"] >= 3, "chunk of the honest one")
    ingest.close()

    assert [item.kind for item in news] == ["experience_quarantined"]
    assert "member cheat is refused" in news[0].sentence
    assert "reward is" in news[0].details["reason"]
    assert read_json(store.paths.experience_quarantine("cheat"))["member"] == "cheat"
    assert ingest.steps_by_member["cheat"] == 0
    other = FolderExperienceReceiver(store.paths, "another", compatibility=chunk_hash(store))
    assert {chunk.facts.member for chunk in other.take()} == {"laptop"}


def richer(chunk: StoredChunk) -> StoredChunk:
    reward = chunk.content.slots.reward.copy()
    reward[:-1] += np.float32(1.0)
    slots = replace(chunk.content.slots, reward=reward)
    return replace(chunk, facts=replace(chunk.facts, member="cheat"), content=replace(chunk.content, slots=slots))


def chunk_hash(store: SharedStore) -> str:
    facts = store.facts()
    assert facts is not None
    return str(facts.compatibility["hash"])


def test_a_checking_process_that_is_killed_is_replaced_and_its_chunk_tried_again(
    fleet: tuple[SharedStore, RunConfig], tmp_path: Path
) -> None:
    store, config = fleet
    hand_over(store, tmp_path, num_chunks=6)
    ingest = learner_of(store, config, verify_first=4)
    ingest._checker._restart_s = 0.0

    until(lambda: ingest.step() or ingest._checker.pid, "checking process")
    os.kill(ingest._checker.pid, signal.SIGKILL)
    until(lambda: ingest.step() or ingest.counts["accepted"] >= 4, "accepted chunk")
    ingest.close()

    assert ingest._checker.num_restarts >= 1
    assert ingest.counts["refused"] == 0


def test_an_installation_that_pays_other_rewards_is_refused_with_the_difference(tmp_path: Path) -> None:
    store, _ = found_fleet(tmp_path / "shared", toy="chain")
    other = package_of("chain")
    changed = replace(other, reward_json=lambda config: {"end": 7.0})

    with pytest.raises(IncompatibleError, match=r"reward\.end: 7\.0 here, 1\.0 there"):
        play(changed, plan_of(store, tmp_path), deadline=Deadline(max_runtime_s=1), progress=Silence())
    assert not store.paths.member("laptop").exists()


def test_another_game_is_refused(tmp_path: Path) -> None:
    store, _ = found_fleet(tmp_path / "shared", toy="chain")

    with pytest.raises((IncompatibleError, ConfigError), match=r"game|setting"):
        play(package_of("grid"), plan_of(store, tmp_path), deadline=Deadline(max_runtime_s=1), progress=Silence())


def test_a_folder_without_a_fleet_says_how_to_fetch_one(tmp_path: Path) -> None:
    plan = ActorsPlan(shared_dir=tmp_path, member="laptop", state_folder=tmp_path / "state")

    with pytest.raises(RunFolderError, match="gamefleet sync pull"):
        play(package_of("chain"), plan, deadline=Deadline(max_runtime_s=1), progress=Silence())


def test_two_machines_with_one_name_are_told_apart(fleet: tuple[SharedStore, RunConfig], tmp_path: Path) -> None:
    store, _ = fleet
    facts = store.facts()
    assert facts is not None
    Membership(store, facts, "laptop", folder=tmp_path / "one", host="alpha").leave()

    with pytest.raises(ConfigError, match=r"Another machine \(alpha\).*--user-id laptop-2"):
        Membership(store, facts, "laptop", folder=tmp_path / "two", host="beta")
    Membership(store, facts, "laptop", folder=tmp_path / "one", host="alpha").leave()


def test_a_second_process_of_one_machine_is_refused_while_the_first_one_plays(
    fleet: tuple[SharedStore, RunConfig], tmp_path: Path, members: list[subprocess.Popen[str]]
) -> None:
    store, _ = fleet
    facts = store.facts()
    assert facts is not None
    Membership(store, facts, "laptop", folder=tmp_path / "state", host="alpha")
    members.append(subprocess.Popen(["sleep", "60"], text=True))
    (record,) = (tmp_path / "state").iterdir()
    started = psutil.Process(members[0].pid).create_time()
    write_json(record, {**read_json(record), "pid": members[0].pid, "pid_started": started})

    with pytest.raises(RunFolderError, match=f"Process {members[0].pid} .*--user-id laptop-2"):
        Membership(store, facts, "laptop", folder=tmp_path / "state", host="alpha")
    members[0].kill()
    members[0].wait()
    Membership(store, facts, "laptop", folder=tmp_path / "state", host="alpha")


def test_each_start_of_each_member_plays_with_random_numbers_of_its_own(
    fleet: tuple[SharedStore, RunConfig], tmp_path: Path
) -> None:
    store, _ = fleet
    played = []
    for member in ("alpha", "alpha", "beta"):
        with opened(package_of("chain"), plan_of(store, tmp_path, member=member)) as actors:
            actors.turn()
            played.append(actors.player.actor.policy.export_state()["rng"]["state"]["state"])

    assert len(set(played)) == 3


def test_a_member_is_told_when_the_learners_refuse_it(fleet: tuple[SharedStore, RunConfig], tmp_path: Path) -> None:
    store, _ = fleet
    write_json(store.paths.experience_quarantine("laptop"), {"reason": "Step 3: reward is 9, the game pays 0."})

    with opened(package_of("chain"), plan_of(store, tmp_path)) as actors:
        lines = actors.turn()

    assert any("refuse what this machine plays: Step 3" in line for line in lines)


def test_a_version_that_is_merged_meanwhile_is_played_with(
    fleet: tuple[SharedStore, RunConfig], tmp_path: Path
) -> None:
    store, _ = fleet
    learner = Member(
        SharedStore(SharedPaths(store.paths.root), clock=lambda: 0.0), member=LEARNER, settings=MergeSettings()
    )
    facts = store.facts()
    assert facts is not None
    content = store.content(0)
    learner.join(content, facts)
    with opened(package_of("chain"), plan_of(store, tmp_path)) as actors:
        actors.turn()
        assert actors.player.version == 0
        learned = replace(content, arrays={name: array + 1 for name, array in content.arrays.items()})
        learner.sync(learned, step=10, samples=10, updates=1)
        actors._looked_at = -float("inf")
        actors.turn()

        assert actors.player.version == 1
        weights = actors.player.actor.policy.export_state()["weights"]
    assert weights
    for name, array in weights.items():
        np.testing.assert_array_equal(array, learned.arrays[f"{NETWORK}{name}"])
