"""The gate takes a merged version back when it plays much worse than those before it, and only then."""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import until

from gamefleet.errors import GamefleetError
from gamefleet.files import create_once
from gamefleet.games import open_game
from gamefleet.models.arrays import module_arrays
from gamefleet.topologies.build import compatibility, make_network
from gamefleet.topologies.config import make_config
from gamefleet.topologies.shared_folder.gate import (
    Gate,
    GateVerdict,
    evaluate_version,
    judged,
    read_verdict,
    read_verdicts,
    standing_refusal,
)
from gamefleet.topologies.shared_folder.settings import GateSettings
from gamefleet.weights.content import NETWORK, Content
from gamefleet.weights.garbage import collect
from gamefleet.weights.manifests import Blob, SharedFacts, Version
from gamefleet.weights.settings import MergeSettings
from gamefleet.weights.shared_paths import SharedPaths
from gamefleet.weights.store import SharedStore

SETTINGS = GateSettings(episodes=2, max_episode_steps=20, max_drop=0.5, least_verdicts=3)
GAME: dict[str, Any] = {
    "game": {"max_episode_steps": 60},
    "network": {"hidden_size": 8, "head_size": 4, "encoder": {"features": 8}},
    "curiosity": {"enabled": False},
    "run": {"name": "red1", "device": "cpu"},
}


def accepted(*means: float) -> list[GateVerdict]:
    return [GateVerdict(version=10 * (i + 1), mean_return=mean, returns=(mean,)) for i, mean in enumerate(means)]


def test_the_first_versions_are_accepted_whatever_they_reach() -> None:
    assert judged(30, [-100.0], accepted(10.0, 10.0), SETTINGS).reason == ""


def test_a_version_that_loses_more_than_its_share_is_refused_and_the_last_good_one_is_named() -> None:
    verdict = judged(40, [4.0, 5.0], accepted(10.0, 9.0, 11.0), SETTINGS)

    assert verdict.good_version == 30
    assert verdict.reason == "mean return 4.5 where versions before it reached 10"


@pytest.mark.parametrize("returns", [[5.0], [12.0], [7.0, 5.0]])
def test_smaller_losses_are_noise(returns: list[float]) -> None:
    assert judged(40, returns, accepted(10.0, 9.0, 11.0), SETTINGS).reason == ""


def test_negative_returns_are_compared_by_their_size_too() -> None:
    assert judged(40, [-14.0], accepted(-10.0, -10.0, -10.0), SETTINGS).reason == ""
    assert judged(40, [-16.0], accepted(-10.0, -10.0, -10.0), SETTINGS).reason


def test_refused_versions_are_no_measure_for_later_ones() -> None:
    before = [*accepted(10.0, 10.0, 10.0), GateVerdict(version=40, mean_return=1.0, returns=(1.0,), reason="worse")]

    assert judged(50, [1.0], before, SETTINGS).good_version == 30


def shared(folder: Path) -> SharedStore:
    """A fleet at version 0 that plays the cartridge."""
    package = open_game("pokemon_red")
    config = make_config(package, GAME)
    spec = package.make_spec(config.game)
    network = make_network(package, spec, config)
    arrays = {NETWORK + name: array for name, array in module_arrays(network).items()}
    resolved = config.resolved()
    facts = SharedFacts(
        fleet="red1",
        game_name=package.name,
        settings={name: resolved[name] for name in resolved if name not in ("run", "trackers", "collaboration")},
        compatibility=compatibility(package, spec, config).as_json(),
        seed=0,
    )
    store = SharedStore(SharedPaths(folder), clock=time.time)
    store.begin(facts, Content(arrays=arrays))
    return store


def test_a_version_plays_the_fixed_seeds_the_same_way_each_time(tmp_path: Path) -> None:
    paths = shared(tmp_path).paths

    first, again = evaluate_version(paths, 0, SETTINGS), evaluate_version(paths, 0, SETTINGS)

    assert first == again
    assert len(first.returns) == 2


def test_a_version_that_is_gone_cannot_be_evaluated(tmp_path: Path) -> None:
    with pytest.raises(GamefleetError, match="not in the shared folder"):
        evaluate_version(shared(tmp_path).paths, 7, SETTINGS)


@pytest.mark.long
def test_the_gate_evaluates_one_version_at_a_time_in_a_process_of_its_own(tmp_path: Path) -> None:
    store = shared(tmp_path / "shared")
    manifest = store.paths.version(0)
    blob = next(store.paths.merged.glob("000000-*"))
    manifest.with_name("000010.json").write_text(
        json.dumps({**json.loads(manifest.read_text()), "version": 10, "kind": "merge"})
    )
    assert blob.exists()
    gate = Gate(store.paths, GateSettings(every_versions=10, episodes=2, max_episode_steps=20), log=tmp_path / "log")
    gate.offer(9)
    assert not gate.is_busy(), "it is not the turn of version 9"
    gate.offer(10)
    gate.offer(20)  # one at a time
    until(lambda: not gate.is_busy(), (tmp_path / "log").read_text)
    verdict = read_verdict(store.paths, 10)
    assert verdict is not None, (tmp_path / "log").read_text()
    assert verdict.version == 10
    assert read_verdict(store.paths, 20) is None
    gate.close()


def test_a_refusal_stands_until_the_fleet_has_gone_back(tmp_path: Path) -> None:
    paths = SharedPaths(tmp_path)
    paths.verdicts.mkdir(parents=True)
    bad = GateVerdict(version=20, mean_return=0.0, returns=(0.0,), reason="worse", good_version=10)
    create_once(paths.verdict(20), asdict(bad))

    def head(number: int, **facts: Any) -> Version:
        blob = Blob(name="", size_bytes=0, xxh3="")
        return Version(version=number, lineage="", parent=number - 1, kind="merge", rule={}, blob=blob, **facts)

    assert standing_refusal(paths, head(15)) is None, "it is of a version that this folder does not have yet"
    assert standing_refusal(paths, head(25)) == bad
    assert standing_refusal(paths, head(30, rolled_back=[19, 20, 21])) is None
    create_once(paths.verdict(30), asdict(accepted(3.0)[0]))
    assert standing_refusal(paths, head(35)) is None, "a later version was found good"


def test_what_the_evaluation_has_to_say_is_in_its_log(tmp_path: Path) -> None:
    gate = [sys.executable, "-m", "gamefleet.topologies.shared_folder.gate"]
    words = [*gate, str(tmp_path), "3", json.dumps(asdict(SETTINGS))]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)

    assert done.returncode == 1
    assert "There is no fleet in this shared folder" in done.stderr


def test_damaged_verdicts_are_ignored(tmp_path: Path) -> None:
    paths = SharedPaths(tmp_path)
    paths.verdicts.mkdir(parents=True)
    create_once(paths.verdict(10), asdict(accepted(3.0)[0]))
    paths.verdict(20).write_text('{"version": 20')
    paths.verdict(30).write_text('{"version": 30, "unknown": 1}')

    assert [verdict.version for verdict in read_verdicts(paths, 40)] == [10]


def test_versions_that_were_evaluated_last_are_kept_to_go_back_to(tmp_path: Path) -> None:
    store = shared(tmp_path)
    first = json.loads(store.paths.version(0).read_text())
    for number in range(1, 40):
        store.paths.version(number).write_text(json.dumps({**first, "version": number, "kind": "merge"}))
    for number in (10, 20):
        create_once(store.paths.verdict(number), {"version": number})
    for path in store.paths.merged.glob("*.json"):
        os.utime(path, (1, 1))

    collect(store.paths, "m0", MergeSettings(keep_versions=3), now=time.time(), is_home=True)

    kept = sorted(int(path.stem) for path in store.paths.merged.glob("*.json"))
    assert kept == [10, 20, 37, 38, 39]
