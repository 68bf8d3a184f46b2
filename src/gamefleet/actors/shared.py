"""Games in worker processes that write into shared memory.

Job: step many games on several CPUs for a few bytes and two context switches per worker and step. Place in the data
flow: between worker processes and the actor. Left out: playing without processes (`vector.InlineVector`), and asking a
failed game again: its episode is lost.

Every step waits for every game (lockstep), so results do not depend on the number of workers. The shared block has no
name: it is inherited as a file descriptor and the kernel frees it with the last process that maps it, so not even
SIGKILL can leak it, which named segments (`multiprocessing.shared_memory`) cannot promise. Waiting blocks in the
kernel: spinning flags, as in PufferLib, cost 3 to 5 times the CPU where processes outnumber free cores.
"""

from __future__ import annotations

import logging
import mmap
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gamefleet.actors.channel import SAVE, STEP, Setup, config_as_json, encode_restarts
from gamefleet.actors.process import WorkerGoneError, WorkerProcess, start_failed
from gamefleet.actors.steps import NOWHERE, Restart, StepArrays, VectorStep, WorkerFailure, num_bytes, over
from gamefleet.actors.vector import check_sendable
from gamefleet.errors import GamefleetError, WorkerError
from gamefleet.games.base import GamePackage, GameSpec
from gamefleet.identity import derive_seed

log = logging.getLogger(__name__)


class SharedMemoryVector:
    """See the module's docstring; arguments as in `vector.make_vector`, `num_workers` being at least 1.

    A worker that crashes or hangs is killed by its process id and replaced; its games start a fresh episode at the
    beginning and are marked `lost`.

    Raises:
        WorkerError: A worker does not come up, or more than `max_restarts` had to be replaced.
        GamefleetError: What a game refuses, for example `RomError`.
    """

    def __init__(
        self,
        package: GamePackage,
        config: Any,
        *,
        num_envs: int,
        num_workers: int,
        hang_timeout_s: float = 60.0,
        max_restarts: int = 20,
        seed: int = 0,
        log_folder: Path | None = None,
    ) -> None:
        self.num_envs = num_envs
        self.num_restarts = 0
        self._seed = seed
        self._max_restarts = max_restarts
        self._hang_timeout_s = hang_timeout_s
        self._log_folder = log_folder
        self._in_flight = False
        self._steps_since_start = np.zeros(num_envs, np.int64)
        self._failures: list[WorkerFailure] = []
        self._memory = _anonymous_memory()
        self._workers: list[WorkerProcess] = []
        with ExitStack() as on_error:
            on_error.callback(self.close)
            for number, setup in enumerate(_share_out(package, config, num_envs, num_workers)):
                self._workers.append(self._launch(number, setup))
            specs = [self._spec_of(worker) for worker in self._workers]
            self.spec = specs[0]
            os.ftruncate(self._memory, num_bytes(self.spec, num_envs))
            self._arrays: StepArrays = over(mmap.mmap(self._memory, 0), self.spec, num_envs)
            self._arrays.step.truncated[:] = True
            self.scene = self._arrays.scene
            self.scene.spots[:] = NOWHERE
            for worker in self._workers:
                self._attach(worker)
            on_error.pop_all()

    def send(self, actions: NDArray[np.int16], restarts: Mapping[int, Restart]) -> None:
        """See `Vector.send`."""
        check_sendable(self._arrays, actions, restarts, in_flight=self._in_flight)
        self._arrays.actions[:] = actions
        self._arrays.step.lost[:] = False
        self._steps_since_start += 1
        self._steps_since_start[list(restarts)] = 0
        for worker in self._workers:
            own = {env: restarts[env] for env in worker.envs if env in restarts} if restarts else {}
            worker.tell(STEP, encode_restarts(own))
        self._in_flight = True

    def receive(self) -> VectorStep:
        """See `Vector.receive`.

        Raises:
            WorkerError: Too many workers had to be replaced.
            GamefleetError: What a game refuses.
        """
        if not self._in_flight:
            raise RuntimeError("receive() without send()")
        self._in_flight = False
        for number, worker in enumerate(self._workers):
            try:
                worker.hear()
            except WorkerGoneError as gone:
                self._workers[number] = self._replace(worker, gone)
        if not self._failures:
            return self._arrays.step
        failures, self._failures = tuple(self._failures), []
        return VectorStep(**{**_fields(self._arrays.step), "failures": failures})

    def save_states(self, envs: Sequence[int]) -> list[bytes]:
        """See `Vector.save_states`; a worker that fails here is replaced in the next step."""
        if self._in_flight:
            raise RuntimeError("save_states() between send() and receive()")
        wanted = {worker.number: [env for env in envs if env in worker.envs] for worker in self._workers}
        asked = [worker for worker in self._workers if wanted[worker.number]]
        for worker in asked:
            worker.tell(SAVE, msgspec.msgpack.encode(wanted[worker.number]))
        states: dict[int, bytes] = {}
        for worker in asked:
            states.update(zip(wanted[worker.number], self._saved(worker, wanted[worker.number]), strict=True))
        return [states[env] for env in envs]

    def close(self) -> None:
        """See `Vector.close`."""
        for worker in self._workers:
            worker.close()
        self._workers = []
        if self._memory >= 0:
            os.close(self._memory)
            self._memory = -1

    def _saved(self, worker: WorkerProcess, envs: list[int]) -> list[bytes]:
        try:
            return msgspec.msgpack.decode(worker.hear(), type=list[bytes])
        except WorkerGoneError as gone:
            # It must not answer late, into the next step; there its silence will be noticed and reported.
            worker.kill(gone.reason)
            return [b""] * len(envs)

    def _launch(self, number: int, setup: Setup) -> WorkerProcess:
        worker = WorkerProcess(number, setup, self._memory, timeout_s=self._hang_timeout_s, log_folder=self._log_folder)
        worker.begin()
        return worker

    def _spec_of(self, worker: WorkerProcess) -> GameSpec:
        try:
            return worker.spec()
        except WorkerGoneError as gone:
            raise start_failed(worker, gone) from gone

    def _attach(self, worker: WorkerProcess) -> None:
        try:
            worker.attach(self.num_envs)
        except WorkerGoneError as gone:
            raise start_failed(worker, gone) from gone

    def _replace(self, failed: WorkerProcess, gone: WorkerGoneError) -> WorkerProcess:
        failure = self._evidence(failed, gone, failed.kill(gone.reason))
        failed.close_log()
        self._failures.append(failure)
        self.num_restarts += 1
        log.warning("worker %d %s (exit code %s); its games %s are lost", *_headline(failure))
        if self.num_restarts > self._max_restarts:
            raise _too_many(failure, self._max_restarts)
        worker = self._launch(failed.number, failed.setup)
        self._spec_of(worker)
        self._attach(worker)
        return self._start_over(worker)

    def _start_over(self, worker: WorkerProcess) -> WorkerProcess:
        seeds = {
            env: derive_seed(self._seed, purpose=f"lost-{self.num_restarts}", environment=str(env))
            for env in worker.envs
        }
        worker.tell(STEP, encode_restarts({env: Restart(seed=seed) for env, seed in seeds.items()}))
        try:
            worker.hear()
        except WorkerGoneError as gone:
            return self._replace(worker, gone)
        rows = list(worker.envs)
        self._arrays.step.lost[rows] = True
        self._steps_since_start[rows] = 0
        return worker

    def _evidence(self, worker: WorkerProcess, gone: WorkerGoneError, exit_code: int | None) -> WorkerFailure:
        steps = self._steps_since_start.tolist()
        return WorkerFailure(
            worker=worker.number,
            pid=worker.pid,
            reason=gone.reason,
            exit_code=exit_code,
            envs=tuple(worker.envs),
            last_state=tuple(_describe(self.spec, self._arrays, env, steps[env]) for env in worker.envs),
            log_tail=worker.log_tail(),
        )


def _share_out(package: GamePackage, config: Any, num_envs: int, num_workers: int) -> list[Setup]:
    bounds = np.linspace(0, num_envs, num_workers + 1).round().astype(int).tolist()
    value = config_as_json(config)
    return [
        Setup(module=package.module, config=value, first_env=first, num_envs=end - first)
        for first, end in pairwise(bounds)
    ]


def _describe(spec: GameSpec, arrays: StepArrays, env: int, num_steps: int) -> str:
    action, step = int(arrays.actions[env]), arrays.step
    name = spec.actions[action] if 0 <= action < spec.num_actions else "none"
    progress, cell = float(step.progress[env]), int(step.cell[env])
    return f"game {env}: action {name} after {num_steps} steps, progress {progress:g}, cell {cell:#x}"


def _anonymous_memory() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("gamefleet-steps")
    with tempfile.TemporaryFile() as stream:
        return os.dup(stream.fileno())


def _fields(step: VectorStep) -> dict[str, Any]:
    return {name: getattr(step, name) for name in step.__slots__}


def _headline(failure: WorkerFailure) -> tuple[int, str, int | None, list[int]]:
    return failure.worker, failure.reason, failure.exit_code, list(failure.envs)


def _too_many(failure: WorkerFailure, allowed: int) -> GamefleetError:
    state = "; ".join(failure.last_state)
    return WorkerError(
        f"More than {allowed} workers failed; the last one {failure.reason} with exit code {failure.exit_code} "
        f"({state}). The end of its log:\n{failure.log_tail}\n",
        where=f"worker {failure.worker}",
        remedy="Fix the cause that the log shows, or allow more with --set actors.max_restarts=N, then resume.",
    )
