"""A run tells of what was played lately: one whole game as its panel describes it, and how the last games went."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gamefleet.actors.actor import Actor
from gamefleet.actors.curriculum import Beginning
from gamefleet.actors.policy import random_policy
from gamefleet.actors.vector import make_vector
from gamefleet.games.base import GamePackage
from gamefleet.games.hanabi import PACKAGE
from gamefleet.testing.toys.grid import PACKAGE as GRID
from gamefleet.topologies.config import make_config
from gamefleet.topologies.recent_play import MOST_BARS, RecentPlay, describers, distribution
from gamefleet.topologies.snapshot import WORDS, WORDS_INTERVAL_S, Snapshot

MINI = {"game": {"variant": "mini"}}


@pytest.fixture
def actor() -> Iterator[Actor]:
    config = make_config(PACKAGE, MINI)
    vector = make_vector(PACKAGE, config.game, num_envs=4, num_workers=0)
    actor = Actor(vector=vector, policy=random_policy(vector, seed=0), curriculum=Beginning(), seed=0)
    yield actor
    actor.close()


def test_a_game_that_has_just_ended_is_told_from_its_first_move_to_its_last(actor: Actor) -> None:
    recent = RecentPlay(actor, describers(make_config(PACKAGE, MINI)), wall=lambda: 7.0)
    actor.attach(recent)
    for _ in range(200):
        moment = actor.step()
        if moment.slots.is_last.any():
            break
    told = recent.tell()
    frames = told["panels"]["table"]["frames"]

    assert moment.slots.is_last[told["environment"]]
    assert (told["step"], told["time"]) == (actor.total_steps, 7.0)
    assert frames[0]["deck"] == 6
    assert frames[0]["move"] is None
    assert frames[-1]["is_over"]
    assert not any(frame["is_over"] for frame in frames[:-1])


def test_a_game_that_goes_on_is_told_as_far_as_it_went(actor: Actor) -> None:
    recent = RecentPlay(actor, describers(make_config(PACKAGE, MINI)))
    actor.attach(recent)
    for _ in range(2):
        actor.step()

    assert len(recent.tell()["panels"]["table"]["frames"]) == 2


def test_results_of_all_games_are_counted(actor: Actor) -> None:
    recent = RecentPlay(actor, {})
    actor.attach(recent)
    results = [(one.total_return, one.progress) for _ in range(100) for one in actor.step().episodes]
    told = recent.tell()

    assert "panels" not in told, "nobody describes these games"
    assert told["episodes"]["count"] == len(results) > 10
    for name, values in (("return", [r for r, _ in results]), ("progress", [p for _, p in results])):
        bars = told["episodes"][name]["bars"]
        assert {low: count for low, _, count in bars} == {value: values.count(value) for value in values}
        assert told["episodes"][name]["mean"] == pytest.approx(np.mean(values))


def test_many_different_values_are_told_in_bars_of_equal_width() -> None:
    values = [float(value) for value in np.random.default_rng(0).normal(size=500)]
    told = distribution([*values, float("nan"), float("inf")])

    assert len(told["bars"]) == MOST_BARS
    assert sum(count for _, _, count in told["bars"]) == 500
    assert (told["bars"][0][0], told["bars"][-1][1]) == (min(values), pytest.approx(max(values)))
    low, high, count = told["bars"][30]
    assert sum(low <= value < high for value in values) == count
    assert distribution([]) == {"mean": None, "bars": []}


def test_games_without_a_panel_that_describes_them_cost_no_memory(actor: Actor) -> None:
    def asked(package: GamePackage) -> list[str]:
        return list(describers(make_config(package, {})))

    assert asked(PACKAGE) == ["table"]
    assert asked(GRID) == []


def test_words_are_written_now_and_then_and_what_fails_is_logged(
    actor: Actor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now = 0.0
    snapshot = Snapshot(actor, RecentPlay(actor, describers(make_config(PACKAGE, MINI))), clock=lambda: now)
    actor.attach(snapshot)
    actor.step()
    snapshot.write(tmp_path)
    first = json.loads((tmp_path / WORDS).read_text())
    actor.step()
    snapshot.write(tmp_path)
    assert json.loads((tmp_path / WORDS).read_text()) == first, "it is not time yet"

    now = WORDS_INTERVAL_S
    snapshot.write(tmp_path)
    assert json.loads((tmp_path / WORDS).read_text())["step"] == 8

    now *= 2
    snapshot.write(tmp_path / "gone")
    assert "no account of what was played" in caplog.text
