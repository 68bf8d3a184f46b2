"""One end of a session: shared by the application's threads and the thread of its connection.

Job: one lock around what leaves and what arrives, and the state that people see. Place in the data flow: `Link` is its
application's view, `link_connection` moves its bytes. Left out: sockets, dialling and listening.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from threading import Condition, RLock

from gamefleet.transport.link_claim import Claim
from gamefleet.transport.link_inbox import Inbox
from gamefleet.transport.link_outbox import Outbox
from gamefleet.transport.link_settings import LinkSettings
from gamefleet.transport.link_state import CLOSED, CONNECTED, CONNECTING, RESTART, LinkState, Peer
from gamefleet.transport.link_turns import Line, Turns
from gamefleet.transport.wire import (
    LOSSLESS,
    PROTOCOL,
    Buffer,
    Frame,
    FrameKind,
    Goodbye,
    Hello,
    WireError,
    frame,
    pack,
    pack_counts,
    unpack_counts,
)


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
        # Taken by itself, not through a condition: that is Python, in the middle of which a signal may leave it taken.
        self.lock = RLock()
        self.changed = Condition(self.lock)
        self.turns = Turns(self.changed, self.lock)
        self.settings = settings
        self.ours = ours
        self.peer = Peer(name="", role=peer_role, session="", facts={})
        self.state = LinkState(kind=CONNECTING, why="", since=clock())
        self.outbox = Outbox(window_bytes=settings.window_bytes, kept_bytes=settings.kept_bytes)
        self.inbox = Inbox(window_bytes=settings.window_bytes, message_bytes=settings.message_bytes)
        self._resume = dict(resume or {})
        self._clock = clock
        self._leaving: Goodbye | None = None
        self._claim = Claim(self.changed)
        self.owes_counts = self.are_counts_due = False
        self.connections = self.sent_bytes = self.received_bytes = 0

    @property
    def is_closed(self) -> bool:
        """Whether nothing comes or goes any more."""
        return self.state.kind == CLOSED

    @property
    def is_ending(self) -> bool:
        """Whether the connection at work should end."""
        return self._leaving is not None or self._claim.is_wanted

    @property
    def has_something_to_say(self) -> bool:
        """Whether there is something to write; needs no lock: whoever changes the answer wakes the connection."""
        return self.are_counts_due or self.is_ending or self.outbox.waits

    def leave(self, reason: str, why: str) -> None:
        """Close for good; a connection says goodbye."""
        with self.lock:
            if self._leaving is None:
                self._leaving = Goodbye(reason=reason, why=why)
            self._set_state(CLOSED, why)
            self.turns.wake_up()

    def drop(self) -> None:
        """Forget what arrived and was not taken: it comes from somebody who is no longer believed."""
        with self.lock:
            self.inbox.clear()

    def report(self, kind: str, why: str) -> None:
        """Change the state while there is no connection; a closed link stays closed."""
        with self.lock:
            self._set_state(kind, why)

    def hello(self) -> Hello:
        """What to say first."""
        with self.lock:
            return Hello(
                protocol=PROTOCOL,
                session=self.ours.session,
                name=self.ours.name,
                role=self.ours.role,
                facts=dict(self.ours.facts),
                first=self.outbox.first(),
                peer_session=self.inbox.session,
                received=self.inbox.received(),
                begun=self.inbox.begun(),
                scope=self.settings.scope,
                epoch=self.settings.epoch,
                message_bytes=self.settings.message_bytes,
            )

    def greet(self, hello: Hello) -> None:
        """The other side said who it is and what it has: both directions go on from there.

        Raises:
            WireError: What it says cannot be.
        """
        with self.lock:
            if hello.peer_session == self.ours.session:
                self.outbox.rewind(hello.received, hello.begun)
            else:  # another process than before, which has nothing
                self.outbox.rewind([number - 1 for number in self.outbox.first()], [-1] * len(LOSSLESS))
            self.inbox.meet(hello.session, hello.first, self._resume)
            self.peer = Peer(name=hello.name, role=hello.role, session=hello.session, facts=hello.facts)

    def claim(self, timeout_s: float) -> bool:
        """Make way for another connection; see `Claim.take`."""
        with self.lock:
            return self._claim.take(timeout_s, self.turns.wake_up)

    def release(self) -> None:
        """The connection that claimed this end has ended."""
        with self.lock:
            self._claim.give_back()

    def work(self, line: Line) -> None:
        """Let a connection work until it does no more; if the link was closed meanwhile, just to say goodbye."""
        with self.lock:
            self.connections += 1
            self.owes_counts = self.are_counts_due = True
            self._set_state(CONNECTED, "")
            self.turns.keep(line)

    def detach(self, kind: str, why: str, *, was_interrupted: bool = False) -> None:
        """The connection works no more; perhaps a thread was interrupted while it moved bytes."""
        with self.lock:
            if was_interrupted:
                self.outbox.mend()
                self.inbox.mend()
            self.turns.stop()
            self.outbox.break_off()
            self.inbox.break_off()
            self._set_state(kind, why)

    def next_bytes(self) -> tuple[bytes, Buffer]:
        """What to write next, in two pieces; empty when there is nothing."""
        with self.lock:
            counts = b""
            if self.owes_counts:
                self.owes_counts = self.are_counts_due = False
                counts = frame(FrameKind.COUNTS, pack_counts(self.inbox.tell(), self.inbox.committed()))
            if self._leaving is not None:
                return counts, b""
            head, body = self.outbox.next_bytes()
            self.sent_bytes += len(counts) + len(head) + len(body)
            return counts + head, body

    def goodbye(self) -> Goodbye | None:
        """What to say last, once this connection should end."""
        with self.lock:
            if self._leaving is None and self._claim.is_wanted:
                return Goodbye(reason=RESTART, why="another connection of the same session took its place")
            return self._leaving

    def take_in(self, frames: Sequence[Frame]) -> None:
        """Understand frames.

        Raises:
            WireError: One may not come now, or says what cannot be.
        """
        with self.lock:
            is_news = False
            for found in frames:
                is_news |= self._take_in(found)
            if is_news:  # after an error everybody is told that the connection ended
                self.changed.notify_all()

    def _take_in(self, found: Frame) -> bool:
        """Understand a frame; returns whether somebody may wait for what it brought."""
        self.received_bytes += len(found.body)
        if found.kind is FrameKind.START:
            return self.inbox.start(found)
        if found.kind is FrameKind.DATA:
            return self.inbox.data(found)
        if found.kind is FrameKind.COUNTS:
            self.outbox.count(*unpack_counts(found.body))
            return True
        if found.kind is FrameKind.PING:
            return False
        raise WireError("The other side greeted twice")

    def _set_state(self, kind: str, why: str) -> None:
        if not self.is_closed and (kind, why) != (self.state.kind, self.state.why):
            self.state = LinkState(kind=kind, why=why, since=self._clock())
        self.changed.notify_all()


def farewell(goodbye: Goodbye) -> bytes:
    """The frame that ends a connection."""
    return frame(FrameKind.GOODBYE, pack(goodbye))
