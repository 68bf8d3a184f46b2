"""Whoever waits for a link moves its bytes; threads that wait, send and are interrupted do not disturb each other."""

from __future__ import annotations

import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

import pytest
from tests.waiting import until

from gamefleet.testing.linked_ends import PATIENCE_S, LinkedEnds, until_connected
from gamefleet.transport.link import Link, Stream

LOSSLESS = (Stream.CONTROL, Stream.BATCHES, Stream.WEIGHTS)
INTERRUPTIONS = 60


class InterruptedHereError(Exception):
    """What the handler of a signal raises, as Ctrl-C does."""


@pytest.fixture
def ends() -> Iterator[LinkedEnds]:
    with LinkedEnds() as opened:
        yield opened


def answer(link: Link, stream: Stream, count: int) -> None:
    """Send back what comes on a stream."""
    for _ in range(count):
        message = link.receive(PATIENCE_S, streams=(stream,))
        assert message is not None
        assert link.send("answer", message.header, stream=stream, timeout_s=PATIENCE_S)
        link.acknowledge(message)


def ask(link: Link, stream: Stream, count: int) -> list[int]:
    """Send, wait for the answer, and so on."""
    found = []
    for number in range(count):
        assert link.send("ask", {"n": number}, stream=stream, timeout_s=PATIENCE_S)
        message = link.receive(PATIENCE_S, streams=(stream,))
        assert message is not None
        link.acknowledge(message)
        found.append(message.header["n"])
    return found


def test_threads_that_ask_on_streams_of_their_own_all_get_their_answers(ends: LinkedEnds) -> None:
    here, there = ends.pair()
    with ThreadPoolExecutor(6) as pool:
        answers = [pool.submit(answer, there, stream, 200) for stream in LOSSLESS]
        asks = [pool.submit(ask, here, stream, 200) for stream in LOSSLESS]
        assert [found.result(PATIENCE_S) for found in asks] == [list(range(200))] * 3
        for found in answers:
            found.result(PATIENCE_S)
    assert here.flush(PATIENCE_S)
    assert there.flush(PATIENCE_S)


def test_a_thread_that_waits_for_something_else_forwards_what_others_wait_for(ends: LinkedEnds) -> None:
    here, there = ends.pair()
    with ThreadPoolExecutor(2) as pool:
        other = pool.submit(here.receive, PATIENCE_S, streams=(Stream.WEIGHTS,))
        time.sleep(0.2)  # it moves the bytes now, and its connection's own thread sleeps
        answered = pool.submit(answer, there, Stream.CONTROL, 50)
        assert ask(here, Stream.CONTROL, 50) == list(range(50))
        answered.result(PATIENCE_S)
        assert there.send("w", {}, stream=Stream.WEIGHTS)
        assert other.result(PATIENCE_S) is not None


def test_a_link_at_which_nobody_waits_still_takes_in_acknowledges_and_pings(ends: LinkedEnds) -> None:
    here, there = ends.pair()
    assert ask_once(here, there)
    connections = here.counts().connections
    time.sleep(2 * ends.settings.times.dead_s)
    assert there.receive(0.0) is None
    assert here.send("m", {})
    message = until(lambda: there.receive(0.0), "the message")  # never waits, so it moves nothing itself
    assert message is not None
    there.acknowledge(message)
    assert here.flush(PATIENCE_S)
    assert here.counts().connections == connections


def ask_once(here: Link, there: Link) -> bool:
    assert here.send("m", {})
    message = there.receive(PATIENCE_S)
    assert message is not None
    there.acknowledge(message)
    return here.flush(PATIENCE_S)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs timers that interrupt")
def test_a_thread_that_is_interrupted_while_it_moves_bytes_loses_and_doubles_nothing(
    ends: LinkedEnds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "unraisablehook", lambda seen: None)  # where it strikes in a destructor
    here, there = ends.pair()
    until_connected(here)
    rng, is_over, is_armed, seen = random.Random(0), threading.Event(), [False], [0]

    def raise_here(number: int, frame: FrameType | None) -> None:
        if is_armed[0]:
            is_armed[0] = False
            seen[0] += 1
            raise InterruptedHereError

    def feed() -> None:
        number = 0
        while not is_over.is_set():
            number += 1
            assert there.send("m", {"n": number}, [bytes(rng.randrange(3000))], timeout_s=PATIENCE_S)
            time.sleep(0.0002)
        assert there.send("end", {"n": number + 1}, timeout_s=PATIENCE_S)

    before = signal.signal(signal.SIGALRM, raise_here)
    feeder = threading.Thread(target=feed)
    feeder.start()
    numbers: list[int] = []
    taken = 0
    signal.setitimer(signal.ITIMER_REAL, 0.003, 0.0037)
    try:
        while seen[0] < INTERRUPTIONS:
            try:
                while True:
                    is_armed[0] = True  # again for each message: an exception in a destructor is lost
                    message = here.receive(PATIENCE_S)
                    assert message is not None
                    numbers.append(message.header["n"])
                    here.acknowledge(message)
            except (InterruptedHereError, RuntimeError):  # the latter from a condition that was interrupted
                pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
        is_over.set()
        feeder.join()
    while taken < 1:
        message = here.receive(PATIENCE_S)
        assert message is not None
        numbers.append(message.header["n"])
        here.acknowledge(message)
        taken += message.kind == "end"
    assert numbers == sorted(set(numbers))
    # What a call had already fetched when it was interrupted is lost to this loop, and to no other.
    assert numbers[-1] - len(numbers) <= seen[0]
    assert there.flush(PATIENCE_S)
