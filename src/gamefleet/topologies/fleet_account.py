"""The account of a chain: legs, what they played, what was kept, and what each hand-over cost.

Job: join what the jobs wrote down (`cluster.account`) with what the run wrote down (its events and metrics). Place in
the data flow: run folders in, rows for `gamefleet fleet status --legs` and the rehearsal out. Left out: printing.

A hand-over lasts from the last round of one leg to the first round of the next. The scheduler's share is from the end
of the one job's work to the first line of the next job's script; the rest is ours: saving, ending, starting, loading.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import Any

from gamefleet.cluster.account import LegAccount, read_legs
from gamefleet.cluster.fleet_paths import ChainPaths
from gamefleet.runs.events import read_events
from gamefleet.runs.lines import read_lines
from gamefleet.runs.paths import RunPaths

WRITER = "train"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What one attempt of the run, inside one leg, wrote down.

    Args:
        attempt: Its number.
        resumed_step: Step of the checkpoint from which it went on, -1 for a start from nothing.
        saved_step: Step of its last checkpoint, -1 when it saved nothing.
        seen_step: Highest step that it wrote down anywhere.
        reason: Why it ended, in words; empty when it could not say.
        began_training_at: Beginning of its first round, seconds since 1970; 0 while none is done.
        trained_until: End of its last round, seconds since 1970; 0 when it could not say.
        trained_s: Spent on rounds, in seconds, as far as it could say.
        milestones: Reached for the first time in the run.
    """

    attempt: int
    resumed_step: int
    saved_step: int
    seen_step: int
    reason: str
    began_training_at: float
    trained_until: float
    trained_s: float
    milestones: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """From one leg to the next.

    Args:
        gap_s: From the last round of one to the first round of the other; None when a leg could not say.
        ours_s: The part of it that is not the scheduler's.
        lost_steps: Saved by the one and not known to the other; anything but 0 is a defect.
        repeated_steps: Played after the last save of a leg that was killed, and played again.
    """

    gap_s: float | None
    ours_s: float | None
    lost_steps: int
    repeated_steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LegRow:
    """One leg with what it played, and the hand-over to the next."""

    leg: LegAccount
    stretch: Stretch | None
    handover: Handover | None


def chain_account(chain: ChainPaths, run_folder: Path) -> list[LegRow]:
    """Every leg of a chain, oldest first."""
    legs = read_legs(chain)
    stretches = read_stretches(RunPaths(run_folder))
    handovers = [
        handover(one, other, stretches.get(one.number), stretches.get(other.number)) for one, other in pairwise(legs)
    ]
    return [
        LegRow(leg=leg, stretch=stretches.get(leg.number), handover=after)
        for leg, after in zip_longest(legs, handovers)
    ]


def read_stretches(paths: RunPaths) -> dict[int, Stretch]:
    """What the run wrote down, by leg."""
    by_attempt: dict[int, list[dict[str, Any]]] = {}
    for row in read_events(paths.events(WRITER)).rows:
        by_attempt.setdefault(int(row.get("attempt") or 0), []).append(row)
    seen = highest_steps(read_lines(paths.metrics(WRITER)).rows)
    found = {}
    for attempt, rows in sorted(by_attempt.items()):
        started = next((row for row in rows if row["kind"] == "attempt_started"), None)
        if started is not None and "leg" in started:
            found[int(started["leg"])] = stretch(attempt, started, rows, seen.get(attempt, -1))
    return found


def highest_steps(rows: Iterable[Mapping[str, Any]]) -> dict[int, int]:
    """Attempt -> the highest step in its metrics."""
    found: dict[int, int] = {}
    for row in rows:
        if "step" in row:
            attempt = int(row["attempt"])
            found[attempt] = max(found.get(attempt, -1), int(row["step"]))
    return found


def stretch(attempt: int, started: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], seen_step: int) -> Stretch:
    """One attempt's events as facts."""
    saves = [row for row in rows if row["kind"] == "checkpoint_saved"]
    ended = next((row for row in rows if row["kind"] == "attempt_ended"), {})
    began = next((row for row in rows if row["kind"] == "training_began"), {})
    steps = [int(row["step"]) for row in rows if row.get("step") is not None]
    last_save = saves[-1] if saves else {}
    return Stretch(
        attempt=attempt,
        resumed_step=int(started["resumed_step"]),
        saved_step=int(last_save.get("step", -1)),
        seen_step=max([seen_step, *steps]),
        reason=str(ended.get("reason", "")),
        began_training_at=float(began.get("first_round_at") or began.get("time", 0.0)),
        trained_until=float(ended.get("last_round_at") or 0.0),
        trained_s=float(ended.get("trained_s") or last_save.get("trained_s") or 0.0),
        milestones=tuple(str(row["milestone"]) for row in rows if row["kind"] == "milestone_reached"),
    )


def handover(one: LegAccount, other: LegAccount, before: Stretch | None, after: Stretch | None) -> Handover | None:
    """The way from one leg to the next; None while the next has not begun, or when the leg did not train."""
    if before is None or after is None:
        return None
    saved = max(before.saved_step, before.resumed_step)
    gap_s = ours_s = None
    if before.trained_until and after.began_training_at:
        gap_s = after.began_training_at - before.trained_until
        if one.ended_at and other.script_started_at:
            ours_s = gap_s - (other.script_started_at - one.ended_at)
    return Handover(
        gap_s=gap_s,
        ours_s=ours_s,
        lost_steps=max(0, saved - after.resumed_step),
        repeated_steps=max(0, before.seen_step - after.resumed_step),
    )
