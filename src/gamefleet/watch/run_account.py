"""What is told of one run.

Job: turn what is known of a run folder into JSON values. Place in the data flow: `run_view` -> here -> `answers` and
`gamefleet status`. Left out: reading (`run_view`), words (`sentence`, `alarms`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote

from gamefleet.watch.alarms import Signs, alarms
from gamefleet.watch.run_view import RunView
from gamefleet.watch.sentence import Pause, Situation, seconds_left, sentence, state_of

SIX = ("start/milestones", "start/return", "run/milestones_reached", "start/cells", "learner/loss", "speed/steps_per_s")
"""Curves that say most; where a run has fewer of them, others take their place."""

SIX_OF_RECORDS = (
    "policy/loss",
    "evaluation/policy_loss",
    "policy/accuracy",
    "evaluation/policy_accuracy",
    "value/accuracy",
    "speed/decisions_per_s",
)
"""The same for a run that learns from records."""

FILMS = frozenset({".mp4", ".webm"})
MOVING = frozenset({".gif"})
PICTURES = frozenset({".png", ".webp", ".jpg", ".jpeg"})
DRAWN_CURVES = "curves.png"

LARGEST_WHOLE = 2**53
"""Beyond it a browser cannot count any more, and no run gets there; infinity and NaN are out as well."""

LOST, BACK = "learner_lost", "learner_back"
SPEED = "speed/steps_per_s"
SPEED_OF_RECORDS = "speed/updates_per_s"
"""A step is an update there."""

DECISIONS = "speed/decisions_per_s"
ROWS_OF_PACE = 30

Json = Mapping[str, Any]


def situation(view: RunView, chain: Json | None = None) -> Situation:
    """Everything that the sentence is made of."""
    facts, state, claim = view.facts, view.facts.state.content, view.facts.claim.content
    holder = claim.get("holder")
    process = holder if isinstance(holder, dict) else {}
    began = view.events.last.get("training_began")
    rows = view.metrics.time_s >= number(claim.get("started_at")) > 0
    # What an earlier attempt said of its end is no news once another one has begun.
    is_of_newest = "ended_at" in claim or whole(state.get("attempt")) >= facts.attempt or is_finished(state)
    return Situation(
        name=view.paths.name,
        game=facts.game,
        status=str(state.get("status", "")) if is_of_newest else "",
        reason=str(state.get("reason") or "")[:500],
        changed_s=number(state.get("updated_at")),
        step=max(view.metrics.step, whole(state.get("step"))),
        saved_step=whole(state.get("step")),
        total_steps=whole(state.get("total_steps") or facts.setting("run", "total_steps")),
        steps_per_s=view.metrics.value(speed_of(view)) or 0.0,
        pace=pace(view),
        holder=f"process {process.get('pid')} on {process.get('host')}" if process else "",
        has_ended="ended_at" in claim,
        is_dead=facts.is_dead,
        silence_s=facts.claim_age_s,
        has_begun=rows or (began is not None and began.attempt >= facts.attempt),
        pause=pause_of(view),
        chain=chain or {},
        now=view.clock(),
    )


def pause_of(view: RunView) -> Pause | None:
    """What the newest attempt waits for, by its events; None when it does not wait."""
    lost, back = view.events.last.get(LOST), view.events.last.get(BACK)
    if lost is None or lost.attempt < view.facts.attempt or (back is not None and back.time_s >= lost.time_s):
        return None
    details = lost.details
    return Pause(where=str(details.get("where", "")), why=str(details.get("reason", "")), since_s=lost.time_s)


def is_recorded(view: RunView) -> bool:
    """Whether a run learns from records: it plays nothing, so that it has no pictures and no milestones."""
    return DECISIONS in view.metrics.curves or DECISIONS in view.metrics.peeked


def speed_of(view: RunView) -> str:
    """Name of the metric that holds its steps per second."""
    return SPEED_OF_RECORDS if is_recorded(view) else SPEED


def pace(view: RunView) -> float:
    """Steps per second in the middle of the newest rows; 0 when there are none."""
    curve = view.metrics.curves.get(speed_of(view))
    return median(curve.lasts[-ROWS_OF_PACE:]) if curve else 0.0


def now(view: RunView, chain: Json | None = None, machines: Sequence[Json] = ()) -> dict[str, Any]:
    """What `/api/now` says."""
    with view.lock:
        run = situation(view, chain)
        return {
            "state": state_of(run),
            "sentence": sentence(run),
            "is_recorded": is_recorded(view),
            "step": run.step,
            "total_steps": run.total_steps,
            "steps_per_s": run.steps_per_s,
            "seconds_left": seconds_left(run) or None,
            "milestones": {"reached": milestones(view), "total": None},
            "best": {"agent": None, "picture": picture(view)},
            "curves": six(view),
            "values": values(view),
            "alarms": [asdict(alarm) for alarm in alarms(signs_of(view, run, machines))],
            "reading": view.metrics.reading,
        }


def row(view: RunView, chain: Json | None = None) -> dict[str, Any]:
    """What `/api/runs` says of it."""
    with view.lock:
        run = situation(view, chain)
        return {
            "id": view.id,
            "name": run.name,
            "game": run.game,
            "member": view.member,
            "state": state_of(run),
            "sentence": sentence(run),
            "step": run.step,
            "total_steps": run.total_steps,
            "steps_per_s": run.steps_per_s,
            "milestones": len(milestones(view)),
            "changed_s": max(run.changed_s, view.metrics.time_s),
        }


def recent(view: RunView) -> dict[str, Any]:
    """What `/api/recent` says: what was played lately, as the run's process last wrote it down."""
    content = view.recent.content
    return {name: content.get(name) for name in ("step", "time", "episodes", "environment", "panels")}


def feeds_panel(view: RunView) -> bool:
    """Whether a game's panel has something to show of it: where players went, or what its game told of itself."""
    return bool(view.visits.rows or view.visits.path.exists() or view.recent.content.get("panels"))


def milestones(view: RunView) -> list[dict[str, Any]]:
    """Reached ones, in the order in which they were: of the saved state, and what came since."""
    saved = view.facts.state.content.get("milestones")
    steps = dict(saved) if isinstance(saved, dict) else {}
    steps = {str(name): whole(step) for name, step in list(steps.items())[:2000]}
    events = view.events.milestones
    steps.update({name: event.step or 0 for name, event in events.items()})
    rows = [
        {"name": name, "step": step, "time": events[name].time_s if name in events else None}
        for name, step in steps.items()
    ]
    return sorted(rows, key=lambda row: (row["step"], row["name"]))


def values(view: RunView) -> dict[str, float]:
    """The newest finite value of every metric."""
    names = sorted({*view.metrics.curves, *view.metrics.peeked})
    return {name: value for name in names if (value := view.metrics.value(name)) is not None}


def six(view: RunView) -> list[str]:
    """Names of the curves to be drawn first."""
    names, first = list(values(view)), SIX_OF_RECORDS if is_recorded(view) else SIX
    return [*(name for name in first if name in names), *(name for name in names if name not in first)][:6]


def picture(view: RunView) -> str | None:
    """Address of what shows the run best: the newest film, else moving picture, else picture but not drawn curves."""
    found = [path for path in view.media() if path.name != DRAWN_CURVES]
    for kinds in (FILMS, MOVING, PICTURES):
        newest = max((path for path in found if path.suffix.lower() in kinds), key=modified, default=None)
        if newest is not None:
            return f"/media/{quote(view.id, safe='')}/{quote(newest.name, safe='')}"
    return None


def modified(path: Path) -> float:
    """When a file was changed, seconds since 1970; 0 when it has gone meanwhile."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def signs_of(view: RunView, run: Situation, machines: Sequence[Json]) -> Signs:
    """What the alarms of a run are judged by."""
    metrics = view.metrics
    started = number(view.facts.claim.content.get("started_at"))
    last = max(metrics.time_s, started)
    curve = metrics.curves.get("speed/steps_per_s")
    interval = run.step / metrics.rows / run.steps_per_s if metrics.rows and run.steps_per_s else 0.0
    return Signs(
        run=run,
        row_age_s=run.now - last if last else None,
        row_interval_s=interval if curve else 0.0,
        free_bytes=view.free_bytes(),
        last=view.events.last,
        without_value=metrics.without_value,
        values={"learner/skipped_updates": metrics.value("learner/skipped_updates") or 0.0},
        problems=view.problems(),
        members=machines,
        is_copy=view.is_copy,
    )


def is_finished(state: Json) -> bool:
    """Whether a run says that all of its steps are done."""
    return bool(state.get("status") == "finished")


def number(value: Any) -> float:
    """A number as it stands in a file that anybody may have written; 0 for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return float(value) if -LARGEST_WHOLE <= value <= LARGEST_WHOLE else 0.0


def whole(value: Any) -> int:
    """A whole number likewise."""
    return int(number(value)) if isinstance(value, int) else 0
