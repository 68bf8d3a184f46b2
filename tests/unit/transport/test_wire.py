"""Frames and messages: any cutting of the bytes gives the same frames, and every lie about sizes is found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamefleet.transport.link_inbox import Inbox
from gamefleet.transport.link_outbox import Outbox
from gamefleet.transport.wire import (
    CHUNK_BYTES,
    LOSSLESS,
    FrameKind,
    Stream,
    WireError,
    encode_message,
    frame,
    pack_counts,
    plain_text,
    unpack_counts,
)
from gamefleet.transport.wire_reader import FrameReader


def read_in_pieces(data: bytes, cuts: list[int]) -> list[tuple[FrameKind, Stream, int, bytes]]:
    reader, found = FrameReader(), []
    begin = 0
    for end in [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]:
        while begin < end:
            room = reader.room()
            count = min(len(room), end - begin)
            room[:count] = data[begin : begin + count]
            reader.filled(count)
            begin += count
            while (got := reader.next_frame()) is not None:
                found.append((got.kind, got.stream, got.number, bytes(got.body)))
            reader.compact()
    return found


@given(
    sizes=st.lists(st.sampled_from([0, 1, 17, 1000, CHUNK_BYTES - 1, CHUNK_BYTES]), max_size=6),
    cuts=st.lists(st.integers(0, 2**31)),
)
def test_frames_are_found_however_the_bytes_are_cut(sizes: list[int], cuts: list[int]) -> None:
    wanted = [
        (FrameKind.DATA, Stream(number % 4), number, bytes([number % 256]) * size)
        for number, size in enumerate(sizes, start=1)
    ]
    data = b"".join(frame(kind, body, stream=stream, number=number) for kind, stream, number, body in wanted)

    assert read_in_pieces(data, cuts) == wanted


@given(st.binary(min_size=16, max_size=400))
def test_arbitrary_bytes_are_frames_or_an_error_and_nothing_else(data: bytes) -> None:
    reader = FrameReader()
    reader.room()[: len(data)] = data
    reader.filled(len(data))
    try:
        while reader.next_frame() is not None:
            pass
    except WireError:
        return


def moved(outbox: Outbox, inbox: Inbox, most_frames: int = 10**9) -> None:
    """Everything that waits in one, or so many writes of it, into the other."""
    reader = FrameReader()
    for _ in range(most_frames):
        data = b"".join(outbox.next_bytes())
        if not data:
            return
        reader.room()[: len(data)] = data
        reader.filled(len(data))
        while (found := reader.next_frame()) is not None:
            inbox.start(found) if found.kind is FrameKind.START else inbox.data(found)
        reader.compact()


parts = st.lists(st.sampled_from([0, 1, 100, 300_000]).map(bytes), max_size=3)
messages = st.lists(st.tuples(st.sampled_from(LOSSLESS), parts), max_size=8)


@given(messages=messages, breaks=st.lists(st.integers(0, 4), max_size=6))
def test_a_break_after_any_frame_loses_doubles_and_repeats_nothing(
    messages: list[tuple[Stream, list[bytes]]], breaks: list[int]
) -> None:
    outbox = Outbox(window_bytes=2**30, kept_bytes=2**30)
    inbox = Inbox(window_bytes=2**30, message_bytes=2**30)
    inbox.meet("sender", outbox.first(), {})
    for number, (stream, payload) in enumerate(messages):
        outbox.put(stream, encode_message("n", {"n": number}, payload))
    for frames in breaks:
        moved(outbox, inbox, frames)
        outbox.break_off()
        inbox.break_off()
        inbox.meet("sender", outbox.first(), {})
        outbox.rewind(inbox.received(), inbox.begun())
    moved(outbox, inbox)

    for stream in LOSSLESS:
        wanted = [(number, payload) for number, (of, payload) in enumerate(messages) if of is stream]
        found = []
        while (message := inbox.take([stream])) is not None:
            found.append((message.header["n"], [bytes(part) for part in message.payload]))
            assert inbox.acknowledge(message.session, stream, message.number)
        assert found == wanted
    outbox.count(inbox.taken(), inbox.committed())
    assert outbox.is_settled(LOSSLESS)


def test_a_chunk_of_an_urgent_message_goes_before_the_rest_of_a_large_one() -> None:
    outbox = Outbox(window_bytes=2**30, kept_bytes=2**30)
    outbox.put(Stream.WEIGHTS, encode_message("large", {}, [bytes(40 * CHUNK_BYTES)]))
    for _ in range(3):
        outbox.next_bytes()
    outbox.put(Stream.CONTROL, encode_message("urgent", {}, []))

    assert b"urgent" in b"".join(outbox.next_bytes())


def test_counts_survive_the_wire() -> None:
    taken = {Stream.CONTROL: 2**60, Stream.BATCHES: 3, Stream.WEIGHTS: 0}
    committed = {Stream.CONTROL: 2, Stream.BATCHES: 1, Stream.WEIGHTS: 0}

    assert unpack_counts(pack_counts(taken, committed)) == (taken, committed)
    with pytest.raises(WireError):
        unpack_counts(b"x" * 47)


@given(st.text())
def test_a_text_of_the_other_side_is_printable_and_short(text: str) -> None:
    assert plain_text(text).isprintable()
    assert len(plain_text(text)) <= 300
