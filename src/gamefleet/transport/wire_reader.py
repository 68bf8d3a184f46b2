"""Frames out of a stream of bytes.

Job: cut what arrives into frames, within one buffer. Place in the data flow: under `link_connection`. Left out: what a
frame means, and how one is made (`wire`).
"""

from __future__ import annotations

from gamefleet.transport.wire import (
    CHUNK_BYTES,
    HEAD,
    LAST_NUMBER,
    MAX_FRAME_BYTES,
    Frame,
    FrameKind,
    Stream,
    WireError,
)

_KINDS, _STREAMS = tuple(FrameKind), tuple(Stream)


class FrameReader:
    """Cuts what arrives into frames, within one buffer that is used over and over.

    Reading into fresh memory for each message halves the speed of large ones: the system must first give the pages.
    """

    def __init__(self) -> None:
        self._memory = memoryview(bytearray(4 * MAX_FRAME_BYTES))
        self._begin = 0
        self._end = 0

    def room(self) -> memoryview:
        """Where to read into; never empty after `compact`."""
        return self._memory[self._end :]

    def filled(self, num_bytes: int) -> None:
        """Say how many bytes were read into `room`."""
        self._end += num_bytes

    def discard(self) -> None:
        """Forget everything that was read."""
        self._begin = self._end = 0

    def compact(self) -> None:
        """Make room again; frames that `next_frame` returned are void."""
        kept = self._end - self._begin
        if not kept or len(self._memory) - self._end < MAX_FRAME_BYTES:  # moving bytes for every frame would cost more
            self._memory[:kept] = self._memory[self._begin : self._end]
            self._begin, self._end = 0, kept

    def next_frame(self) -> Frame | None:
        """The next frame that is complete.

        Raises:
            WireError: This is not our protocol.
        """
        if self._end - self._begin < HEAD.size:
            return None
        kind, stream, zero, length, number = HEAD.unpack_from(self._memory, self._begin)
        if zero or length > CHUNK_BYTES or number > LAST_NUMBER or stream >= len(Stream):
            raise WireError("The other side sent a frame that this protocol does not have")
        if not FrameKind.HELLO <= kind <= FrameKind.DATA:
            raise WireError("The other side sent a frame of an unknown kind", value=kind)
        begin = self._begin + HEAD.size
        if self._end - begin < length:
            return None
        self._begin = begin + length
        return Frame(_KINDS[kind - FrameKind.HELLO], _STREAMS[stream], number, self._memory[begin : self._begin])
