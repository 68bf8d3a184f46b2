"""One show for each viewer.

Job: start what shows a run when a viewer leaves word in its folder, and end it when the word is taken back; when the
settings ask for it, also look for a viewer behind a port. Place in the data flow: beside training, in front of
`sender`. Left out: what a show does, and everything it needs to import.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from gamefleet.transport.rendezvous import Endpoint, Standing, endpoints, write_standing

LOOK_INTERVAL_S = 3.0
"""A look lists one small folder, which bears being asked for as long as a run lasts, on a file server too."""

BEST_FIRST = ("connected", "refused", "connecting", "waiting", "ended")
"""What one viewer sees counts more than what others do not."""


class Show(Protocol):
    """What runs while somebody may watch."""

    def close(self) -> None:
        """End it."""
        ...


class Board:
    """Where all shows of a player say how they are, and the best of it is left in the folder.

    Args:
        place: A rendezvous folder; None for nowhere.
    """

    def __init__(self, place: Path | None) -> None:
        self._place = place
        self._notes: dict[object, tuple[str, str]] = {}
        self._told: tuple[str, str] | None = None
        self._lock = threading.Lock()

    def note(self, show: object, kind: str, why: str) -> None:
        """How a show is now.

        Args:
            show: Which.
            kind: One of `BEST_FIRST`.
            why: In words.
        """
        with self._lock:
            self._notes[show] = (kind, why)
            if kind == "ended" and len(self._notes) > 1:
                del self._notes[show]
            best = min(self._notes.values(), key=lambda note: BEST_FIRST.index(note[0]))
            if best == self._told:
                return
            self._told = best
            if self._place is not None:
                word = Standing(kind=best[0], why=best[1], at=time.time(), host=socket.gethostname())
                write_standing(self._place, word)


class Shows:
    """See the module's docstring; close it to end all shows.

    Args:
        places: Rendezvous folders.
        begin: Starts a show for a viewer that left word, or with None for one behind the port.
        seeks: Look behind the port, too.
        interval_s: Between two looks.
    """

    def __init__(
        self,
        places: Sequence[Path],
        begin: Callable[[Endpoint | None], Show],
        *,
        seeks: bool,
        interval_s: float = LOOK_INTERVAL_S,
    ) -> None:
        self._places = tuple(places)
        self._begin = begin
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._shows: dict[tuple[str, int], Show] = {}
        self._seeking = begin(None) if seeks else None
        self._thread = threading.Thread(target=self._look, name="stream-shows", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the looking and all shows."""
        self._stop.set()
        self._thread.join()
        for show in [*self._shows.values(), *([self._seeking] if self._seeking else [])]:
            show.close()

    def _look(self) -> None:
        while not self._stop.is_set():
            found = {(endpoint.host, endpoint.port): endpoint for endpoint in endpoints(self._places)}
            for key in [key for key in self._shows if key not in found]:
                self._shows.pop(key).close()
            for key, endpoint in found.items():
                if key not in self._shows:
                    self._shows[key] = self._begin(endpoint)
            self._stop.wait(self._interval_s)
