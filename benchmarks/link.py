"""What does a link cost, beside plain TCP?

Two processes on this machine, in turns: messages of a size over a plain socket, read into a kept buffer; the same with
mutual TLS 1.3; and over a link, which is that with checksums, streams and acknowledgements. Speed is that of the best
round; a round trip is a message of 1 KB that the other side takes and acknowledges, or answers with as much; over the
others it answers with one byte.
CPU time is of both processes.
"""

from __future__ import annotations

import argparse
import os
import socket
import ssl
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from gamefleet.transport import tls
from gamefleet.transport.base import ClosedError
from gamefleet.transport.link import Link, Stream
from gamefleet.transport.link_dialer import Dialer
from gamefleet.transport.link_listener import Listener
from gamefleet.transport.token import Token, new_token
from table import report

MB = 2**20
SIZES_MB = (1, 16, 100)
ROUND_BYTES = 100 * MB
ROUNDS = 3
TRIPS = 400
PATIENCE_S = 60.0


def exactly(stream: socket.socket, view: memoryview) -> None:
    while view:
        count = stream.recv_into(view)
        if not count:
            raise EOFError
        view = view[count:]


def serve_plain(listening: socket.socket, context: ssl.SSLContext | None) -> None:
    """Reads (size, count) and so many messages; answers each message below 64 KB, and the last one."""
    stream, _ = listening.accept()
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if context is not None:
        stream = context.wrap_socket(stream, server_side=True)
    kept, head = memoryview(bytearray(max(SIZES_MB) * MB)), memoryview(bytearray(16))
    while True:
        exactly(stream, head)
        size, count = (int.from_bytes(head[at : at + 8], "little") for at in (0, 8))
        for _ in range(count):
            exactly(stream, kept[:size])
            if size < 65536:
                stream.sendall(b"!")
        stream.sendall(b"!")


def serve() -> None:
    """The other process: takes and acknowledges whatever comes; says CPU seconds when asked."""
    token = Token(sys.stdin.readline().strip())
    plain, encrypted = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
    context = tls.server_context(token, name="bench", role="learner")
    threading.Thread(target=serve_plain, args=(plain, None), daemon=True).start()
    threading.Thread(target=serve_plain, args=(encrypted, context), daemon=True).start()
    listener = Listener("127.0.0.1", 0, token, name="bench", role="learner", peer_role="player")
    print(plain.getsockname()[1], encrypted.getsockname()[1], listener.address[1], flush=True)
    link = listener.accept(PATIENCE_S)
    assert link is not None
    threading.Thread(target=take, args=(link,), daemon=True).start()
    for _ in sys.stdin:
        print(time.process_time(), flush=True)


def take(link: Link) -> None:
    with suppress(ClosedError):
        while True:
            message = link.receive(None)
            if message is None:
                continue
            link.acknowledge(message)
            if message.kind == "ask":
                link.send("answer", {}, message.payload)


def send_plain(stream: socket.socket, payload: memoryview, count: int) -> None:
    stream.sendall(len(payload).to_bytes(8, "little") + count.to_bytes(8, "little"))
    for _ in range(count):
        stream.sendall(payload)
    assert stream.recv(1) == b"!"


def send_linked(link: Link, payload: memoryview, count: int) -> None:
    for _ in range(count):
        assert link.send("bench", {}, [payload], stream=Stream.BATCHES, timeout_s=PATIENCE_S)
    assert link.flush(PATIENCE_S)


def ask(link: Link, payload: memoryview) -> None:
    assert link.send("ask", {}, [payload])
    answer = link.receive(PATIENCE_S)
    assert answer is not None
    link.acknowledge(answer)


def trips(act: Callable[[], object]) -> float:
    """Median microseconds."""
    found = []
    for _ in range(TRIPS):
        before = time.perf_counter()
        act()
        found.append(time.perf_counter() - before)
    return statistics.median(found) * 1e6


def there_and_back(stream: socket.socket, payload: memoryview) -> float:
    stream.sendall(len(payload).to_bytes(8, "little") + TRIPS.to_bytes(8, "little"))
    found = trips(lambda: (stream.sendall(payload), stream.recv(1)))
    assert stream.recv(1) == b"!"
    return found


def measure(
    plain: socket.socket, encrypted: socket.socket, link: Link, cpu: Callable[[], float]
) -> list[dict[str, str | float]]:
    payload = memoryview(os.urandom(1000))
    times = {
        "TCP": there_and_back(plain, payload),
        "TLS": there_and_back(encrypted, payload),
        "link": trips(lambda: send_linked(link, payload, 1)),
        "link, answered with 1 KB": trips(lambda: ask(link, payload)),
    }
    rows: list[dict[str, str | float]] = [
        {
            "what": "1 KB, there and back",
            "way": name,
            "measured": f"{found:.0f} us",
            "ratio to TCP": found / times["TCP"],
        }
        for name, found in times.items()
    ]
    for size in SIZES_MB:
        payload, count = memoryview(os.urandom(size * MB)), max(1, ROUND_BYTES // (size * MB))
        ways: dict[str, Callable[[], None]] = {
            "TCP": partial(send_plain, plain, payload, count),
            "TLS": partial(send_plain, encrypted, payload, count),
            "link": partial(send_linked, link, payload, count),
        }
        speeds: dict[str, list[float]] = {name: [] for name in ways}
        costs: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, act in ways.items():
                before, spent = time.perf_counter(), cpu()
                act()
                speeds[name].append(size * count / (time.perf_counter() - before))
                costs[name].append((cpu() - spent) * 1000 / (size * count))
        rows += [
            {
                "what": f"messages of {size} MB",
                "way": name,
                "measured": f"{max(speeds[name]):.0f} MB/s",
                "ratio to TCP": max(speeds[name]) / max(speeds["TCP"]),
                "CPU s/GB, both ends": min(costs[name]),
            }
            for name in ways
        ]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/link.md")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve()
        return
    token = new_token()
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        print(token.text, file=other.stdin, flush=True)
        plain, encrypted, linked = map(int, other.stdout.readline().split())

        def cpu() -> float:
            print(file=other.stdin, flush=True)
            return time.process_time() + float(other.stdout.readline())

        streams = [socket.create_connection(("127.0.0.1", port)) for port in (plain, encrypted)]
        for stream in streams:
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        streams[1] = tls.client_context(token, name="bench", role="player").wrap_socket(streams[1])
        dialer = Dialer(
            lambda timeout_s: socket.create_connection(("127.0.0.1", linked), timeout_s),
            token, name="bench", role="player", peer_role="learner",
        )  # fmt: skip
        rows = measure(streams[0], streams[1], dialer.link, cpu)
        dialer.close()
        other.stdin.close()
        other.wait()
    report("link", "What does a link cost, beside plain TCP?", rows, arguments.write)


if __name__ == "__main__":
    main()
