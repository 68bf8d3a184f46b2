"""What is told of a run whose learner is on another machine follows what its coordinator wrote down."""

import time
from pathlib import Path

import pytest
from tests.watch.run_folders import make_run
from tests.watch.table_runs import WHERE, WHY, find, lose, pair_run

from gamefleet.files import write_json
from gamefleet.runs.paths import RunPaths
from gamefleet.watch.pairs import pair, where
from gamefleet.watch.run_account import now
from gamefleet.watch.run_view import RunView


def seen(paths: RunPaths) -> RunView:
    view = RunView(paths.name, paths)
    view.look()
    while view.read_on():
        pass
    return view


@pytest.fixture
def paths(tmp_path: Path) -> RunPaths:
    return pair_run(tmp_path / "split")


def test_a_run_that_learns_where_it_plays_has_no_pair(tmp_path: Path) -> None:
    assert pair(seen(make_run(tmp_path / "solo"))) is None


def test_both_machines_and_the_line_are_told(paths: RunPaths) -> None:
    told = pair(seen(paths))

    assert told is not None
    assert (told["state"], told["learner"]["status"]) == ("training", "at work")
    assert (told["coordinator"]["host"], told["coordinator"]["attempt"], told["coordinator"]["games"]) == (
        "cpu7",
        2,
        31,
    )
    assert (told["learner"]["idle_share"], told["learner"]["updates"]) == (0.031, 80.0)
    assert (told["line"]["sent_bytes"], told["line"]["paused_s"], told["line"]["losses"]) == (1.5e8, 12.5, 0)


def test_a_learner_that_is_lost_and_found_again_pauses_the_run_in_between(paths: RunPaths) -> None:
    lose(paths)
    away = seen(paths)
    told = pair(away)
    assert told is not None
    assert (told["learner"]["status"], told["learner"]["where"], told["learner"]["why"]) == ("out of reach", WHERE, WHY)
    assert now(away)["state"] == "paused"
    assert [alarm["level"] for alarm in now(away)["alarms"]][:1] == ["serious"]

    find(paths)
    back = pair(seen(paths))
    assert back is not None
    assert (back["state"], back["learner"]["status"], back["line"]["losses"]) == ("training", "at work", 1)


def test_what_an_earlier_attempt_waited_for_is_over(paths: RunPaths) -> None:
    lose(paths)
    holder = {"host": "cpu8", "machine": "another machine", "pid": 1, "started": "1"}
    write_json(paths.attempt(3), {"number": 3, "started_at": time.time(), "holder": holder})

    assert now(seen(paths))["state"] == "training"


def test_where_the_learner_is_follows_the_newest_attempt_then_the_settings(paths: RunPaths) -> None:
    lose(paths)
    write_json(paths.resolved, {"remote": {"gpu_host": "other.example.edu", "gpu_port": 7000}})
    assert where(seen(paths)) == WHERE

    write_json(paths.attempt(3), {"number": 3, "started_at": time.time(), "ended_at": time.time()})
    after = seen(paths)
    assert where(after) == "other.example.edu:7000"
    told = pair(after)
    assert told is not None
    assert told["learner"]["status"] == "not asked"
