"""Messages between a process and a worker that it started.

Job: frames of one kind byte, a length and a payload over a socket pair; both sides block, nobody spins. Place in the
data flow: under the loader's workers (`loader_channel`) and those that play (`actors.channel`), which say what the
kinds mean; what is large goes through shared memory instead. Left out: other machines.
"""

from __future__ import annotations

import socket
import struct

HEADER = struct.Struct("<cQ")


class Channel:
    """One end of a socket pair.

    Args:
        end: A connected stream socket; the channel closes it.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def send(self, kind: bytes, payload: bytes = b"") -> None:
        """Send one message.

        Raises:
            OSError: The other side is gone or does not read.
        """
        self._end.sendall(HEADER.pack(kind, len(payload)) + payload)

    def receive(self) -> tuple[bytes, bytes]:
        """Wait for one message.

        Raises:
            TimeoutError: Nothing came for the time set.
            ConnectionError: The other side is gone.
        """
        kind, length = HEADER.unpack(self._read(HEADER.size))
        return kind, self._read(length) if length else b""

    def set_timeout(self, seconds: float) -> None:
        """How long `send` and `receive` wait from now on."""
        self._end.settimeout(seconds)

    def close(self) -> None:
        """Hang up: the other side's `receive` ends."""
        self._end.close()

    def _read(self, num_bytes: int) -> bytes:
        # Most messages come in one piece, and then nothing is copied.
        data = self._end.recv(num_bytes)
        while len(data) < num_bytes:
            part = self._end.recv(num_bytes - len(data))
            if not part:
                raise ConnectionResetError("the other side is gone")
            data += part
        return data
