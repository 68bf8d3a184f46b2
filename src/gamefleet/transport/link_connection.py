"""One TCP connection of a link, moved by one thread.

Job: handshake, greeting, and then bytes both ways until something ends it. Place in the data flow: between a socket
and an `Endpoint`; `link_dialer` and `link_listener` open connections and decide what follows when one ends. Left out:
what the frames mean to the application.

Only the thread that runs a connection ever touches its TLS object: two threads in one corrupt it. Whoever wants
something of a connection sets a `Wake`.

Any byte counts as a sign of life: a large message on a slow line is no silence.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import time
from contextlib import suppress

from gamefleet.transport import tls
from gamefleet.transport.link_ending import EndedError, ended_by, explained
from gamefleet.transport.link_endpoint import Endpoint, farewell
from gamefleet.transport.link_settings import LinkTimes
from gamefleet.transport.link_state import CONNECTING, RESTART
from gamefleet.transport.link_wake import Wake
from gamefleet.transport.link_watch import Watch
from gamefleet.transport.tls_stream import TlsStream
from gamefleet.transport.wire import (
    CHUNK_BYTES,
    Frame,
    FrameKind,
    Goodbye,
    WireError,
    frame,
    unpack,
)
from gamefleet.transport.wire_reader import FrameReader

TURN_BYTES = 2**20
"""Read or written at most before the other direction has its turn."""

UNSENT_BYTES = 2**18
"""What the system may hold back of what was written: what is written later cannot overtake it any more."""

GOODBYE_S = 1.0


class Connection:
    """A socket with TLS; every method belongs to the one thread that runs it.

    Args:
        plain: Connected; becomes this object's own.
        context: Of the token.
        answers: Whether this side was called.
        times: How long it waits.
    """

    def __init__(self, plain: socket.socket, context: ssl.SSLContext, *, answers: bool, times: LinkTimes) -> None:
        with suppress(OSError):  # not every stream is TCP
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError, AttributeError):  # not every system has it
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        plain.setblocking(False)
        self._times = times
        self._reader = FrameReader()
        self._plain = plain
        self._stream = TlsStream(plain, context, answers=answers)
        self._is_readable = True
        self._has_unsent = False
        self._heard = self._spoken = 0.0
        self._watch = Watch(plain)

    def cancel(self, why: str) -> None:
        """Ask the connection to end; the one method that any thread may call."""
        self._watch.cancel(why)

    @property
    def wake(self) -> Wake:
        """What to set when there is something to write."""
        return self._watch.wake

    def handshake(self, deadline: float) -> tls.Proof:
        """Prove to each other that both hold the token.

        Args:
            deadline: In seconds of the monotonic clock.

        Raises:
            EndedError: They do not, or it takes too long.
        """
        with explained():
            while not self._stream.shake_hands():
                self._wait_until(deadline, selectors.EVENT_READ)
            return tls.peer_of(self._stream.tls)

    def say(self, data: bytes, deadline: float) -> None:
        """Write one frame before the connection works both ways.

        Raises:
            EndedError: It broke, or takes too long.
        """
        with explained():
            self._stream.write(data)
            while not self._stream.drain():
                self._wait_until(deadline, selectors.EVENT_WRITE)

    def hear(self, deadline: float) -> Frame:
        """Read one frame before the connection works both ways.

        Raises:
            EndedError: It broke, takes too long, or the other side said goodbye.
            WireError: This is not our protocol.
        """
        while (found := self._reader.next_frame()) is None:
            self._reader.compact()
            if not self._read():
                self._wait_until(deadline, selectors.EVENT_READ)
        if found.kind is FrameKind.GOODBYE:
            raise ended_by(unpack(found.body, Goodbye))
        return found

    def run(self, endpoint: Endpoint) -> None:
        """Move bytes until something ends it.

        Args:
            endpoint: Attached; sets `wake` when there is something to write.

        Raises:
            EndedError: Always, with the reason.
            WireError: The other side broke the protocol.
        """
        self._heard = self._spoken = time.monotonic()
        self._take_in(endpoint)  # what came together with the greeting
        while True:
            has_more = self._is_readable and self._listen(endpoint)
            self._check_alive()
            has_more_to_say = self._speak(endpoint)
            if not self._has_unsent and (goodbye := endpoint.goodbye()) is not None:
                if goodbye.reason != RESTART:
                    self.part(goodbye)
                raise EndedError(goodbye.why)
            patience_s = 0.0 if has_more or has_more_to_say else self._patience_s()
            wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._has_unsent else 0)
            self._is_readable = bool(self._watch.wait(patience_s, wanted) & selectors.EVENT_READ) or has_more

    def _listen(self, endpoint: Endpoint) -> bool:
        """Read for a turn; returns whether there may be more."""
        self._heard = time.monotonic()
        for _ in range(0, TURN_BYTES, CHUNK_BYTES):
            num_bytes = self._fill()
            self._take_in(endpoint)
            if num_bytes < CHUNK_BYTES:
                return False
        return True

    def _fill(self) -> int:
        """Read until nothing is there, or about a frame is; what TLS holds back in itself no selector can see."""
        num_bytes = 0
        try:
            while num_bytes < CHUNK_BYTES and (found := self._read()):
                num_bytes += found
        except EndedError:
            if not num_bytes:
                raise
            # What came before the end is looked at first: it may be the goodbye. The next turn meets the end again.
        return num_bytes

    def _take_in(self, endpoint: Endpoint) -> None:
        while (found := self._reader.next_frame()) is not None:
            if found.kind is FrameKind.GOODBYE:
                raise ended_by(unpack(found.body, Goodbye))
            endpoint.take_in(found)
        self._reader.compact()

    def _check_alive(self) -> None:
        if time.monotonic() - self._heard >= self._times.dead_s:
            raise EndedError(f"nothing was heard for {self._times.dead_s:g} s")

    def _speak(self, endpoint: Endpoint) -> bool:
        """Write for a turn; returns whether there may be more to write at once."""
        for _ in range(0, TURN_BYTES, CHUNK_BYTES):
            with explained():
                self._has_unsent = not self._stream.drain()
                if self._has_unsent:
                    return False
                data = endpoint.next_bytes() or self._ping()
                if not data:
                    return False
                self._stream.write(data)
                self._has_unsent = not self._stream.drain()
            self._spoken = time.monotonic()
        return not self._has_unsent

    def _ping(self) -> bytes:
        return frame(FrameKind.PING) if time.monotonic() - self._spoken >= self._times.ping_s else b""

    def _patience_s(self) -> float:
        ends = [self._heard + self._times.dead_s]
        if not self._has_unsent:
            ends.append(self._spoken + self._times.ping_s)
        return max(min(ends) - time.monotonic(), 0.0)

    def _wait_until(self, deadline: float, events: int) -> None:
        left_s = deadline - time.monotonic()
        if left_s <= 0 or not self._watch.wait(left_s, events):
            raise EndedError("the other side took too long to greet")

    def _read(self) -> int:
        """Read what is there; 0 when nothing is."""
        with explained():
            num_bytes = self._stream.read_into(self._reader.room())
        self._reader.filled(num_bytes)
        return num_bytes

    def part(self, goodbye: Goodbye) -> None:
        """Say goodbye, and stay until the other side has heard it: closing at once can take it back."""
        deadline = time.monotonic() + GOODBYE_S
        with suppress(EndedError, WireError, OSError):
            self.say(farewell(goodbye), deadline)
            self._plain.shutdown(socket.SHUT_WR)
            while time.monotonic() < deadline:  # whoever goes on talking is not heard out
                self._reader.discard()
                if not self._read():
                    self._wait_until(deadline, selectors.EVENT_READ)

    def close(self) -> None:
        """End the connection, from the thread that ran it."""
        self._watch.close()
        self._plain.close()


def work(connection: Connection, endpoint: Endpoint) -> None:
    """Let an endpoint work over a greeted connection until that ends.

    Raises:
        EndedError: Always, with the reason.
        WireError: The other side broke the protocol.
    """
    why = ""
    try:
        endpoint.attach(connection.wake)
        connection.run(endpoint)
    except EndedError as error:
        why = error.why
        raise
    except WireError as error:
        why = str(error)
        raise
    finally:
        endpoint.detach(CONNECTING, why)
