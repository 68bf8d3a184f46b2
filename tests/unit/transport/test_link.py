"""A link: who is let in, what is promised to the application, and what survives a process."""

from __future__ import annotations

import os
import socket
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from tests.waiting import until

from gamefleet.errors import ConfigError
from gamefleet.testing.linked_ends import PATIENCE_S, QUICK, LinkedEnds, accepted, until_connected, until_state
from gamefleet.transport.base import ClosedError
from gamefleet.transport.link import CLOSED, CONNECTED, CONNECTING, REFUSED, Link, Message, Stream
from gamefleet.transport.link_admission import Resume
from gamefleet.transport.link_dialer import Dialer
from gamefleet.transport.link_settings import LinkSettings
from gamefleet.transport.token import Token, new_token


@pytest.fixture
def ends() -> Iterator[LinkedEnds]:
    with LinkedEnds() as opened:
        yield opened


def taken(link: Link) -> Message:
    message = link.receive(PATIENCE_S)
    assert message is not None, "nothing came"
    return message


def test_a_message_arrives_as_it_was_sent(ends: LinkedEnds) -> None:
    here, there = ends.pair()
    header = {"text": "ä", "number": -3, "nested": {"list": [1.5, None, True]}, "bytes": b"\x00"}

    assert here.send("kind", header, [b"one", bytearray(), memoryview(bytes(300_000))], stream=Stream.WEIGHTS)

    found = taken(there)
    assert (found.kind, found.header, found.stream, found.is_lossy) == ("kind", header, Stream.WEIGHTS, False)
    assert [bytes(part) for part in found.payload] == [b"one", b"", bytes(300_000)]
    assert (there.peer.name, there.peer.role, there.peer.facts) == ("here", "player", {"run": "demo"})
    assert (here.peer.name, here.peer.role) == ("there", "learner")
    assert (here.state.kind, there.state.kind) == (CONNECTED, CONNECTED)


def test_what_was_sent_before_there_was_a_line_arrives_when_there_is_one(ends: LinkedEnds) -> None:
    listener = ends.listener()
    line = ends.line(listener)
    line.take_down()
    here = ends.dialer(line.address).link
    for number in range(3):
        assert here.send("n", {"n": number})
    assert here.state.kind == CONNECTING
    line.put_up()

    there = accepted(listener)
    assert [taken(there).header["n"] for _ in range(3)] == [0, 1, 2]


def test_a_stream_that_is_full_makes_its_sender_wait_and_no_other_stream() -> None:
    with LinkedEnds(LinkSettings(window_bytes=100_000, times=QUICK)) as ends:
        here, there = ends.pair()
        sent = [here.send("b", {}, [bytes(30_000)], stream=Stream.BATCHES, timeout_s=0.0) for _ in range(5)]
        assert sent == [True, True, True, False, False]
        assert here.send("control", {})
        assert there.receive(PATIENCE_S, streams=[Stream.CONTROL]) is not None

        assert taken(there).kind == "b"
        assert here.send("b", {}, [bytes(30_000)], stream=Stream.BATCHES, timeout_s=PATIENCE_S)


def test_a_message_larger_than_the_window_passes_alone(ends: LinkedEnds) -> None:
    with LinkedEnds(LinkSettings(window_bytes=1000, times=QUICK)) as small:
        here, there = small.pair()
        assert here.send("large", {}, [bytes(50_000)])
        assert not here.send("next", {}, [bytes(1)], timeout_s=0.0)
        assert taken(there).num_bytes == 50_000


def test_what_is_not_acknowledged_is_kept_up_to_a_bound() -> None:
    with LinkedEnds(LinkSettings(kept_bytes=100_000, times=QUICK)) as ends:
        here, there = ends.pair()
        messages = []
        for _ in range(3):
            assert here.send("b", {}, [bytes(30_000)])
            messages.append(taken(there))
        assert not here.send("b", {}, [bytes(30_000)], timeout_s=0.3)

        there.acknowledge(messages[1])

        assert here.send("b", {}, [bytes(30_000)], timeout_s=PATIENCE_S)


def test_what_is_larger_than_a_message_may_be_is_refused_where_it_is_sent() -> None:
    with LinkedEnds(LinkSettings(message_bytes=1000, times=QUICK)) as ends:
        here, _ = ends.pair()
        with pytest.raises(ValueError, match="at most 1000"):
            here.send("large", {}, [bytes(1001)])
        with pytest.raises(ValueError, match="header"):
            here.send("large", {"text": "x" * 200_000})
        with pytest.raises(ValueError, match="offered"):
            here.send("frame", {}, stream=Stream.FRAMES)


def test_streams_can_be_received_apart(ends: LinkedEnds) -> None:
    here, there = ends.pair()
    for stream in (Stream.WEIGHTS, Stream.BATCHES, Stream.CONTROL):
        assert here.send(stream.name, {}, stream=stream)
        assert there.wait_for_message(PATIENCE_S, streams=[stream])

    found = there.receive(0.0, streams=[Stream.WEIGHTS])
    assert found is not None
    assert found.kind == "WEIGHTS"
    assert [taken(there).kind for _ in range(2)] == ["CONTROL", "BATCHES"]


def test_a_wrong_token_is_a_sentence_at_both_ends_and_mending_it_is_enough(ends: LinkedEnds) -> None:
    listener = ends.listener()
    held = [new_token()]
    dialer = ends.dialer(listener.address, lambda: held[0])

    assert "do not hold the same token" in until_state(dialer.link, REFUSED).why
    until(listener.refusals, "a refusal")
    assert "do not hold the same token" in listener.refusals()[-1].why
    held[0] = ends.token

    until_connected(dialer.link)
    assert listener.accept(PATIENCE_S) is not None


def test_a_token_file_that_cannot_be_used_is_a_sentence_too(ends: LinkedEnds) -> None:
    listener = ends.listener()

    def unreadable() -> Token:
        raise ConfigError("Others on this machine can read the token", remedy="chmod 600 token")

    dialer = ends.dialer(listener.address, unreadable)

    assert "chmod 600" in until_state(dialer.link, REFUSED).why


def test_a_caller_of_another_role_is_refused_with_both_roles_named(ends: LinkedEnds) -> None:
    listener = ends.listener()

    caller = ends.dialer(listener.address, role="viewer").link

    assert until_state(caller, REFUSED).why == "this is a learner and waits for a player, not for a viewer"
    assert listener.accept(0.0) is None


def test_a_listener_of_another_role_is_refused(ends: LinkedEnds) -> None:
    caller = ends.dialer(ends.listener().address, peer_role="viewer").link

    assert "is a learner, not a viewer" in until_state(caller, REFUSED).why


def test_a_port_where_something_else_answers_is_named_as_such(ends: LinkedEnds) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        caller = ends.dialer(server.getsockname()).link
        answering, _ = server.accept()
        with answering:
            answering.recv(100)
            answering.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n" * 20)
            assert "right port" in until_state(caller, REFUSED).why


def test_a_port_that_is_taken_is_an_error_with_what_to_do(ends: LinkedEnds) -> None:
    listener = ends.listener()

    with pytest.raises(ConfigError, match="Choose another port"):
        ends.listener(port=listener.address[1])


def test_a_session_comes_back_as_the_same_link(ends: LinkedEnds) -> None:
    listener = ends.listener()
    line = ends.line(listener)
    here = ends.dialer(line.address).link
    there = accepted(listener)
    for number in range(5):
        line.reset()
        assert here.send("n", {"n": number})
        assert taken(there).header == {"n": number}

    assert listener.accept(0.0) is None
    assert listener.links() == [there]
    assert there.counts().connections > 1


def test_a_dialer_that_starts_again_is_another_link(ends: LinkedEnds) -> None:
    listener = ends.listener()
    first = ends.dialer(listener.address)
    there = accepted(listener)
    assert first.link.send("a", {})
    first.close(linger_s=0.0)
    again = ends.dialer(listener.address).link

    other = accepted(listener)
    assert again.send("b", {})
    assert taken(other).kind == "b"
    assert there.peer.session != other.peer.session
    until_state(there, CLOSED)


def test_after_a_close_everything_is_received_and_then_the_end(ends: LinkedEnds) -> None:
    listener = ends.listener()
    dialer = ends.dialer(listener.address)
    there = accepted(listener)
    assert dialer.link.send("a", {}, [bytes(500_000)])
    assert there.wait_for_message(PATIENCE_S)
    dialer.close(linger_s=0.1)

    assert taken(there).kind == "a"
    with pytest.raises(ClosedError):
        there.receive(PATIENCE_S)
    with pytest.raises(ClosedError):
        dialer.link.send("b", {})
    with pytest.raises(ClosedError):
        dialer.link.receive(0.0)
    assert not dialer.link.offer("frame", {})


def test_a_close_waits_for_what_was_sent(ends: LinkedEnds) -> None:
    listener = ends.listener()
    dialer = ends.dialer(listener.address)
    there = accepted(listener)

    def take_all() -> None:
        for _ in range(20):
            there.acknowledge(taken(there))

    taking = threading.Thread(target=take_all)
    taking.start()
    for _ in range(20):
        assert dialer.link.send("b", {}, [bytes(200_000)])
    dialer.close(linger_s=PATIENCE_S)
    taking.join(PATIENCE_S)

    assert not taking.is_alive()
    assert dialer.link.flush(0.0)


def test_a_listener_that_starts_again_gets_what_nobody_acknowledged_and_is_known_as_another(ends: LinkedEnds) -> None:
    first = ends.listener()
    here = ends.dialer(first.address).link
    there = accepted(first)
    for number in range(4):
        assert here.send("n", {"n": number})
    messages = [taken(there) for _ in range(4)]
    there.acknowledge(messages[1])
    assert there.send("m", {"m": 1})
    assert taken(here).header == {"m": 1}
    old = here.peer.session
    assert not here.flush(0.2), "two messages are not acknowledged"
    first.close()

    again = accepted(ends.listener(port=first.address[1]))

    assert taken(again).header == {"n": 2}
    assert here.peer.session != old
    assert again.send("m", {"m": 2})
    assert taken(here).header == {"m": 2}


def test_a_receiver_that_crashes_applies_every_message_once_when_it_resumes_from_its_checkpoint(
    ends: LinkedEnds,
) -> None:
    """The checkpoint holds what was applied and the number of the last message, like weights and a position."""
    listener = ends.listener()
    here = ends.dialer(listener.address).link
    there = accepted(listener)
    session = there.peer.session
    applied: list[int] = []
    saved: tuple[list[int], Resume] = ([], Resume())
    for number in range(1, 13):
        assert here.send("batch", {"n": number}, stream=Stream.BATCHES)
    for count in range(1, 9):
        message = taken(there)
        applied.append(message.header["n"])
        if count % 5 == 0:
            saved = (list(applied), Resume(applied={session: {int(Stream.BATCHES): message.number}}))
            if count == 5:
                there.acknowledge(message)
    listener.close()  # eight were applied, a checkpoint holds five

    applied, resume = list(saved[0]), saved[1]
    again = accepted(ends.listener(port=listener.address[1], resume=resume))
    while len(applied) < 12:
        message = taken(again)
        applied.append(message.header["n"])
        again.acknowledge(message)

    assert applied == list(range(1, 13))
    assert here.flush(PATIENCE_S)
    assert again.receive(0.1) is None
    assert again.counts().missing == 0


def test_a_checkpoint_whose_acknowledgement_was_lost_applies_nothing_twice(ends: LinkedEnds) -> None:
    listener = ends.listener()
    here = ends.dialer(listener.address).link
    there = accepted(listener)
    for number in range(1, 5):
        assert here.send("batch", {"n": number}, stream=Stream.BATCHES)
    for _ in range(3):
        taken(there)
    resume = Resume(applied={there.peer.session: {int(Stream.BATCHES): 3}})
    listener.close()

    again = accepted(ends.listener(port=listener.address[1], resume=resume))

    assert taken(again).header == {"n": 4}


def test_a_receiver_that_went_back_further_than_it_had_acknowledged_is_told_what_is_missing(ends: LinkedEnds) -> None:
    listener = ends.listener()
    here = ends.dialer(listener.address).link
    there = accepted(listener)
    for number in range(1, 6):
        assert here.send("batch", {"n": number}, stream=Stream.BATCHES)
        there.acknowledge(taken(there))
    assert here.flush(PATIENCE_S)
    older = Resume(applied={there.peer.session: {int(Stream.BATCHES): 2}})
    listener.close()

    again = accepted(ends.listener(port=listener.address[1], resume=older))
    assert here.send("batch", {"n": 6}, stream=Stream.BATCHES)

    assert taken(again).header == {"n": 6}
    assert again.counts().missing == 3


def test_an_old_message_acknowledges_nothing_of_a_later_session(ends: LinkedEnds) -> None:
    listener = ends.listener()
    here = ends.dialer(listener.address).link
    there = accepted(listener)
    assert there.send("m", {})
    old = taken(here)
    listener.close()
    again = accepted(ends.listener(port=listener.address[1]))
    assert again.send("m", {})
    taken(here)

    here.acknowledge(old)

    assert not again.flush(0.2)


def test_a_process_that_was_taken_over_is_refused_and_what_it_sent_late_is_dropped(ends: LinkedEnds) -> None:
    listener = ends.listener()
    settings = replace(ends.settings, scope="run", epoch=3)
    zombie = ends.dialer(listener.address, settings=settings).link
    there = accepted(listener)
    assert zombie.send("batch", {})
    assert there.wait_for_message(PATIENCE_S)

    newer = ends.dialer(listener.address, settings=replace(settings, epoch=4)).link
    until_connected(newer)

    with pytest.raises(ClosedError, match="took over"):
        there.receive(PATIENCE_S)
    assert "took over" in until_state(zombie, REFUSED).why
    other = ends.dialer(listener.address, settings=replace(settings, scope="another run")).link
    until_connected(other)
    assert listener.epochs() == {"run": 4, "another run": 3}


def test_epochs_are_known_again_after_a_restart(ends: LinkedEnds) -> None:
    listener = ends.listener(resume=Resume(epochs={"run": 7}))

    zombie = ends.dialer(listener.address, settings=replace(ends.settings, scope="run", epoch=6)).link

    assert "epoch 7" in until_state(zombie, REFUSED).why


def test_a_session_that_stays_away_is_closed_and_what_it_applied_is_remembered() -> None:
    with LinkedEnds(LinkSettings(times=replace(QUICK, keep_s=0.3))) as ends:
        listener = ends.listener()
        line = ends.line(listener)
        here = ends.dialer(line.address).link
        there = accepted(listener)
        assert here.send("n", {"n": 1})
        assert taken(there).header == {"n": 1}
        line.take_down()
        until_state(there, CLOSED)
        line.put_up()

        again = accepted(listener)
        assert here.send("n", {"n": 2})
        assert taken(again).header == {"n": 2}


def test_only_so_many_are_let_in_and_those_who_are_away_make_room() -> None:
    with LinkedEnds(LinkSettings(most_peers=2, times=QUICK)) as ends:
        listener = ends.listener()
        line = ends.line(listener)
        ends.dialer(line.address)
        first = accepted(listener)
        ends.dialer(listener.address)
        accepted(listener)
        third = ends.dialer(listener.address).link
        assert "2 others" in until_state(third, REFUSED).why

        line.take_down()

        until_connected(third)
        until_state(first, CLOSED)


def test_either_side_may_end_a_session_with_a_reason(ends: LinkedEnds) -> None:
    here, there = ends.pair()
    until_connected(here)

    there.refuse("you play another game")

    assert until_state(here, REFUSED).why == "you play another game"
    assert there.state.kind == CLOSED


def test_a_fork_of_the_process_can_neither_use_a_link_nor_keep_its_port(ends: LinkedEnds) -> None:
    listener = ends.listener()
    here = ends.dialer(listener.address).link
    there = accepted(listener)
    ours, theirs = socket.socketpair()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is what is tried here
        child = os.fork()
    if child == 0:
        try:
            here.send("from the child", {})
        except RuntimeError:
            theirs.send(b"refused")
        theirs.recv(1)
        os._exit(0)
    try:
        assert ours.recv(10) == b"refused"
        assert here.send("from the parent", {})
        assert taken(there).kind == "from the parent"
        listener.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(listener.address, 1.0).close()
    finally:
        ours.send(b"!")
        os.waitpid(child, 0)
        ours.close()
        theirs.close()


def test_nothing_runs_on_after_both_ends_were_closed() -> None:
    before = set(threading.enumerate())
    with LinkedEnds() as ends:
        here, _ = ends.pair()
        until_connected(here)
    until(lambda: not set(threading.enumerate()) - before, threading.enumerate)


def test_closing_from_other_threads_in_full_flow_damages_nothing(ends: LinkedEnds) -> None:
    """Taking TLS off a socket under its reader once gave ciphertext for data."""
    listener = ends.listener()
    for _ in range(5):
        dialer = ends.dialer(listener.address)
        there = accepted(listener)
        closing = threading.Timer(0.05, dialer.close, kwargs={"linger_s": 0.0})
        closing.start()
        with pytest.raises(ClosedError):
            flood(dialer, there)
        closing.join(PATIENCE_S)
        until_state(there, CLOSED)
        seen = drained(there)
        assert seen == list(range(1, len(seen) + 1))


def flood(dialer: Dialer, there: Link) -> None:
    number = 0
    while True:
        number += 1
        dialer.link.send("n", {"n": number}, [number.to_bytes(4, "little") * 2500], timeout_s=PATIENCE_S)


def drained(link: Link) -> list[int]:
    numbers = []
    while True:
        try:
            message = link.receive(0.0)
        except ClosedError:
            return numbers
        assert message is not None
        assert bytes(message.payload[0]) == message.header["n"].to_bytes(4, "little") * 2500
        numbers.append(message.header["n"])


def test_what_a_dialer_is_told_about_lines_is_shown_and_never_raised(ends: LinkedEnds) -> None:
    problems: list[Callable[[], Exception]] = [
        lambda: OSError("no route"),
        lambda: ConfigError("The tunnel is gone", remedy="Start it again."),
        lambda: TimeoutError("timed out"),
    ]
    shown = []

    def connect(timeout_s: float) -> socket.socket:
        raise problems[len(shown)]()

    dialer = Dialer(connect, ends.token, name="here", role="player", peer_role="learner", settings=ends.settings)
    state = dialer.link.state
    while len(shown) < len(problems) - 1:
        state = dialer.link.wait_for_change(state, PATIENCE_S)
        shown.append(state.why)
    dialer.close(linger_s=0.0)

    assert shown == ["it cannot be reached: no route", "The tunnel is gone. Start it again."]
