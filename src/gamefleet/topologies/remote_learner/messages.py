"""What a coordinator and a learner say to each other.

Job: the kinds of messages, and arrays in their payloads, compressed where that pays. Place in the data flow: under both
ends of the wiring `remote_learner`. Left out: the line (`transport.link`), and who answers what.

What the learner's state follows from travels on two streams that are kept until a checkpoint of the learner holds it:
questions (`ASK`) on CONTROL, everything else on BATCHES, in this order within a round:

    ORDER ... ORDER   updates on what was recorded before the round: window indices, or whole batches
    REFRESH           from here on questions are answered with the weights after those updates
    RECORD            what was played in the round, for the learner's copy of the replay
    SAVE              a joint checkpoint: both sides can go back to this moment

The learner's state after a message depends on nothing but the messages up to it. So after a crash it is enough to load
a checkpoint and hear again what came after it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from gamefleet.transport.link import Link, Message, Stream
from gamefleet.transport.socket_arrays import TYPES, ArraysError, describe, restore

COORDINATOR, LEARNER, MONITOR = "coordinator", "learner", "monitor"
"""Roles on the line."""

OPEN, OPENED, BEGIN, READY = "open", "opened", "begin", "ready"
"""A coordinator says who it is and which checkpoints it has; the learner which of them it has, too; both go there."""

ASK, ANSWER = "ask", "answer"
ORDER, RESULT = "order", "result"
REFRESH, WEIGHTS = "refresh", "weights"
RECORD = "record"
SAVE, SAVED = "save", "saved"
LOST = "lost"
"""The learner has gone back further than the line can repeat: both must go back to a joint checkpoint."""
TROUBLE = "trouble"
"""The learner cannot go on; it says why and ends the session."""
PROBE = "probe"
"""Asks for weights as at the end of a round, to see how long it takes."""
STATUS = "status"

OBSERVATION = "obs/"

PLAIN, PACKED = "-", "z"
"""How a part of a payload is sent, one letter each in the header's `ways`."""

MOST_BYTES = 256 * 2**20
"""Of all arrays of a message, unpacked."""

SMALL_BYTES = 2048
"""Payloads below this are sent as they are."""

WORTH = 0.9
"""A compressed part must be at most this share of the plain one to be sent instead."""

Arrays = Mapping[str, NDArray[Any]]


def send(
    link: Link,
    kind: str,
    header: Mapping[str, Any],
    arrays: Arrays | None = None,
    *,
    stream: Stream,
    timeout_s: float | None = None,
    is_last: bool = False,
) -> bool:
    """Send a message with arrays; as `Link.send`."""
    facts, parts, ways = _packed(arrays or {})
    full = {**header, "arrays": facts, "ways": ways}
    return link.send(kind, full, parts, stream=stream, timeout_s=timeout_s, is_last=is_last)


def arrays_of(message: Message) -> dict[str, NDArray[Any]]:
    """The arrays of a message.

    Raises:
        ArraysError: It describes others than it holds.
    """
    ways = message.header.get("ways")
    if not isinstance(ways, str) or len(ways) != len(message.payload):
        raise ArraysError("A message does not say how its arrays are packed", value=message.kind)
    most = sum(_size(fact) for fact in message.header.get("arrays") or ())
    if most > MOST_BYTES:
        raise ArraysError(f"A message describes {most} bytes of arrays; at most {MOST_BYTES} are taken")
    parts = [_unpacked(part, way, most) for part, way in zip(message.payload, ways, strict=True)]
    return restore(message.header.get("arrays"), parts)


def halved(arrays: Arrays) -> dict[str, NDArray[Any]]:
    """float32 arrays as bfloat16, in uint16; rounded to nearest, ties to even. Others as they are."""
    return {name: _to_bfloat16(array) if array.dtype == np.float32 else array for name, array in arrays.items()}


def doubled(arrays: Arrays) -> dict[str, NDArray[Any]]:
    """What `halved` made of float32 arrays, as float32; every uint16 array is taken for one."""
    return {name: _to_float32(array) if array.dtype == np.uint16 else array for name, array in arrays.items()}


def named(obs: Arrays) -> dict[str, NDArray[Any]]:
    """Observations under names that cannot meet those of other arrays of a message."""
    return {f"{OBSERVATION}{name}": array for name, array in obs.items()}


def observations(arrays: Arrays) -> dict[str, NDArray[Any]]:
    """The observations among the arrays of a message, under their own names."""
    return {name.removeprefix(OBSERVATION): array for name, array in arrays.items() if name.startswith(OBSERVATION)}


def _packed(arrays: Arrays) -> tuple[list[list[Any]], list[Any], str]:
    facts, parts = describe(arrays)
    compressor = zstandard.ZstdCompressor(level=1)
    ways, sent = "", []
    for part in parts:
        packed = compressor.compress(part) if part.nbytes >= SMALL_BYTES else None
        is_worth = packed is not None and len(packed) <= WORTH * part.nbytes
        sent.append(packed if is_worth else part)
        ways += PACKED if is_worth else PLAIN
    return facts, sent, ways


def _unpacked(part: memoryview, way: str, most: int) -> memoryview:
    if way != PACKED:
        return part
    try:
        size = zstandard.frame_content_size(part)
        if not 0 <= size <= most:
            raise ArraysError("A packed array is larger than described", value=size)
        return memoryview(bytearray(zstandard.ZstdDecompressor().decompress(part)))  # writable, as plain parts are
    except zstandard.ZstdError as error:
        raise ArraysError(f"An array cannot be unpacked: {error}") from error


def _size(fact: object) -> int:
    """Bytes that a description promises; what is no description promises none and is refused later."""
    match fact:
        case [str(), str(kind), list(shape)] if kind in TYPES and all(type(length) is int for length in shape):
            return math.prod(shape) * np.dtype(kind).itemsize
    return 0


def _to_bfloat16(array: NDArray[np.float32]) -> NDArray[np.uint16]:
    bits = np.ascontiguousarray(array).view(np.uint32)
    rounded = (bits + (0x7FFF + ((bits >> 16) & 1))) >> 16
    return np.where(np.isnan(array), np.uint32(0x7FC0), rounded).astype(np.uint16)


def _to_float32(array: NDArray[np.uint16]) -> NDArray[np.float32]:
    return (array.astype(np.uint32) << 16).view(np.float32)
