"""Where a run stands, in one sentence.

Job: join what the run folder says with what is known of its jobs. Place in the data flow: facts -> pages and
`gamefleet status`. Left out: reading anything; all of it is pure.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from gamefleet.runs.claim import STALE_AFTER_S

State = Literal["training", "paused", "queued", "stopped", "finished", "interrupted", "waiting", "unknown"]


CANNOT = "the learner cannot"
"""How a pause begins whose reason is the learner's own, not the line's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A run that waits for its learner on another machine.

    Args:
        where: The learner's address.
        why: As the line says it.
        since_s: Seconds since 1970.
    """

    where: str
    why: str
    since_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What is known of one run.

    Args:
        name: Of the run.
        game: Of the run.
        status: What `state.json` says: `running`, `finished`, `stopped`, `failed` or nothing.
        reason: Why it ended, as `state.json` says.
        changed_s: When `state.json` was written, seconds since 1970; 0 when not known.
        step: Newest step that is known.
        saved_step: Step of `state.json`.
        total_steps: Where the run ends; 0 when not known.
        steps_per_s: By the newest row.
        pace: Usual steps per second of late; 0 when not known. Rows differ too much to foretell anything from one.
        holder: Who holds the folder, for people; empty when nobody ever did.
        has_ended: Whether the holder gave the folder back.
        is_dead: Whether the holder is known to be gone.
        silence_s: Seconds since the holder's last sign of life; None when nobody ever held the folder.
        has_begun: Whether the newest attempt has done its first round.
        pause: What it waits for; None while its learner is there, or here.
        chain: The run's chain as `/api/chain` has it; empty without one.
        now: Seconds since 1970.
    """

    name: str
    game: str
    status: str = ""
    reason: str = ""
    changed_s: float = 0.0
    step: int = 0
    saved_step: int = 0
    total_steps: int = 0
    steps_per_s: float = 0.0
    pace: float = 0.0
    holder: str = ""
    has_ended: bool = False
    is_dead: bool = False
    silence_s: float | None = None
    has_begun: bool = True
    pause: Pause | None = None
    chain: Mapping[str, Any] = field(default_factory=dict)
    now: float = 0.0

    @property
    def is_held(self) -> bool:
        """Whether somebody trains, as far as can be told."""
        silence = self.silence_s
        return silence is not None and not self.has_ended and not self.is_dead and silence <= STALE_AFTER_S

    @property
    def jobs(self) -> Sequence[Mapping[str, Any]]:
        """The chain's jobs that have not ended."""
        found: Sequence[Mapping[str, Any]] = self.chain.get("jobs", ())
        return found

    def job(self, state: str) -> Mapping[str, Any] | None:
        """The chain's first job in a state."""
        return next((job for job in self.jobs if job.get("state") == state), None)


def state_of(run: Situation) -> State:
    """One word."""
    if run.status == "finished" and not run.is_held:
        return "finished"
    if run.is_held:
        return "paused" if run.pause else "training"
    if run.job("running"):
        return "training"
    if run.job("pending"):
        return "queued"
    if run.silence_s is None and not run.status:
        return "waiting"
    if run.status in ("stopped", "failed"):
        return "stopped"
    if run.has_ended:
        return "stopped"
    return "interrupted"


def sentence(run: Situation) -> str:
    """What a person wants to know first."""
    match state_of(run):
        case "finished":
            return _finished(run)
        case "training":
            return _training(run)
        case "paused":
            return _paused(run)
        case "queued":
            return _queued(run)
        case "stopped":
            return _stopped(run)
        case "interrupted":
            return _interrupted(run)
        case "waiting":
            return "nothing has begun here yet"
        case _:
            return "nothing is known of this run"


def _finished(run: Situation) -> str:
    when = f", at {moment(run.changed_s, run.now)}" if run.changed_s else ""
    return f"finished: all {max(run.saved_step, run.step):,} steps are done{when}"


def _training(run: Situation) -> str:
    parts = ["training" if run.has_begun else "starting: the first round is not done yet", *_jobs(run)]
    if not run.chain:
        parts += [f"about {duration(left)} left"] if (left := seconds_left(run)) else []
    if run.silence_s is not None and run.silence_s > 60.0 and not run.job("running"):
        parts.append(f"the last sign of life is {duration(run.silence_s)} old")
    return "; ".join(parts)


def _paused(run: Situation) -> str:
    pause = run.pause or Pause(where="", why="", since_s=run.now)
    since = f" for {duration(max(0.0, run.now - pause.since_s))}"
    if pause.why.startswith(CANNOT):
        return f"paused{since}: {pause.why} (at {pause.where}); it goes on by itself when that is mended"
    why = f" ({pause.why})" if pause.why else ""
    return f"paused: the learner at {pause.where} is out of reach{since}{why}; it goes on by itself when it is back"


def _jobs(run: Situation) -> list[str]:
    """`job 3 of about 4 ends at 14:02, the next is queued`."""
    running, pending = run.job("running"), run.job("pending")
    number = len(run.chain.get("legs", ()))
    if not run.chain or not number:
        return []
    ends = running.get("ends_at") if running else None
    text = f"job {number}{_of(run, number, ends)}"
    text += f" ends at {moment(ends, run.now)}" if ends else " is at work"
    if pending:
        return [f"{text}, the next is queued"]
    return [text if run.chain.get("state") != "running" else f"{text}, the next is not queued yet"]


def _of(run: Situation, number: int, ends: float | None) -> str:
    """How many jobs the run will have taken, by its speed; nothing where that cannot be said."""
    left, limit = seconds_left(run), run.chain.get("time_limit_s")
    if not left or not limit or not ends:
        return ""
    more = math.ceil(max(0.0, left - max(0.0, ends - run.now)) / limit)
    return f" of about {number + more}" if more < 1000 else ""


def _queued(run: Situation) -> str:
    job = run.job("pending") or {}
    number = len(run.chain.get("legs", ())) + 1
    text = f"queued: job {number} waits"
    text += f", {job['reason_text']}" if job.get("reason_text") else ""
    text += f"; expected to start at {moment(job['expected_start'], run.now)}" if job.get("expected_start") else ""
    return f"{text}; {_saved(run)}"


def _stopped(run: Situation) -> str:
    why = f": {run.reason}" if run.reason else ""
    chain = run.chain.get("state")
    held = f"; its chain is {chain}" if chain in ("held", "failed", "stopped") else ""
    reason = run.chain.get("reason")
    return f"stopped{why}; {_saved(run)}{held}{f' ({reason})' if held and reason else ''}"


def _interrupted(run: Situation) -> str:
    if run.is_dead:
        what = f"{run.holder or 'its process'} is gone without a word"
    elif run.silence_s is not None:
        what = f"{run.holder or 'its process'} has given no sign of life for {duration(run.silence_s)}"
    else:
        what = "its last process left no word"
    return f"interrupted: {what}; {_saved(run)}"


def _saved(run: Situation) -> str:
    if run.saved_step <= 0:
        return "nothing is saved yet"
    return f"saved at step {run.saved_step:,}" + (f" of {run.total_steps:,}" if run.total_steps else "")


def seconds_left(run: Situation) -> float:
    """Until all steps are done, at the usual speed; 0 when that cannot be said."""
    left, pace = run.total_steps - run.step, run.pace or run.steps_per_s
    return left / pace if left > 0 and pace > 0 else 0.0


def moment(seconds: float, now: float) -> str:
    """A time of day, with its day when that is not today, by the clock of this machine."""
    then = time.localtime(seconds)
    same_day = time.strftime("%F", then) == time.strftime("%F", time.localtime(now))
    return time.strftime("%H:%M" if same_day else "%a %d %b %H:%M", then)


def duration(seconds: float) -> str:
    """A length of time in words."""
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}s"
    return f"{seconds:.0f} second{'' if round(seconds) == 1 else 's'}"
