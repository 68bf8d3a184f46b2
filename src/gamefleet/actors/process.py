"""One worker process, seen from the vector.

Job: start, ask, listen, kill. Place in the data flow: between `SharedMemoryVector` and `worker`. Left out: what happens
when it fails (`shared`).
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO

import msgspec

from gamefleet.actors.channel import ATTACH, QUIT, REFUSED, SETUP, Setup, decode_refusal
from gamefleet.errors import WorkerError
from gamefleet.experience.child import EXIT_TIMEOUT_S, log_tail, start_child
from gamefleet.games.base import GameSpec

WORKER = "gamefleet.actors.worker"
DUMP_WAIT_S = 0.3


class WorkerGoneError(Exception):
    """A worker crashed or hung.

    Args:
        reason: `crashed` or `hung`.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class WorkerProcess:
    """A running worker.

    Args:
        number: Its number, for messages.
        setup: Its games.
        memory: File descriptor of the shared block.
        timeout_s: It counts as hung when it has not answered for so long.
        log_folder: Where its log goes; an anonymous file when None.
    """

    def __init__(self, number: int, setup: Setup, memory: int, *, timeout_s: float, log_folder: Path | None) -> None:
        self.number = number
        self.setup = setup
        self._timeout_s = timeout_s
        self._log: IO[bytes] = _open_log(number, log_folder)
        # They sleep while they wait: going round in circles instead, they would take the cores from each other.
        waiting = {"OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE")}
        self._process, self._channel = start_child(WORKER, memory, self._log, variables=waiting)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def envs(self) -> range:
        """Rows of its games."""
        return range(self.setup.first_env, self.setup.first_env + self.setup.num_envs)

    def tell(self, kind: bytes, payload: bytes = b"") -> None:
        """Send a message; that the worker is gone shows in `hear`."""
        try:
            self._channel.send(kind, payload)
        except OSError:
            return

    def hear(self) -> bytes:
        """Wait for the answer.

        Raises:
            WorkerGoneError: It crashed, or did not answer in time.
            GamefleetError: What the game refused.
        """
        try:
            kind, payload = self._channel.receive()
        except TimeoutError as error:
            raise WorkerGoneError("hung") from error
        except OSError as error:
            raise WorkerGoneError("crashed") from error
        if kind == REFUSED:
            raise decode_refusal(payload)
        return payload

    def begin(self) -> None:
        """Ask for the games to be made; the answer comes with `spec`."""
        self.tell(SETUP, msgspec.json.encode(self.setup))

    def spec(self) -> GameSpec:
        """Wait for the games and return their spec; raises as `hear` does."""
        return msgspec.json.decode(self.hear(), type=GameSpec)

    def attach(self, num_envs: int) -> None:
        """Let the worker use the shared block, which now has its size; raises as `hear` does."""
        self.tell(ATTACH, str(num_envs).encode())
        self.hear()
        self._channel.set_timeout(self._timeout_s)

    def kill(self, reason: str) -> int | None:
        """End the process at once, by its own id.

        Args:
            reason: Of a hung worker the log first receives where it hangs.

        Returns:
            Its exit code as it was before, or None when it had to be killed.
        """
        if reason == "hung":
            self._process.send_signal(signal.SIGUSR1)
            time.sleep(DUMP_WAIT_S)
        exit_code = self._await_exit(DUMP_WAIT_S) if reason == "crashed" else self._process.poll()
        self._process.kill()
        self._process.wait()
        self._channel.close()
        return exit_code

    def log_tail(self) -> str:
        """The end of its log."""
        return log_tail(self._log)

    def close_log(self) -> None:
        """Let go of the log."""
        self._log.close()

    def close(self) -> None:
        """Say goodbye and wait; kill it if it does not go."""
        self.tell(QUIT)
        if self._await_exit(EXIT_TIMEOUT_S) is None:
            self._process.kill()
            self._process.wait()
        self._channel.close()
        self.close_log()

    def _await_exit(self, timeout_s: float) -> int | None:
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None


def start_failed(worker: WorkerProcess, gone: WorkerGoneError) -> WorkerError:
    """The error for a worker that did not come up; nothing is gained by trying again."""
    worker.kill(gone.reason)
    return WorkerError(
        f"Worker {worker.number} {gone.reason} before it played. The end of its log:\n{worker.log_tail()}\n",
        where=worker.setup.module,
        remedy="Play in one process to see more: --set actors.num_workers=0.",
    )


def _open_log(number: int, folder: Path | None) -> IO[bytes]:
    if folder is None:
        return tempfile.TemporaryFile()
    folder.mkdir(parents=True, exist_ok=True)
    return open(folder / f"worker-{number}.log", "a+b")
