"""A message of the other side, and how it is put together.

Job: what an application receives; pieces in, one checked message out. Place in the data flow: under `link_inbox`. Left
out: order and bounds (`link_inbox`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xxhash

from gamefleet.transport.wire import Description, Stream, WireError


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What the other side sent.

    Args:
        kind: What it is about.
        header: Its values.
        payload: Raw bytes, one piece each as they were sent; writable and nobody else's.
        stream: In which it came.
        is_lossy: Whether it was offered: others of its kind may have been skipped, and it needs no acknowledgement.
        number: Within its stream and session, from 1 on: what a checkpoint remembers.
        session: Of the sender, see `Peer.session`.
        key: Of a lossy message.
    """

    kind: str
    header: Mapping[str, Any]
    payload: tuple[memoryview, ...]
    stream: Stream
    is_lossy: bool
    number: int
    session: str
    key: str = ""

    @property
    def num_bytes(self) -> int:
        """Of the payload."""
        return sum(part.nbytes for part in self.payload)


class Assembly:
    """A message of which parts have arrived.

    Args:
        number: Of the message.
        digest: That it must have.
        packed: Its description, over which the checksum begins.
        description: The same, understood.
    """

    def __init__(self, number: int, digest: bytes, packed: bytes, description: Description) -> None:
        self.number = number
        self.description = description
        self.num_bytes = len(digest) + len(packed) + sum(description.sizes)
        self._digest = digest
        self._found = xxhash.xxh3_128(packed)
        # Memory that is never touched is never taken: announcing much and sending nothing costs nothing here.
        self.parts = [np.empty(size, np.uint8).data.cast("B") for size in description.sizes]
        self.so_far = 0
        self._part = -1
        self._offset = 0
        self._go_on()

    @property
    def is_done(self) -> bool:
        """Whether every announced byte is there."""
        return self._part == len(self.parts)

    def add(self, chunk: memoryview) -> None:
        """Take in the next bytes of the payload.

        Raises:
            WireError: They are more than were announced.
        """
        part = self.parts[self._part]
        end = self._offset + len(chunk)
        if end > len(part):
            raise WireError("A part of a message is longer than announced", value=self.description.kind)
        part[self._offset : end] = chunk
        self._found.update(chunk)
        self._offset = end
        self.so_far += len(chunk)
        if end == len(part):
            self._go_on()

    def check(self) -> None:
        """Compare the checksum.

        Raises:
            WireError: It is another one.
        """
        if self._found.digest() != self._digest:
            raise WireError(
                "A message fails its checksum",
                value=self.description.kind,
                remedy="Were its arrays changed after it was sent? It is sent again.",
            )

    def _go_on(self) -> None:
        self._part += 1
        self._offset = 0
        while self._part < len(self.parts) and not len(self.parts[self._part]):
            self._part += 1
