"""What a learner tells monitors of itself.

Job: a run and a link as JSON values. Place in the data flow: `server` -> here -> `status`. Left out: the
process itself (`server.status`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from gamefleet.files import read_json
from gamefleet.topologies.remote_learner.standing import Standing
from gamefleet.transport.link import Link

NOTHING: Mapping[str, Any] = {
    "state": "waiting",
    "why": "no coordinator has come yet",
    "run": "",
    "game": "",
    "step": 0,
    "updates": 0,
    "idle_share": None,
    "model": {},
    "checkpoints": [],
}
"""Of a learner without a run."""


def account_of_link(link: Link) -> dict[str, Any]:
    """Who the coordinator is and how the line to it does; JSON values."""
    state, counts = link.state, link.counts()
    return {
        "name": link.peer.name,
        "run": link.peer.facts.get("run", ""),
        "state": state.kind,
        "why": state.why,
        "since": state.since,
        "connections": counts.connections,
        "sent_bytes": counts.sent_bytes,
        "received_bytes": counts.received_bytes,
    }


def account_of_run(standing: Standing) -> dict[str, Any]:
    """What the learner is working on; JSON values."""
    work, config = standing.work, standing.work.config
    total = work.busy_s + work.idle_s
    return {
        "run": standing.run.paths.name,
        "game": config.game_name,
        "step": max(standing.step, 0),
        "updates": work.learner.num_updates,
        "idle_share": work.idle_s / total if total else None,
        "model": {"network": config.resolved()["network"], "game": config.resolved()["game"]},
        "checkpoints": [_checkpoint(standing, step) for step in standing.store.steps()],
    }


def _checkpoint(standing: Standing, step: int) -> dict[str, Any]:
    folder = standing.run.paths.checkpoint(step)
    try:
        updates, saved_at = int(read_json(folder / "state.json")["updates"]), folder.stat().st_mtime
    except (OSError, ValueError, KeyError):  # pruned meanwhile
        updates, saved_at = 0, time.time()
    return {"step": step, "updates": updates, "age_s": time.time() - saved_at}
