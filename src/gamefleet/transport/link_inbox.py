"""What arrived on this side of a link, until the application takes it.

Job: put messages together, check them, hand them over in order, and count how far the application is. Place in the
data flow: the connection puts frames in, `Link.receive` takes messages out. Left out: threads and locks (`link`), what
leaves (`link_outbox`).

The other side is believed nothing: numbers must follow each other, sizes must be as announced and within what was
granted, and whoever sends more than fits loses the connection, not this process its memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gamefleet.transport.link_message import Assembly, Message
from gamefleet.transport.wire import (
    LOSSLESS,
    Frame,
    Stream,
    WireError,
    decode_start,
    lossy_name,
)

LAST_BYTES = 2**14
"""Beyond the window, for the few small messages that end something."""

TELL_SHARE = 8

MOST_LOSSY_KEYS = 4096
MOST_LOSSY_BYTES = 32 * 2**20
"""Of messages that the application did not take yet; older ones make room."""


@dataclass(slots=True)
class _Lane:
    """One lossless stream."""

    whole: deque[tuple[Message, int]] = field(default_factory=deque)
    waiting_bytes: int = 0
    received: int = 0
    taken: int = 0
    committed: int = 0


class Inbox:
    """Everything that came in.

    Args:
        window_bytes: Of each lossless stream: what the application has not taken yet holds at most this much; a larger
            message may come alone.
        message_bytes: The largest payload.
    """

    def __init__(self, *, window_bytes: int, message_bytes: int) -> None:
        self._window_bytes = window_bytes
        self._message_bytes = message_bytes
        self._lanes = {stream: _Lane() for stream in LOSSLESS}
        self._assemblies: dict[Stream, Assembly] = {}
        self._lossy: dict[str, tuple[Message, int]] = {}
        self._lossy_bytes = 0
        self._untold_bytes = 0
        self.session = ""
        self.missing = 0

    def meet(self, session: str, first: Sequence[int], resume: Mapping[int, int]) -> None:
        """A connection begins: start where the other side can still go on.

        Args:
            session: Of the other side.
            first: For each lossless stream, the oldest message that it can still send.
            resume: For a session that is not known here, the last message of each stream that was applied.

        Raises:
            WireError: It counts other streams.
        """
        if len(first) != len(LOSSLESS) or min(first) < 1:
            raise WireError("The other side counts other streams than this one")
        if self.session != session:
            self._assemblies.clear()
        for stream, number in zip(LOSSLESS, first, strict=True):
            lane = self._lanes[stream]
            is_known = self.session == session or int(stream) in resume
            if self.session != session:
                lane.received = lane.taken = lane.committed = resume.get(int(stream), 0)
            if lane.received < number - 1:
                self.missing += number - 1 - lane.received if is_known else 0
                lane.received = lane.taken = lane.committed = number - 1
                self._assemblies.pop(stream, None)
        self.session = session

    def received(self) -> list[int]:
        """For each lossless stream, the last message that arrived whole."""
        return [self._lanes[stream].received for stream in LOSSLESS]

    def begun(self) -> list[int]:
        """For each lossless stream, how many bytes arrived of the next message's payload; -1 for not even its START."""
        return [-1 if (found := self._assemblies.get(stream)) is None else found.so_far for stream in LOSSLESS]

    def break_off(self) -> None:
        """The connection is gone: half-received messages go on with the next one, except lossy ones."""
        self._assemblies.pop(Stream.FRAMES, None)

    def mend(self) -> None:
        """A thread was interrupted in the middle of anything here: what lies whole is certain, the rest comes again."""
        self._assemblies.clear()
        for lane in self._lanes.values():
            whole = (message.number for message, _ in lane.whole if message.session == self.session)
            lane.received = max(whole, default=lane.taken)
            lane.waiting_bytes = sum(num_bytes for _, num_bytes in lane.whole)
        self._lossy_bytes = sum(num_bytes for _, num_bytes in self._lossy.values())

    def start(self, found: Frame) -> bool:
        """Take in a START frame; returns whether a message is complete.

        Raises:
            WireError: It may not come now, or wants more than is granted.
        """
        digest, packed, description = decode_start(found.body, most_bytes=self._message_bytes)
        if found.stream in self._assemblies:
            raise WireError("A message began before the one before it had ended", where=found.stream.name)
        assembly = Assembly(found.number, digest, packed, description)
        if found.stream is not Stream.FRAMES:
            lane = self._lanes[found.stream]
            if found.number != lane.received + 1:
                raise WireError(f"Message {found.number} came after {lane.received}", where=found.stream.name)
            granted = self._window_bytes + LAST_BYTES
            if lane.waiting_bytes and lane.waiting_bytes + assembly.num_bytes > granted:
                raise WireError("The other side sends more than its window allows", where=found.stream.name)
        self._assemblies[found.stream] = assembly
        return self._finish_if_done(found.stream)

    def data(self, found: Frame) -> bool:
        """Take in a DATA frame; returns whether a message is complete.

        Raises:
            WireError: It belongs to no message, is longer than announced, or the message fails its checksum.
        """
        assembly = self._assemblies.get(found.stream)
        if assembly is None or assembly.number != found.number or not len(found.body):
            raise WireError("A piece came of a message that had not begun", where=found.stream.name)
        assembly.add(memoryview(found.body))
        return self._finish_if_done(found.stream)

    def take(self, streams: Sequence[Stream]) -> Message | None:
        """The next message of the first of these streams that has one."""
        for stream in streams:
            if stream is Stream.FRAMES:
                if self._lossy:
                    return self._take_lossy()
            elif self._lanes[stream].whole:
                lane = self._lanes[stream]
                message, num_bytes = lane.whole.popleft()
                lane.waiting_bytes -= num_bytes
                self._untold_bytes += num_bytes
                if message.session == self.session:
                    lane.taken = message.number
                return message
        return None

    def has_any(self, streams: Sequence[Stream]) -> bool:
        """Whether `take` would return a message."""
        return any(self._lossy if stream is Stream.FRAMES else self._lanes[stream].whole for stream in streams)

    def acknowledge(self, session: str, stream: Stream, number: int) -> bool:
        """The application is done with this message and all before it; returns whether that is news."""
        lane = self._lanes.get(stream)
        if lane is None or session != self.session or not lane.committed < number <= lane.taken:
            return False
        lane.committed = number
        return True

    def clear(self) -> None:
        """Forget what was not taken."""
        for lane in self._lanes.values():
            lane.whole.clear()
            lane.waiting_bytes = 0
        self._lossy.clear()
        self._lossy_bytes = 0

    def has_news_of_room(self) -> bool:
        """Whether so much was taken that the sender should know at once; less can wait for the next word to it.

        An application acknowledges most messages right after it took them: one word then says both.
        """
        return self._untold_bytes >= self._window_bytes // TELL_SHARE

    def tell(self) -> dict[Stream, int]:
        """As `taken`, for the other side."""
        self._untold_bytes = 0
        return self.taken()

    def taken(self) -> dict[Stream, int]:
        """For each lossless stream, the last message that the application took."""
        return {stream: lane.taken for stream, lane in self._lanes.items()}

    def committed(self) -> dict[Stream, int]:
        """For each lossless stream, the last message that the application is done with."""
        return {stream: lane.committed for stream, lane in self._lanes.items()}

    def _finish_if_done(self, stream: Stream) -> bool:
        assembly = self._assemblies[stream]
        if not assembly.is_done:
            return False
        del self._assemblies[stream]
        assembly.check()
        message = Message(
            kind=assembly.description.kind,
            header=assembly.description.header,
            payload=tuple(assembly.parts),
            stream=stream,
            is_lossy=stream is Stream.FRAMES,
            number=assembly.number,
            session=self.session,
            key=assembly.description.key,
        )
        if stream is Stream.FRAMES:
            self._put_lossy(message, assembly.num_bytes)
        else:
            lane = self._lanes[stream]
            lane.received = message.number
            lane.waiting_bytes += assembly.num_bytes
            lane.whole.append((message, assembly.num_bytes))
        return True

    def _put_lossy(self, message: Message, num_bytes: int) -> None:
        """The newest of its kind and key; the oldest make room."""
        name = lossy_name(message.kind, message.key)
        self._lossy_bytes += num_bytes - self._lossy.pop(name, (message, 0))[1]
        self._lossy[name] = (message, num_bytes)
        while len(self._lossy) > MOST_LOSSY_KEYS or (self._lossy_bytes > MOST_LOSSY_BYTES and len(self._lossy) > 1):
            self._take_lossy()

    def _take_lossy(self) -> Message:
        message, num_bytes = self._lossy.pop(next(iter(self._lossy)))
        self._lossy_bytes -= num_bytes
        return message
