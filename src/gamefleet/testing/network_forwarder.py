"""Forwards packets between two interfaces: at once, later, slowly, or not at all.

Job: the line of `network_namespaces`, as a process of its own. Place in the data flow: started by it, told on its input
what to do, and the one that clears up when its input ends. Left out: making interfaces.

Packets carry the kernel's remarks on them (`PACKET_VNET_HDR`): large ones pass undivided, and checksums that the sender
left to its hardware stay valid.
"""

from __future__ import annotations

import select
import socket
import subprocess
import sys
import time
from collections import deque

SOL_PACKET, IGNORE_OUTGOING, VNET_HDR = 263, 23, 15
EVERYTHING = 3  # ETH_P_ALL
MOST_BYTES = 2**17
QUEUE_S = 0.2
"""What would wait longer before it is on the line is dropped, as a router's queue does."""


class Way:
    """One direction.

    Args:
        source: Where packets come from.
        sink: Where they go.
    """

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        self.source = source
        self._sink = sink
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._free_at = 0.0

    def take(self, now: float, bits_per_s: float, delay_s: float) -> None:
        """Take a packet in, and decide when it arrives."""
        packet = self.source.recv(MOST_BYTES)
        begin = max(now, self._free_at)
        if begin - now > QUEUE_S:
            return
        self._free_at = begin + (8 * len(packet) / bits_per_s if bits_per_s else 0.0)
        self._waiting.append((self._free_at + delay_s, packet))

    def drop(self) -> None:
        """Lose a packet."""
        self.source.recv(MOST_BYTES)

    def let_go(self, now: float) -> float:
        """Deliver what is due; returns seconds until the next is."""
        while self._waiting and self._waiting[0][0] <= now:
            try:
                self._sink.send(self._waiting.popleft()[1])
            except OSError:  # a full queue, or an interface that is gone: lost, as packets are
                continue
        return self._waiting[0][0] - now if self._waiting else 60.0


def opened(name: str) -> socket.socket:
    """A socket that hears and says whole packets of an interface."""
    found = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(EVERYTHING))
    found.setsockopt(SOL_PACKET, VNET_HDR, 1)
    found.setsockopt(SOL_PACKET, IGNORE_OUTGOING, 1)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**23)
    found.bind((name, EVERYTHING))
    return found


def forward(near: str, far: str) -> None:
    """Forward until the input ends."""
    ends = opened(near), opened(far)
    ways = {ends[0]: Way(*ends), ends[1]: Way(*reversed(ends))}
    is_cut, bits_per_s, delay_s = False, 0.0, 0.0
    answer()
    while True:
        now = time.monotonic()
        patience_s = min(way.let_go(now) for way in ways.values())
        ready = select.select([sys.stdin, *ends], [], [], max(patience_s, 0.0))[0]
        now = time.monotonic()
        for found in ready:
            if not isinstance(found, socket.socket):
                match sys.stdin.readline().split():
                    case ["cut"]:
                        is_cut = True
                    case ["restore"]:
                        is_cut = False
                    case ["shape", rate, delay]:
                        bits_per_s, delay_s = float(rate), float(delay)
                    case _:
                        return
                answer()
            elif is_cut:
                ways[found].drop()
            else:
                ways[found].take(now, bits_per_s, delay_s)


def answer() -> None:
    """Say that an order was carried out."""
    sys.stdout.write("done\n")
    sys.stdout.flush()


def main() -> None:
    """Forward, and then remove the namespaces."""
    near, far, *names = sys.argv[1:]
    try:
        forward(near, far)
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


if __name__ == "__main__":
    main()
