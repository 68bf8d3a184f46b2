"""Waits for links, and takes back those whose line broke.

Job: one thread that accepts connections, and one thread for each of them. Place in the data flow: the side that is
reached: a viewer, a learner with the GPU. Left out: who is let in (`link_admission`), what is done with the links.

Whoever does not hold the token gets one handshake of `handshake_s` seconds, no memory worth mentioning, and a place
among `most_handshakes`: when there are more, the oldest must go, so that idle strangers keep nobody out.
"""

from __future__ import annotations

import os
import selectors
import socket
import threading
import time
import weakref
from collections import OrderedDict, deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gamefleet.errors import ConfigError
from gamefleet.transport import tls
from gamefleet.transport.link import Link
from gamefleet.transport.link_admission import Admission, Resume
from gamefleet.transport.link_connection import Connection, work
from gamefleet.transport.link_ending import EndedError
from gamefleet.transport.link_settings import LinkSettings
from gamefleet.transport.link_state import ENDED, REFUSED, RESTART, Peer
from gamefleet.transport.link_wake import Wake
from gamefleet.transport.token import Token
from gamefleet.transport.wire import FrameKind, Goodbye, Hello, WireError, frame, pack, unpack

MOST_REFUSALS = 64
PATIENCE_S = 5.0
LOOK_S = 0.25
HIGHEST_PORT = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Somebody who was not let in.

    Args:
        at: Seconds since 1970.
        address: Where the connection came from.
        why: A sentence.
    """

    at: float
    address: str
    why: str


class Listener:
    """The answering end of any number of links.

    Args:
        host: Address to listen at; 127.0.0.1 unless others are meant to reach it.
        port: 0 lets the system choose one.
        token: The secret.
        name: Of this process.
        role: What this process is for.
        peer_role: What callers must be for; several roles may be given.
        facts: What else callers should know; values that msgpack holds.
        settings: Bounds and times.
        resume: From the checkpoint from which this process starts again.

    Raises:
        ConfigError: The port is taken, or the address is not of this machine.
    """

    def __init__(
        self,
        host: str,
        port: int,
        token: Token,
        *,
        name: str,
        role: str,
        peer_role: str | tuple[str, ...],
        facts: Mapping[str, Any] | None = None,
        settings: LinkSettings | None = None,
        resume: Resume | None = None,
    ) -> None:
        self._settings = settings or LinkSettings()
        self._context = tls.server_context(token, name=name, role=role)
        self._admission = Admission(
            Peer(name=name, role=role, session="", facts=dict(facts or {})),
            peer_roles=(peer_role,) if isinstance(peer_role, str) else peer_role,
            settings=self._settings,
            resume=resume,
        )
        self._lock = threading.Lock()
        self._greeting: OrderedDict[int, Connection] = OrderedDict()
        self._refusals: deque[Refusal] = deque(maxlen=MOST_REFUSALS)
        self._closing: list[bool] = []
        self._socket = listen(host, port)
        self._wake = Wake()
        self.address: tuple[str, int] = self._socket.getsockname()[:2]
        close_in_children(self._socket)
        self._thread = threading.Thread(target=self._keep_accepting, name=f"listen-{name}", daemon=True)
        self._thread.start()

    def accept(self, timeout_s: float | None) -> Link | None:
        """The next link, once for each session; None when none came in time, or this listener was closed."""
        return self._admission.next_link(timeout_s, self._closing)

    def links(self) -> list[Link]:
        """Every link that is not closed, connected or waiting to come back."""
        return self._admission.links()

    def refusals(self) -> list[Refusal]:
        """The last callers who were not let in, the newest last."""
        with self._lock:
            return list(self._refusals)

    def epochs(self) -> dict[str, int]:
        """Scope -> the newest epoch that was let in, for a checkpoint."""
        return self._admission.epochs()

    def close(self) -> None:
        """Listen no more and close all links; callers go on trying, for whoever listens next."""
        with self._admission.changed:
            self._closing.append(True)
            self._admission.changed.notify_all()
        self._wake.set()
        self._thread.join()
        self._socket.close()
        for endpoint in self._admission.endpoints():
            endpoint.leave(ENDED, "the other side has ended")
        with self._lock:
            greeting = list(self._greeting.values())
        for connection in greeting:
            connection.cancel("this side is closing")

    def _keep_accepting(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            selector.register(self._wake, selectors.EVENT_READ)
            while not self._closing:
                self._admission.sweep(time.time())
                if selector.select(LOOK_S) and not self._closing:
                    self._accept()
        self._wake.close()

    def _accept(self) -> None:
        try:
            plain, address = self._socket.accept()
        except BlockingIOError:  # a caller that has hung up again
            return
        except OSError:  # too many open files, for example: it passes
            time.sleep(LOOK_S)
            return
        where = f"{address[0]}:{address[1]}"
        threading.Thread(target=self._serve, args=(plain, where), name=f"link-{where}", daemon=True).start()

    def _serve(self, plain: socket.socket, where: str) -> None:
        """One caller, from beginning to end."""
        connection = Connection(plain, self._context, answers=True, times=self._settings.times)
        try:
            self._make_way(connection)
            self._let_in(connection, where)
        finally:
            with self._lock:
                self._greeting.pop(id(connection), None)
            connection.close()

    def _make_way(self, connection: Connection) -> None:
        with self._lock:
            self._greeting[id(connection)] = connection
            if len(self._greeting) > self._settings.most_handshakes:
                self._greeting.popitem(last=False)[1].cancel("too many others want to greet at the same time")

    def _let_in(self, connection: Connection, where: str) -> None:
        try:
            deadline = time.monotonic() + self._settings.times.handshake_s
            proof = connection.handshake(deadline)
            found = connection.hear(deadline)
            if found.kind is not FrameKind.HELLO:
                raise WireError("The other side does not greet")
            self._serve_session(connection, unpack(found.body, Hello), proof)
        except EndedError as error:
            self._turn_away(connection, error, where)
        except WireError as error:
            self._note(where, str(error))
            connection.part(Goodbye(reason=RESTART, why=str(error)))

    def _turn_away(self, connection: Connection, error: EndedError, where: str) -> None:
        if error.is_ours:
            connection.part(Goodbye(reason=REFUSED if error.is_final else RESTART, why=error.why))
        self._note(where, error.why)

    def _serve_session(self, connection: Connection, hello: Hello, proof: tls.Proof) -> None:
        session = self._admission.admit(hello, proof)
        endpoint = session.endpoint
        if not endpoint.claim(PATIENCE_S):
            raise EndedError("another connection of the same session does not end", is_ours=True)
        try:
            endpoint.greet(hello)
            deadline = time.monotonic() + self._settings.times.handshake_s
            connection.say(frame(FrameKind.WELCOME, pack(endpoint.hello())), deadline)
            with self._lock:
                self._greeting.pop(id(connection), None)
            self._admission.hand_over(session)
            work(connection, endpoint)
        except EndedError as error:
            if error.is_over:
                endpoint.leave(ENDED, error.why)
            if error.is_ours or session.is_new:
                raise
        finally:
            endpoint.release()

    def _note(self, where: str, why: str) -> None:
        with self._lock:
            self._refusals.append(Refusal(at=time.time(), address=where, why=why))


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        ConfigError: The port is taken, or the address is not of this machine.
    """
    if not 0 <= port <= HIGHEST_PORT:
        raise ConfigError("This is no port", value=port, remedy=f"Choose 1 to {HIGHEST_PORT}, or 0 for any.")
    try:
        made = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise ConfigError(
            f"Cannot listen: {error.strerror or error}",
            value=f"{host}:{port}",
            remedy="Choose another port, or end the program that uses this one.",
        ) from error
    made.setblocking(False)
    return made


def close_in_children(listening: socket.socket) -> None:
    """Close a socket in processes that are forked off.

    Otherwise the port stays open when this process has died, and callers wait for somebody who never answers.
    """
    if not hasattr(os, "register_at_fork"):
        return
    reference = weakref.ref(listening)

    def close() -> None:
        found = reference()
        if found is not None:
            with suppress(OSError):
                found.close()

    os.register_at_fork(after_in_child=close)
