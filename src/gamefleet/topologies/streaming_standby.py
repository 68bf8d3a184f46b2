"""Waiting for somebody who wants to watch.

Job: start what shows a run only when a viewer has left word in its folder. Place in the data flow: beside training, in
front of `streaming_sender`. Left out: everything that shows, and everything it needs to import.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from gamefleet.transport.rendezvous import endpoints

LOOK_INTERVAL_S = 3.0
"""A look lists one small folder, which bears being asked for as long as a run lasts, on a file server too."""


class Show(Protocol):
    """What runs while somebody watches."""

    def close(self) -> None:
        """End it."""
        ...


class Standby:
    """Starts a show when the first viewer leaves word; from then on the show looks for viewers itself.

    Args:
        places: Rendezvous folders.
        start: Starts it.
        interval_s: Between two looks.
    """

    def __init__(
        self, places: Sequence[Path], start: Callable[[], Show], *, interval_s: float = LOOK_INTERVAL_S
    ) -> None:
        self._places = tuple(places)
        self._start = start
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._show: Show | None = None
        self._thread = threading.Thread(target=self._wait, name="stream-standby", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the waiting, and what was started."""
        self._stop.set()
        self._thread.join()
        if self._show is not None:
            self._show.close()

    def _wait(self) -> None:
        while not self._stop.is_set():
            if endpoints(self._places):
                self._show = self._start()
                return
            self._stop.wait(self._interval_s)
