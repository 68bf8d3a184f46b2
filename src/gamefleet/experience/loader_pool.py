"""The workers of a loader and the memory that they share with it.

Job: keep every worker busy, and hand finished batches out in the order in which they were asked for. Place in the data
flow: between `loader_process` and `loader`. Left out: what is asked for.

The block of memory has no name: the kernel frees it with the last process that maps it, so not even SIGKILL leaks it.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gamefleet.experience.dataset import Shard
from gamefleet.experience.loader_batch import BatchSpec
from gamefleet.experience.loader_channel import Setup
from gamefleet.experience.loader_process import LoaderProcess


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderSettings:
    """How batches are prepared; what is in them does not depend on it.

    Args:
        num_workers: Processes; with 0 this one does the work when a batch is asked for.
        prefetch_batches: Batches that each worker may be ahead.
        hang_timeout_s: A worker that needs longer for a batch counts as hung.
    """

    num_workers: int = 2
    prefetch_batches: int = 2
    hang_timeout_s: float = 120.0


class Pool:
    """Workers and their slots; tasks are answered in the order in which they were asked.

    Args:
        spec: Layout of a batch.
        settings: How they work.
        decode: `module:function`.
        shards: Files of the dataset, in the order that tasks number.
        dictionary: Of the dataset.
    """

    def __init__(
        self, spec: BatchSpec, settings: LoaderSettings, decode: str, shards: Sequence[Shard], dictionary: bytes
    ) -> None:
        self._num_slots = settings.num_workers * settings.prefetch_batches
        self._size = spec.num_bytes
        self._asked = self._taken = 0
        self._workers: list[LoaderProcess] = []
        memory = anonymous_memory(self._size * self._num_slots)
        with ExitStack() as on_error:
            on_error.callback(self.close)
            try:
                self._block = np.frombuffer(mmap.mmap(memory, self._size * self._num_slots), np.uint8)
                for number in range(settings.num_workers):
                    worker = LoaderProcess(number, memory, hang_timeout_s=settings.hang_timeout_s)
                    self._workers.append(worker)
            finally:
                os.close(memory)
            setup = Setup(
                decode=decode,
                shards=[(str(shard.path.absolute()), shard.num_bytes) for shard in shards],
                spec=spec,
                num_slots=self._num_slots,
                dictionary=dictionary,
            )
            for worker in self._workers:
                worker.begin(setup)
            for worker in self._workers:
                worker.await_ready()
            on_error.pop_all()

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the workers."""
        return tuple(worker.pid for worker in self._workers)

    @property
    def has_room(self) -> bool:
        """Whether a slot is free."""
        return self._asked - self._taken < self._num_slots

    def ask(self, task: NDArray[np.int64]) -> None:
        """Have the next worker fill the next slot."""
        self._workers[self._asked % len(self._workers)].ask(self._asked % self._num_slots, task)
        self._asked += 1

    def take(self) -> NDArray[np.uint8]:
        """A copy of the oldest batch that was asked for; raises as `LoaderProcess.hear` does."""
        self._workers[self._taken % len(self._workers)].hear()
        begin = self._taken % self._num_slots * self._size
        self._taken += 1
        return self._block[begin : begin + self._size].copy()

    def close(self) -> None:
        """End the workers."""
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.close()


def anonymous_memory(num_bytes: int) -> int:
    """A file descriptor of memory without a name."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("gamefleet-batches")
    else:
        with tempfile.TemporaryFile() as stream:
            descriptor = os.dup(stream.fileno())
    os.ftruncate(descriptor, num_bytes)
    return descriptor
