"""Syncing again and again: when the next cycle is due, and what is worth a line.

Job: the rhythm of a continuous sync. Place in the data flow: `cli.sync` passes in one cycle of `copying` and a clock,
and prints the lines. Left out: the cycle itself.

All of it but `cycles` is pure. The clock is the one on the wall: it goes on while a laptop sleeps, so that the first
cycle after waking is due at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from gamefleet.cluster.sync.rsync import HOPELESS, SyncError

LONGEST_WAIT_S = 300.0
SHORTEST_RETRY_S = 1.0
SLICE_S = 5.0
"""A wait is taken in pieces, so that a laptop that wakes up does not sit out the rest of a long one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """When the next cycle is due.

    Args:
        interval_s: From start to start; 0 syncs once.
        due_at: Seconds since 1970.
        failures: In a row, up to now.
        skipped: Cycles that were left out, because the one before took longer than the interval.
    """

    interval_s: float
    due_at: float = 0.0
    failures: int = 0
    skipped: int = 0


def after_success(pace: Pace, *, began: float, ended: float) -> Pace:
    """The next multiple of the interval that is not over yet; what was missed is left out, not caught up."""
    missed = max(0, math.ceil((ended - began) / pace.interval_s) - 1) if pace.interval_s else 0
    due_at = began + (missed + 1) * pace.interval_s
    return replace(pace, due_at=due_at, failures=0, skipped=pace.skipped + missed)


def after_failure(pace: Pace, *, ended: float, chance: float) -> Pace:
    """Twice as long as before, at most five minutes; by chance up to half less, so that many do not come at once.

    Args:
        pace: Before.
        ended: Seconds since 1970.
        chance: In [0, 1).
    """
    longest = max(LONGEST_WAIT_S, pace.interval_s)
    first = max(SHORTEST_RETRY_S, pace.interval_s)
    delay_s = min(longest, first * 2.0 ** min(pace.failures, 30)) * (1.0 - chance / 2)
    return replace(pace, due_at=ended + delay_s, failures=pace.failures + 1)


def wait_s(pace: Pace, now: float) -> float:
    """Seconds until the next cycle; never longer than a wait can be, should the clock have been set back."""
    return min(max(0.0, pace.due_at - now), max(LONGEST_WAIT_S, pace.interval_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one cycle came to.

    Args:
        at: When it ended, in seconds since 1970.
        seconds: How long it took.
        fault: Why it failed; None when it did not.
        skipped: Cycles left out so far.
    """

    at: float
    seconds: float
    fault: SyncError | None
    skipped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """What was said so far.

    Args:
        state: `""` before the first cycle, then `ok` or a kind of failure.
        since: When this state began.
        is_slow_told: Whether it was said that cycles take longer than the interval.
    """

    state: str = ""
    since: float = 0.0
    is_slow_told: bool = False


def tell(journal: Journal, outcome: Outcome) -> tuple[Journal, str]:
    """The next journal, and a line where something changed; an empty one otherwise."""
    state = outcome.fault.kind if outcome.fault else "ok"
    if state != journal.state:
        return replace(journal, state=state, since=outcome.at), line_of(journal, outcome)
    if state == "ok" and outcome.skipped and not journal.is_slow_told:
        line = f"one cycle takes {outcome.seconds:.1f} s, longer than the interval: cycles that are late are left out"
        return replace(journal, is_slow_told=True), line
    return journal, ""


def line_of(journal: Journal, outcome: Outcome) -> str:
    """What a change of state is worth telling."""
    if outcome.fault is not None:
        return f"{outcome.fault} Trying again, at least every {LONGEST_WAIT_S / 60:.0f} minutes."
    if not journal.state:
        return f"in sync; the first cycle took {outcome.seconds:.1f} s"
    return f"in sync again, after {outcome.at - journal.since:.0f} s"


def cycles(
    once: Callable[[], None],
    pace: Pace,
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    chance: Callable[[], float],
) -> Iterator[Outcome]:
    """Sync, wait, sync again.

    Args:
        once: One cycle; raises `SyncError`.
        pace: With the interval; 0 syncs once.
        clock: Seconds since 1970.
        sleep: Waits some seconds.
        chance: A number in [0, 1).

    Yields:
        What each cycle came to.

    Raises:
        SyncError: The only cycle failed, or one failed in a way that no waiting mends.
    """
    while True:
        began = clock()
        fault = attempt(once, is_only=pace.interval_s == 0)
        now = clock()
        if fault is None:
            pace = after_success(pace, began=min(began, now), ended=now)
        else:
            pace = after_failure(pace, ended=now, chance=chance())
        yield Outcome(at=now, seconds=max(0.0, now - began), fault=fault, skipped=pace.skipped)
        if pace.interval_s == 0:
            return
        while (rest_s := wait_s(pace, clock())) > 0:
            sleep(min(rest_s, SLICE_S))


def attempt(once: Callable[[], None], *, is_only: bool) -> SyncError | None:
    """Sync once; returns a failure that may be gone the next time.

    Raises:
        SyncError: There is no next time, or waiting mends nothing.
    """
    try:
        once()
    except SyncError as error:
        if is_only or error.kind in HOPELESS:
            raise
        return error
    return None
