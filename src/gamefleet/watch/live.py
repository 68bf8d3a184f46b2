"""The thread that keeps everything fresh.

Job: look at every run again and again, and take in what is new, a piece of each in turn, so that a file of gigabytes
holds up neither the others nor the pages. Place in the data flow: run folders -> run views. Left out: telling browsers
(`server`).
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from gamefleet.watch.contained import contained
from gamefleet.watch.site import Site

LOOK_INTERVAL_S = 0.8
"""With the browser's share, what was written is seen within two seconds."""

IDLE_INTERVAL_S = 5.0
IDLE_AFTER_S = 60.0
"""Nobody asked for so long: the disk, which may be a file server, is left in peace."""

SCAN_INTERVAL_S = 4.0
BREATH_S = 0.001
"""Between two pieces, for those who answer requests."""


@dataclass(slots=True, kw_only=True)
class Freshness:
    """Reads in the background while the process lives.

    Args:
        site: What is read.
    """

    site: Site
    _stopped: threading.Event = field(default_factory=threading.Event)
    _asked: threading.Event = field(default_factory=threading.Event)
    _asked_at: float = field(default_factory=time.monotonic)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Find the runs and look at them once, then go on in a thread."""
        self.site.scan()
        self._thread = threading.Thread(target=self._read, name="watch-reader", daemon=True)
        self._thread.start()

    def note_asked(self) -> None:
        """Somebody wants to know."""
        self._asked_at = time.monotonic()
        self._asked.set()

    def close(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._asked.set()
        if self._thread is not None:
            self._thread.join(timeout=5.0)

    def _read(self) -> None:
        scanned = time.monotonic()
        while not self._stopped.is_set():
            began = time.monotonic()
            for view in self.site.views:
                view.look()
            while self._take_in() and time.monotonic() - began < LOOK_INTERVAL_S:
                pass
            if time.monotonic() - scanned > SCAN_INTERVAL_S:
                contained(self.site.scan)
                scanned = time.monotonic()
            self._pause(began)

    def _take_in(self) -> bool:
        """One piece of every run; returns whether there may be more."""
        found = False
        for view in self.site.views:
            if self._stopped.is_set():
                return False
            if view.read_on():
                found = True
                time.sleep(BREATH_S)
        return found

    def _pause(self, began: float) -> None:
        rest = LOOK_INTERVAL_S - (time.monotonic() - began)
        if time.monotonic() - self._asked_at > IDLE_AFTER_S:
            self._asked.clear()
            self._asked.wait(IDLE_INTERVAL_S)
        elif rest > 0:
            self._stopped.wait(rest)
