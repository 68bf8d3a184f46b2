"""The mirrors of a run's metrics, open while an attempt lasts.

Job: open and close them. Place in the data flow: rows of any kind of run -> TensorBoard, Weights & Biases, Trackio.
Left out: the mirrors themselves (`runs.trackers`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from gamefleet.runs.events import EventWriter
from gamefleet.runs.folder import OpenRun
from gamefleet.runs.settings import TrackerSettings
from gamefleet.runs.trackers import Trackers, make_trackers


@contextmanager
def mirrors(
    run: OpenRun, settings: TrackerSettings, config: Mapping[str, Any], events: EventWriter, *, resumed_step: int
) -> Iterator[Trackers]:
    """The trackers that the settings ask for; a failure of theirs is an event and nothing else.

    Args:
        run: The held run folder.
        settings: Which.
        config: All settings of the run, for those that show them.
        events: Where failures are written.
        resumed_step: Rows before it are there already; `FROM_START` for none.

    Raises:
        MissingDependencyError: One of them is not installed.
    """
    trackers = make_trackers(
        run.paths,
        settings,
        config=config,
        resumed_step=resumed_step,
        on_failure=lambda name, error: events.write("tracker_failed", tracker=name, error=str(error)),
    )
    try:
        yield trackers
    finally:
        trackers.close()
