"""Wakes a thread that waits for a socket.

Job: a socket that becomes readable when another thread wants attention. Place in the data flow: within one end of a
link, from the application's threads to the connection's. Left out: what is wanted.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from threading import Lock


class Wake:
    """A flag that a selector can wait for; any thread may set it, the waiting thread does everything else."""

    def __init__(self) -> None:
        self._heard, self._knock = socket.socketpair()
        self._heard.setblocking(False)
        self._knock.setblocking(False)
        self._lock = Lock()
        self._is_set = False

    def fileno(self) -> int:
        """For a selector: readable while the flag is set."""
        return self._heard.fileno()

    def set(self) -> None:
        """Wake the thread, now or when it next waits."""
        with self._lock:
            if not self._is_set:
                self._is_set = True
                with suppress(OSError):
                    self._knock.send(b"!")

    def clear(self) -> None:
        """Lower the flag; whatever it was set for must be looked at afterwards, not before."""
        with self._lock:
            with suppress(BlockingIOError):
                self._heard.recv(16)
            self._is_set = False

    def close(self) -> None:
        """End; setting it afterwards does nothing."""
        with self._lock:
            self._is_set = True
            self._heard.close()
            self._knock.close()
