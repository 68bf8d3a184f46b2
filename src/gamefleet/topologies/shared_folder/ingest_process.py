"""One process that plays chunks again, and the pipes to it.

Job: start it, write lines to it, read lines from it without waiting, end it. Place in the data flow: under
`ingest_checker`. Left out: what is said (`ingest_child`).
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

EXIT_TIMEOUT_S = 5.0


class CheckingProcess:
    """A running process.

    Args:
        log: Takes what it writes to standard error; written anew.
    """

    def __init__(self, log: Path) -> None:
        self._buffer = b""
        with open(log, "wb") as stream:
            # A session of its own keeps the terminal's Ctrl-C away from it.
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-m", "gamefleet.topologies.shared_folder.ingest_child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream,
                start_new_session=True,
            )
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._to, self._from = self._child.stdin, self._child.stdout
        os.set_blocking(self._from.fileno(), False)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._child.pid

    def tell(self, line: bytes) -> None:
        """Write a line; the pipe is empty whenever a line is due, so it cannot fill up."""
        with suppress(OSError):  # it is gone: its output ends, too
            self._to.write(line + b"\n")
            self._to.flush()

    def lines(self) -> list[str] | None:
        """Whole lines that have come, or None when it has ended; never waits."""
        try:
            data = os.read(self._from.fileno(), 1 << 16)
        except BlockingIOError:
            return []
        if not data:
            return None
        *whole, self._buffer = (self._buffer + data).split(b"\n")
        return [line.decode() for line in whole]

    def end(self) -> None:
        """Kill it."""
        self._child.kill()
        self._child.wait(EXIT_TIMEOUT_S)
        for pipe in (self._to, self._from):
            with suppress(OSError):  # what a process that is gone did not read
                pipe.close()
