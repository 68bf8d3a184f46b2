"""Sleeping until something happens: a job's process ends, a proposal arrives, a signal comes, time is up.

Job: one call that waits for all of them. Place in the data flow: at the bottom of the scheduler's loop. Left out: what
happened; whoever wakes looks at everything.

Processes need not be children of this one: Linux hands out a descriptor for any process (`pidfd_open`) that becomes
readable when it ends. Elsewhere the loop looks every second.
"""

from __future__ import annotations

import os
import selectors
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress


class Waker:
    """Waits; a context that closes what it holds."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._reading, self._writing = os.pipe()
        for end in (self._reading, self._writing):
            os.set_blocking(end, False)
        self._selector.register(self._reading, selectors.EVENT_READ, None)
        self._watched: dict[str, int] = {}
        # A descriptor is a number that the next file gets: whoever still asks a model must not write into that file.
        self._lock = threading.Lock()
        self._is_closed = False

    @property
    def sees_processes(self) -> bool:
        """Whether the end of a process wakes us."""
        return hasattr(os, "pidfd_open")

    def poke(self) -> None:
        """Wake whoever waits; any thread may call it, also after `close`, when nobody waits any more."""
        with self._lock, suppress(BlockingIOError):  # full: it wakes anyway
            if not self._is_closed:
                os.write(self._writing, b".")

    def watch(self, processes: Mapping[str, int]) -> None:
        """From now on wake at the end of these.

        Args:
            processes: Job -> process id.
        """
        for job in [job for job in self._watched if job not in processes]:
            self._forget(job)
        for job, pid in processes.items():
            if job not in self._watched and self.sees_processes:
                self._begin(job, pid)

    def _begin(self, job: str, pid: int) -> None:
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:  # it has ended, or is another machine's: the next look will tell
            return
        self._watched[job] = descriptor
        self._selector.register(descriptor, selectors.EVENT_READ, job)

    def _forget(self, job: str) -> None:
        descriptor = self._watched.pop(job)
        self._selector.unregister(descriptor)
        os.close(descriptor)

    def wait(self, seconds: float) -> None:
        """Return when something has happened, or after so many seconds."""
        for key, _ in self._selector.select(max(0.0, seconds)):
            if key.data is None:
                with suppress(BlockingIOError):
                    os.read(self._reading, 1 << 12)
            else:
                self._forget(key.data)

    @contextmanager
    def woken_by_signals(self) -> Iterator[None]:
        """Let signals that have handlers end a wait; only in the main thread."""
        before = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)

    def close(self) -> None:
        """Close everything."""
        for job in list(self._watched):
            self._forget(job)
        with self._lock:
            self._is_closed = True
            self._selector.close()
            os.close(self._reading)
            os.close(self._writing)
