"""Who is let in by a listener, and who is remembered.

Job: check what a caller says about itself, find its session again or open one, and keep zombies out. Place in the data
flow: between the greeting of a connection and its `Endpoint`. Left out: sockets and threads (`link_listener`).
"""

from __future__ import annotations

import re
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Condition

from gamefleet.transport.link import Link
from gamefleet.transport.link_ending import EndedError
from gamefleet.transport.link_endpoint import Endpoint
from gamefleet.transport.link_settings import LinkSettings
from gamefleet.transport.link_state import CONNECTED, REFUSED, Peer
from gamefleet.transport.tls import LONGEST_NAME, Proof
from gamefleet.transport.wire import PROTOCOL, Hello, plain_text

MOST_REMEMBERED = 4096
TOOK_OVER = "took over"
"""In the sentence for a process that has no business here any more, however often it tries."""

_SESSION = re.compile(r"[0-9a-zA-Z_-]{8,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """What a checkpoint remembers about links, for a process that starts again from it.

    Args:
        applied: Session -> stream -> number of the last message whose effect the checkpoint holds.
        epochs: Scope -> the newest epoch that was let in.
    """

    applied: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    epochs: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Session:
    """A caller that was let in.

    Args:
        endpoint: Our end.
        link: The application's view of it.
        name: Of the caller, as its certificate says.
        scope: Within which its epoch counts; empty for none.
        epoch: See `LinkSettings`.
        is_new: Whether the application has not been given it yet.
    """

    endpoint: Endpoint
    link: Link
    name: str
    scope: str
    epoch: int
    is_new: bool = True


class Admission:
    """Decides who is let in; any thread may ask.

    Args:
        ours: Who this is; every session gets an id of its own.
        peer_roles: What callers may be for.
        settings: Bounds.
        resume: From a checkpoint.
    """

    def __init__(
        self, ours: Peer, *, peer_roles: Collection[str], settings: LinkSettings, resume: Resume | None = None
    ) -> None:
        self.changed = Condition()
        self._ours = ours
        self._peer_roles = tuple(peer_roles)
        self._settings = settings
        self._sessions: dict[str, Session] = {}
        self._waiting: deque[Link] = deque()
        resume = resume or Resume()
        self._remembered: OrderedDict[str, Mapping[int, int]] = OrderedDict(resume.applied)
        self._epochs: OrderedDict[str, int] = OrderedDict(resume.epochs)

    def admit(self, hello: Hello, proof: Proof) -> Session:
        """The session of a caller.

        Args:
            hello: What it says.
            proof: What its certificate says.

        Raises:
            EndedError: It is not let in, with the sentence that it is told.
        """
        if problem := self._problem(hello, proof):
            raise EndedError(problem, is_final=True, is_ours=True)
        with self.changed:
            self._fence(hello)
            found = self._sessions.get(hello.session)
            if found is not None and not found.endpoint.is_closed:
                if (found.name, found.link.peer.role) != (proof.name, proof.role):
                    raise EndedError("the session belongs to another process", is_final=True, is_ours=True)
                return found
            self._make_room()
            session = self._open(hello, proof)
            self._sessions[hello.session] = session
            return session

    def hand_over(self, session: Session) -> None:
        """Greeted: the application may have it."""
        with self.changed:
            if session.is_new:
                session.is_new = False
                self._waiting.append(session.link)
                self.changed.notify_all()

    def next_link(self, timeout_s: float | None, is_closed: Collection[bool]) -> Link | None:
        """The next link that the application was not given yet."""
        with self.changed:
            self.changed.wait_for(lambda: self._waiting or any(is_closed), timeout_s)
            return self._waiting.popleft() if self._waiting else None

    def links(self) -> list[Link]:
        """Every link that the application was given and that is not closed."""
        with self.changed:
            return [
                session.link
                for session in self._sessions.values()
                if not session.is_new and not session.endpoint.is_closed
            ]

    def endpoints(self) -> list[Endpoint]:
        """Every end."""
        with self.changed:
            return [session.endpoint for session in self._sessions.values()]

    def epochs(self) -> dict[str, int]:
        """Scope -> the newest epoch that was let in."""
        with self.changed:
            return dict(self._epochs)

    def sweep(self, now: float) -> None:
        """Forget sessions that are closed, or were without a connection for too long.

        Args:
            now: Seconds since 1970.
        """
        with self.changed:
            for name, session in list(self._sessions.items()):
                state = session.endpoint.state
                if session.endpoint.is_closed:
                    self._forget(name)
                elif state.kind != CONNECTED and now - state.since > self._settings.times.keep_s:
                    session.endpoint.leave(REFUSED, f"it did not come back within {self._settings.times.keep_s:g} s")
                    self._forget(name)

    def _problem(self, hello: Hello, proof: Proof) -> str:
        if hello.protocol != PROTOCOL:
            return (
                f"this side speaks {PROTOCOL!r}, not {plain_text(hello.protocol)!r}: install the same version on both"
            )
        if proof.role not in self._peer_roles:
            return (
                f"this is a {self._ours.role} and waits for a {' or '.join(self._peer_roles)}, not for a {proof.role}"
            )
        if (hello.role, hello.name[:LONGEST_NAME] or "-") != (proof.role, proof.name):
            return "the greeting names another process than the certificate"
        if not _SESSION.fullmatch(hello.session) or len(hello.scope) > 2 * LONGEST_NAME or hello.epoch < 0:
            return "the greeting names no session, or an impossible epoch"
        return ""

    def _fence(self, hello: Hello) -> None:
        """Refuse who was taken over, and close those whom this one takes over."""
        if not hello.scope:
            return
        newest = self._epochs.get(hello.scope, 0)
        if hello.epoch < newest:
            epochs = f"(epoch {newest}, this one is {hello.epoch})"
            why = f"a newer process of {plain_text(hello.scope)} {TOOK_OVER} {epochs}"
            raise EndedError(f"{why}: it must stop", is_final=True, is_ours=True)
        self._epochs[hello.scope] = hello.epoch
        self._epochs.move_to_end(hello.scope)
        while len(self._epochs) > MOST_REMEMBERED:
            self._epochs.popitem(last=False)
        for session in self._sessions.values():
            if session.scope == hello.scope and session.epoch < hello.epoch:
                session.endpoint.leave(REFUSED, f"a newer process {TOOK_OVER} (epoch {hello.epoch})")
                session.endpoint.drop()

    def _make_room(self) -> None:
        alive = {name: found for name, found in self._sessions.items() if not found.endpoint.is_closed}
        if len(alive) < self._settings.most_peers:
            return
        lost = [name for name, found in alive.items() if found.endpoint.state.kind != CONNECTED]
        if not lost:
            raise EndedError(f"{len(alive)} others are connected, and no more are let in", is_final=True, is_ours=True)
        oldest = min(lost, key=lambda name: alive[name].endpoint.state.since)
        alive[oldest].endpoint.leave(REFUSED, "it was away, and its place was needed")
        self._forget(oldest)

    def _forget(self, name: str) -> None:
        """Close a session's books; how far it was is remembered, so that nothing is applied twice if it returns."""
        session = self._sessions.pop(name)
        self._remembered[name] = position(session.endpoint)
        self._remembered.move_to_end(name)
        while len(self._remembered) > MOST_REMEMBERED:
            self._remembered.popitem(last=False)
        with suppress(ValueError):
            self._waiting.remove(session.link)

    def _open(self, hello: Hello, proof: Proof) -> Session:
        if hello.session in self._sessions:
            self._forget(hello.session)
        ours = Peer(name=self._ours.name, role=self._ours.role, session=secrets.token_hex(16), facts=self._ours.facts)
        endpoint = Endpoint(
            self._settings, ours, peer_role=proof.role, resume=self._remembered.get(hello.session), clock=time.time
        )
        return Session(endpoint=endpoint, link=Link(endpoint), name=proof.name, scope=hello.scope, epoch=hello.epoch)


def position(endpoint: Endpoint) -> dict[int, int]:
    """For each lossless stream, the last message that the application took."""
    with endpoint.changed:
        return {int(stream): number for stream, number in endpoint.inbox.taken().items()}
