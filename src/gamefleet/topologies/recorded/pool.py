"""Several processes on this machine that parse parts.

Job: keep each of them busy and report what is done. Place in the data flow: `parts` ->
this -> `worker`. Left out: other machines (`array`).
"""

from __future__ import annotations

import queue
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from gamefleet.errors import GamefleetError, WorkerError
from gamefleet.experience.child import EXIT_TIMEOUT_S, child_environment, command, log_tail
from gamefleet.topologies.recorded.worker import Answer

WORKER = "gamefleet.topologies.recorded.worker"


def make_parts(folder: Path, numbers: Sequence[int], num_workers: int) -> Iterator[Answer]:
    """Have processes make parts.

    Args:
        folder: With a plan.
        numbers: Of the parts.
        num_workers: Processes.

    Yields:
        An answer per part, as they are done.

    Raises:
        WorkerError: A process died.
        GamefleetError: A part could not be made; the others that were begun are there.
    """
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in numbers:
        waiting.put(number)
    done: queue.SimpleQueue[Answer | GamefleetError] = queue.SimpleQueue()
    workers = [_Worker(folder) for _ in range(min(num_workers, len(numbers)))]
    # Threads only move lines between queues and pipes.
    threads = [threading.Thread(target=_drive, args=(worker, waiting, done), daemon=True) for worker in workers]
    try:
        for thread in threads:
            thread.start()
        for _ in numbers:
            answer = done.get()
            if isinstance(answer, GamefleetError):
                raise answer
            yield answer
    finally:
        _drain(waiting)
        for worker in workers:
            worker.close()


def _drain(waiting: queue.SimpleQueue[int]) -> None:
    with suppress(queue.Empty):
        while True:
            waiting.get_nowait()


def _drive(worker: _Worker, waiting: queue.SimpleQueue[int], done: queue.SimpleQueue[Answer | GamefleetError]) -> None:
    with suppress(queue.Empty):
        while True:
            number = waiting.get_nowait()
            try:
                done.put(worker.ask(number))
            except GamefleetError as error:
                done.put(error)
                return


class _Worker:
    """One process."""

    def __init__(self, folder: Path) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 -- closed in `close`
        self._process = subprocess.Popen(
            command(WORKER, str(folder)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=child_environment(),
            start_new_session=True,
        )

    def ask(self, number: int) -> Answer:
        """Have it make a part, and wait.

        Raises:
            WorkerError: It died.
            GamefleetError: It could not make the part.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(f"{number}\n".encode())
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise self._died(number)
        answer = msgspec.json.decode(line, type=Answer)
        if answer.error:
            raise GamefleetError(answer.error.rstrip("."), where=f"part {number}")
        return answer

    def close(self) -> None:
        """End it: politely, for then it leaves nothing behind; by force when it does not go."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.terminate()
        try:
            self._process.wait(EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._log.close()

    def _died(self, number: int) -> WorkerError:
        status = self._process.wait()
        tail = log_tail(self._log)
        return WorkerError(
            f"A process that parses died (exit status {status}). The end of its log:\n{tail or '(nothing)'}\n",
            where=f"part {number}",
            remedy="Run the same command again: what is done is kept. Killed without a word, it was probably for "
            "memory: use fewer --num-workers.",
        )
