"""What passes over a link, byte for byte.

Job: frames, and the messages that are cut into them; pure functions of bytes. Place in the data flow: between
`link_connection`, which moves bytes, and `link_outbox` and `link_inbox`, which keep count. Left out: who may say what,
and when.

A frame is a head of 16 bytes and a body of at most 256 KiB, so that nothing urgent waits for long behind one:

    1 byte      kind, see `FrameKind`
    1 byte      stream, see `Stream`
    2 bytes     zero
    4 bytes     length of the body, little-endian
    8 bytes     number of the message within its stream, from 1 on; 0 where there is none

A message is one START frame (16 bytes xxh3-128 over everything that follows, then its description in msgpack: kind,
header, sizes of the payload's parts, key) and the payload's bytes in DATA frames. Numbers and texts in msgpack, raw
bytes beside them: nothing that arrives is ever executed, and every size is compared with a bound before memory is
taken for it.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
import xxhash

from gamefleet.errors import GamefleetError

PROTOCOL = "gamefleet link 1"
CHUNK_BYTES = 256 * 2**10
HEAD = struct.Struct("<BBHIQ")
MAX_FRAME_BYTES = HEAD.size + CHUNK_BYTES
MAX_HEADER_BYTES = 128 * 2**10
MAX_KIND_CHARACTERS = 64
MAX_KEY_CHARACTERS = 128
MAX_PARTS = 4096
MAX_TEXT_CHARACTERS = 300
DIGEST_BYTES = 16
LAST_NUMBER = 2**63 - 1

Packed = TypeVar("Packed", bound=msgspec.Struct)

Buffer = bytes | bytearray | memoryview


class WireError(GamefleetError):
    """The other side said something that this protocol does not allow; the connection ends."""


class Stream(enum.IntEnum):
    """Order within one is kept; a chunk of an earlier one passes those of later ones."""

    CONTROL = 0
    BATCHES = 1
    WEIGHTS = 2
    FRAMES = 3


LOSSLESS = (Stream.CONTROL, Stream.BATCHES, Stream.WEIGHTS)


class FrameKind(enum.IntEnum):
    """What a frame's body is."""

    HELLO = 1
    WELCOME = 2
    GOODBYE = 3
    PING = 4
    COUNTS = 5
    START = 6
    DATA = 7


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame.

    Args:
        kind: What the body is.
        stream: Of START and DATA; CONTROL otherwise.
        number: Of the message; 0 where there is none.
        body: Only valid until the reader makes room for the next bytes.
    """

    kind: FrameKind
    stream: Stream
    number: int
    body: Buffer


class Description(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a START frame says about its message.

    Args:
        kind: What the message is about.
        header: Its values, as msgpack holds them.
        sizes: Bytes of each part of the payload.
        key: Of a lossy message: a newer one of the same key takes its place.
    """

    kind: str
    header: dict[str, Any]
    sizes: list[int]
    key: str


class Hello(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The first frame of the side that called, and the answer to it.

    Args:
        protocol: Both sides must name the same.
        session: Whose messages these are: numbers count within it. A process that starts afresh has another.
        name: Of the process.
        role: Of the process, as in its certificate.
        facts: What else the application wants to be known.
        first: For each lossless stream, the oldest message that can still be sent.
        peer_session: Whose messages `received` counts; empty when none are known.
        received: For each lossless stream, the last message that arrived whole.
        begun: For each lossless stream, how many bytes arrived of the next message's payload; -1 for none of it.
        scope: Within which epochs are compared; empty for none.
        epoch: An older one of the same scope is refused.
        message_bytes: The largest message that is taken.
    """

    protocol: str
    session: str
    name: str
    role: str
    facts: dict[str, Any]
    first: list[int]
    peer_session: str
    received: list[int]
    begun: list[int]
    scope: str = ""
    epoch: int = 0
    message_bytes: int = 0


class Goodbye(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The last frame.

    Args:
        reason: `refused` asks for a person, `ended` says that the session is over, `restart` asks to connect again.
        why: A sentence.
    """

    reason: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A message, ready to be cut into frames.

    Args:
        start: The body of its START frame.
        parts: The payload; nobody changes it any more.
        num_bytes: Of both.
    """

    start: bytes
    parts: tuple[memoryview, ...]
    num_bytes: int


_PACKER = msgspec.msgpack.Encoder()


def encode_message(kind: str, header: Mapping[str, Any], payload: Sequence[Buffer], key: str = "") -> Encoded:
    """Describe a message and compute its checksum.

    Args:
        kind: What it is about.
        header: Values that msgpack holds.
        payload: Anything with contiguous memory; not copied.
        key: Of a lossy message.

    Raises:
        ValueError: A part of it is longer than the other side would accept.
        TypeError: The header holds what msgpack cannot.
    """
    parts = tuple(memoryview(part).cast("B") for part in payload)
    sizes = [part.nbytes for part in parts]
    description = _PACKER.encode(Description(kind, dict(header), sizes, key))
    if not kind or len(kind) > MAX_KIND_CHARACTERS or len(key) > MAX_KEY_CHARACTERS or len(parts) > MAX_PARTS:
        raise ValueError(f"a message of kind {kind[:80]!r} and key {key[:80]!r} with {len(parts)} parts cannot be sent")
    if len(description) > MAX_HEADER_BYTES:
        raise ValueError(f"the header of a message has {len(description)} bytes, more than {MAX_HEADER_BYTES}")
    digest = xxhash.xxh3_128(description)
    for part in parts:
        digest.update(part)
    start = digest.digest() + description
    return Encoded(start=start, parts=parts, num_bytes=len(start) + sum(sizes))


def decode_start(body: Buffer, *, most_bytes: int) -> tuple[bytes, bytes, Description]:
    """Read the body of a START frame.

    Args:
        body: Of the frame.
        most_bytes: Payload that is granted.

    Returns:
        The checksum, the description's bytes, over which it begins, and the description.

    Raises:
        WireError: It is no description, or one of more than is granted.
    """
    if not DIGEST_BYTES < len(body) <= DIGEST_BYTES + MAX_HEADER_BYTES:
        raise WireError("A message begins with a header of a length that is not allowed", value=len(body))
    digest, packed = bytes(body[:DIGEST_BYTES]), bytes(body[DIGEST_BYTES:])
    found = unpack(packed, Description)
    if not 0 < len(found.kind) <= MAX_KIND_CHARACTERS or len(found.key) > MAX_KEY_CHARACTERS:
        raise WireError("A message has a kind or key of a length that is not allowed")
    if len(found.sizes) > MAX_PARTS or min(found.sizes, default=0) < 0 or sum(found.sizes) > most_bytes:
        raise WireError(f"A message wants more than the {most_bytes} bytes that are granted", value=found.kind)
    return digest, packed, found


def lossy_name(kind: str, key: str) -> str:
    """By what a newer lossy message takes the place of an older one."""
    return f"{kind}/{key}"


def unpack(body: Buffer, kind: type[Packed]) -> Packed:
    """Read msgpack as a struct.

    Raises:
        WireError: It is none.
    """
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError, OverflowError) as error:
        raise WireError(f"The other side sent what cannot be read: {plain_text(str(error))}") from error


def pack(value: msgspec.Struct) -> bytes:
    """A struct as msgpack."""
    return _PACKER.encode(value)


def frame(kind: FrameKind, body: Buffer = b"", *, stream: Stream = Stream.CONTROL, number: int = 0) -> bytes:
    """One frame, head and body."""
    return b"".join((HEAD.pack(kind, stream, 0, len(body), number), body))


_COUNTS = struct.Struct("<6Q")


def pack_counts(taken: Mapping[Stream, int], committed: Mapping[Stream, int]) -> bytes:
    """For each lossless stream, the last message that the application took, and the last one it is done with."""
    return _COUNTS.pack(*(value for stream in LOSSLESS for value in (taken[stream], committed[stream])))


def unpack_counts(body: Buffer) -> tuple[dict[Stream, int], dict[Stream, int]]:
    """The inverse of `pack_counts`.

    Raises:
        WireError: The body has another length.
    """
    if len(body) != _COUNTS.size:
        raise WireError("Counts of another length than this protocol's", value=len(body))
    values = _COUNTS.unpack(body)
    return dict(zip(LOSSLESS, values[0::2], strict=True)), dict(zip(LOSSLESS, values[1::2], strict=True))


def plain_text(text: str) -> str:
    """A sentence of the other side, cut and without what a terminal might take for a command."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:MAX_TEXT_CHARACTERS])
