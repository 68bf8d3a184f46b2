"""One TCP connection of a link, from its beginning to its end.

Job: handshake, greeting and goodbye. Place in the data flow: `link_dialer` and `link_listener` open connections and
decide what follows when one ends; in between `link_talk` moves the bytes. Left out: what the frames mean to the
application.
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
from gamefleet.transport.link_state import CONNECTING
from gamefleet.transport.link_talk import Talk
from gamefleet.transport.link_watch import Watch
from gamefleet.transport.tls_stream import TlsStream
from gamefleet.transport.wire import Frame, FrameKind, Goodbye, WireError, unpack
from gamefleet.transport.wire_reader import FrameReader

UNSENT_BYTES = 2**18
"""What the system may hold back of what was written: what is written later cannot overtake it any more."""

GOODBYE_S = 1.0


class Connection:
    """A socket with TLS; every method belongs to the one thread that opened or accepted it.

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
        self._plain = plain
        self.reader = FrameReader()
        self.stream = TlsStream(plain, context, answers=answers)
        self.watch = Watch(plain)

    def cancel(self, why: str) -> None:
        """Ask the connection to end; the one method that any thread may call."""
        self.watch.cancel(why)

    def handshake(self, deadline: float) -> tls.Proof:
        """Prove to each other that both hold the token.

        Args:
            deadline: In seconds of the monotonic clock.

        Raises:
            EndedError: They do not, or it takes too long.
        """
        with explained():
            while not self.stream.shake_hands():
                self._wait_until(deadline, selectors.EVENT_READ)
            return tls.peer_of(self.stream.tls)

    def say(self, data: bytes, deadline: float) -> None:
        """Write one frame before the connection works both ways.

        Raises:
            EndedError: It broke, or takes too long.
        """
        with explained():
            self.stream.write(data)
            while not self.stream.drain():
                self._wait_until(deadline, selectors.EVENT_WRITE)

    def hear(self, deadline: float) -> Frame:
        """Read one frame before the connection works both ways.

        Raises:
            EndedError: It broke, takes too long, or the other side said goodbye.
            WireError: This is not our protocol.
        """
        while (found := self.reader.next_frame()) is None:
            self.reader.compact()
            if not self._read():
                self._wait_until(deadline, selectors.EVENT_READ)
        if found.kind is FrameKind.GOODBYE:
            raise ended_by(unpack(found.body, Goodbye))
        return found

    def _wait_until(self, deadline: float, events: int) -> None:
        left_s = deadline - time.monotonic()
        if left_s <= 0 or not self.watch.wait(left_s, events):
            raise EndedError("the other side took too long to greet")

    def _read(self) -> int:
        """Read what is there; 0 when nothing is."""
        with explained():
            num_bytes = self.stream.read_into(self.reader.room())
        self.reader.filled(num_bytes)
        return num_bytes

    def part(self, goodbye: Goodbye) -> None:
        """Say goodbye, and stay until the other side has heard it: closing at once can take it back."""
        deadline = time.monotonic() + GOODBYE_S
        with suppress(EndedError, WireError, OSError):
            self.say(farewell(goodbye), deadline)
            self._plain.shutdown(socket.SHUT_WR)
            while time.monotonic() < deadline:  # whoever goes on talking is not heard out
                self.reader.discard()
                if not self._read():
                    self._wait_until(deadline, selectors.EVENT_READ)

    def close(self) -> None:
        """End the connection, from the thread that ran it."""
        self.watch.close()
        self._plain.close()


def work(connection: Connection, endpoint: Endpoint) -> None:
    """Let an endpoint work over a greeted connection until that ends.

    Raises:
        EndedError: Always, with the reason.
        WireError: The other side broke the protocol.
    """
    why = ""
    talk = Talk(connection.stream, connection.reader, connection.watch, endpoint)
    try:
        talk.take_in()  # what came together with the greeting
        endpoint.work(talk)
        if talk.last_words is not None:
            connection.part(talk.last_words)
        raise talk.failure
    except EndedError as error:
        why = error.why
        raise
    except WireError as error:
        why = str(error)
        raise
    finally:
        endpoint.detach(CONNECTING, why, was_interrupted=talk.was_interrupted)
