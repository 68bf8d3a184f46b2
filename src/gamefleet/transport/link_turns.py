"""Who moves the bytes of a connection at this moment.

Job: let a thread that waits for something do the connection's work meanwhile, instead of being told by another thread
that something came: where cores sleep, each hand-over between threads costs more than the encryption does. Place
in the data flow: between the waits of `Link` and the turns of `link_connection`. Left out: what a turn does.

One thread at a time has the turn. Every connection has a thread of its own, which dialled or accepted it and takes its
turns while nobody waits; whoever began to wait last goes first. After a turn of such an **heir** the connection's own
thread rests for a moment: an application that receives again and again is not to be raced for each message.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import Condition, Lock
from typing import Protocol

REST_S = 0.002
"""How long nobody may look at a line before its own thread does."""

BUSY_S = 0.1
"""An heir that has waited for so long is not busy: the line's own thread sleeps until it is told."""

LOOK_S = 0.25
"""Sleeps and waits for a turn end by themselves: a thread that a signal interrupts may have told nobody."""


class Line(Protocol):
    """A greeted connection."""

    def turn(self, patience_s: float) -> bool:
        """Write, wait for at most so many seconds, read; returns whether the connection still works."""
        ...

    def speak(self) -> None:
        """Write at once what there is, unless another thread is about to: then have it look."""
        ...

    def wake_up(self) -> None:
        """End the wait of whoever has the turn."""
        ...


class Turns:
    """Shares one line's work out among threads; call every method under the lock of `changed`.

    Args:
        changed: Notified when something is different that somebody may wait for.
        lock: Of it.
    """

    def __init__(self, changed: Condition, lock: AbstractContextManager[bool]) -> None:
        self._changed = changed
        self._rest = Condition(lock)  # type: ignore[arg-type]  # any lock does
        self._line: Line | None = None
        self._taken = Lock()
        self._is_wanted = False
        self._heir: object = None
        self._heir_since = 0.0
        self._free_since = 0.0
        self._sleeps = False

    @property
    def line(self) -> Line | None:
        """What works now."""
        return self._line

    @property
    def are_free(self) -> bool:
        """Whether nobody has the turn, so that the line's own thread looks after it in a moment."""
        return self._line is not None and not self._taken.locked()

    def wake_up(self) -> None:
        """Have whoever has the turn, or takes it next, look at what there is to write."""
        if self._line is not None:
            self._line.wake_up()

    def hurry(self) -> None:
        """Have somebody look at the line now."""
        if self._line is not None:
            self._line.wake_up()
            self._free_since = 0.0
            self._rest.notify()

    def stop(self) -> None:
        """The line's own thread works no more."""
        self._line = None

    def wait_for(self, is_done: Callable[[], bool], timeout_s: float | None) -> bool:
        """Wait until something is so, and do the line's work meanwhile.

        Args:
            is_done: Called under the lock.
            timeout_s: At most; None for as long as it takes.

        Returns:
            Whether it is so.
        """
        if is_done() or (timeout_s is not None and timeout_s <= 0):
            return is_done()
        end = float("inf") if timeout_s is None else time.monotonic() + timeout_s
        ticket = object()
        self._heir, self._heir_since = ticket, time.monotonic()
        try:
            while not is_done():
                left_s = end - time.monotonic()
                if left_s <= 0:
                    return False
                self._wait(ticket, left_s)
            return True
        finally:
            self._leave(ticket)

    def keep(self, line: Line) -> None:
        """Take the turns that nobody else takes, until the line works no more; for its own thread."""
        self._line = line
        self._changed.notify_all()
        while self._line is not None:
            now = time.monotonic()
            if self._taken.locked():
                self._sleeps = self._heir is not None and now - self._heir_since > BUSY_S
                self._rest.wait(LOOK_S if self._sleeps else REST_S)
                self._sleeps = False
            elif now - self._free_since < REST_S:
                self._rest.wait(REST_S)
            else:
                self._turn(line, float("inf"))
                self._free_since = time.monotonic() if self._heir is not None else 0.0

    def _wait(self, ticket: object, left_s: float) -> None:
        if self._heir is not ticket or self._line is None:
            self._changed.wait(None if left_s == float("inf") else left_s)
        elif self._taken.locked():
            self._is_wanted = True
            self._line.wake_up()
            self._changed.wait(min(left_s, LOOK_S))
        else:
            self._turn(self._line, left_s)
            self._free_since = time.monotonic()

    def _turn(self, line: Line, left_s: float) -> None:
        """One turn, without the lock."""
        with self._taken:
            self._changed.release()
            works = True
            try:
                works = line.turn(left_s)
            finally:
                self._changed.acquire()
        if not works:
            self._line = None
            self._rest.notify()
        if self._is_wanted or not works:
            self._is_wanted = False
            self._changed.notify_all()

    def _leave(self, ticket: object) -> None:
        if self._heir is ticket:
            self._heir = None
            if self._sleeps:
                self._rest.notify()
