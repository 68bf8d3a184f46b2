"""A link: messages to one other process, over a line that may break at any time.

Job: what an application sees of it. Place in the data flow: actors' batches, weights, control and pictures pass through
it, whatever lies between the machines. Left out: how it is opened (`link_dialer`, `link_listener`), and what the
messages are about.

Three streams are lossless: each message arrives exactly once and in order within its stream, over any number of broken
connections, as long as both processes live; over a crash of the receiver too, when it acknowledges what a checkpoint
holds, and gives that checkpoint's numbers back when it starts again. A fourth one is lossy, for what is worthless when
late.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from gamefleet.transport.base import ClosedError
from gamefleet.transport.link_endpoint import Endpoint
from gamefleet.transport.link_message import Message
from gamefleet.transport.link_state import CLOSED, CONNECTED, CONNECTING, REFUSED, LinkCounts, LinkState, Peer
from gamefleet.transport.link_turns import Line
from gamefleet.transport.wire import LOSSLESS, Buffer, Encoded, Stream, encode_message, lossy_name

__all__ = [
    "CLOSED",
    "CONNECTED",
    "CONNECTING",
    "REFUSED",
    "Link",
    "LinkCounts",
    "LinkState",
    "Message",
    "Peer",
    "Stream",
]

LINGER_S = 2.0
DIRECT_BYTES = 2**18
EVERY = tuple(Stream)


class Link:
    """One end of a link; any thread of the process that opened it may use it.

    Args:
        endpoint: What does the work.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._process = os.getpid()

    @property
    def peer(self) -> Peer:
        """Who is at the other end."""
        return self._endpoint.peer

    @property
    def state(self) -> LinkState:
        """How it is at this moment."""
        return self._endpoint.state

    def send(
        self,
        kind: str,
        header: Mapping[str, Any],
        payload: Sequence[Buffer] = (),
        *,
        stream: Stream = Stream.CONTROL,
        timeout_s: float | None = None,
        is_last: bool = False,
    ) -> bool:
        """Send a message that must arrive: exactly once, in order within its stream.

        Connected or not, it is accepted while the stream's window has room, and kept until the other side has
        acknowledged it.

        Args:
            kind: What it is about, at most 64 characters.
            header: Values that msgpack holds: texts, numbers, lists and dicts of them; at most 128 KiB.
            payload: Raw bytes; neither copied nor to be changed afterwards.
            stream: A lossless one; those named first pass the others.
            timeout_s: Seconds to wait for room at most; None waits as long as it takes.
            is_last: A small message that ends something: it is accepted however full the window is.

        Returns:
            Whether it was accepted.

        Raises:
            ClosedError: This link was closed.
            ValueError: It is larger than a message may be, or the stream is the lossy one.
        """
        if stream not in LOSSLESS:
            raise ValueError(f"messages of the stream {stream.name} are offered, not sent")
        encoded = self._checked(encode_message(kind, header, payload))
        return self._put(stream, encoded, timeout_s, is_last=is_last)

    def offer(self, kind: str, header: Mapping[str, Any], payload: Sequence[Buffer] = (), *, key: str = "") -> bool:
        """Send a message if it can leave at once; never waits, never raises because of the line.

        Args:
            kind: As for `send`.
            header: As for `send`.
            payload: As for `send`.
            key: While a message of this kind and key still waits to be written, no other of them is taken; at the
                other end a newer one takes the place of one that was not received yet.

        Returns:
            Whether it was taken; if not, it is skipped. What was taken may still be lost with the connection.

        Raises:
            ValueError: It is larger than a message may be.
        """
        name, end = lossy_name(kind, key), self._endpoint
        with end.lock:
            if self.state.kind != CONNECTED or end.outbox.has_name(name):
                return False
        encoded = self._checked(encode_message(kind, header, payload, key))
        with end.lock:
            if self.state.kind != CONNECTED or not end.outbox.offer(name, encoded):
                return False
            line = end.turns.line
        self._speak(line, encoded.num_bytes)
        return True

    def receive(self, timeout_s: float | None, *, streams: Sequence[Stream] = EVERY) -> Message | None:
        """The next message; urgent streams first.

        Args:
            timeout_s: Seconds to wait at most; None waits as long as it takes.
            streams: Only these; others stay for whoever asks for them.

        Returns:
            The message, or None when none came in time.

        Raises:
            ClosedError: The link was closed, and everything was received.
        """
        end = self._endpoint
        self._check_process()
        with end.lock:
            end.turns.wait_for(lambda: end.is_closed or end.inbox.has_any(streams), timeout_s)
            message = end.inbox.take(streams)
            if message is None:
                self._check_open()
            elif not message.is_lossy:
                end.owes_counts = True
                if end.inbox.has_news_of_room():
                    end.are_counts_due = True
                    end.turns.wake_up()
            return message

    def acknowledge(self, message: Message) -> None:
        """Say that this message of its stream, and all before it, will never be asked for again.

        Call it when what the message caused can no longer be lost: at once where nothing is kept, after the checkpoint
        where exactly-once must hold over a crash. The sender keeps everything until then. Lossy messages need none.
        """
        self.acknowledge_up_to(message.session, message.stream, message.number)

    def acknowledge_up_to(self, session: str, stream: Stream, number: int) -> None:
        """As `acknowledge`, for a message of which only the numbers are left; those of other sessions are let be."""
        end = self._endpoint
        with end.lock:
            if not end.inbox.acknowledge(session, stream, number):
                return
            end.owes_counts = end.are_counts_due = True
            # While nobody has the turn, somebody takes it in a moment; until then it may go with an answer.
            line = None if end.turns.are_free else end.turns.line
        self._speak(line, 0)

    def wait_for_message(self, timeout_s: float, *, streams: Sequence[Stream] = EVERY) -> bool:
        """Wait until `receive` would not; returns whether there is something."""
        end = self._endpoint
        with end.lock:
            return end.turns.wait_for(lambda: end.is_closed or end.inbox.has_any(streams), timeout_s)

    def flush(self, timeout_s: float | None, *, streams: Sequence[Stream] = LOSSLESS) -> bool:
        """Wait until the other side has acknowledged everything that was sent; returns whether it has."""
        end = self._endpoint
        with end.lock:
            end.turns.wait_for(lambda: end.is_closed or end.outbox.is_settled(streams), timeout_s)
            return end.outbox.is_settled(streams)

    def wait_for_change(self, seen: LinkState, timeout_s: float | None) -> LinkState:
        """Wait until the state is another one than that seen; returns what it then is."""
        end = self._endpoint
        with end.lock:
            end.changed.wait_for(lambda: end.state != seen, timeout_s)
            return end.state

    def counts(self) -> LinkCounts:
        """What it did so far."""
        end = self._endpoint
        with end.lock:
            return LinkCounts(
                connections=end.connections,
                sent_bytes=end.sent_bytes,
                received_bytes=end.received_bytes,
                missing=end.inbox.missing,
            )

    def close(self, linger_s: float = LINGER_S) -> None:
        """End the session; the other side still gets what was accepted, as far as it takes it in time.

        Args:
            linger_s: Seconds to wait for acknowledgements at most.
        """
        if self.state.kind != REFUSED:
            self.flush(linger_s)
        self._endpoint.leave("ended", "this link was closed")

    def refuse(self, why: str) -> None:
        """End the session because the other side is not to be worked with.

        Args:
            why: A sentence that both sides show, without a full stop.
        """
        self._endpoint.leave(REFUSED, why)

    def _put(self, stream: Stream, encoded: Encoded, timeout_s: float | None, *, is_last: bool) -> bool:
        end = self._endpoint

        def has_room() -> bool:
            return is_last or end.outbox.has_room(stream, encoded.num_bytes)

        with end.lock:
            end.turns.wait_for(lambda: end.is_closed or has_room(), timeout_s)
            self._check_open()
            if not has_room():
                return False
            end.outbox.put(stream, encoded)
            line = end.turns.line
        self._speak(line, encoded.num_bytes)
        return True

    def _speak(self, line: Line | None, num_bytes: int) -> None:
        """Write what is small from here; what is large another thread writes while this one goes on."""
        if line is not None and num_bytes <= DIRECT_BYTES:
            line.speak()
        elif line is not None:
            with self._endpoint.lock:
                self._endpoint.turns.hurry()

    def _checked(self, encoded: Encoded) -> Encoded:
        self._check_process()
        most = self._endpoint.settings.message_bytes
        if encoded.num_bytes > most:
            raise ValueError(f"a message of {encoded.num_bytes} bytes; at most {most} are taken")
        return encoded

    def _check_open(self) -> None:
        if self._endpoint.is_closed:
            raise ClosedError(self.state.why or "this link was closed")

    def _check_process(self) -> None:
        """A process that was forked off has a copy of the link's memory, but none of its threads."""
        if os.getpid() != self._process:
            raise RuntimeError("a link was used in a process forked off the one that opened it; open one there")
