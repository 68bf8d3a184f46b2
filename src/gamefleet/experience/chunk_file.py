"""Chunks as files: consecutive slots of one episode, compressed, checked, and safe to open whoever wrote them.

Job: bytes of a chunk and back. Place in the data flow: actors record a chunk, this module makes the file that travels
through a shared folder, and opens those of other members. Left out: file names and moving (`transport`), recording
(`actors.chunks`), whether a chunk fits a replay (`chunk_check`) and whether the game really gives it (`resimulate`).

To a replay every chunk looks like an episode: its first slot has `is_first`, its last one `is_last` with neither action
nor reward, so chunks of whatever origin may follow each other in any stream. `is_terminal` of the last slot says
whether the game ended there or is only continued elsewhere.

    8 bytes     b"GFCHUNK1"
    16 bytes    xxh3-128 of everything after it: finds damage, not forgery
    4 bytes     length of the header, little-endian
    header      msgpack, see `_Header`: facts, names, types and shapes, lengths of the two parts
    start       the game's state at the first slot, zstd
    body        the arrays one after the other in the header's order, C order, little-endian, zstd

All sizes follow from the header and are compared with the cap before anything is decompressed. Nothing in a file is
ever executed: msgpack holds numbers and texts only, and array types come from a fixed list.

Axes: `time` (slots of the chunk), `state` (numbers of a recurrent state).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

from gamefleet.experience.bounded import ChunkError, compress, damaged, decompress
from gamefleet.experience.layout import FLAGS
from gamefleet.experience.types import Slots

MAGIC = b"GFCHUNK1"
MAX_FILE_BYTES = 32 * 2**20
"""Readers need not open larger ones; 400 steps of a Game Boy take 15 kB, and 0.4 MB more with 256 recurrent states."""

MAX_CONTENT_BYTES = 128 * 2**20
MAX_HEADER_BYTES = 64 * 2**10
MAX_ARRAYS = 64
MAX_AXES = 8
MAX_AXIS = 2**31
LEVEL = 3
"""Of zstd: observations of a Game Boy take a quarter less than with level 1, for a twentieth more time."""

_CHECKSUM_BYTES, _LENGTH_BYTES = 16, 4
_BEGIN = len(MAGIC) + _CHECKSUM_BYTES + _LENGTH_BYTES
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]{0,62}")
_INTEGERS = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
_DTYPES = ("bool", *_INTEGERS, "float16", "float32", "float64")
_STATE = "state"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkFacts:
    """Where a chunk comes from.

    Args:
        member: Who played it.
        environment: Which of the member's games.
        seq: Its number among that environment's chunks, from 0 or 1 on, without gaps.
        compatibility: `identity.compatibility_hash` of game, observation, reward and architecture; the last one
            because the recurrent states mean nothing to another network.
        weights_version: Merged version of the weights that played it; of the oldest, if they changed on the way.
        epsilon: Probability of a random action, 0 to 1.
    """

    member: str
    environment: str
    seq: int
    compatibility: str
    weights_version: int
    epsilon: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkContent:
    """What happened.

    Args:
        slots: Arrays `[time, ...]`; read-only when they come from a file.
        state: float32 `[time, state]`, the recurrent state that the actor had before each slot.
        start: The game's state at the first slot, packed (one zstd frame): whoever goes there with
            `restore_state(..., new_episode=False)` and repeats the actions gets these slots again.
    """

    slots: Slots
    state: NDArray[np.float32]
    start: bytes

    @property
    def num_slots(self) -> int:
        """One more than there are transitions."""
        return len(self.slots.action)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredChunk:
    """A chunk as its file holds it.

    Args:
        facts: Where it comes from.
        content: What happened.
    """

    facts: ChunkFacts
    content: ChunkContent


class _Array(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    name: str
    dtype: str
    shape: list[int]


class _Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arrays' shapes are those of one slot; all of them have `num_slots` in front."""

    facts: ChunkFacts
    num_slots: int
    arrays: list[_Array]
    start_bytes: int
    body_bytes: int


def encode(chunk: StoredChunk) -> bytes:
    """The content of a file.

    Raises:
        ChunkError: The chunk is one that `decode` would not open.
    """
    arrays = dict(_named(chunk.content))
    body = compress(b"".join(_plain(array) for array in arrays.values()), level=LEVEL)
    header = _Header(
        facts=chunk.facts,
        num_slots=chunk.content.num_slots,
        arrays=[_Array(name, array.dtype.name, list(array.shape[1:])) for name, array in arrays.items()],
        start_bytes=len(chunk.content.start),
        body_bytes=len(body),
    )
    _check(header, MAX_CONTENT_BYTES, "while encoding")
    packed = msgspec.msgpack.encode(header)
    rest = b"".join((len(packed).to_bytes(_LENGTH_BYTES, "little"), packed, chunk.content.start, body))
    data = MAGIC + xxhash.xxh3_128_digest(rest) + rest
    if len(data) > MAX_FILE_BYTES or len(packed) > MAX_HEADER_BYTES:
        raise ChunkError("A chunk is too large for a file", value=len(data), remedy="Lower the steps of a chunk.")
    return data


def decode(data: bytes, *, max_bytes: int = MAX_CONTENT_BYTES, where: object = None) -> StoredChunk:
    """Verify and understand the content of a file; whatever the bytes are, nothing but `ChunkError` comes out.

    Args:
        data: What `encode` returned, or anything else.
        max_bytes: Memory that is granted to the arrays.
        where: File or peer that it came from, for errors.

    Raises:
        ChunkError: It is damaged, no chunk at all, or its arrays would be larger than `max_bytes`.
    """
    header, begin = _read_header(data, where)
    _check(header, max_bytes, where)
    wanted = sum(_num_bytes(array, header.num_slots) for array in header.arrays)
    middle = begin + header.start_bytes
    if len(data) != middle + header.body_bytes:
        raise damaged("The lengths in a chunk's header do not add up to its size", where)
    content = decompress(memoryview(data)[middle:], max_bytes=wanted, where=where)
    if len(content) != wanted:
        raise damaged(f"A chunk holds {len(content)} bytes of arrays, its header describes {wanted}", where)
    arrays = _split(header, content, where)
    return StoredChunk(
        facts=header.facts,
        content=ChunkContent(slots=_slots(arrays), state=arrays[_STATE], start=bytes(data[begin:middle])),
    )


def _read_header(data: bytes, where: object) -> tuple[_Header, int]:
    """The header, and where the first part begins."""
    if len(data) > MAX_FILE_BYTES:
        raise damaged(f"A chunk has {len(data)} bytes, more than {MAX_FILE_BYTES}", where)
    if len(data) < _BEGIN or data[: len(MAGIC)] != MAGIC:
        raise damaged("This is no chunk of experience, or of a version that is not known here", where)
    rest = len(MAGIC) + _CHECKSUM_BYTES
    if xxhash.xxh3_128_digest(memoryview(data)[rest:]) != data[len(MAGIC) : rest]:
        raise damaged("A chunk fails its checksum", where)
    length = int.from_bytes(data[rest:_BEGIN], "little")
    if length > min(MAX_HEADER_BYTES, len(data) - _BEGIN):
        raise damaged("The header of a chunk is longer than it may be", where)
    try:
        header = msgspec.msgpack.decode(memoryview(data)[_BEGIN : _BEGIN + length], type=_Header)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise damaged(f"The header of a chunk cannot be read: {error}", where) from error
    return header, _BEGIN + length


def _check(header: _Header, max_bytes: int, where: object) -> None:
    """Fail unless a header describes a chunk that may be opened."""
    facts = header.facts
    texts = (facts.member, facts.environment, facts.compatibility)
    if not all(_NAME.fullmatch(text) for text in texts) or min(facts.seq, facts.weights_version) < 0:
        raise damaged("The facts in a chunk's header are no names and numbers of this kind", where)
    if not 0.0 <= facts.epsilon <= 1.0 or max(facts.seq, facts.weights_version) >= 2**53:
        raise damaged("A number among the facts in a chunk's header is out of range", where)
    if header.num_slots < 2 or min(header.start_bytes, header.body_bytes) < 0:
        raise damaged("A chunk has no transition, or a part of negative length", where)
    wanted = sum(_least_bytes(array, header.num_slots, where) for array in header.arrays)
    if wanted > max_bytes:
        raise damaged(f"The arrays of a chunk would take {wanted} bytes, {max_bytes} are granted", where)
    _check_names(header, where)


def _least_bytes(array: _Array, num_slots: int, where: object) -> int:
    if array.dtype not in _DTYPES:
        raise damaged(f"An array of a chunk has a type that is not allowed: {array.dtype[:20]!r}", where)
    if len(array.shape) > MAX_AXES or not all(0 <= length < MAX_AXIS for length in array.shape):
        raise damaged("An array of a chunk has a shape that is not allowed", where)
    # An empty axis must not hide others that are too long for an array.
    return num_slots * math.prod(max(1, length) for length in array.shape) * np.dtype(array.dtype).itemsize


def _num_bytes(array: _Array, num_slots: int) -> int:
    return num_slots * math.prod(array.shape) * np.dtype(array.dtype).itemsize


def _check_names(header: _Header, where: object) -> None:
    arrays = {array.name: array for array in header.arrays}
    if len(arrays) != len(header.arrays) or len(arrays) > MAX_ARRAYS:
        raise damaged("A chunk names an array twice, or has too many", where)
    for name, (shape, dtype) in FLAGS.items():
        found = arrays.pop(name, None)
        if found is None or (tuple(found.shape), found.dtype) != (shape, dtype):
            raise damaged(f"A chunk lacks the array {name}, or has it with another type or shape", where)
    state = arrays.pop(_STATE, None)
    if state is None or state.dtype != "float32" or len(state.shape) != 1:
        raise damaged("A chunk lacks its recurrent states, or has them with another type or shape", where)
    if not all(name.startswith("obs/") and _NAME.fullmatch(name[4:]) for name in arrays):
        raise damaged("A chunk holds an array that is no observation", where)


def _named(content: ChunkContent) -> Iterator[tuple[str, NDArray[Any]]]:
    """All arrays by their names in the file, those of large numbers first: each then lies where its type wants it."""
    slots = content.slots
    arrays = {name: getattr(slots, name) for name in FLAGS} | {f"obs/{name}": slots.obs[name] for name in slots.obs}
    arrays[_STATE] = content.state
    for name in sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name)):
        if len(arrays[name]) != content.num_slots:
            raise ChunkError(f"The array {name} of a chunk is not as long as the others", value=arrays[name].shape)
        yield name, arrays[name]


def _plain(array: NDArray[Any]) -> bytes:
    return np.asarray(array, dtype=array.dtype.newbyteorder("<")).tobytes()


def _split(header: _Header, content: bytes, where: object) -> dict[str, NDArray[Any]]:
    """The arrays: read-only views of `content`."""
    arrays: dict[str, NDArray[Any]] = {}
    begin = 0
    for array in header.arrays:
        shape = (header.num_slots, *array.shape)
        dtype = np.dtype(array.dtype).newbyteorder("<")
        count = math.prod(shape)
        flat = np.frombuffer(content, np.uint8, count * dtype.itemsize, begin)
        if array.dtype == "bool" and flat.size and flat.max() > 1:
            raise damaged(f"The array {array.name} of a chunk is neither true nor false", where)
        arrays[array.name] = flat.view(dtype).reshape(shape)
        begin += count * dtype.itemsize
    return arrays


def _slots(arrays: Mapping[str, NDArray[Any]]) -> Slots:
    obs = {name.removeprefix("obs/"): array for name, array in arrays.items() if name.startswith("obs/")}
    return Slots(obs=obs, **{name: arrays[name] for name in FLAGS})
