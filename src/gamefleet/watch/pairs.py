"""Two machines that carry one run: a coordinator that plays, and a learner that only it talks to.

Job: tell how both are and how the line between them does, from what the coordinator wrote down. Place in the data flow:
`run_view` -> here -> `/api/machines`. Left out: asking the learner itself, which `gamefleet monitor` does: these pages
have no token and open no connection.
"""

from __future__ import annotations

from typing import Any

from gamefleet.watch.run_account import BACK, LOST, SPEED, situation, whole
from gamefleet.watch.run_view import RunView
from gamefleet.watch.sentence import Situation, sentence, state_of

IDLE = "remote/idle_share"


def is_paired(view: RunView) -> bool:
    """Whether the run's learner is on another machine."""
    return IDLE in view.metrics.curves or IDLE in view.metrics.peeked or LOST in view.events.last


def pair(view: RunView) -> dict[str, Any] | None:
    """Both machines of a run; None when one machine plays and learns."""
    with view.lock:
        if not is_paired(view):
            return None
        run = situation(view)
        return {
            "run": view.id,
            "state": state_of(run),
            "sentence": sentence(run),
            "coordinator": _coordinator(view, run),
            "learner": _learner(view, run),
            "line": _line(view),
        }


def _coordinator(view: RunView, run: Situation) -> dict[str, Any]:
    holder = view.facts.claim.content.get("holder")
    return {
        "host": str(holder.get("host", "")) if isinstance(holder, dict) else "",
        "attempt": view.facts.attempt,
        "heard_s": view.facts.claim_age_s,
        "step": run.step,
        "saved_step": run.saved_step,
        "games": view.metrics.value("run/episodes"),
        "steps_per_s": view.metrics.value(SPEED),
    }


def _learner(view: RunView, run: Situation) -> dict[str, Any]:
    """`status` is what the coordinator knows of it: `at work`, `out of reach`, or `not asked` while nobody trains."""
    is_away = run.pause is not None
    status = ("out of reach" if is_away else "at work") if run.is_held else "not asked"
    return {
        "where": where(view),
        "status": status,
        "why": run.pause.why if run.pause else "",
        "since": run.pause.since_s if run.pause else None,
        "updates": view.metrics.value("run/updates"),
        "updates_per_s": view.metrics.value("speed/updates_per_s"),
        "idle_share": view.metrics.value(IDLE),
    }


def _line(view: RunView) -> dict[str, Any]:
    """Bytes and pauses are those since the attempt began, losses those of the whole run."""
    lost, back = view.events.last.get(LOST), view.events.last.get(BACK)
    return {
        "sent_bytes": view.metrics.value("remote/sent_bytes"),
        "received_bytes": view.metrics.value("remote/received_bytes"),
        "paused_s": view.metrics.value("remote/paused_s"),
        "losses": view.events.counts[LOST],
        "lost_at": lost.time_s if lost else None,
        "back_at": back.time_s if back else None,
    }


def where(view: RunView) -> str:
    """The learner's address, as the newest attempt called it, else as the settings do."""
    events = [event for kind in (LOST, BACK) if (event := view.events.last.get(kind))]
    told = {event.attempt: str(event.details.get("where", "")) for event in events}
    host, port = view.facts.setting("remote", "gpu_host"), view.facts.setting("remote", "gpu_port")
    named = f"{str(host)[:200]}:{whole(port)}" if host else ""
    return told.get(view.facts.attempt) or named or next(filter(None, told.values()), "")
