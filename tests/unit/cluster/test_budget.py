"""Time that a chain of jobs may take together, from records as legs write them."""

import json
import os
from pathlib import Path

import pytest

from gamefleet.cluster.budget import Budget, left_s, next_limit_s, with_limit
from gamefleet.cluster.fleet_paths import ChainPaths
from gamefleet.cluster.jobs import Resources

HOUR = 3600.0
SIX = Budget(total_s=6 * HOUR, since=1000.0)


@pytest.fixture
def chain(tmp_path: Path) -> ChainPaths:
    return ChainPaths(tmp_path / "m0")


def leg(chain: ChainPaths, number: int, began: float, ended: float | None = None, alive: float | None = None) -> None:
    folder = chain.leg(number)
    folder.mkdir(parents=True)
    (folder / "leg.json").write_text(json.dumps({"began_at": began}))
    if ended is not None:
        (folder / "end.json").write_text(json.dumps({"ended_at": ended}))
    if alive is not None:
        (folder / "alive").touch()
        os.utime(folder / "alive", (alive, alive))


def test_without_a_budget_every_job_takes_the_whole_limit(chain: ChainPaths) -> None:
    assert left_s(chain, Budget(), now=0.0) == float("inf")
    assert next_limit_s(chain, Budget(), 4 * HOUR, now=0.0) == 4 * HOUR
    assert not Budget().is_spent(0.0)


def test_the_first_of_two_jobs_takes_the_whole_limit_and_the_second_what_is_left(chain: ChainPaths) -> None:
    assert next_limit_s(chain, SIX, 4 * HOUR, now=1000.0) == 4 * HOUR
    leg(chain, 1, began=1000.0)
    assert next_limit_s(chain, SIX, 4 * HOUR, now=1060.0) == 2 * HOUR


def test_a_job_behind_the_last_one_is_a_spare_with_what_a_loss_now_would_leave(chain: ChainPaths) -> None:
    leg(chain, 1, began=1000.0)
    budget = Budget(total_s=2 * HOUR, since=1000.0)

    assert next_limit_s(chain, budget, 2 * HOUR, now=1000.0 + HOUR) == HOUR


def test_a_leg_that_was_killed_counts_until_its_last_sign_of_life(chain: ChainPaths) -> None:
    leg(chain, 1, began=1000.0, alive=1000.0 + HOUR)
    leg(chain, 2, began=1000.0 + 5 * HOUR, ended=1000.0 + 6 * HOUR)

    assert left_s(chain, SIX, now=1000.0 + 9 * HOUR) == 4 * HOUR


def test_what_was_used_before_a_later_start_does_not_count(chain: ChainPaths) -> None:
    leg(chain, 1, began=1000.0, ended=1000.0 + 6 * HOUR)

    assert SIX.is_spent(left_s(chain, SIX, now=1e6))
    again = Budget(total_s=6 * HOUR, since=1000.0 + 6 * HOUR)
    assert left_s(chain, again, now=1e6) == 6 * HOUR


def test_the_minutes_that_a_job_keeps_for_saving_are_not_worth_another_job() -> None:
    assert SIX.is_spent(500.0)
    assert not SIX.is_spent(700.0)
    assert not Budget(total_s=60.0).is_spent(10.0)


def test_a_record_that_is_not_whole_yet_is_passed_over(chain: ChainPaths) -> None:
    chain.leg(1).mkdir(parents=True)
    (chain.leg(1) / "leg.json").write_text("{")

    assert left_s(chain, SIX, now=5000.0) == 6 * HOUR


def test_a_short_job_is_told_after_half_of_its_time() -> None:
    short = with_limit(Resources(time_limit_s=14_400, signal_s=180), 120.0)

    assert (short.time_limit_s, short.signal_s) == (120, 60)
