"""How much of its time a chain has used, and what its next job asks for.

Job: count the time of legs, and cut the last job to what is left. Place in the data flow: a fleet's requests and each
leg ask. Left out: the limit of a single job, which is the partition's.

A job that was killed could not write down when it ended: its last sign of life counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from gamefleet.cluster.fleet_paths import ChainPaths
from gamefleet.cluster.jobs import Resources
from gamefleet.files import read_json

LEAST_S = 60.0
"""SLURM counts whole minutes."""

WORTH_SHARE, WORTH_S = 0.1, 600.0
"""A rest below this share of the budget and below this time is no job's worth: jobs save before their limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Time that the legs of a chain may take together.

    Args:
        total_s: Seconds; 0 for no limit.
        since: Legs count from here, seconds since 1970.
    """

    total_s: float = 0.0
    since: float = 0.0

    def is_spent(self, left_s: float) -> bool:
        """Whether what is left is no job's worth."""
        return self.total_s > 0 and left_s < min(WORTH_S, WORTH_SHARE * self.total_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """When a leg worked, seconds since 1970.

    Args:
        began: From.
        ended: Until; None while it may be at work.
    """

    began: float
    ended: float | None


def left_s(chain: ChainPaths, budget: Budget, *, now: float) -> float:
    """Seconds that a chain may still work; infinite without a limit."""
    if not budget.total_s:
        return float("inf")
    return budget.total_s - sum(
        max(0.0, (now if span.ended is None else span.ended) - max(span.began, budget.since)) for span in spans(chain)
    )


def next_limit_s(chain: ChainPaths, budget: Budget, limit_s: float, *, now: float) -> float:
    """The time limit of a chain's next job.

    A leg that is at work is expected to use all of its time. Where nothing would be left then, the next job is a spare
    that is needed only if the leg is lost: it asks for what would be left if that happened now.

    Args:
        chain: Which.
        budget: Of the chain.
        limit_s: Of a whole job.
        now: Seconds since 1970.
    """
    if not budget.total_s:
        return limit_s
    left = left_s(chain, budget, now=now)
    running = next((span for span in spans(chain) if span.ended is None), None)
    if running is not None:
        rest = left - max(0.0, limit_s - (now - running.began))
        left = left if budget.is_spent(rest) else rest
    return min(limit_s, max(LEAST_S, left))


def with_limit(resources: Resources, limit_s: float) -> Resources:
    """The same for a job of another length; a short one is told after half of its time."""
    limit = round(limit_s)
    return replace(resources, time_limit_s=limit, signal_s=min(resources.signal_s, limit // 2))


def spans(chain: ChainPaths) -> Iterator[Span]:
    """When each leg worked; one that never said that it began is left out."""
    numbers = chain.numbers(chain.legs)
    for number in numbers:
        folder = chain.leg(number)
        began, ended = moment(folder / "leg.json", "began_at"), moment(folder / "end.json", "ended_at")
        if began is None:
            continue
        if ended is None and number != numbers[-1]:
            ended = began
            with suppress(OSError):
                ended = max(began, (folder / "alive").stat().st_mtime)
        yield Span(began=began, ended=ended)


def moment(path: Path, name: str) -> float | None:
    """A moment in a record; None while the record is not there or not whole."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return float(read_json(path)[name])
    return None
