"""How a skill's job ended, what that means, and how often it may happen.

Job: turn what the executor and the job's own result say into one typed report, and hold the budgets. Place in the data
flow: the loop reads a job's remains and calls `classify`; `advance` decides on the report. Left out: reading files.

Only an evaluated success counts as one. That a checkpoint exists, that the process ended with 0, that it says so
without having played an episode: none of these is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gamefleet.cluster.jobs import Ending

SUCCEEDED = "succeeded"

GOES_ON = ("stopped", "interrupted", "cancelled", "timeout", "preempted", "node_fail")
"""The attempt goes on from its checkpoint in another job; counted only while nothing newer was saved."""

DAMAGED_DEPENDENCY = "damaged_dependency"
"""A job could not read what a skill left that its own builds on; its result names that one as `damaged_skill`."""

DAMAGED_FILES = "damaged_files"
"""Why a skill that was completed is not any more: what it left cannot be read."""

BUDGETS: Mapping[str, int | None] = {
    "did_not_learn": None,
    "crashed": None,
    "out_of_memory": None,
    "damaged": None,
    "unproven": None,
    "stopped": 3,
    "timeout": 3,
    "cancelled": 3,
    "interrupted": 10,
    "preempted": 20,
    "node_fail": 10,
    "time_limit": 0,
    "invalid": 0,
    DAMAGED_DEPENDENCY: 0,
}
"""Kind -> how often it is forgiven; None is the user's `max_retries`."""

PAUSES: Mapping[str, float] = {"crashed": 1.0, "out_of_memory": 1.0, "interrupted": 0.2, "node_fail": 1.0}
"""Kind -> pause before the next job, in units of `Limits.pause_s`; doubled with every repetition."""

MOST_DOUBLINGS = 5

USELESS_TO_REPEAT = (2, 3)
"""Exit codes of this program for wrong settings and for what is not installed: the next attempt would say the same."""

OUT_OF_MEMORY = 7
"""This program's exit code when the accelerator's memory is full."""

MEMORY_WORDS = ("RESOURCE_EXHAUSTED", "OUT_OF_MEMORY", "out of memory")
"""What libraries say last when an accelerator's memory is full."""

KILLED = (128 + 9, -9)
"""Exit codes of a command that somebody, or the kernel, killed outright."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a job ended.

    Args:
        kind: `succeeded`, or a key of `BUDGETS`.
        reason: In words.
        frames: Trained within the attempt, as saved.
        result: What the job's own result says: successes, episodes, seconds.
    """

    kind: str
    reason: str = ""
    frames: int = 0
    result: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """What a job left.

    Args:
        how: As the executor says; None when it does not know the job any more.
        exit_code: Of its command; None when not known.
        result: Its result file; None when there is none.
        is_damaged: Whether there is one that cannot be read.
        frames: Trained within the attempt, as saved.
        last_words: The end of its log.
    """

    how: Ending | None
    exit_code: int | None = None
    result: Mapping[str, Any] | None = None
    is_damaged: bool = False
    frames: int = 0
    last_words: str = ""


def classify(remains: Remains, threshold: float) -> Report:
    """What a job's end means. The job's own result decides where there is one: executors forget.

    Args:
        remains: What it left.
        threshold: What the lower confidence bound of the success rate must reach, 0..1.
    """
    if remains.is_damaged:
        return Report(kind="damaged", reason="its result file cannot be read", frames=remains.frames)
    if remains.result is not None:
        return judged(remains.result, threshold, remains.frames)
    kind = kind_of_death(remains.how, remains.exit_code)
    if kind == "crashed" and any(words in remains.last_words for words in MEMORY_WORDS):
        kind = "out_of_memory"
    reason = remains.last_words or f"it ended without a result ({remains.how or 'how is not known'})"
    return Report(kind=kind, reason=reason, frames=remains.frames)


def judged(result: Mapping[str, Any], threshold: float, frames: int) -> Report:
    """A report from a result; a claimed success must be shown by episodes and the bound that follows from them."""
    kind = str(result.get("status", ""))
    frames = max(frames, int(result.get("frames", 0) or 0))
    reason = str(result.get("reason", ""))
    if kind == SUCCEEDED:
        successes, episodes = int(result.get("successes", 0)), int(result.get("episodes", 0))
        bound = float(result.get("lower_bound", 0.0))
        if episodes <= 0 or not threshold <= bound <= successes / episodes <= 1.0:
            reason = f"it claims success with {successes} of {episodes} episodes, which shows no more than {bound:.1%}"
            return Report(kind="unproven", reason=reason, frames=frames, result=result)
    elif kind not in BUDGETS:
        return Report(kind="damaged", reason=f"its result says {kind!r}, which is no ending", frames=frames)
    return Report(kind=kind, reason=reason, frames=frames, result=result)


def kind_of_death(how: Ending | None, exit_code: int | None) -> str:
    """The kind of an end without a result."""
    if how in ("timeout", "preempted", "node_fail", "cancelled"):
        return how
    if how == "out_of_memory" or exit_code == OUT_OF_MEMORY:
        return "out_of_memory"
    if how is None or how == "unknown" or exit_code is None or exit_code in KILLED:
        return "interrupted"
    return "invalid" if exit_code in USELESS_TO_REPEAT else "crashed"


def budget(kind: str, max_retries: int) -> int:
    """How often a kind of failure is forgiven."""
    allowed = BUDGETS[kind]
    return max_retries if allowed is None else allowed


def pause_after(kind: str, count: int, pause_s: float) -> float:
    """Seconds before the next job.

    Args:
        kind: Of the failure.
        count: How often it has happened now.
        pause_s: `Limits.pause_s`.
    """
    return float(PAUSES.get(kind, 0.0) * pause_s * 2 ** min(count - 1, MOST_DOUBLINGS))
