"""Waits for a socket, and for whoever wants attention meanwhile.

Job: one wait for bytes, room and a `Wake`. Place in the data flow: under `link_connection`. Left out: reading and
writing.
"""

from __future__ import annotations

import selectors
import socket

from gamefleet.transport.link_ending import EndedError
from gamefleet.transport.link_wake import Wake

WOKEN = 1 << 16
"""Beside the events of `selectors`: there is something to look at."""


class Watch:
    """For one thread; any other may call `cancel`, and set `wake`.

    Args:
        plain: The socket; whoever made it closes it.
    """

    def __init__(self, plain: socket.socket) -> None:
        self.wake = Wake()
        self._plain = plain
        self._cancelled = ""
        self._interest = selectors.EVENT_READ
        self._selector = selectors.DefaultSelector()
        self._selector.register(plain, self._interest)
        self._selector.register(self.wake, selectors.EVENT_READ)

    def cancel(self, why: str) -> None:
        """Make the next wait fail, now or later."""
        self._cancelled = why
        self.wake.set()

    def wait(self, patience_s: float, events: int) -> int:
        """Wait for the socket, or to be woken.

        Args:
            patience_s: At most.
            events: What to wait for, as `selectors` has it.

        Returns:
            What the socket is ready for and `WOKEN` when somebody did; 0 when the time is over.

        Raises:
            EndedError: Somebody cancelled it.
        """
        if events != self._interest:
            self._selector.modify(self._plain, events)
            self._interest = events
        found = 0
        for key, ready in self._selector.select(patience_s):
            if key.fileobj is self._plain:
                found |= ready
            else:
                self.wake.clear()
                found |= WOKEN
        if self._cancelled:
            raise EndedError(self._cancelled, is_ours=True)
        return found

    def close(self) -> None:
        """End."""
        self._selector.close()
        self.wake.close()
