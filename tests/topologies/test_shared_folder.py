"""Members that share a folder: one equals a run alone, several share what they learn, trouble stops nobody."""

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import PATIENCE_S

from gamefleet.errors import IncompatibleError
from gamefleet.files import create_once
from gamefleet.games import open_game
from gamefleet.games.base import GamePackage
from gamefleet.learners.sharing import shared_content
from gamefleet.topologies.build import build_solo
from gamefleet.topologies.config import make_config, merge
from gamefleet.topologies.restoring import checkpoint_parts
from gamefleet.topologies.shared_folder.gate import GateVerdict
from gamefleet.topologies.shared_folder.wiring import SharedFolder
from gamefleet.topologies.solo import News, Solo
from gamefleet.topologies.wiring import Wiring, built_wiring

SMALL: dict[str, Any] = {
    "game": {"max_episode_steps": 60},
    "network": {"hidden_size": 16, "head_size": 8, "encoder": {"features": 16}},
    "learner": {
        "batch_size": 4,
        "num_steps": 3,
        "learning_starts_steps": 60,
        "replay_ratio": 2.0,
        "target_update_interval_updates": 3,
    },
    "curiosity": {"enabled": True, "hidden_size": 16, "output_size": 8, "warm_up_steps": 20},
    "replay": {"capacity_steps": 1_000, "unroll": 8, "burn_in": 4},
    "actors": {"num_envs": 4, "num_workers": 0, "refresh_every_steps": 5},
    "curriculum": {"kind": "archive", "start_fraction": 0.3},
    "run": {"seed": 3, "device": "cpu", "name": "red1"},
    "collaboration": {"enabled": True, "sync_interval_updates": 3, "gate": {"every_versions": 0}},
}
NUM_ROUNDS = 16


@pytest.fixture(scope="module")
def package() -> GamePackage:
    return open_game("pokemon_red")


def settings(folder: Path, **sections: Any) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    merge(wanted, SMALL)
    merge(wanted, {"collaboration": {"shared_dir": str(folder / "shared"), "experience_capacity_steps": 1_000}})
    merge(wanted, sections)
    return wanted


@contextmanager
def member(package: GamePackage, folder: Path, name: str, **sections: Any) -> Iterator[SharedFolder]:
    run = {"name": name, "seed": 3 + len(name)}
    wanted = settings(folder, **{**sections, "run": {**run, **sections.get("run", {})}})
    with built_wiring(package, make_config(package, wanted), log_folder=folder) as wiring:
        assert isinstance(wiring, SharedFolder)
        yield wiring


def play(wirings: Sequence[SharedFolder], rounds: int) -> list[News]:
    """Let members take turns."""
    return [news for _ in range(rounds) for wiring in wirings for news in wiring.run_round().news]


def fingerprint(wiring: Wiring) -> str:
    """Everything that shapes the future, as text."""
    parts = checkpoint_parts(wiring)
    parts.pop("member", None)
    content = wiring.replay._content()
    return repr(flat({**parts, "replay": {**content.arrays, **content.tables}, "facts": dict(content.facts)}))


def flat(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {str(name): flat(value) for name, value in sorted(tree.items(), key=lambda item: str(item[0]))}
    return tree.tobytes() if hasattr(tree, "tobytes") else tree


@pytest.mark.long
def test_one_member_is_bit_identical_to_a_run_alone(package: GamePackage, tmp_path: Path) -> None:
    alone_settings = settings(tmp_path, collaboration={"enabled": False}, run={"seed": 7})
    with build_solo(package, make_config(package, alone_settings)) as alone:
        assert isinstance(alone, Solo)
        with member(package, tmp_path, "red1", run={"seed": 7}) as shared:
            for _ in range(NUM_ROUNDS):
                alone.run_round()
                shared.run_round()
                assert fingerprint(alone) == fingerprint(shared)
            assert shared.updates > 10
    assert len(list((tmp_path / "shared" / "merged").glob("*.safetensors"))) > 3, "it did contribute and merge"


@pytest.mark.long
def test_one_member_that_is_cut_goes_on_bit_by_bit(package: GamePackage, tmp_path: Path) -> None:
    with member(package, tmp_path / "uncut", "red1") as uncut:
        play([uncut], NUM_ROUNDS)
        expected = fingerprint(uncut)
    with member(package, tmp_path / "cut", "red1") as first:
        play([first], 11)
        state = first.export_state()
        saved = tmp_path / "replay"
        saved.mkdir()
        first.save_replay(saved, None)
    with member(package, tmp_path / "cut", "red1") as second:
        second.import_state(state)
        second.replay.load(saved)
        news = play([second], NUM_ROUNDS - 11)
        assert [one.kind for one in news] == ["member_joined"]
        assert fingerprint(second) == expected


def test_members_with_other_seeds_begin_with_the_same_weights_and_stay_together(
    package: GamePackage, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        members = [stack.enter_context(member(package, tmp_path, name)) for name in ("m0", "other-m1")]
        before = [shared_content(wiring.solo.learner) for wiring in members]
        assert not before[0].has_same_bits(before[1])
        play(members, 1)  # both have joined; nobody has learned yet
        assert shared_content(members[0].solo.learner).has_same_bits(shared_content(members[1].solo.learner))

        play(members, NUM_ROUNDS)

        versions = [wiring._parts.member.version for wiring in members]
        assert min(versions) > 2
        newest = json.loads((tmp_path / "shared" / "merged" / f"{max(versions):06d}.json").read_text())
        assert {"m0", "other-m1"} <= set(newest["totals"])
        assert all(total["samples"] > 0 and total["rejected"] == 0 for total in newest["totals"].values())


def test_a_member_restored_from_an_older_checkpoint_takes_over_what_the_fleet_has(
    package: GamePackage, tmp_path: Path
) -> None:
    with member(package, tmp_path, "m0") as first:
        play([first], 8)
        old = first.export_state()
        play([first], 8)
        version = first._parts.member.version
    with member(package, tmp_path, "m0") as again:
        again.import_state(old)
        play([again], 1)
        assert again._parts.member.version >= version


def test_a_shared_folder_that_vanishes_stops_nobody(package: GamePackage, tmp_path: Path) -> None:
    with member(package, tmp_path, "m0") as wiring:
        play([wiring], 8)
        (tmp_path / "shared").rename(tmp_path / "elsewhere")
        (tmp_path / "shared").write_text("a file where the folder was")

        news = play([wiring], 6)
        assert [one.kind for one in news] == ["sharing_failed"], "told once"
        assert "training goes on alone" in news[0].sentence

        (tmp_path / "shared").unlink()
        (tmp_path / "elsewhere").rename(tmp_path / "shared")
        news = play([wiring], 6)
        assert "sharing_again" in [one.kind for one in news]
        assert wiring.updates > 10


@pytest.mark.long
def test_a_version_that_the_gate_refuses_is_taken_back_by_all_members(package: GamePackage, tmp_path: Path) -> None:
    with ExitStack() as stack:
        one, two = (stack.enter_context(member(package, tmp_path, name)) for name in ("m0", "other-m1"))
        while one._parts.member.version < 4:
            play([one, two], 1)
        bad = one._parts.store.head()
        assert bad is not None
        refused = GateVerdict(version=bad.version, mean_return=0.0, returns=(0.0,), reason="worse", good_version=2)
        create_once(one._parts.store.paths.verdict(bad.version), asdict(refused))  # whoever wrote it was killed then

        news = play([one, two], 8)

        told = [item for item in news if item.kind == "version_refused"]
        assert len(told) == 1, "one of them goes back, for all"
        assert told[0].details == {"version": bad.version, "reason": "worse", "good_version": 2}
        versions = [one._parts.store.version(number) for number in range(bad.version + 1, bad.version + 4)]
        back = next(version for version in versions if version is not None and version.kind == "rollback")
        assert (back.parent, back.reason) == (2, "worse")
        assert one._parts.store.content(back.version).has_same_bits(one._parts.store.content(2))
        assert [one.kind for one in news].count("work_dropped") == 2, "both went back"
        assert one._parts.member.version > back.version, "and the fleet went on from there"


def test_trouble_with_experience_alone_is_told_once_and_not_taken_back_between_two_tries(
    package: GamePackage, tmp_path: Path
) -> None:
    reading = tmp_path / "shared" / "members" / "m0" / "reading.json"
    reading.mkdir(parents=True)  # where the learner wants to write how far it has read
    with member(package, tmp_path, "m0") as wiring:
        news = []
        ends_at = time.monotonic() + 2.5  # two tries and more
        while time.monotonic() < ends_at:
            news += play([wiring], 1)
        assert [one.kind for one in news if one.kind != "member_joined"] == ["sharing_failed"]

        reading.rmdir()
        ends_at = time.monotonic() + PATIENCE_S
        while "sharing_again" not in [one.kind for one in news] and time.monotonic() < ends_at:
            news += play([wiring], 1)
        assert [one.kind for one in news[-1:]] == ["sharing_again"]


def test_a_fleet_with_another_network_is_not_joined(package: GamePackage, tmp_path: Path) -> None:
    with member(package, tmp_path, "m0") as first:
        play([first], 1)
    other = {"network": {"hidden_size": 12}}
    with (
        member(package, tmp_path, "m1", **other) as second,
        pytest.raises(IncompatibleError, match=r"hidden_size: 12 here, 16 there"),
    ):
        play([second], 1)


@pytest.mark.long
def test_what_one_member_plays_another_learns_from_after_playing_it_again(package: GamePackage, tmp_path: Path) -> None:
    giver = {"collaboration": {"share_experience": True, "accept_experience": False, "chunk_steps": 20}}
    with ExitStack() as stack:
        one = stack.enter_context(member(package, tmp_path, "giver", **giver))
        two = stack.enter_context(member(package, tmp_path, "taker"))
        play([one, two], 25)
        rows = []
        for _ in range(400):
            rows.append(dict(two.run_round().sharing))
            if rows[-1]["shared/foreign_slots"] > 100:
                break
    assert rows[-1]["shared/foreign_slots"] > 100
    assert rows[-1]["shared/chunks_checked"] > 0
    assert rows[-1]["shared/chunks_refused"] == 0
    reading = json.loads((tmp_path / "shared" / "members" / "taker" / "reading.json").read_text())
    assert reading["giver"]


def test_a_run_that_was_alone_may_join_later(package: GamePackage, tmp_path: Path) -> None:
    alone_settings = settings(tmp_path, collaboration={"enabled": False})
    with build_solo(package, make_config(package, alone_settings)) as alone:
        for _ in range(8):
            alone.run_round()
        state = alone.export_state()
    with member(package, tmp_path, "m0") as wiring:
        wiring.import_state(state)
        play([wiring], 4)
        assert wiring._parts.member.version >= 0


@pytest.fixture(autouse=True)
def no_leftovers(tmp_path: Path) -> Iterator[None]:
    yield
    shutil.rmtree(tmp_path, ignore_errors=True)
