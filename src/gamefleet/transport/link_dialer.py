"""Opens a link, and keeps opening it.

Job: one thread that dials, greets, runs the connection, and dials again after a pause. Place in the data flow: the side
that can reach the other one; a job behind a firewall, a coordinator, a player. Left out: how the socket is made (a
callable that the caller hands in: directly, through a tunnel, through `ssh -W`).

Nothing that happens to a line reaches the application as an exception: it sees a `LinkState` with a sentence.
"""

from __future__ import annotations

import random
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from gamefleet.errors import GamefleetError
from gamefleet.transport import tls
from gamefleet.transport.link import Link
from gamefleet.transport.link_connection import Connection, work
from gamefleet.transport.link_ending import EndedError
from gamefleet.transport.link_endpoint import Endpoint
from gamefleet.transport.link_settings import LinkSettings
from gamefleet.transport.link_state import CLOSED, CONNECTING, REFUSED, Peer
from gamefleet.transport.token import Token
from gamefleet.transport.wire import PROTOCOL, FrameKind, Hello, WireError, frame, pack, plain_text, unpack

Connect = Callable[[float], socket.socket]
"""Given seconds of patience: a connected stream socket, or an OSError or GamefleetError."""

STEADY_S = 5.0
"""A connection that held so long was a good one: the next try comes soon again."""


class Dialer:
    """The calling end of a link.

    Args:
        connect: Makes a connection; called in this object's own thread, as often as it takes.
        token: The secret, or how to look it up; asked afresh at each try, since a file may be mended meanwhile.
        name: Of this process.
        role: What this process is for.
        peer_role: What the other end must be for.
        facts: What else the other end should know; values that msgpack holds.
        settings: Bounds and times.
        rng: For the pauses between tries, so that not all who lost the same line come back at the same moment.
    """

    def __init__(
        self,
        connect: Connect,
        token: Token | Callable[[], Token],
        *,
        name: str,
        role: str,
        peer_role: str,
        facts: Mapping[str, Any] | None = None,
        settings: LinkSettings | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._connect = connect
        self._token = token
        self._settings = settings or LinkSettings()
        self._rng = rng or random.Random()
        ours = Peer(name=name, role=role, session=secrets.token_hex(16), facts=dict(facts or {}))
        self._endpoint = Endpoint(self._settings, ours, peer_role=peer_role)
        self._context: tuple[Token, Any] | None = None
        self.link = Link(self._endpoint)
        self._thread = threading.Thread(target=self._keep_dialling, name=f"link-{name}", daemon=True)
        self._thread.start()

    def close(self, linger_s: float = 2.0) -> None:
        """Close the link and stop dialling.

        Args:
            linger_s: As for `Link.close`.
        """
        self.link.close(linger_s)
        self._thread.join(self._settings.times.handshake_s)

    def _keep_dialling(self) -> None:
        tries = 0
        try:
            while not self._endpoint.is_closed:
                began = time.monotonic()
                kind, why = self._dial()
                tries = 0 if time.monotonic() - began >= STEADY_S else tries + 1
                self._endpoint.report(kind, why)
                self._pause(kind, tries)
        finally:
            self._endpoint.report(CLOSED, "the thread that dials has ended")

    def _pause(self, kind: str, tries: int) -> None:
        times = self._settings.times
        longest = min(times.retry_s * 2.0 ** min(max(tries - 1, 0), 30), times.retry_most_s)
        wanted = times.refused_s if kind == REFUSED else longest
        with self._endpoint.changed:
            self._endpoint.changed.wait_for(
                lambda: self._endpoint.is_closed, wanted * (0.75 + 0.5 * self._rng.random())
            )

    def _dial(self) -> tuple[str, str]:
        """One connection from beginning to end; returns the state that it leaves, and why."""
        try:
            self._call()
        except EndedError as error:
            return (REFUSED if error.is_final else CONNECTING), error.why
        except WireError as error:
            return REFUSED, str(error)
        except GamefleetError as error:
            return REFUSED, str(error)
        except OSError as error:
            return CONNECTING, f"it cannot be reached: {error.strerror or error}"
        return CONNECTING, ""

    def _call(self) -> None:
        patience_s = self._settings.times.handshake_s
        context = self._context_of(self._token if isinstance(self._token, Token) else self._token())
        plain = self._connect(patience_s)
        connection = Connection(plain, context, answers=False, times=self._settings.times)
        try:
            self._greet(connection, time.monotonic() + patience_s)
            work(connection, self._endpoint)
        finally:
            connection.close()

    def _context_of(self, token: Token) -> Any:
        """Making one takes some milliseconds and a file."""
        if self._context is None or self._context[0] != token:
            ours = self._endpoint.ours
            self._context = (token, tls.client_context(token, name=ours.name, role=ours.role))
        return self._context[1]

    def _greet(self, connection: Connection, deadline: float) -> None:
        proof = connection.handshake(deadline)
        wanted = self._endpoint.peer.role
        if proof.role != wanted:
            why = f"the other side is a {plain_text(proof.role)}, not a {wanted}; is this the right port?"
            raise EndedError(why, is_final=True)
        connection.say(frame(FrameKind.HELLO, pack(self._endpoint.hello())), deadline)
        found = connection.hear(deadline)
        if found.kind is not FrameKind.WELCOME:
            raise WireError("The other side does not greet back")
        welcome = unpack(found.body, Hello)
        if welcome.protocol != PROTOCOL:
            raise EndedError(other_protocol(welcome.protocol), is_final=True)
        self._endpoint.greet(welcome)


def other_protocol(theirs: str) -> str:
    """The sentence for two versions that do not understand each other."""
    return f"the other side speaks {plain_text(theirs)!r}, this one {PROTOCOL!r}: install the same version on both"
