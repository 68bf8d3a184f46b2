"""Chunks as files: what was played comes back bit for bit, and hostile files do no harm."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
import xxhash
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from gamefleet.experience import chunk_file
from gamefleet.experience.bounded import ChunkError, compress, decompress
from gamefleet.experience.chunk_check import check_fits
from gamefleet.experience.chunk_file import ChunkContent, ChunkFacts, StoredChunk, decode, encode
from gamefleet.experience.layout import FLAGS
from gamefleet.experience.types import Slots

LAYOUT = {"screen": ((4, 5), "uint8"), "place": ((2,), "int16"), "clock": ((), "float32"), "seen": ((3,), "bool")}
NUM_ACTIONS, STATE_SIZE = 6, 3
FACTS = ChunkFacts(
    member="ann-laptop", environment="e003", seq=34, compatibility="0" * 32, weights_version=13, epsilon=0.4
)


def stored(num_slots: int = 9, seed: int = 0, state_size: int = STATE_SIZE, is_terminal: bool = False) -> StoredChunk:
    rng = np.random.default_rng(seed)
    times = np.arange(num_slots)
    slots = Slots(
        obs={
            "screen": rng.integers(256, size=(num_slots, 4, 5), dtype=np.uint8),
            "place": rng.integers(-9, 9, size=(num_slots, 2), dtype=np.int16),
            "clock": rng.random(num_slots, np.float32),
            "seen": rng.random((num_slots, 3)) < 0.5,
        },
        action=(rng.integers(NUM_ACTIONS, size=num_slots) * (times < num_slots - 1)).astype(np.int16),
        reward=(rng.normal(size=num_slots) * (times < num_slots - 1)).astype(np.float32),
        is_first=times == 0,
        is_last=times == num_slots - 1,
        is_terminal=(times == num_slots - 1) & is_terminal,
    )
    state = rng.random((num_slots, state_size), np.float32)
    return StoredChunk(facts=FACTS, content=ChunkContent(slots=slots, state=state, start=compress(b"game", level=1)))


def arrays_of(content: ChunkContent) -> dict[str, Any]:
    return {
        **{name: getattr(content.slots, name) for name in FLAGS},
        **{f"obs/{name}": array for name, array in content.slots.obs.items()},
        "state": content.state,
    }


def assert_same(first: StoredChunk, second: StoredChunk) -> None:
    assert first.facts == second.facts
    assert first.content.start == second.content.start
    ours, theirs = arrays_of(first.content), arrays_of(second.content)
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        assert (array.dtype, array.shape) == (theirs[name].dtype, theirs[name].shape)
        assert array.tobytes() == theirs[name].tobytes()


@given(num_slots=st.integers(2, 40), seed=st.integers(0, 99), state_size=st.integers(0, 5), is_terminal=st.booleans())
@settings(max_examples=50, deadline=None)
def test_a_chunk_comes_back_bit_for_bit_and_fits_its_layout(
    num_slots: int, seed: int, state_size: int, is_terminal: bool
) -> None:
    chunk = stored(num_slots, seed, state_size, is_terminal)
    back = decode(encode(chunk))
    assert_same(chunk, back)
    check_fits(back.content, LAYOUT, num_actions=NUM_ACTIONS, state_size=state_size)


def test_equal_chunks_give_equal_files() -> None:
    assert encode(stored()) == encode(stored())


def parts(data: bytes) -> tuple[dict[str, Any], bytes, bytes]:
    length = int.from_bytes(data[24:28], "little")
    header = msgspec.msgpack.decode(data[28 : 28 + length])
    middle = 28 + length + header["start_bytes"]
    return header, data[28 + length : middle], data[middle:]


def sealed(rest: bytes) -> bytes:
    """With the checksum that a forger would compute."""
    return data_of(rest, chunk_file.MAGIC)


def data_of(rest: bytes, magic: bytes) -> bytes:
    return magic + xxhash.xxh3_128_digest(rest) + rest


def forged(change: Callable[[dict[str, Any]], object], body: bytes | None = None) -> bytes:
    """A file whose header was changed, with lengths and checksum that fit, unless the change is about them."""
    header, start, old = parts(encode(stored()))
    body = old if body is None else body
    header["body_bytes"] = len(body)
    change(header)
    packed = msgspec.msgpack.encode(header)
    return sealed(struct.pack("<I", len(packed)) + packed + start + body)


def is_refused(data: bytes, max_bytes: int = 2**20) -> bool:
    try:
        decode(data, max_bytes=max_bytes)
    except ChunkError:
        return True
    return False


def test_every_truncation_is_refused() -> None:
    data = encode(stored())
    rest = data[24:]
    assert all(is_refused(data[:length]) for length in range(len(data)))
    assert all(is_refused(sealed(rest[:length])) for length in range(len(rest)))
    assert is_refused(data + b"\0")
    assert is_refused(sealed(rest + b"\0"))


def test_every_flipped_bit_is_noticed() -> None:
    data = encode(stored())
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        assert is_refused(bytes(flipped)), f"bit {bit}"


def test_forged_bytes_under_a_right_checksum_give_an_error_of_ours_or_a_chunk_of_the_stated_shape() -> None:
    rest = bytearray(encode(stored())[24:])
    rng = np.random.default_rng(0)
    for _ in range(3000):
        changed = bytearray(rest)
        for place in rng.integers(len(rest) if rng.random() < 0.3 else 330, size=rng.integers(1, 5)):
            changed[place] = rng.integers(256)
        try:
            chunk = decode(sealed(bytes(changed)), max_bytes=2**20)
        except ChunkError:
            continue
        assert all(len(array) == chunk.content.num_slots for array in arrays_of(chunk.content).values())


HUGE = (-(2**63), -1, 0, 1, 8, 10, 2**16, 2**31 - 1, 2**31, 2**53, 2**63 - 1, 2**64 - 1)
NUMBERS = (
    st.sampled_from(HUGE) | st.floats() | st.text(max_size=3) | st.none() | st.lists(st.integers(0, 9), max_size=3)
)
DTYPES = st.sampled_from(
    ["O", "object", "U9", "V8", "f4,f4", "datetime64[s]", "complex64", ">f4", "bool", "int16", "uint64", ""]
)
SHAPES = st.lists(st.sampled_from(HUGE), max_size=9)


@given(data=st.data())
@settings(max_examples=600, deadline=None)
def test_headers_that_lie_give_an_error_of_ours(data: st.DataObject) -> None:
    def lie(header: dict[str, Any]) -> None:
        kind = data.draw(st.sampled_from(["number", "fact", "dtype", "shape", "name", "twice", "less", "more"]))
        number = data.draw(st.integers(0, len(header["arrays"]) - 1))
        if kind == "number":
            name = data.draw(st.sampled_from(["num_slots", "start_bytes", "body_bytes", "arrays", "facts"]))
            header[name] = data.draw(NUMBERS)
        elif kind == "fact":
            name = data.draw(st.sampled_from(sorted(header["facts"])))
            header["facts"][name] = data.draw(NUMBERS | st.just("../../etc/passwd"))
        elif kind in ("dtype", "shape", "name"):
            position = ("name", "dtype", "shape").index(kind)
            header["arrays"][number][position] = data.draw({"dtype": DTYPES, "shape": SHAPES, "name": st.text()}[kind])
        elif kind == "twice":
            header["arrays"].append(header["arrays"][number])
        elif kind == "less":
            del header["arrays"][number]
        else:
            header["more"] = data.draw(NUMBERS)

    forgery = forged(lie)
    try:
        chunk = decode(forgery, max_bytes=2**20)
    except ChunkError:
        return
    # What is let through is still a chunk: some facts may have any value of their kind.
    assert_same(decode(encode(chunk)), chunk)


@pytest.mark.parametrize("claimed", [None, 2**62, 2**30, 1000])
def test_a_bomb_takes_no_more_memory_than_is_granted(claimed: int | None) -> None:
    """200 MB of zeros in a few kB, stating no size, too large a size, or a size that is too small."""
    compressor = zstandard.ZstdCompressor(level=1, write_content_size=False)
    bomb = compressor.compress(bytes(200 * 2**20))
    if claimed is not None:  # a frame header of our own: magic, descriptor (8-byte size, window), window, size
        window = bomb[5:6]
        bomb = bomb[:4] + bytes([0b11000000]) + window + claimed.to_bytes(8, "little") + bomb[6:]
    data = forged(lambda header: None, body=bomb)
    tracemalloc.start()
    try:
        assert is_refused(data, max_bytes=2**20)
        with pytest.raises(ChunkError):
            decompress(bomb, max_bytes=2**20)
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()


def test_arrays_above_the_cap_are_refused_before_anything_is_opened() -> None:
    chunk = stored(200)
    with pytest.raises(ChunkError, match="are granted"):
        decode(encode(chunk), max_bytes=1000)


def test_nested_headers_and_other_formats_are_refused() -> None:
    deep = b"\x91" * 60_000 + b"\xc0"
    for packed in (deep, b"", b"\xc1", msgspec.msgpack.encode([1, 2]), b"\x81\xa2\xff\xfe\x01"):
        assert is_refused(sealed(struct.pack("<I", len(packed)) + packed))
    assert is_refused(data_of(encode(stored())[24:], b"GFCHUNK2"))
    assert is_refused(sealed(b"\xff\xff\xff\xff"))
    assert is_refused(bytes(chunk_file.MAX_FILE_BYTES + 1))


def test_a_pickle_is_no_chunk_and_runs_nothing() -> None:
    assert is_refused(b"cos\nsystem\n(S'false'\ntR.")


def test_a_chunk_that_nobody_could_open_is_not_written() -> None:
    chunk = stored()
    slots = chunk.content.slots
    for broken in (
        replace(chunk, facts=replace(FACTS, member="../up")),
        replace(chunk, facts=replace(FACTS, epsilon=float("nan"))),
        replace(chunk, content=replace(chunk.content, state=chunk.content.state[:-1])),
        replace(chunk, content=replace(chunk.content, slots=replace(slots, reward=slots.reward.astype(np.float64)))),
        replace(chunk, content=replace(chunk.content, slots=replace(slots, obs={"word": np.array(["a"] * 9)}))),
    ):
        with pytest.raises(ChunkError):
            encode(broken)


def changed(**arrays: Any) -> ChunkContent:
    content = stored().content
    return replace(content, slots=replace(content.slots, **arrays))


def with_value(name: str, time: int, value: Any) -> ChunkContent:
    array = getattr(stored().content.slots, name).copy()
    array[time] = value
    return changed(**{name: array})


def with_obs(**obs: Any) -> ChunkContent:
    return changed(obs={**stored().content.slots.obs, **obs})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (with_value("is_first", 0, False), "is_first"),
        (with_value("is_first", 4, True), "is_first"),
        (with_value("is_last", -1, False), "is_last"),
        (with_value("is_last", 4, True), "is_last"),
        (with_value("is_terminal", 4, True), "is_terminal"),
        (with_value("action", 4, NUM_ACTIONS), "action 6"),
        (with_value("action", 4, -1), "action -1"),
        (with_value("action", -1, 1), "last slot"),
        (with_value("reward", -1, 1.0), "last slot"),
        (with_value("reward", 3, np.nan), "reward holds numbers that are not finite"),
        (with_obs(clock=np.full(9, np.inf, np.float32)), "clock holds numbers"),
        (with_obs(clock=np.zeros(9, np.float64)), "clock is float64"),
        (with_obs(screen=np.zeros((9, 5, 4), np.uint8)), "screen is"),
        (with_obs(more=np.zeros(9, np.uint8)), "more"),
        (replace(stored().content, state=np.zeros((9, 4), np.float32)), "state is"),
        (replace(stored().content, state=np.full((9, 3), np.nan, np.float32)), "state holds"),
    ],
)
def test_what_does_not_fit_the_replay_is_named(content: ChunkContent, reason: str) -> None:
    with pytest.raises(ChunkError, match=reason):
        check_fits(content, LAYOUT, num_actions=NUM_ACTIONS, state_size=STATE_SIZE)
