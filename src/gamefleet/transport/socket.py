"""Experience over a link: the promises of `base` between two machines.

Job: chunks as messages of the stream BATCHES. Place in the data flow: actors of one machine -> replay of another one.
Left out: the line and everything that may happen to it (`link`), weights (`socket_weights`), what a chunk must be to
fit a replay.

Exactly once over a crash of the receiver: make it with `is_durable`, keep `position()` in the same checkpoint as what
was learned, call `acknowledge` with it once that checkpoint is on disk, and hand it to the listener as `Resume` when
the process starts again. The sender keeps what no checkpoint holds yet, up to `LinkSettings.kept_bytes`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from gamefleet.experience.bounded import ChunkError, damaged
from gamefleet.experience.layout import FLAGS
from gamefleet.experience.types import Slots
from gamefleet.transport.base import Chunk, ClosedError
from gamefleet.transport.link import Link, Message, Stream
from gamefleet.transport.socket_arrays import ArraysError, describe, restore

CHUNK, END, CLOSED = "chunk", "end", "closed"
STREAMS = (Stream.BATCHES,)
LOOK_S = 0.1
"""How soon a thread that waits notices what another thread was told."""

Found = TypeVar("Found")
Position = Mapping[str, Mapping[int, int]]
"""Session -> stream -> number of the last message; as `Resume.applied` has it."""


class SocketExperienceSender:
    """The actors' end; any number of threads may send.

    Args:
        link: Its stream BATCHES belongs to this object.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._ended = ""

    def send(self, chunk: Chunk, timeout_s: float | None = None) -> bool:
        """See `ExperienceSender.send`."""
        arrays = arrays_of(chunk)
        facts, parts = describe(arrays)
        header = {"source": chunk.source, "arrays": facts}

        def put(wait_s: float) -> bool | None:
            self._look()
            return self._link.send(CHUNK, header, parts, stream=Stream.BATCHES, timeout_s=wait_s) or None

        return bool(in_slices(put, timeout_s))

    def finish(self) -> None:
        """See `ExperienceSender.finish`."""
        if not self._ended:
            self._ended = "this sender has finished"
            self._link.send(END, {}, stream=Stream.BATCHES, is_last=True)

    def _look(self) -> None:
        if not self._ended and (message := self._link.receive(0.0, streams=STREAMS)) is not None:
            self._link.acknowledge(message)
            self._ended = "the receiver is gone" if message.kind == CLOSED else ""
        if self._ended:
            raise ClosedError(self._ended)


class SocketExperienceReceiver:
    """The replay's end; any number of threads may receive.

    Args:
        link: Its stream BATCHES belongs to this object.
        is_durable: Acknowledge only what `acknowledge` is called for; otherwise each chunk as soon as it is received.
    """

    def __init__(self, link: Link, *, is_durable: bool = False) -> None:
        self._link = link
        self._is_durable = is_durable
        self._lock = Lock()
        self._ended = ""
        self._last: Message | None = None

    def receive(self, timeout_s: float | None = None) -> Chunk | None:
        """See `ExperienceReceiver.receive`."""
        return in_slices(self._receive, timeout_s)

    def close(self) -> None:
        """See `ExperienceReceiver.close`."""
        self._ended = "this receiver was closed"
        self._link.send(CLOSED, {}, stream=Stream.BATCHES, is_last=True)

    def position(self) -> Position:
        """How far this receiver is, for the checkpoint that holds what it received."""
        with self._lock:
            last = self._last
        return {} if last is None else {last.session: {int(last.stream): last.number}}

    def acknowledge(self, position: Position) -> None:
        """A checkpoint with this position is on disk: the sender need not keep what it holds."""
        for session, numbers in position.items():
            for stream, number in numbers.items():
                self._link.acknowledge_up_to(session, Stream(stream), number)

    def _receive(self, wait_s: float) -> Chunk | None:
        if self._ended:
            raise ClosedError(self._ended)
        with self._lock:  # the order of chunks is that of positions
            message = self._link.receive(0.0, streams=STREAMS)
            if message is not None:
                self._last = message
        if message is None:
            self._link.wait_for_message(wait_s, streams=STREAMS)
            return None
        if not self._is_durable or message.kind == END:
            self._link.acknowledge(message)
        if message.kind == END:
            self._ended = "the senders have finished"
            raise ClosedError(self._ended)
        return self._open(message)

    def _open(self, message: Message) -> Chunk:
        try:
            return chunk_of(message)
        except (ChunkError, ArraysError) as error:
            self._ended = str(error)
            self._link.refuse(self._ended)
            raise ClosedError(self._ended) from error


def in_slices(act: Callable[[float], Found | None], timeout_s: float | None) -> Found | None:
    """Try something until it succeeds or the time is over, and look in between at what other threads were told.

    Args:
        act: Given seconds to wait; returns None when it did not succeed.
        timeout_s: In all; None for as long as it takes.

    Returns:
        What `act` returned.
    """
    end = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        left_s = LOOK_S if end is None else max(min(end - time.monotonic(), LOOK_S), 0.0)
        found = act(left_s)
        if found is not None or (end is not None and time.monotonic() >= end):
            return found


def arrays_of(chunk: Chunk) -> dict[str, NDArray[Any]]:
    """All arrays of a chunk by the names they have in a message."""
    flags = {name: getattr(chunk.slots, name) for name in FLAGS}
    return flags | {"state": chunk.state} | {f"obs/{name}": array for name, array in chunk.slots.obs.items()}


def chunk_of(message: Message) -> Chunk:
    """The chunk that a message holds.

    Raises:
        ChunkError: It holds none.
        ArraysError: Its arrays cannot be.
    """
    source = message.header.get("source")
    if message.kind != CHUNK or not isinstance(source, str):
        raise damaged("A message among the chunks is none", message.kind)
    arrays = restore(message.header.get("arrays"), message.payload)
    state = arrays.pop("state", np.zeros(0, np.float32))
    flags = {name: arrays.pop(name, np.zeros(0, np.uint8)) for name in FLAGS}
    num_slots = len(flags["action"])
    for name, (shape, dtype) in FLAGS.items():
        if (flags[name].shape, flags[name].dtype.name) != ((num_slots, *shape), dtype):
            raise damaged(f"A chunk lacks the array {name}, or has it with another type or shape", source)
    if state.dtype.name != "float32" or state.ndim != 2 or len(state) != num_slots:
        raise damaged("A chunk lacks its recurrent states, or has them with another type or shape", source)
    obs = {name.removeprefix("obs/"): array for name, array in arrays.items()}
    if not all(
        name.startswith("obs/") and len(array.shape[:1]) and len(array) == num_slots for name, array in arrays.items()
    ):
        raise damaged("A chunk holds an array that is no observation, or of another length", source)
    return Chunk(source=source, slots=Slots(obs=obs, **flags), state=state)
