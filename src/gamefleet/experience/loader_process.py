"""One worker process, seen from the loader.

Job: start, ask, listen, end. Place in the data flow: between `Loader` and `loader_worker`. Left out: what is asked for.
"""

from __future__ import annotations

import subprocess
import tempfile

import msgspec
import numpy as np
from numpy.typing import NDArray

from gamefleet.errors import WorkerError
from gamefleet.experience.child import EXIT_TIMEOUT_S, log_tail, start_child
from gamefleet.experience.dataset_format import DatasetError
from gamefleet.experience.loader_channel import READY, REFUSED, SETUP, TASK, Setup

WORKER = "gamefleet.experience.loader_worker"


class LoaderProcess:
    """A running worker.

    Args:
        number: Its number, for messages.
        memory: File descriptor of the shared block.
        hang_timeout_s: It counts as hung when a batch takes it so long.
    """

    def __init__(self, number: int, memory: int, *, hang_timeout_s: float) -> None:
        self._number = number
        self._hang_timeout_s = hang_timeout_s
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 -- closed in `close`
        self._process, self._channel = start_child(WORKER, memory, self._log)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def begin(self, setup: Setup) -> None:
        """Send the set-up; the answer comes with `await_ready`."""
        self._send(SETUP, msgspec.msgpack.encode(setup))

    def await_ready(self) -> None:
        """Wait until it is set up; raises as `hear` does."""
        kind = self.hear()
        assert kind == READY
        self._channel.set_timeout(self._hang_timeout_s)

    def ask(self, slot: int, task: NDArray[np.int64]) -> None:
        """Have it fill a slot with a task; the answer comes with `hear`."""
        self._send(TASK, np.int64(slot).tobytes() + task.tobytes())

    def hear(self) -> bytes:
        """Wait for its answer to the oldest question.

        Raises:
            WorkerError: It died or hangs.
            DatasetError: What it read is damaged.
        """
        try:
            kind, payload = self._channel.receive()
        except TimeoutError as error:
            raise self._failed(f"did not answer for {self._hang_timeout_s:g} s") from error
        except OSError as error:
            raise self._failed("died") from error
        if kind == REFUSED:
            raise DatasetError(payload.decode(errors="replace").rstrip("."), where=f"loader worker {self._number}")
        return kind

    def close(self) -> None:
        """End it: politely first, by force when it does not go."""
        self._channel.close()
        try:
            self._process.wait(EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _send(self, kind: bytes, payload: bytes) -> None:
        try:
            self._channel.send(kind, payload)
        except OSError:  # it is gone, or about to say why it goes: both show in `hear`
            return

    def _failed(self, how: str) -> WorkerError:
        try:
            status = self._process.wait(0.5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        tail = log_tail(self._log)
        return WorkerError(
            f"Loader worker {self._number} {how} (exit status {status}). The end of its log:\n{tail or '(nothing)'}\n",
            where=f"process {self.pid}",
            remedy="Killed without a word, it was probably for memory. Load in this process to see more: 0 workers.",
        )
