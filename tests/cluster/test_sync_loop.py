"""The rhythm of a continuous sync, on a clock that does not run by itself."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamefleet.cluster.sync.loop import (
    LONGEST_WAIT_S,
    Journal,
    Outcome,
    Pace,
    after_failure,
    after_success,
    cycles,
    tell,
    wait_s,
)
from gamefleet.cluster.sync.rsync import SyncError

CUT = SyncError("cut", "The connection to cluster was cut", remedy="It goes on there.")


class World:
    """A clock, and cycles that take a given time and end in a given way.

    Args:
        script: (seconds, error or None) for each cycle.
        asleep: Seconds that the machine sleeps, by number of the wait in which it does.
    """

    def __init__(
        self, script: Sequence[tuple[float, SyncError | None]], asleep: dict[int, float] | None = None
    ) -> None:
        self.now, self.begun, self.waits = 1000.0, [], 0  # type: ignore[var-annotated]
        self._script, self._asleep = list(script), dict(asleep or {})

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds + self._asleep.pop(self.waits, 0.0)
        self.waits += 1

    def once(self) -> None:
        self.begun.append(self.now - 1000.0)
        seconds, error = self._script.pop(0)
        self.now += seconds
        if error:
            raise error

    def outcomes(self, interval_s: float, count: int) -> list[Outcome]:
        loop = cycles(self.once, Pace(interval_s=interval_s), clock=self.clock, sleep=self.sleep, chance=lambda: 0.0)
        return list(islice(loop, count))


def test_without_an_interval_it_syncs_once() -> None:
    world = World([(2.0, None)])
    assert len(world.outcomes(0.0, 9)) == 1
    assert world.waits == 0


def test_cycles_start_at_multiples_of_the_interval() -> None:
    world = World([(1.0, None)] * 4)
    world.outcomes(5.0, 4)
    assert world.begun == [0.0, 5.0, 10.0, 15.0]


def test_a_cycle_that_takes_too_long_has_the_next_ones_left_out_not_queued() -> None:
    world = World([(1.0, None), (12.0, None), (1.0, None), (1.0, None)])
    outcomes = world.outcomes(5.0, 4)
    assert world.begun == [0.0, 5.0, 20.0, 25.0]
    assert [outcome.skipped for outcome in outcomes] == [0, 2, 2, 2]


def test_failures_wait_twice_as_long_each_time_at_most_five_minutes_and_success_forgets_them() -> None:
    world = World([(0.0, CUT)] * 9 + [(0.0, None)] * 2)
    world.outcomes(5.0, 11)
    gaps = [later - earlier for earlier, later in zip(world.begun, world.begun[1:], strict=False)]
    assert gaps == [5, 10, 20, 40, 80, 160, 300, 300, 300, 5]


@given(st.integers(0, 2000), st.floats(0, 1, exclude_max=True), st.floats(0.1, 86400))
def test_a_wait_is_never_longer_than_five_minutes_or_the_interval(
    failures: int, chance: float, interval: float
) -> None:
    pace = after_failure(Pace(interval_s=interval, failures=failures), ended=0.0, chance=chance)
    assert 0.0 < wait_s(pace, 0.0) <= max(LONGEST_WAIT_S, interval)


def test_by_chance_a_wait_is_up_to_half_shorter() -> None:
    pace = Pace(interval_s=8.0)
    assert [after_failure(pace, ended=0.0, chance=chance).due_at for chance in (0.0, 0.5, 1.0)] == [8.0, 6.0, 4.0]


def test_a_laptop_that_wakes_up_syncs_at_once() -> None:
    world = World([(0.0, CUT)] * 7 + [(0.0, None)], asleep={70: 36000.0})
    world.outcomes(5.0, 8)
    assert world.begun[-1] - world.begun[-2] >= 36000.0
    assert world.begun[-1] - world.begun[-2] < 36000.0 + LONGEST_WAIT_S


def test_a_clock_that_is_set_back_stops_nothing() -> None:
    pace = after_success(Pace(interval_s=5.0), began=1e9, ended=1e9 + 1)
    assert wait_s(pace, 1.0) <= LONGEST_WAIT_S


@pytest.mark.parametrize("kind", ["rsync-here", "taken"])
def test_what_no_waiting_mends_ends_the_loop(kind: str) -> None:
    error = SyncError(kind, "x")  # type: ignore[arg-type]
    with pytest.raises(SyncError):
        World([(0.0, None), (0.0, error)]).outcomes(5.0, 3)


def test_the_only_cycle_s_failure_is_raised() -> None:
    with pytest.raises(SyncError, match="was cut"):
        World([(0.0, CUT)]).outcomes(0.0, 1)


def lines(outcomes: Sequence[Outcome]) -> list[str]:
    journal, told = Journal(), []
    for outcome in outcomes:
        journal, line = tell(journal, outcome)
        told.append(line)
    return told


def test_only_changes_are_told() -> None:
    full = SyncError("disk-there", "The disk is full")
    world = World([(1.0, None)] * 3 + [(1.0, CUT)] * 2 + [(1.0, full), (1.0, None), (1.0, None)])
    told = lines(world.outcomes(5.0, 8))
    assert [bool(line) for line in told] == [True, False, False, True, False, True, True, False]
    assert told[0] == "in sync; the first cycle took 1.0 s"
    assert "was cut" in told[3]
    assert told[6].startswith("in sync again, after")


def test_that_cycles_are_slow_is_told_once() -> None:
    told = lines(World([(1.0, None), (7.0, None), (7.0, None)]).outcomes(5.0, 3))
    assert [("left out" in line) for line in told] == [False, True, False]
