"""TLS over a socket that never blocks, for one thread.

Job: encrypt and decrypt in memory, and move what is encrypted in large pieces. Place in the data flow: between a socket
and `link_connection`. Left out: waiting for the socket, and what the bytes mean.

The TLS object never sees the socket. One that does takes two system calls for each 16 KB, and loses its encryption
without a word when another thread shuts the socket down: the reader then gets ciphertext for data.
"""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress

PIECE_BYTES = 2**18

SENT_BYTES = 2**17 - 2**12
"""Given to the socket at a time: larger blocks are asked of the system each time, page by page."""


class TlsStream:
    """Bytes both ways; every method belongs to one thread.

    Args:
        plain: Connected; set not to block.
        context: Of this side.
        answers: Whether this side was called.
    """

    def __init__(self, plain: socket.socket, context: ssl.SSLContext, *, answers: bool) -> None:
        self.plain = plain
        self._arrived, self._leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._arrived, self._leaving, server_side=answers)
        self._memory = memoryview(bytearray(PIECE_BYTES))
        self._unsent = memoryview(b"")
        self._was_full = False

    def shake_hands(self) -> bool:
        """Go on with the handshake as far as possible; returns whether it is done, as far as this side is concerned.

        Raises:
            ssl.SSLError: The two sides do not agree; the other one is told.
            OSError: The connection broke.
            EOFError: The other side hung up.
        """
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self.drain()
                if not self._take_in():
                    return False
                continue
            except ssl.SSLError:
                self._tell_why()
                raise
            self.drain()
            return True

    def read_into(self, room: memoryview) -> int:
        """Read what came; 0 when nothing did that makes sense by itself.

        Raises:
            ssl.SSLError: What came was not encrypted by the other side as it should be.
            OSError: The connection broke.
            EOFError: The other side hung up.
        """
        if not self._has_encrypted() and not self._take_in():
            return 0
        num_bytes, most, read = 0, len(room), self.tls.read
        try:
            while num_bytes < most and self._has_encrypted():  # each time at most one record of 16 KB
                num_bytes += int(read(most - num_bytes, room[num_bytes:]))
        except ssl.SSLWantReadError:
            return num_bytes
        except ssl.SSLZeroReturnError:
            if not num_bytes:
                raise EOFError from None
        except ssl.SSLError:
            self._tell_why()
            raise
        return num_bytes

    @property
    def may_have_more(self) -> bool:
        """Whether reading on may find something that no selector knows of."""
        return self._was_full or self._has_encrypted()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt; call only when `drain` said that nothing is left of the last time."""
        self.tls.write(data)

    def drain(self) -> bool:
        """Send what is encrypted as far as the socket takes it; returns whether nothing is left.

        Raises:
            OSError: The connection broke.
        """
        while True:
            if not self._unsent:
                if not self._leaving.pending:
                    return True
                self._unsent = memoryview(self._leaving.read(SENT_BYTES))
            try:
                self._unsent = self._unsent[self.plain.send(self._unsent) :]
            except BlockingIOError:
                return False

    def _take_in(self) -> bool:
        """Take from the socket what is there; returns whether there was something."""
        try:
            num_bytes = self.plain.recv_into(self._memory)
        except BlockingIOError:
            return False
        if not num_bytes:
            raise EOFError
        self._was_full = num_bytes == PIECE_BYTES
        self._arrived.write(self._memory[:num_bytes])
        return True

    def _has_encrypted(self) -> bool:
        return bool(self._arrived.pending or self.tls.pending())

    def _tell_why(self) -> None:
        """Send the alert that TLS has prepared, so that the other side knows at once, too."""
        with suppress(OSError):
            self.drain()
