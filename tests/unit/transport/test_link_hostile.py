"""Strangers and liars cost a listener a sentence: nobody else waits, nothing breaks, no memory is taken."""

from __future__ import annotations

import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import msgspec
import psutil
import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from tests.waiting import until

from gamefleet.testing.linked_ends import PATIENCE_S, QUICK, LinkedEnds, accepted, until_connected
from gamefleet.transport import tls
from gamefleet.transport.link import Link
from gamefleet.transport.link_listener import Listener
from gamefleet.transport.link_settings import LinkSettings
from gamefleet.transport.wire import (
    CHUNK_BYTES,
    HEAD,
    LAST_NUMBER,
    LOSSLESS,
    PROTOCOL,
    FrameKind,
    Goodbye,
    Hello,
    Stream,
    encode_message,
    frame,
    pack,
    pack_counts,
    unpack,
)

SETTINGS = LinkSettings(window_bytes=200_000, message_bytes=1_000_000, most_handshakes=8, times=QUICK)


@pytest.fixture
def ends() -> Iterator[LinkedEnds]:
    with LinkedEnds(SETTINGS) as opened:
        yield opened


class Liar:
    """Holds the token, and says what it likes."""

    def __init__(self, ends: LinkedEnds, listener: Listener) -> None:
        plain = socket.create_connection(listener.address, PATIENCE_S)
        context = tls.client_context(ends.token, name="liar", role="player")
        self.socket = context.wrap_socket(plain)
        self.socket.settimeout(PATIENCE_S)

    def say(self, data: bytes) -> None:
        with suppress(OSError):  # the other side may have hung up in the middle of it
            self.socket.sendall(data)

    def greet(self, **changes: object) -> None:
        self.say(frame(FrameKind.HELLO, pack(msgspec.structs.replace(HELLO, **changes))))

    def read(self) -> list[tuple[int, bytes]]:
        """All frames until the other side hangs up."""
        data = b""
        with suppress(OSError):
            while piece := self.socket.recv(65536):
                data += piece
        found = []
        while len(data) >= HEAD.size:
            kind, _, _, length, _ = HEAD.unpack_from(data)
            found.append((kind, data[HEAD.size : HEAD.size + length]))
            data = data[HEAD.size + length :]
        return found

    def farewell(self) -> str:
        """The sentence with which the other side hung up."""
        goodbyes = [unpack(body, Goodbye).why for kind, body in self.read() if kind == FrameKind.GOODBYE]
        return goodbyes[-1] if goodbyes else ""


HELLO = Hello(
    protocol=PROTOCOL,
    session="0123456789abcdef",
    name="liar",
    role="player",
    facts={},
    first=[1, 1, 1],
    peer_session="",
    received=[0, 0, 0],
    begun=[-1, -1, -1],
)


@pytest.fixture
def liar(ends: LinkedEnds, listener: Listener) -> Iterator[Liar]:
    with ExitStack() as stack:
        made = Liar(ends, listener)
        stack.enter_context(made.socket)
        yield made


@pytest.fixture
def listener(ends: LinkedEnds) -> Listener:
    return ends.listener()


@pytest.fixture
def honest(ends: LinkedEnds, listener: Listener) -> tuple[Link, Link]:
    """A link that must not notice anything."""
    here = ends.dialer(listener.address).link
    there = accepted(listener)
    until_connected(here)
    return here, there


def works(honest: tuple[Link, Link]) -> bool:
    here, there = honest
    assert here.send("ping", {}, [bytes(1000)])
    found = there.receive(PATIENCE_S)
    assert found is not None
    there.acknowledge(found)
    return here.flush(PATIENCE_S) and here.counts().connections == 1


def refusal(listener: Listener, count: int = 1) -> str:
    until(lambda: len(listener.refusals()) >= count, "a refusal")
    return listener.refusals()[-1].why


@pytest.mark.parametrize(
    "first", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x00" * 5000, b"\x16\x03\x01\xff\xff" + b"A" * 9]
)
def test_whoever_does_not_speak_tls_is_turned_away(listener: Listener, honest: tuple[Link, Link], first: bytes) -> None:
    with socket.create_connection(listener.address, PATIENCE_S) as stranger:
        stranger.sendall(first)
        assert refusal(listener)
        assert works(honest)


def test_whoever_shows_no_certificate_is_turned_away(listener: Listener, honest: tuple[Link, Link]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with context.wrap_socket(socket.create_connection(listener.address, PATIENCE_S)) as stranger:
        assert "showed no certificate" in refusal(listener)
        with pytest.raises(OSError, match=r"(?i)certificate"):
            stranger.recv(1)
    assert works(honest)


def test_a_certificate_for_the_answering_side_cannot_call(
    ends: LinkedEnds, listener: Listener, honest: tuple[Link, Link]
) -> None:
    """Who got hold of a listener's key cannot pass for a caller with it."""
    context = tls._context(ssl.PROTOCOL_TLS_CLIENT, ends.token)
    context.check_hostname = False
    tls._load(context, ends.token, tls._subject("x", "player"), ExtendedKeyUsageOID.SERVER_AUTH)

    with context.wrap_socket(socket.create_connection(listener.address, PATIENCE_S)) as stranger:
        assert refusal(listener) == "the certificate of the other side is for another side of the link"
        with pytest.raises(ssl.SSLError):
            stranger.recv(1)
    assert works(honest)


@pytest.mark.parametrize("piece", [b"", b"\x16"])
def test_idle_strangers_keep_nobody_out(
    ends: LinkedEnds, listener: Listener, honest: tuple[Link, Link], piece: bytes
) -> None:
    with ExitStack() as stack:
        for _ in range(3 * SETTINGS.most_handshakes):
            stranger = stack.enter_context(socket.create_connection(listener.address, PATIENCE_S))
            stranger.sendall(piece)
        until_connected(ends.dialer(listener.address).link)
        assert accepted(listener)
        assert works(honest)


def drip(stranger: socket.socket, data: bytes) -> None:
    for drop in data:
        stranger.sendall(bytes([drop]))
        time.sleep(0.1)


def test_a_handshake_drop_by_drop_has_an_end(listener: Listener, honest: tuple[Link, Link]) -> None:
    with socket.create_connection(listener.address, PATIENCE_S) as stranger:
        with pytest.raises(ConnectionError):  # before the last drop
            drip(stranger, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500))
        assert "too long" in refusal(listener)
    assert works(honest)


def test_a_holder_of_the_token_who_does_not_greet_has_an_end_too(
    listener: Listener, honest: tuple[Link, Link], liar: Liar
) -> None:
    liar.say(HEAD.pack(FrameKind.HELLO, 0, 0, 500, 0) + b"x")

    assert "too long" in liar.farewell() or "too long" in refusal(listener)
    assert works(honest)


GREETINGS: dict[str, Callable[[Liar], None]] = {
    "another protocol": lambda liar: liar.greet(protocol="gamefleet link 0"),
    "another role than its certificate": lambda liar: liar.greet(role="viewer"),
    "another name than its certificate": lambda liar: liar.greet(name="somebody"),
    "no session": lambda liar: liar.greet(session=""),
    "a path for a session": lambda liar: liar.greet(session="../../../etc/x"),
    "a long scope": lambda liar: liar.greet(scope="x" * 1000, epoch=1),
    "a negative epoch": lambda liar: liar.greet(scope="x", epoch=-1),
    "two streams": lambda liar: liar.greet(first=[1, 1]),
    "no streams": lambda liar: liar.greet(first=[]),
    "a first message of zero": lambda liar: liar.greet(first=[0, 1, 1]),
    "no greeting": lambda liar: liar.say(frame(FrameKind.PING)),
    "no msgpack": lambda liar: liar.say(frame(FrameKind.HELLO, b"\xc1\xff\x00")),
    "nested without end": lambda liar: liar.say(frame(FrameKind.HELLO, b"\x81\xa5facts" + b"\x91" * 200_000)),
    "a greeting without fields": lambda liar: liar.say(frame(FrameKind.HELLO, b"\x80")),
    "a frame of 4 GB": lambda liar: liar.say(HEAD.pack(FrameKind.HELLO, 0, 0, 2**32 - 1, 0)),
    "an unknown kind": lambda liar: liar.say(HEAD.pack(99, 0, 0, 0, 0)),
    "an unknown stream": lambda liar: liar.say(HEAD.pack(FrameKind.HELLO, 9, 0, 0, 0)),
}


@pytest.mark.parametrize("lie", GREETINGS)
def test_a_greeting_that_cannot_be_is_refused_with_a_sentence(
    listener: Listener, honest: tuple[Link, Link], liar: Liar, lie: str
) -> None:
    GREETINGS[lie](liar)

    assert liar.farewell()
    assert refusal(listener)
    assert works(honest)


def start(number: int, size: int, stream: Stream = Stream.CONTROL) -> bytes:
    description = msgspec.msgpack.encode(["x", {}, [size], ""])
    return frame(FrameKind.START, bytes(16) + description, stream=stream, number=number)


def data(number: int, body: bytes, stream: Stream = Stream.CONTROL) -> bytes:
    return frame(FrameKind.DATA, body, stream=stream, number=number)


def described(value: object) -> bytes:
    return frame(FrameKind.START, bytes(16) + msgspec.msgpack.encode(value), number=1)


def counts(taken: int, committed: int) -> bytes:
    return frame(FrameKind.COUNTS, pack_counts(dict.fromkeys(LOSSLESS, taken), dict.fromkeys(LOSSLESS, committed)))


LIES: dict[str, bytes] = {
    "a message of more than is granted": start(1, SETTINGS.message_bytes + 1),
    "a message of a terabyte": start(1, 2**40),
    "a message of less than nothing": start(1, -1),
    "a number that skips one": start(2, 1),
    "a number beyond all": start(LAST_NUMBER, 1),
    "a number of zero": start(0, 1),
    "a message within a message": start(1, 10) + start(1, 10),
    "data without a message": data(1, b"x"),
    "data of another message": start(1, 10) + data(7, b"x"),
    "data without bytes": start(1, 10) + data(1, b""),
    "more data than announced": start(1, 10) + data(1, bytes(11)),
    "a checksum that is wrong": start(1, 10) + data(1, bytes(10)),
    "more than the window holds": b"".join(
        frame(FrameKind.START, message.start, number=number) + data(number, bytes(90_000))
        for number in range(1, 5)
        for message in [encode_message("x", {}, [bytes(90_000)])]
    ),
    "a lossy message within another": start(1, 10, Stream.FRAMES) + start(2, 10, Stream.FRAMES),
    "a header that is a list": described(["x", [1], [], ""]),
    "a kind that is empty": described(["", {}, [], ""]),
    "a kind without end": described(["x" * 1000, {}, [], ""]),
    "ten thousand parts": described(["x", {}, [0] * 10_000, ""]),
    "a header larger than a header": described(["x", {"a": "x" * 140_000}, [], ""]),
    "a header nested without end": frame(FrameKind.START, bytes(16) + b"\x94\xa1x\x81\xa1a" + b"\x91" * 100_000),
    "a description too short": frame(FrameKind.START, b"x", number=1),
    "messages taken that were never sent": counts(1, 0),
    "messages done with that were not taken": counts(0, 1),
    "counts of another length": frame(FrameKind.COUNTS, b"x"),
    "a second greeting": frame(FrameKind.HELLO, pack(HELLO)),
    "a frame longer than a frame": HEAD.pack(FrameKind.DATA, 0, 0, CHUNK_BYTES + 1, 1),
    "garbage": bytes(range(256)) * 100,
    "a goodbye that cannot be read": frame(FrameKind.GOODBYE, b"\xc1"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_peer_that_lies_loses_its_connection_and_nobody_else_anything(
    listener: Listener, honest: tuple[Link, Link], liar: Liar, lie: str
) -> None:
    before = psutil.Process().memory_info().rss
    liar.greet()
    liar.say(LIES[lie])

    assert liar.farewell()
    assert refusal(listener)
    assert works(honest)
    assert psutil.Process().memory_info().rss - before < 100e6


def test_a_peer_that_claims_to_have_what_was_never_sent_is_refused(
    ends: LinkedEnds, listener: Listener, honest: tuple[Link, Link], liar: Liar
) -> None:
    liar.greet()
    liar.socket.recv(HEAD.size)
    there = accepted(listener)
    with Liar(ends, listener).socket as second:
        body = pack(msgspec.structs.replace(HELLO, peer_session=session_of(there), received=[5, 0, 0]))
        second.sendall(frame(FrameKind.HELLO, body))
        assert refusal(listener)
    assert works(honest)


def session_of(link: Link) -> str:
    return link._endpoint.ours.session


def test_a_peer_that_takes_the_session_of_another_name_is_refused(
    ends: LinkedEnds, listener: Listener, honest: tuple[Link, Link], liar: Liar
) -> None:
    liar.greet(session=honest[1].peer.session)

    assert "another" in liar.farewell()
    assert works(honest)


def test_a_peer_that_reads_nothing_fills_its_own_window_only(
    listener: Listener, honest: tuple[Link, Link], liar: Liar
) -> None:
    liar.greet()
    there = accepted(listener)
    accepted_bytes = 0
    while there.send("large", {}, [bytes(50_000)], timeout_s=0.05):
        accepted_bytes += 50_000

    assert accepted_bytes <= SETTINGS.window_bytes
    assert works(honest)


def test_a_text_of_the_other_side_cannot_steer_a_terminal(ends: LinkedEnds, listener: Listener, liar: Liar) -> None:
    liar.greet()
    there = accepted(listener)
    liar.say(frame(FrameKind.GOODBYE, pack(Goodbye(reason="restart", why="\x1b[2Jgone\n" + "x" * 10_000))))

    while "gone" not in there.state.why:
        there.wait_for_change(there.state, PATIENCE_S)
    assert there.state.why.isprintable()
    assert len(there.state.why) <= 300


def test_callers_who_hang_up_at_once_are_forgotten(
    ends: LinkedEnds, listener: Listener, honest: tuple[Link, Link]
) -> None:
    for _ in range(40):
        stranger = socket.create_connection(listener.address, PATIENCE_S)
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stranger.close()

    until_connected(ends.dialer(listener.address).link)
    assert works(honest)


def test_whoever_is_sent_away_and_goes_on_talking_is_not_heard_out(
    ends: LinkedEnds, listener: Listener, honest: tuple[Link, Link], liar: Liar
) -> None:
    liar.greet(protocol="another")
    refusal(listener)
    began, noise = time.monotonic(), frame(FrameKind.PING) * 4096
    with suppress(OSError):
        while time.monotonic() - began < PATIENCE_S:
            liar.socket.sendall(noise)

    assert time.monotonic() - began < PATIENCE_S
    assert works(honest)
