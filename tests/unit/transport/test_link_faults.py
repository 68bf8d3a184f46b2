"""A line that is cut, frozen, slow or damaged costs time, and never a message."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from gamefleet.testing.faulty_line import FaultyLine
from gamefleet.testing.linked_ends import PATIENCE_S, LinkedEnds, accepted, until_connected, until_state
from gamefleet.transport.link import CONNECTED, CONNECTING, Link, Stream
from gamefleet.transport.link_settings import LinkSettings, LinkTimes

LOSSLESS = (Stream.CONTROL, Stream.BATCHES, Stream.WEIGHTS)


@pytest.fixture
def ends() -> Iterator[LinkedEnds]:
    with LinkedEnds() as opened:
        yield opened


def sent_numbers(link: Link, count: int, seed: int, largest_bytes: int) -> dict[Stream, int]:
    """Send messages of random sizes on random streams; returns how many on each."""
    rng = random.Random(seed)
    numbers = dict.fromkeys(LOSSLESS, 0)
    for _ in range(count):
        stream = rng.choice(LOSSLESS)
        numbers[stream] += 1
        size = int(largest_bytes ** rng.random())
        payload = [bytes([numbers[stream] % 251]) * size, b"", b"end"]
        assert link.send("n", {"n": numbers[stream]}, payload, stream=stream, timeout_s=PATIENCE_S)
    return numbers


def received_numbers(link: Link, count: int) -> dict[Stream, list[int]]:
    """Take so many messages, and see that each is whole."""
    numbers: dict[Stream, list[int]] = {stream: [] for stream in LOSSLESS}
    for _ in range(count):
        message = link.receive(PATIENCE_S)
        assert message is not None, f"nothing came for {PATIENCE_S} s"
        first, middle, last = message.payload
        assert (len(middle), bytes(last)) == (0, b"end")
        assert set(first[:: max(1, len(first) // 50)]) == {message.header["n"] % 251}
        numbers[message.stream].append(message.header["n"])
        link.acknowledge(message)
    return numbers


def disturb(line: FaultyLine, is_over: Event, seed: int) -> int:
    """Cut, freeze, damage and cut short, until told to stop; returns how often a connection ended."""
    rng = random.Random(seed)
    while not is_over.wait(0.02 + 0.15 * rng.random()):
        match rng.randrange(6):
            case 0:
                line.freeze()
                is_over.wait(0.1)
                line.thaw()
            case 1:
                line.flip()
            case _:
                line.reset()
    return line.num_connections


@pytest.mark.parametrize("count", [100, pytest.param(800, marks=pytest.mark.long)])
def test_resets_freezes_and_flipped_bits_lose_double_and_reorder_nothing(ends: LinkedEnds, count: int) -> None:
    here, there, line = ends.broken_pair()
    line.bytes_per_s = 20e6
    is_over = Event()

    with ThreadPoolExecutor(5) as threads:
        disturbing = threads.submit(disturb, line, is_over, 1)
        up = threads.submit(sent_numbers, here, count, 2, 1_500_000)
        down = threads.submit(sent_numbers, there, count // 5, 3, 300_000)
        came_down = threads.submit(received_numbers, here, count // 5)
        try:
            came_up = received_numbers(there, count)
            found_down = came_down.result(PATIENCE_S)
        finally:
            is_over.set()
        wanted_up, wanted_down = up.result(PATIENCE_S), down.result(PATIENCE_S)

    assert came_up == {stream: list(range(1, last + 1)) for stream, last in wanted_up.items()}
    assert found_down == {stream: list(range(1, last + 1)) for stream, last in wanted_down.items()}
    assert disturbing.result(PATIENCE_S) > 3
    line.thaw()
    assert here.flush(PATIENCE_S)
    assert there.receive(0.0) is None
    assert there.counts().missing == 0


def test_a_line_that_hangs_is_noticed_and_what_was_under_way_arrives_after_it(ends: LinkedEnds) -> None:
    here, there, line = ends.broken_pair()
    until_connected(here)
    line.freeze()
    assert here.send("n", {"n": 1})

    assert "nothing was heard" in until_state(here, CONNECTING).why
    until_state(there, CONNECTING)
    line.thaw()

    found = there.receive(PATIENCE_S)
    assert found is not None
    assert found.header == {"n": 1}
    assert there.receive(0.2) is None


def test_a_large_message_on_a_slow_line_is_no_silence_and_an_urgent_one_overtakes_it() -> None:
    times = LinkTimes(ping_s=0.2, dead_s=1.0)
    with LinkedEnds(LinkSettings(times=times)) as ends:
        here, there, line = ends.broken_pair()
        until_connected(here)
        line.bytes_per_s = 4e6
        assert here.send("large", {}, [bytes(12_000_000)], stream=Stream.BATCHES)
        time.sleep(0.3)
        assert here.send("urgent", {})

        kinds = [there.receive(PATIENCE_S), there.receive(PATIENCE_S)]

        assert [found.kind for found in kinds if found] == ["urgent", "large"]
        assert there.counts().connections == 1


@pytest.mark.long
def test_sixty_megabytes_at_ten_a_second_pass_on_one_connection_and_hold_up_nothing_urgent() -> None:
    with LinkedEnds(LinkSettings()) as ends:
        here, there, line = ends.broken_pair()
        until_connected(here)
        line.bytes_per_s = 10e6
        assert here.send("large", {}, [bytes(60_000_000)], stream=Stream.WEIGHTS)
        time.sleep(0.5)
        assert here.send("urgent", {})
        urgent = there.receive(PATIENCE_S)
        assert there.receive(0.0) is None, "an urgent message waited for a large one"
        large = there.receive(PATIENCE_S)

        assert urgent is not None
        assert large is not None
        assert (urgent.kind, large.kind, large.num_bytes) == ("urgent", "large", 60_000_000)
        assert there.counts().connections == 1


def test_weights_are_not_starved_by_a_line_full_of_batches(ends: LinkedEnds) -> None:
    here, there, line = ends.broken_pair()
    until_connected(here)
    line.bytes_per_s = 8e6
    for _ in range(8):
        assert here.send("batch", {}, [bytes(2_000_000)], stream=Stream.BATCHES)
    assert here.send("weights", {}, [bytes(500_000)], stream=Stream.WEIGHTS)

    kinds = []
    while "weights" not in kinds:
        found = there.receive(PATIENCE_S)
        assert found is not None
        kinds.append(found.kind)

    assert len(kinds) < 9


def test_lossy_messages_wait_for_nothing_and_nothing_waits_for_them(ends: LinkedEnds) -> None:
    here, there, line = ends.broken_pair()
    until_connected(here)
    line.bytes_per_s = 2e6
    assert here.send("large", {}, [bytes(2_000_000)])

    assert here.offer("frame", {"n": 1}, [bytes(100_000)], key="e0")
    assert not here.offer("frame", {"n": 2}, [bytes(100_000)], key="e0"), "one of the same key still waits"
    assert here.offer("frame", {"n": 3}, [b"other"], key="e1")
    assert here.send("small", {})

    kinds = []
    for _ in range(4):
        found = there.receive(PATIENCE_S)
        assert found is not None
        kinds.append((found.kind, found.header.get("n")))
    assert kinds == [("large", None), ("small", None), ("frame", 1), ("frame", 3)]
    assert here.offer("frame", {"n": 4}, [b"x"], key="e0")


def test_lossy_messages_end_with_their_connection(ends: LinkedEnds) -> None:
    here, there, line = ends.broken_pair()
    until_connected(here)
    line.bytes_per_s = 2e6
    assert here.send("large", {}, [bytes(1_000_000)])
    assert here.offer("frame", {}, [b"x"], key="e0")
    line.freeze()
    until_state(here, CONNECTING)
    assert not here.offer("frame", {}, [b"x"], key="e1"), "there is no connection"
    line.bytes_per_s = 0.0
    line.thaw()
    assert here.send("later", {})

    kinds = [found.kind for _ in range(2) if (found := there.receive(PATIENCE_S))]
    assert kinds == ["large", "later"]
    assert there.receive(0.2) is None


def test_of_lossy_messages_that_were_not_received_the_newest_stays(ends: LinkedEnds) -> None:
    here, there = ends.pair()
    until_connected(here)
    for number in range(5):
        while not here.offer("frame", {"n": number}, [b"x"], key="e0"):
            time.sleep(0.005)
        assert here.send("after", {})
        assert there.receive(PATIENCE_S, streams=LOSSLESS) is not None
    time.sleep(0.1)

    found = there.receive(PATIENCE_S)
    assert found is not None
    assert found.header == {"n": 4}
    assert there.receive(0.05) is None


def test_an_end_that_is_dialled_anew_from_elsewhere_first_ends_its_old_connection(ends: LinkedEnds) -> None:
    """A half-open connection: the dialer knows that it is dead, the listener does not yet."""
    listener = ends.listener(settings=LinkSettings(times=LinkTimes(dead_s=60.0)))
    line = ends.line(listener)
    here = ends.dialer(line.address).link
    there = accepted(listener)
    until_connected(here)
    assert here.send("large", {}, [bytes(3_000_000)], stream=Stream.BATCHES)
    line.freeze()
    until_state(here, CONNECTING)
    old = there.counts().connections

    line.take_down()
    line.put_up()
    line.thaw()

    found = there.receive(PATIENCE_S)
    assert found is not None
    assert found.num_bytes == 3_000_000
    assert there.receive(0.1) is None
    assert there.counts().connections == old + 1
    assert there.state.kind == CONNECTED
