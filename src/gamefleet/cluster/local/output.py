"""Where the output of a job on this machine goes: to its log files, and for those who watch to a terminal.

Job: open the log files, and copy to the terminal what is written there. Place in the data flow: between a command and
the files that `gamefleet fleet logs` shows. Left out: when the command starts and ends (`job`).

Without a terminal the command writes to the files itself, and nothing can hold it up. With one it writes to pipes; the
terminal gets what it takes at once and loses the rest, so that one which hangs holds nothing up either.
"""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

CHUNK_BYTES = 1 << 16


class Output:
    """The output of one command; a context.

    Args:
        log_folder: Made when missing.
        job: Its id, part of the file names.
        is_shown: Whether this process's standard output gets a copy.
    """

    def __init__(self, log_folder: Path, job: str, *, is_shown: bool) -> None:
        log_folder.mkdir(parents=True, exist_ok=True)
        names = (log_folder / f"slurm-{job}.{kind}" for kind in ("out", "err"))
        self._files = [os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666) for name in names]
        self._copies: dict[int, int] = {}
        self.for_command: Sequence[int] = self._files
        if is_shown:
            self.for_command = [self._piped(file) for file in self._files]
            os.set_blocking(sys.stdout.fileno(), False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for descriptor in (*self._files, *self._copies):
            os.close(descriptor)

    def _piped(self, file: int) -> int:
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        self._copies[reading] = file
        return writing

    def started(self) -> None:
        """Let go of the command's ends of the pipes: they shall close when it ends."""
        if self._copies:
            for pipe in self.for_command:
                os.close(pipe)

    def pump(self, timeout_s: float) -> None:
        """Copy one piece of what there is; wait for some, but not longer than this."""
        if not self._copies:
            time.sleep(timeout_s)
            return
        ready, _, _ = select.select(list(self._copies), [], [], timeout_s)
        for pipe in ready:
            self._copy(pipe)

    def drain(self) -> None:
        """Copy what is left in the pipes after their writers have ended."""
        while ready := select.select(list(self._copies), [], [], 0.0)[0]:
            for pipe in ready:
                self._copy(pipe)

    def _copy(self, pipe: int) -> None:
        data = os.read(pipe, CHUNK_BYTES)
        if not data:
            os.close(pipe)
            del self._copies[pipe]
            return
        write_all(self._copies[pipe], data)
        with suppress(OSError):  # the terminal is slow, or gone
            os.write(sys.stdout.fileno(), data)

    def complain(self, text: str) -> None:
        """Say what the runner has to say where the command's errors would be."""
        write_all(self._files[1], f"{text}\n".encode())


def write_all(file: int, data: bytes) -> None:
    """Write to a log; a full disk loses output, and must not lose the job."""
    with suppress(OSError):
        while data:
            data = data[os.write(file, data) :]
