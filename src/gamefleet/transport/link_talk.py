"""Bytes both ways over a greeted connection.

Job: one turn after another: write what leaves, wait, understand what came. Place in the data flow: between the TLS
stream of a `Connection` and an `Endpoint`; `link_turns` says which thread does it. Left out: what follows from its end.

Two threads in one TLS object corrupt it: whoever touches it holds this lock. Waiting for the socket needs none,
so a thread that sends meanwhile writes at once.

Any byte counts as a sign of life: a large message on a slow line is no silence.
"""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable
from threading import RLock

from gamefleet.transport.link_ending import EndedError, ended_by, explained_error
from gamefleet.transport.link_endpoint import Endpoint
from gamefleet.transport.link_outbox import BATCH_BYTES
from gamefleet.transport.link_state import RESTART
from gamefleet.transport.link_watch import Watch
from gamefleet.transport.tls_stream import TlsStream
from gamefleet.transport.wire import CHUNK_BYTES, Frame, FrameKind, Goodbye, WireError, frame, unpack
from gamefleet.transport.wire_reader import FrameReader

TURN_BYTES = 2**20
"""Read or written at most before the other direction has its turn."""


class Talk:
    """A connection at work; any thread may take a turn or speak.

    Args:
        stream: After its handshake.
        reader: With what came after the greeting.
        watch: Of the same socket.
        endpoint: Whose bytes they are.
    """

    def __init__(self, stream: TlsStream, reader: FrameReader, watch: Watch, endpoint: Endpoint) -> None:
        self._stream = stream
        self._reader = reader
        self._watch = watch
        self._endpoint = endpoint
        self._times = endpoint.settings.times
        self._lock = RLock()
        self._may_have_more = True
        self._has_unsent = False
        self._heard = self._spoken = time.monotonic()
        self._failure: EndedError | WireError | None = None
        self.last_words: Goodbye | None = None
        self.was_interrupted = False

    @property
    def failure(self) -> EndedError | WireError:
        """Why it works no more."""
        return self._failure or EndedError("the connection ended")

    def turn(self, patience_s: float) -> bool:
        """See `Line.turn`."""
        has_more_to_say = (self._has_unsent or self._has_something_to_say()) and self._alone(self._speak)
        if self._failure is None:
            self._wait(0.0 if self._may_have_more or has_more_to_say else patience_s)
        if self._may_have_more:
            self._alone(self._listen)
        else:
            self._check_alive()
        return self._failure is None

    def speak(self) -> None:
        """See `Line.speak`."""
        if not self._lock.acquire(blocking=False):
            self.wake_up()
            return
        try:
            is_left = self._alone(self._speak) or self._has_unsent or self._failure is not None
        finally:
            self._lock.release()
        if is_left:
            self.wake_up()

    def wake_up(self) -> None:
        """See `Line.wake_up`."""
        self._watch.wake.set()

    def _alone(self, move: Callable[[], bool]) -> bool:
        """Move bytes with no other thread at it, and not after the end.

        A thread that a signal interrupts half-way ends the connection: the next one goes on where both sides are.
        """
        with self._lock:
            if self._failure is not None:
                return False
            is_whole = False
            try:
                has_more = move()
                is_whole = True
                return has_more
            except (EndedError, WireError) as error:
                self._failure = error
            except (OSError, EOFError) as error:  # of TLS, too
                self._failure = explained_error(error)
            finally:
                if not is_whole and self._failure is None:
                    self.was_interrupted = True
                    self._failure = EndedError("a thread was interrupted while it moved bytes")
            return False

    def _wait(self, patience_s: float) -> None:
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._has_unsent else 0)
        try:
            found = self._watch.wait(min(patience_s, self._patience_s()), wanted)
        except EndedError as error:
            self._failure = error
        else:
            self._may_have_more = self._may_have_more or bool(found & selectors.EVENT_READ)

    def _listen(self) -> bool:
        """Read for a turn; returns whether there may be more."""
        self._heard = time.monotonic()
        for _ in range(0, TURN_BYTES, CHUNK_BYTES):
            num_bytes = self._fill()
            self.take_in()
            if num_bytes < CHUNK_BYTES:
                self._may_have_more = False
                break
        return self._may_have_more

    def _check_alive(self) -> None:
        if self._failure is None and time.monotonic() - self._heard >= self._times.dead_s:
            self._failure = EndedError(f"nothing was heard for {self._times.dead_s:g} s")

    def _fill(self) -> int:
        """Read until nothing is there, or about a frame is; what TLS holds back in itself no selector can see."""
        num_bytes, may_have_more = 0, True
        try:
            while may_have_more and num_bytes < CHUNK_BYTES:
                found = self._stream.read_into(self._reader.room())
                self._reader.filled(found)
                num_bytes += found
                may_have_more = found > 0 and self._stream.may_have_more
        except (OSError, EOFError):
            if not num_bytes:
                raise
            # What came before the end is looked at first: it may be the goodbye. The next turn meets the end again.
        return num_bytes

    def take_in(self) -> None:
        """Understand what was read.

        Raises:
            EndedError: It was a goodbye.
            WireError: The other side broke the protocol.
        """
        frames: list[Frame] = []
        while (found := self._reader.next_frame()) is not None and found.kind is not FrameKind.GOODBYE:
            frames.append(found)
        if frames:
            self._endpoint.take_in(frames)
        if found is not None:
            raise ended_by(unpack(found.body, Goodbye))
        self._reader.compact()

    def _speak(self) -> bool:
        """Write for a turn; returns whether there may be more to write at once."""
        has_more = self._write_turn()
        if self._endpoint.is_ending and not self._has_unsent and (goodbye := self._endpoint.goodbye()) is not None:
            if goodbye.reason != RESTART:
                self.last_words = goodbye
            raise EndedError(goodbye.why)
        return has_more

    def _has_something_to_say(self) -> bool:
        return self._endpoint.has_something_to_say or time.monotonic() - self._spoken >= self._times.ping_s

    def _write_turn(self) -> bool:
        if self._has_unsent and not self._drain():
            return False
        for _ in range(0, TURN_BYTES, CHUNK_BYTES):
            head, body = self._endpoint.next_bytes()
            if not head and not (head := self._ping()):
                return False
            self._stream.write(head)
            if body:
                self._stream.write(body)
            self._spoken = time.monotonic()
            if not self._drain() or len(head) + len(body) < BATCH_BYTES:  # all that waited was in it
                return False
        return True

    def _drain(self) -> bool:
        self._has_unsent = not self._stream.drain()
        return not self._has_unsent

    def _ping(self) -> bytes:
        return frame(FrameKind.PING) if time.monotonic() - self._spoken >= self._times.ping_s else b""

    def _patience_s(self) -> float:
        ends = [self._heard + self._times.dead_s]
        if not self._has_unsent:
            ends.append(self._spoken + self._times.ping_s)
        return max(min(ends) - time.monotonic(), 0.0)
