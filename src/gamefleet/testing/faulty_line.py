"""A line between two programs that breaks as real lines do.

Job: forward TCP connections, and cut, freeze, slow down or damage them on demand. Place in the data flow: tests connect
to `address` instead of the real one. Left out: deciding when what happens.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import suppress
from types import TracebackType

PIECE_BYTES = 32 * 2**10
BUFFER_BYTES = 64 * 2**10
LOOK_S = 0.02


class FaultyLine:
    """A proxy on 127.0.0.1, up within a `with` block; any thread may call its methods.

    Args:
        target: Where connections go.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.num_connections = 0
        self.bytes_per_s = 0.0
        """Of each direction of each connection; 0 for as fast as it goes."""
        self._lock = threading.Lock()
        self._thawed = threading.Event()
        self._thawed.set()
        self._is_open = True
        self._is_up = True
        self._flips = self._repeats = self._exchanges = 0
        self._held: dict[socket.socket, bytes] = {}
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        # A line holds little: what large buffers of a proxy take in at once is not slow.
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        self._listening.settimeout(LOOK_S)
        self.address: tuple[str, int] = self._listening.getsockname()
        self._thread = threading.Thread(target=self._accept, name="faulty-line", daemon=True)

    def __enter__(self) -> FaultyLine:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False
        self._thawed.set()
        self._thread.join()
        self._listening.close()
        self.reset()

    def connect(self, timeout_s: float) -> socket.socket:
        """A connection through this line, as `Dialer` wants it."""
        return socket.create_connection(self.address, timeout_s)

    def reset(self) -> int:
        """Cut all connections at once, both ends with an error; returns how many there were."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                with suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RD)  # wakes the thread that reads; the reset follows from its close
                end.close()
        return len(pairs)

    def freeze(self) -> None:
        """Forward nothing; both ends stay open, as after a laptop's lid was closed."""
        self._thawed.clear()

    def thaw(self) -> None:
        """Forward again, beginning with what came meanwhile."""
        self._thawed.set()

    def take_down(self) -> None:
        """Cut all connections, and hang up on whoever calls."""
        self._is_up = False
        self.reset()

    def put_up(self) -> None:
        """Let callers through again."""
        self._is_up = True

    def flip(self, count: int = 1) -> None:
        """Change one bit in each of the next pieces."""
        with self._lock:
            self._flips = count

    def repeat(self, count: int = 1) -> None:
        """Forward the next pieces twice."""
        with self._lock:
            self._repeats = count

    def exchange(self, count: int = 1) -> None:
        """Hold the next pieces back until another one has passed."""
        with self._lock:
            self._exchanges = count

    def _accept(self) -> None:
        while self._is_open:
            try:
                near = self._listening.accept()[0]
            except TimeoutError:
                continue
            if not self._is_up:
                near.close()
                continue
            try:
                far = socket.create_connection(self.target, 5.0)
            except OSError:
                near.close()
                continue
            self._begin(near, far)

    def _begin(self, near: socket.socket, far: socket.socket) -> None:
        for end in (near, far):
            end.settimeout(None)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._pairs.append((near, far))
            self.num_connections += 1
        for source, sink in ((near, far), (far, near)):
            threading.Thread(target=self._forward, args=(source, sink), name="faulty-line-way", daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while piece := self._read(source):
                self._thawed.wait()
                sink.sendall(self._ordered(sink, self._damaged(piece)))
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def _read(self, source: socket.socket) -> bytes:
        if not self.bytes_per_s:
            return source.recv(PIECE_BYTES)
        piece = source.recv(max(1, min(PIECE_BYTES, int(self.bytes_per_s * LOOK_S))))
        time.sleep(len(piece) / self.bytes_per_s)
        return piece

    def _ordered(self, sink: socket.socket, piece: bytes) -> bytes:
        """What to forward now, in which order."""
        with self._lock:
            if (held := self._held.pop(sink, None)) is not None:
                return piece + held
            if self._exchanges:
                self._exchanges -= 1
                self._held[sink] = piece
                return b""
            if self._repeats:
                self._repeats -= 1
                return piece + piece
            return piece

    def _damaged(self, piece: bytes) -> bytes:
        with self._lock:
            if not self._flips:
                return piece
            self._flips -= 1
        changed = bytearray(piece)
        changed[len(changed) // 2] ^= 1
        return bytes(changed)
