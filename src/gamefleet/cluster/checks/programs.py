"""Programs that checks ask: run with a time-out, without a terminal, and gone when the checks are.

Job: run `ssh`, `rsync`, `sbatch` and the like so that none can hang, ask for a password or outlive the report. Place in
the data flow: passed into checks as a `Runner`. Left out: what is asked (the rest of this package).
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

NOT_FOUND_STATUS = 127
"""What a shell says of a program that it does not find."""

ABANDON_AFTER_S = 2.0
"""A killed program that is stuck in the operating system is waited for no longer than this."""

NEVER_ASK = {"SSH_ASKPASS_REQUIRE": "never", "LC_ALL": "C"}
"""No window asks for a password, and messages are in the language in which they are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A program that has ended.

    Args:
        status: Exit status; 127 when there is no such program.
        out: Standard output.
        err: Standard error.
    """

    status: int
    out: str
    err: str

    @property
    def last_words(self) -> str:
        """The last line of standard error, or of standard output where that is empty."""
        lines = [line.strip() for line in (self.err.strip() or self.out.strip()).splitlines()]
        return lines[-1] if lines else f"exit status {self.status}, without a word"


Runner = Callable[[Sequence[str], float], Completed]
"""`(command, timeout_s)`: run a program to its end; raises `subprocess.TimeoutExpired`."""


class Programs:
    """Runs programs, and ends those that are left when its block ends.

    Args:
        environment: Their variables.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = {**environment, **NEVER_ASK}
        self._live: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> Programs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            for process in self._live:
                kill_group(process)

    def __call__(self, command: Sequence[str], timeout_s: float) -> Completed:
        """Run a program to its end; see `Runner`."""
        try:
            # A session of its own has no terminal, so that nothing can ask there for a password.
            process = subprocess.Popen(
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except FileNotFoundError:
            return Completed(status=NOT_FOUND_STATUS, out="", err=f"{command[0]}: not found")
        with self._lock:
            self._live.add(process)
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            kill_group(process)
            collect(process)
            raise
        finally:
            with self._lock:
                self._live.discard(process)
        return Completed(status=process.returncode, out=out, err=err)


def kill_group(process: subprocess.Popen[str]) -> None:
    """Kill a program with all that it started, some of which may be left when it is gone itself."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def collect(process: subprocess.Popen[str]) -> None:
    """Wait for a killed program, but not for ever."""
    try:
        process.communicate(timeout=ABANDON_AFTER_S)
    except subprocess.TimeoutExpired:
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def through(runner: Runner, ssh: Sequence[str]) -> Runner:
    """A runner whose programs run on another host.

    Args:
        runner: Runs `ssh`.
        ssh: `ssh` with its options and the host. A login shell starts the program there, because sites put SLURM on
            the path of those only.
    """
    return lambda command, timeout_s: runner([*ssh, f"sh -lc {shlex.quote(shlex.join(command))}"], timeout_s)
