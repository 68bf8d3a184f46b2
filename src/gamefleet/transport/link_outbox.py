"""What this side of a link still has to send, and must keep.

Job: number messages, bound what waits, cut it into frames by priority, go back to where the other side is after a
break, and forget what it is done with. Place in the data flow: `Link.send` and `offer` put messages in, the connection
takes frames out. Left out: threads and locks (`link`), what arrives (`link_inbox`).

A lossless message goes through four states: waiting, sent, taken (the other side's application has it) and committed
(it will never be asked for again). What is not yet taken counts against the window, so that a slow reader slows its
writers down; what is not yet committed is kept, for a reader that crashes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gamefleet.transport.wire import (
    CHUNK_BYTES,
    HEAD,
    LOSSLESS,
    Buffer,
    Encoded,
    FrameKind,
    Stream,
    WireError,
    frame,
)

BATCH_BYTES = 64 * 2**10
"""Small frames are written together up to this size: each write costs as much as some kilobytes."""

TURN = 8
"""Every so many chunks the last of the waiting lossless streams has its turn, so that none starves."""


@dataclass(slots=True)
class _Cursor:
    """How far a message was cut into frames."""

    encoded: Encoded
    stream: Stream
    number: int
    part: int = -1
    offset: int = 0

    def next_frame(self) -> tuple[bytes, Buffer]:
        """A small frame or the head of a large one, and the body of a large one."""
        if self.part < 0:
            self._go_to(0)
            return frame(FrameKind.START, self.encoded.start, stream=self.stream, number=self.number), b""
        part = self.encoded.parts[self.part]
        chunk = part[self.offset : self.offset + CHUNK_BYTES]
        self.offset += len(chunk)
        if self.offset == len(part):
            self._go_to(self.part + 1)
        if len(chunk) < BATCH_BYTES:
            return frame(FrameKind.DATA, chunk, stream=self.stream, number=self.number), b""
        return HEAD.pack(FrameKind.DATA, self.stream, 0, len(chunk), self.number), chunk

    def _go_to(self, part: int) -> None:
        """Empty parts have no frames."""
        parts = self.encoded.parts
        while part < len(parts) and not len(parts[part]):
            part += 1
        self.part, self.offset = part, 0

    def seek(self, offset: int) -> None:
        """Go on after so many bytes of the payload, its START included."""
        self._go_to(0)
        while not self.is_done and offset >= len(self.encoded.parts[self.part]):
            offset -= len(self.encoded.parts[self.part])
            self._go_to(self.part + 1)
        self.offset = offset

    @property
    def is_done(self) -> bool:
        return self.part == len(self.encoded.parts)


@dataclass(slots=True)
class _Lane:
    """One lossless stream."""

    kept: dict[int, Encoded] = field(default_factory=dict)
    kept_bytes: int = 0
    untaken_bytes: int = 0
    last: int = 0
    sent: int = 0
    taken: int = 0
    committed: int = 0
    cursor: _Cursor | None = None

    @property
    def first(self) -> int:
        """The oldest message that is kept, or the next one."""
        return self.committed + 1

    def go_on(self, stream: Stream, number: int, offset: int) -> None:
        """The other side has everything up to a message, and some of the next one."""
        self.cursor = None
        self.sent = number
        self.taken = min(self.taken, number)  # a reader that crashed takes again what it had taken
        self.untaken_bytes = sum(kept.num_bytes for other, kept in self.kept.items() if other > self.taken)
        if offset >= 0:
            self.sent += 1
            self.cursor = _Cursor(self.kept[self.sent], stream, self.sent)
            self.cursor.seek(offset)


class Outbox:
    """Everything on its way out.

    Args:
        window_bytes: Of each lossless stream: what the other side's application has not taken yet holds at most this
            much; a larger message passes alone.
        kept_bytes: Of each lossless stream: what the other side is not done with yet holds at most this much.
    """

    def __init__(self, *, window_bytes: int, kept_bytes: int) -> None:
        self._window_bytes = window_bytes
        self._kept_bytes = kept_bytes
        self._lanes = {stream: _Lane() for stream in LOSSLESS}
        self._pairs = tuple(self._lanes.items())
        self._offers: dict[str, Encoded] = {}
        self._offering: tuple[str, _Cursor] | None = None
        self._num_offers = 0
        self._turn = 0

    @property
    def waits(self) -> bool:
        """Whether there is something to write."""
        for _, lane in self._pairs:
            if lane.cursor is not None or lane.sent < lane.last:
                return True
        return bool(self._offers) or self._offering is not None

    def has_room(self, stream: Stream, num_bytes: int) -> bool:
        """Whether a message may be accepted now."""
        lane = self._lanes[stream]
        fits_window = not lane.untaken_bytes or lane.untaken_bytes + num_bytes <= self._window_bytes
        return fits_window and (not lane.kept_bytes or lane.kept_bytes + num_bytes <= self._kept_bytes)

    def put(self, stream: Stream, encoded: Encoded) -> int:
        """Accept a message; returns its number."""
        lane = self._lanes[stream]
        lane.kept[lane.last + 1] = encoded
        lane.kept_bytes += encoded.num_bytes
        lane.untaken_bytes += encoded.num_bytes
        lane.last += 1  # at the end: a thread that is interrupted before has sent nothing
        return lane.last

    def offer(self, key: str, encoded: Encoded) -> bool:
        """Accept a lossy message, unless one of the same key still waits or is being written."""
        if key in self._offers or (self._offering is not None and self._offering[0] == key):
            return False
        self._offers[key] = encoded
        return True

    def has_name(self, key: str) -> bool:
        """Whether a lossy message of this key still waits."""
        return key in self._offers or (self._offering is not None and self._offering[0] == key)

    def is_settled(self, streams: Sequence[Stream]) -> bool:
        """Whether the other side is done with everything that was accepted."""
        return not any(self._lanes[stream].kept for stream in streams)

    def first(self) -> list[int]:
        """For each lossless stream, the oldest message that can still be sent."""
        return [self._lanes[stream].first for stream in LOSSLESS]

    def break_off(self) -> None:
        """The connection is gone: where to go on is decided by the next one; lossy messages are not sent again."""
        for lane in self._lanes.values():
            lane.cursor = None
        self._offers.clear()
        self._offering = None

    def mend(self) -> None:
        """A thread was interrupted in the middle of anything here: what is kept is certain, `rewind` finds the rest."""
        for lane in self._lanes.values():
            lane.kept.pop(lane.last + 1, None)
            lane.kept_bytes = sum(kept.num_bytes for kept in lane.kept.values())
            lane.committed = min(lane.kept, default=lane.last + 1) - 1
            lane.taken = max(lane.taken, lane.committed)

    def rewind(self, received: Sequence[int], begun: Sequence[int]) -> None:
        """Go on where the other side is.

        Args:
            received: For each lossless stream, the last message that it has.
            begun: For each lossless stream, how many bytes of the next one's payload it has; -1 for not even its START.

        Raises:
            WireError: It claims to have what was never sent, or asks for what is long gone.
        """
        if len(received) != len(LOSSLESS) or len(begun) != len(LOSSLESS):
            raise WireError("The other side counts other streams than this one")
        for stream, number, offset in zip(LOSSLESS, received, begun, strict=True):
            lane = self._lanes[stream]
            if not lane.first - 1 <= number <= lane.last:
                raise WireError(
                    f"The other side has message {number} of {lane.first} to {lane.last}", where=stream.name
                )
            following = lane.kept.get(number + 1)
            if offset >= 0 and (following is None or offset >= following.num_bytes - len(following.start)):
                raise WireError("The other side has more of a message than there is", where=stream.name)
        for stream, number, offset in zip(LOSSLESS, received, begun, strict=True):
            self._lanes[stream].go_on(stream, number, offset)

    def count(self, taken: Mapping[Stream, int], committed: Mapping[Stream, int]) -> None:
        """The other side says how far it is.

        Raises:
            WireError: It claims to have taken what was never sent.
        """
        for stream, lane in self._lanes.items():
            if not committed[stream] <= taken[stream] <= lane.sent:
                raise WireError(
                    f"The other side says it took message {taken[stream]} and is done with {committed[stream]}, "
                    f"{lane.sent} were sent",
                    where=stream.name,
                )
            for number in range(lane.taken + 1, taken[stream] + 1):
                lane.untaken_bytes -= lane.kept[number].num_bytes
            lane.taken = max(lane.taken, taken[stream])
            for number in range(lane.committed + 1, committed[stream] + 1):
                lane.kept_bytes -= lane.kept.pop(number).num_bytes
            lane.committed = max(lane.committed, committed[stream])

    def next_bytes(self) -> tuple[bytes, Buffer]:
        """Frames to write next, the most urgent first; empty when nothing waits.

        Returns:
            Small frames in one piece, and the body of a large one, which is not copied.
        """
        frames: list[bytes] = []
        num_bytes = 0
        body: Buffer = b""
        while num_bytes < BATCH_BYTES and not body and (found := self._next_frame()) is not None:
            head, body = found
            frames.append(head)
            num_bytes += len(head)
        return b"".join(frames), body

    def _next_frame(self) -> tuple[bytes, Buffer] | None:
        waiting = [stream for stream, lane in self._pairs if lane.cursor is not None or lane.sent < lane.last]
        if not waiting:
            return self._next_offer()
        self._turn += 1
        stream = waiting[-1] if self._turn % TURN == 0 else waiting[0]
        lane = self._lanes[stream]
        if lane.cursor is None:
            lane.sent += 1
            lane.cursor = _Cursor(lane.kept[lane.sent], stream, lane.sent)
        found = lane.cursor.next_frame()
        if lane.cursor.is_done:
            lane.cursor = None
        return found

    def _next_offer(self) -> tuple[bytes, Buffer] | None:
        if self._offering is None:
            if not self._offers:
                return None
            key = next(iter(self._offers))
            self._num_offers += 1
            self._offering = (key, _Cursor(self._offers.pop(key), Stream.FRAMES, self._num_offers))
        cursor = self._offering[1]
        found = cursor.next_frame()
        if cursor.is_done:
            self._offering = None
        return found
