"""A run, and a machine that only plays, take no more steps per second than their settings allow."""

from pathlib import Path

import pytest
from tests.topologies.fleet_of_toys import found_fleet, package_of
from tests.topologies.remote_pair import SMALL, settings_of, solo

from gamefleet.runs.events import read_events
from gamefleet.runs.paths import RunPaths
from gamefleet.topologies.actors_only.plan import ActorsPlan
from gamefleet.topologies.actors_only.wiring import opened

STEPS, PER_S = 240, 120.0
ROUND = SMALL["actors"]["num_envs"] * SMALL["actors"]["refresh_every_steps"]


def test_training_takes_the_time_that_its_steps_have_at_the_limit(tmp_path: Path) -> None:
    limits = {"run": {"total_steps": STEPS}, "actors": {"max_steps_per_s": PER_S}}
    outcome = solo(settings_of(tmp_path, "gentle", **limits))

    *_, ended = read_events(RunPaths(outcome.folder).events("train")).rows
    assert ended["step"] >= STEPS
    took_s = ended["last_round_at"] - ended["first_round_at"]
    assert took_s > (STEPS - 2 * ROUND) / PER_S, "all steps but those of the last round were waited for"


def test_a_member_that_only_plays_rests_between_rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, _ = found_fleet(tmp_path / "shared")
    own = {"actors": {"max_steps_per_s": 1}}
    plan = ActorsPlan(shared_dir=store.paths.root, member="laptop", state_folder=tmp_path / "state", own=own)
    with opened(package_of("chain"), plan) as actors:
        actors.turn()
        played = actors.player.actor.total_steps
        assert played > 1
        naps: list[float] = []
        monkeypatch.setattr(actors, "_sleep", naps.append)
        actors.turn()

    assert actors.player.actor.total_steps == played
    assert naps == [0.5], "it looks around twice a second, however long the rest is"
