"""A wiring's state into a checkpoint, and out of it again.

Job: the parts of a checkpoint, and the choice of the one that a run goes on from. Place in the data flow: between
`training` and the checkpoints of the run folder. Left out: when to save.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Any

from gamefleet.runs.checkpoint import Checkpoint, CheckpointStore
from gamefleet.runs.events import EventWriter
from gamefleet.runs.folder import OpenRun
from gamefleet.runs.metrics import FROM_START
from gamefleet.topologies.shared_folder.settings import PART
from gamefleet.topologies.wiring import Wiring

log = logging.getLogger(__name__)


def restore(
    run: OpenRun,
    solo: Wiring,
    store: CheckpointStore,
    events: EventWriter,
    *,
    among: Collection[int] | None = None,
) -> int:
    """Bring the wiring to the newest whole checkpoint, of those `among` which it shall be.

    Returns:
        Its step, or `FROM_START` when the run begins.
    """
    resumed_step = FROM_START
    if run.is_resumed:
        loaded = store.load_newest(among=among)
        for folder, reason in loaded.rejected:
            log.warning("set aside an unreadable checkpoint: %s", reason)
            events.write("checkpoint_rejected", folder=str(folder), reason=reason)
        if loaded.checkpoint is not None:
            restore_from(solo, loaded.checkpoint)
            resumed_step = loaded.checkpoint.step
        run.adopt_settings()
    events.write("attempt_started", step=max(resumed_step, 0), resumed_step=resumed_step, **carried_by(run))
    if run.changed_settings:
        events.write("settings_changed", step=max(resumed_step, 0), changes=dict(run.changed_settings))
    return resumed_step


def carried_by(run: OpenRun) -> dict[str, Any]:
    """Leg and job of this attempt, as far as there are any."""
    leg = run.held.leg
    return {**({} if leg is None else {"leg": leg.number}), **({"job": run.job} if run.job else {})}


def restore_from(solo: Wiring, checkpoint: Checkpoint) -> None:
    """Load a checkpoint's parts and replay into a wiring."""
    member = {PART: checkpoint.part(PART)} if PART in checkpoint.parts else {}
    solo.import_state({"actor": checkpoint.part("actor"), "learner": learner_state(checkpoint), **member})
    if checkpoint.replay is not None:
        solo.replay.load(checkpoint.replay)


def checkpoint_parts(solo: Wiring) -> dict[str, Any]:
    """The wiring's state as the parts of a checkpoint: other tools want the network's weights by themselves."""
    state = solo.export_state()
    return {**learner_parts(state.pop("learner")), **state}


def learner_parts(learner: Mapping[str, Any]) -> dict[str, Any]:
    """A learner's state as parts of a checkpoint."""
    return {"model": learner["network"], "optimizer": {name: learner[name] for name in learner if name != "network"}}


def learner_state(checkpoint: Checkpoint) -> dict[str, Any]:
    """A learner's state from the parts of a checkpoint."""
    return {**checkpoint.part("optimizer"), "network": checkpoint.part("model")}
