"""Processes that run beside the one that started them, and the channel to them."""

import os
import socket
import tempfile
import threading

import pytest

from gamefleet.experience.channel import Channel
from gamefleet.experience.child import LOG_TAIL_BYTES, child_environment, log_tail, start_child


@pytest.fixture
def ends() -> tuple[Channel, Channel]:
    ours, theirs = socket.socketpair()
    return Channel(ours), Channel(theirs)


def test_messages_arrive_whole_and_in_order_however_large_they_are(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    large = os.urandom(3 * 2**20)

    def send() -> None:
        ours.send(b"a", large)
        ours.send(b"b")
        ours.close()

    sender = threading.Thread(target=send)
    sender.start()
    received = [theirs.receive(), theirs.receive()]
    sender.join()

    assert received == [(b"a", large), (b"b", b"")]
    with pytest.raises(ConnectionError, match="the other side is gone"):
        theirs.receive()
    theirs.close()


def test_a_silent_side_is_waited_for_as_long_as_was_said(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    ours.set_timeout(0.05)

    with pytest.raises(TimeoutError):
        ours.receive()
    ours.close()
    theirs.close()


def test_a_child_that_cannot_start_hangs_up_and_its_log_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    with tempfile.TemporaryFile() as log, tempfile.TemporaryFile() as memory:
        process, channel = start_child("gamefleet.no_such_module", memory.fileno(), log)
        with pytest.raises(OSError, match=r"gone|reset"):
            channel.receive()
        assert process.wait() == 1
        assert "No module named gamefleet.no_such_module" in log_tail(log)
        channel.close()
    assert child_environment()["OMP_NUM_THREADS"] == "1"


def test_only_the_end_of_a_long_log_is_shown() -> None:
    with tempfile.TemporaryFile() as log:
        log.write(b"x" * 5 * LOG_TAIL_BYTES + b"\nthe end \n")

        assert log_tail(log).endswith("x\nthe end")
        assert len(log_tail(log)) < LOG_TAIL_BYTES
