"""Connections that say nothing are not kept.

Job: close a connection on which no request comes, or only ever half of one. Place in the data flow: between the
sockets of `serving` and the server. Left out: requests (`security`, `server`).

The server takes a bounded number of connections. It waits without end for the head of a request, so that a bounded
number of tunnels that died, or of strangers that say nothing, would keep everybody out for ever.
"""

from __future__ import annotations

from asyncio import TimerHandle, Transport
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

LOOK_S = 10.0
"""Between two looks; what had no request at two of them in a row is closed."""


class ImpatientProtocol(H11Protocol):
    """The server's protocol, with an end to waiting."""

    _timer: TimerHandle | None = None
    _answered: Any = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """A browser came."""
        super().connection_made(transport)
        self._timer = self.loop.call_later(LOOK_S, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """It went."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        if self.transport.get_protocol() is not self:  # it became a web socket, which has a time limit of its own
            return
        is_idle = self.cycle is None or self.cycle.response_complete
        if is_idle and self._answered is (self.cycle or self):
            self.transport.close()
            return
        self._answered = (self.cycle or self) if is_idle else None
        self._timer = self.loop.call_later(LOOK_S, self._look)
