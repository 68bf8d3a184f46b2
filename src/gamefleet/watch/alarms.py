"""What is wrong with a run, and what mends it.

Job: look at the facts of one run and say what a person should see at once. Place in the data flow: facts -> pages and
`gamefleet status`. Left out: reading anything; all of it is pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gamefleet.watch.events import Event
from gamefleet.watch.sentence import CANNOT, Pause, Situation, duration, state_of

SLOWEST_ROWS_S = 900.0
"""A run that trains and writes no row for so long has stopped making progress, unless its rows were rarer before."""

FULL_BYTES = 2 << 30
NEARLY_FULL_BYTES = 10 << 30
HOT_S = 3600.0
"""Events are an alarm for so long."""

ROWS_WITHOUT_LOSS = 3
LOSSES = ("learner/loss", "learner/intrinsic_loss")


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing that is wrong.

    Args:
        level: `serious` when training suffers now.
        text: What, one sentence without a full stop.
        remedy: What to do about it.
    """

    level: Literal["warning", "serious"]
    text: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What alarms are judged by.

    Args:
        run: The run's situation.
        row_age_s: Seconds since its newest row of metrics; None without one.
        row_interval_s: Usual time between rows; 0 when not known.
        free_bytes: On the disk of the run folder; None when not known.
        last: By kind, the newest event.
        without_value: Rows in a row in which a metric had no finite value.
        values: Newest values by metric.
        problems: Files that cannot be read, or not wholly.
        members: Rows of `/api/machines`.
        is_copy: Whether the run folder is a copy of another machine's.
    """

    run: Situation
    row_age_s: float | None = None
    row_interval_s: float = 0.0
    free_bytes: int | None = None
    last: Mapping[str, Event] = field(default_factory=dict)
    without_value: Mapping[str, int] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)
    problems: Iterable[str] = ()
    members: Iterable[Mapping[str, Any]] = ()
    is_copy: bool = False


def alarms(signs: Signs) -> list[Alarm]:
    """Everything that is wrong, the serious first."""
    found = [
        *_progress(signs),
        *_jobs(signs.run),
        *_disk(signs),
        *_learning(signs),
        *_events(signs),
        *_members(signs.members),
        *(
            Alarm("warning", problem, "What can be read is shown; the file itself is left alone")
            for problem in signs.problems
        ),
    ]
    return sorted(found, key=lambda alarm: alarm.level != "serious")


def _progress(signs: Signs) -> Iterator[Alarm]:
    run, state = signs.run, state_of(signs.run)
    if run.pause is not None and state == "paused":
        yield _paused(run.pause)
    if state == "interrupted":
        yield _interrupted(run)
    if state == "stopped" and run.status == "failed":
        yield Alarm("serious", f"The run failed: {run.reason or 'see its log'}", "See logs/ in the run folder")
    age = signs.row_age_s
    patience = max(SLOWEST_ROWS_S, 10 * signs.row_interval_s)
    if state == "training" and run.has_begun and age is not None and age > patience and not signs.is_copy:
        text = f"There has been no progress for {duration(age)}, although the process gives signs of life"
        yield Alarm("serious", text, "See the newest file below logs/, and `gamefleet doctor`")


def _paused(pause: Pause) -> Alarm:
    """Nothing is lost; but nobody learns until a person brings the learner, or the way to it, back."""
    if pause.why.startswith(CANNOT):
        again = f"Mend it on the learner's machine, {pause.where}; the run goes on by itself"
        return Alarm("serious", f"The run waits: {pause.why}", again)
    again = "Start `gamefleet learner serve` there, or mend the way; the run goes on by itself where it was"
    return Alarm(
        "serious", f"The learner at {pause.where} is out of reach{f': {pause.why}' if pause.why else ''}", again
    )


def _interrupted(run: Situation) -> Alarm:
    """A chain sends its next job by itself; it matters only when none comes."""
    if run.chain.get("state") in ("between jobs", "unknown", "waiting for a place"):
        again = f"Its next job goes on from there; `gamefleet fleet status --run {run.chain.get('fleet')}` sends it"
        return Alarm("warning", "The last job ended without a word", again)
    again = f"`gamefleet train {run.game or 'GAME'} --run {run.name} --auto-resume` goes on from the last checkpoint"
    return Alarm("serious", "The run was interrupted", again)


def _jobs(run: Situation) -> Iterator[Alarm]:
    chain = run.chain.get("state")
    reason = str(run.chain.get("reason") or "")
    name = run.chain.get("fleet") or run.name
    if chain in ("held", "failed"):
        again = f"Mend its cause (`gamefleet fleet logs --run {name}`), then `gamefleet fleet start --run {name}`"
        yield Alarm("serious", f"The chain is {chain}{f': {reason}' if reason else ''}", again)
    elif reason and chain not in ("done", "stopped"):
        yield Alarm("warning", f"The scheduler refused the next job: {reason}", "It is tried again by itself")
    if run.chain.get("silence"):
        yield Alarm(
            "warning", f"The scheduler does not answer: {run.chain['silence']}", "Nothing is concluded from that"
        )
    for job in run.jobs:
        if job.get("never_starts"):
            fix = f"Cancel it (`scancel {job['id']}`) and start the fleet again with what the partition grants"
            yield Alarm("serious", f"Job {job['id']} can never start: {job['never_starts']}", fix)
        elif _waits_long(run, job):
            yield Alarm("warning", f"Job {job['id']} waits: {job['reason_text']}", "It starts by itself")


def _waits_long(run: Situation, job: Mapping[str, Any]) -> bool:
    """Whether a job waits while none of the chain is at work; at a hand-over it waits for the one before it."""
    is_next = job.get("state") == "pending" and all(other.get("state") == "pending" for other in run.jobs)
    return is_next and bool(job.get("reason_text")) and job.get("reason") not in ("Dependency", "None", "")


def _disk(signs: Signs) -> Iterator[Alarm]:
    free = signs.free_bytes
    if free is None or free >= NEARLY_FULL_BYTES or signs.is_copy:
        return
    remedy = "Remove old runs (`gamefleet runs rm NAME`), or keep fewer checkpoints (run.keep_checkpoints)"
    level: Literal["warning", "serious"] = "serious" if free < FULL_BYTES else "warning"
    yield Alarm(level, f"The disk of the run has {free / 1e9:.1f} GB left", remedy)


def _learning(signs: Signs) -> Iterator[Alarm]:
    for name in LOSSES:
        rows = signs.without_value.get(name, 0)
        if rows >= ROWS_WITHOUT_LOSS:
            remedy = "Resume from an older checkpoint with a lower learner.learning_rate"
            yield Alarm("serious", f"{name} has not been finite for {rows} rows", remedy)
    skipped = signs.values.get("learner/skipped_updates", 0.0)
    if skipped:
        text = f"{skipped:.0f} updates were left out because a number was not finite"
        yield Alarm("warning", text, "Single ones are survived; if they go on, lower learner.learning_rate")


def _events(signs: Signs) -> Iterator[Alarm]:
    def hot(kind: str) -> Event | None:
        event = signs.last.get(kind)
        return event if event and signs.run.now - event.time_s < HOT_S else None

    if event := hot("checkpoint_rejected"):
        yield Alarm("warning", f"A checkpoint was unreadable and set aside: {event.text}", "Have the disk looked at")
    again, failed = signs.last.get("sharing_again"), signs.last.get("sharing_failed")
    if failed and not (again and again.time_s >= failed.time_s) and state_of(signs.run) == "training":
        why = failed.details.get("reason") or failed.text
        yield Alarm("serious", f"Sharing failed, training goes on alone: {why}", "`gamefleet doctor --only fleet`")
    for kind, what in EVENT_ALARMS.items():
        if event := hot(kind):
            yield Alarm("warning", f"{what[0]}: {event.text}", what[1])


EVENT_ALARMS = {
    "worker_restarted": (
        "A worker crashed or hung and was replaced",
        "If it happens again, see logs/ in the run folder",
    ),
    "tracker_failed": ("A mirror of the metrics failed", "Training goes on; the pages here do not need it"),
    "experience_quarantined": ("Play of another member is false", "Nothing more of it is taken in"),
    "version_refused": ("The evaluation gate took a version back", "The fleet goes on from the last good one"),
    "work_dropped": ("This member went on without its own unmerged work", "See the page on averaging"),
}
"""Kind -> what happened and what follows."""


def _members(members: Iterable[Mapping[str, Any]]) -> Iterator[Alarm]:
    for row in members:
        if row.get("is_quarantined"):
            name = row.get("member")
            why = f": {row['reason']}" if row.get("reason") else ""
            release = f"Once its cause is mended: `gamefleet members --shared-dir DIR --release {name}`"
            yield Alarm("serious", f"{name} is in quarantine{why}", release)
