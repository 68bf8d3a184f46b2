"""One end of a session: shared by the application's threads and the thread of its connection.

Job: one lock around what leaves and what arrives, and the state that people see. Place in the data flow: `Link` is its
application's view, `link_connection` moves its bytes. Left out: sockets, dialling and listening.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Condition
from typing import Any

from gamefleet.transport.base import ClosedError
from gamefleet.transport.link_inbox import Inbox, Message
from gamefleet.transport.link_outbox import Outbox
from gamefleet.transport.link_settings import LinkSettings
from gamefleet.transport.link_wake import Wake
from gamefleet.transport.wire import (
    LOSSLESS,
    PROTOCOL,
    Encoded,
    Frame,
    FrameKind,
    Goodbye,
    Hello,
    Stream,
    WireError,
    frame,
    pack,
    pack_counts,
    unpack_counts,
)

ENDED, RESTART = "ended", "restart"
CONNECTING, CONNECTED, REFUSED, CLOSED = "connecting", "connected", "refused", "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkState:
    """How a link is.

    Args:
        kind: `connecting`, `connected`, `refused` (a person must mend something; it is tried again, slowly), `closed`.
        why: A sentence for people; empty when there is nothing to say.
        since: Seconds since 1970.
    """

    kind: str
    why: str
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Who is at the other end; empty texts until it was reached for the first time.

    Args:
        name: What it calls itself.
        role: What it is for.
        session: One process's life at the other end; another value means that it started afresh, and knows nothing of
            what was acknowledged before.
        facts: What it wants to be known; written by the other side.
    """

    name: str
    role: str
    session: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkCounts:
    """What a link did so far.

    Args:
        connections: Times that it was connected.
        sent_bytes: On all connections, before encryption.
        received_bytes: Likewise.
        missing: Messages that the other side was done with and this side, which resumed from something older, is not.
    """

    connections: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    missing: int = 0


class Endpoint:
    """One end of a session.

    Args:
        settings: What it may take.
        ours: Who this is.
        peer_role: Of the other end.
        resume: See `Inbox.meet`.
        clock: Seconds since 1970.
    """

    def __init__(
        self,
        settings: LinkSettings,
        ours: Peer,
        *,
        peer_role: str,
        resume: Mapping[int, int] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.changed = Condition()
        self.settings = settings
        self.ours = ours
        self.peer = Peer(name="", role=peer_role, session="", facts={})
        self.state = LinkState(kind=CONNECTING, why="", since=clock())
        self._outbox = Outbox(window_bytes=settings.window_bytes, kept_bytes=settings.kept_bytes)
        self._inbox = Inbox(window_bytes=settings.window_bytes, message_bytes=settings.message_bytes)
        self._resume = dict(resume or {})
        self._clock = clock
        self._process = os.getpid()
        self._wake: Wake | None = None
        self._leaving: Goodbye | None = None
        self._is_claimed = False
        self._must_yield = False
        self._owes_counts = False
        self._connections = self._sent_bytes = self._received_bytes = 0

    # The application's side.

    def send(self, stream: Stream, encoded: Encoded, timeout_s: float | None, *, is_last: bool = False) -> bool:
        """Accept a lossless message, waiting while the window is full; see `Link.send`."""
        self.check_process()
        if encoded.num_bytes > self.settings.message_bytes:
            raise ValueError(f"a message of {encoded.num_bytes} bytes; at most {self.settings.message_bytes} are taken")

        def has_room() -> bool:
            return is_last or self._outbox.has_room(stream, encoded.num_bytes)

        with self.changed:
            self.changed.wait_for(lambda: self.is_closed or has_room(), timeout_s)
            if self.is_closed:
                raise ClosedError(self.state.why or "this link was closed")
            if not has_room():
                return False
            self._outbox.put(stream, encoded)
            self._wake_up()
            return True

    def would_skip(self, name: str) -> bool:
        """Whether a lossy message of this name would not be written now."""
        with self.changed:
            return self.state.kind != CONNECTED or self._outbox.has_name(name)

    def offer(self, name: str, encoded: Encoded) -> bool:
        """Accept a lossy message if it can be written soon."""
        self.check_process()
        if encoded.num_bytes > self.settings.message_bytes:
            raise ValueError(f"a message of {encoded.num_bytes} bytes; at most {self.settings.message_bytes} are taken")
        with self.changed:
            if self.state.kind != CONNECTED or not self._outbox.offer(name, encoded):
                return False
            self._wake_up()
            return True

    def receive(self, streams: Sequence[Stream], timeout_s: float | None) -> Message | None:
        """The next message of these streams; see `Link.receive`."""
        self.check_process()
        found: list[Message | None] = [None]

        def has_come() -> bool:
            found[0] = self._inbox.take(streams)
            return found[0] is not None or self.is_closed

        with self.changed:
            self.changed.wait_for(has_come, timeout_s)
            if found[0] is None and self.is_closed:
                raise ClosedError(self.state.why or "this link was closed")
            if found[0] is not None and not found[0].is_lossy:
                self._owes_counts = True
                if self._inbox.has_news_of_room():
                    self._wake_up()
            return found[0]

    def wait_for_message(self, streams: Sequence[Stream], timeout_s: float) -> bool:
        """Wait until `receive` would not."""
        with self.changed:
            return self.changed.wait_for(lambda: self.is_closed or self._inbox.has_any(streams), timeout_s)

    def acknowledge(self, session: str, stream: Stream, number: int) -> None:
        """The application is done with a message and all before it; see `Link.acknowledge`."""
        with self.changed:
            if self._inbox.acknowledge(session, stream, number):
                self._owe_counts()

    def flush(self, streams: Sequence[Stream], timeout_s: float | None) -> bool:
        """Wait until the other side is done with everything that was accepted."""
        with self.changed:
            self.changed.wait_for(lambda: self.is_closed or self._outbox.is_settled(streams), timeout_s)
            return self._outbox.is_settled(streams)

    def wait_for_change(self, seen: LinkState, timeout_s: float | None) -> LinkState:
        """Wait until the state is another one than that seen."""
        with self.changed:
            self.changed.wait_for(lambda: self.state != seen, timeout_s)
            return self.state

    def counts(self) -> LinkCounts:
        """What was done so far."""
        with self.changed:
            return LinkCounts(
                connections=self._connections,
                sent_bytes=self._sent_bytes,
                received_bytes=self._received_bytes,
                missing=self._inbox.missing,
            )

    def check_process(self) -> None:
        """Fail in a process that was forked off: its threads are not there, and its memory of the link is a copy.

        Raises:
            RuntimeError: This is another process than that which opened the link.
        """
        if os.getpid() != self._process:
            raise RuntimeError("a link was used in a process forked off the one that opened it; open one there")

    # State.

    @property
    def is_closed(self) -> bool:
        """Whether nothing comes or goes any more."""
        return self.state.kind == CLOSED

    def leave(self, reason: str, why: str) -> None:
        """Close for good; a connection says goodbye."""
        with self.changed:
            if self._leaving is None:
                self._leaving = Goodbye(reason=reason, why=why)
            self._set_state(CLOSED, why)
            self._wake_up()

    def drop(self) -> None:
        """Forget what arrived and was not taken: it comes from somebody who is no longer believed."""
        with self.changed:
            self._inbox.clear()

    def report(self, kind: str, why: str) -> None:
        """Change the state while there is no connection; a closed link stays closed."""
        with self.changed:
            self._set_state(kind, why)

    def position(self) -> dict[int, int]:
        """For each lossless stream, the last message that the application took."""
        with self.changed:
            return {int(stream): number for stream, number in self._inbox.taken().items()}

    # The connection's side.

    def hello(self) -> Hello:
        """What to say first."""
        with self.changed:
            return Hello(
                protocol=PROTOCOL,
                session=self.ours.session,
                name=self.ours.name,
                role=self.ours.role,
                facts=dict(self.ours.facts),
                first=self._outbox.first(),
                peer_session=self._inbox.session,
                received=self._inbox.received(),
                begun=self._inbox.begun(),
                scope=self.settings.scope,
                epoch=self.settings.epoch,
                message_bytes=self.settings.message_bytes,
            )

    def greet(self, hello: Hello) -> None:
        """The other side said who it is and what it has: both directions go on from there.

        Raises:
            WireError: What it says cannot be.
        """
        with self.changed:
            if hello.peer_session == self.ours.session:
                self._outbox.rewind(hello.received, hello.begun)
            else:  # another process than before, which has nothing
                self._outbox.rewind([number - 1 for number in self._outbox.first()], [-1] * len(LOSSLESS))
            self._inbox.meet(hello.session, hello.first, self._resume)
            self.peer = Peer(name=hello.name, role=hello.role, session=hello.session, facts=hello.facts)

    def claim(self, timeout_s: float) -> bool:
        """Make way for another connection: the one at work ends before anything of the other one happens.

        Two at the same time would mix up half-sent messages. Call `release` when this one has ended.

        Returns:
            Whether the way is free.
        """
        with self.changed:
            self._must_yield = True
            self._wake_up()
            if not self.changed.wait_for(lambda: not self._is_claimed, timeout_s):
                return False
            self._must_yield = False
            self._is_claimed = True
            return True

    def release(self) -> None:
        """The connection that claimed this end has ended."""
        with self.changed:
            self._is_claimed = False
            self.changed.notify_all()

    def attach(self, wake: Wake) -> None:
        """A connection works from now on; if the link was closed meanwhile, just to say goodbye."""
        with self.changed:
            self._wake = wake
            self._connections += 1
            self._owes_counts = True
            self._set_state(CONNECTED, "")

    def detach(self, kind: str, why: str) -> None:
        """The connection works no more."""
        with self.changed:
            self._wake = None
            self._outbox.break_off()
            self._inbox.break_off()
            self._set_state(kind, why)

    def next_bytes(self) -> bytes:
        """What to write next; empty when there is nothing."""
        with self.changed:
            counts = b""
            if self._owes_counts:
                self._owes_counts = False
                counts = frame(FrameKind.COUNTS, pack_counts(self._inbox.tell(), self._inbox.committed()))
            if self._leaving is not None:
                return counts
            found = self._outbox.next_bytes()
            self._sent_bytes += len(counts) + len(found)
            return counts + found if counts else found

    def goodbye(self) -> Goodbye | None:
        """What to say last, once this connection should end."""
        with self.changed:
            if self._leaving is None and self._must_yield:
                return Goodbye(reason=RESTART, why="another connection of the same session took its place")
            return self._leaving

    def take_in(self, found: Frame) -> None:
        """Understand a frame.

        Raises:
            WireError: It may not come now, or says what cannot be.
        """
        with self.changed:
            self._received_bytes += len(found.body)
            if found.kind is FrameKind.START:
                is_news = self._inbox.start(found)
            elif found.kind is FrameKind.DATA:
                is_news = self._inbox.data(found)
            elif found.kind is FrameKind.COUNTS:
                self._outbox.count(*unpack_counts(found.body))
                is_news = True
            elif found.kind is FrameKind.PING:
                is_news = False
            else:
                raise WireError("The other side greeted twice")
            if is_news:
                self.changed.notify_all()

    def _owe_counts(self) -> None:
        self._owes_counts = True
        self._wake_up()

    def _wake_up(self) -> None:
        if self._wake is not None:
            self._wake.set()

    def _set_state(self, kind: str, why: str) -> None:
        if not self.is_closed and (kind, why) != (self.state.kind, self.state.why):
            self.state = LinkState(kind=kind, why=why, since=self._clock())
        self.changed.notify_all()


def everything(streams: Sequence[Stream] | None) -> Sequence[Stream]:
    """All lossless streams where none are named."""
    return LOSSLESS if streams is None else streams


def farewell(goodbye: Goodbye) -> bytes:
    """The frame that ends a connection."""
    return frame(FrameKind.GOODBYE, pack(goodbye))
