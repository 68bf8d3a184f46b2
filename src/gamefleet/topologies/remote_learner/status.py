"""How a learner on another machine is, asked over its own link.

Job: one question, one answer. Place in the data flow: `gamefleet monitor` and `doctor` call this. Left out: what is
shown, and the learner's side (`server.status`).
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

from gamefleet.errors import GamefleetError, PeerError
from gamefleet.topologies.remote_learner.messages import LEARNER, MONITOR, STATUS
from gamefleet.transport.base import ClosedError
from gamefleet.transport.link import CONNECTED, CONNECTING, Link
from gamefleet.transport.link_dialer import Dialer
from gamefleet.transport.link_settings import LinkSettings
from gamefleet.transport.token import Token

SLICE_S = 0.1


class StatusLine:
    """A line to a learner over which its state is asked as often as one likes; close it, or use it as a context.

    Args:
        host: Where the learner listens.
        port: Its port.
        token: The secret, or how to look it up.
        link: Bounds and times of the line.
    """

    def __init__(
        self, host: str, port: int, token: Token | Callable[[], Token], *, link: LinkSettings | None = None
    ) -> None:
        self._where = f"{host}:{port}"
        self._doctor = f"gamefleet doctor --gpu-host {host} --gpu-port {port}"
        self._dialer = Dialer(
            lambda patience_s: socket.create_connection((host, port), timeout=patience_s),
            token,
            name=socket.gethostname(),
            role=MONITOR,
            peer_role=LEARNER,
            settings=link,
        )

    def __enter__(self) -> StatusLine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._dialer.close(linger_s=0.0)

    def ask(self, timeout_s: float) -> dict[str, Any]:
        """The state of the learner; JSON values, see `LearnerServer.status`.

        Raises:
            PeerError: It cannot be reached in time, or does not let this side in.
        """
        link, end = self._dialer.link, time.monotonic() + timeout_s
        try:
            self._await_connection(link, end)
            link.send(STATUS, {}, timeout_s=timeout_s)
            message = link.receive(max(0.0, end - time.monotonic()))
        except ClosedError as error:
            raise self._failed(f"ended the session: {error}") from error
        if message is None:
            raise self._failed(f"did not answer within {timeout_s:g} s")
        link.acknowledge(message)
        return dict(message.header)

    def _await_connection(self, link: Link, end: float) -> None:
        state = link.state
        while state.kind != CONNECTED:
            if state.kind != CONNECTING:
                raise self._failed(f"does not let this side in: {state.why}")
            if time.monotonic() >= end:
                why = state.why.removeprefix("it cannot be reached: ")
                raise self._failed(f"cannot be reached: {why or 'no answer'}")
            state = link.wait_for_change(state, SLICE_S)

    def _failed(self, what: str) -> GamefleetError:
        return PeerError(
            f"The learner {what}",
            where=self._where,
            remedy=f"Run `{self._doctor}`: it looks at each part of the way.",
        )


def ask_status(host: str, port: int, token: Token | Callable[[], Token], timeout_s: float = 10.0) -> Mapping[str, Any]:
    """Ask once; see `StatusLine.ask`."""
    with StatusLine(host, port, token) as line:
        return line.ask(timeout_s)
