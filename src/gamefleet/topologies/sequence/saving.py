"""Checkpoints that are written while training goes on.

Job: copy the state at a step, write it in a thread, and say when it is durable. Place in the data flow: between the
trainer's loop and `runs.checkpoint`. Left out: when to save, and reading.

The copy is the only part that a step waits for. It goes into memory that is allocated once, from which an accelerator
can be read at full speed. A checkpoint exists once all of it is on the disk; until then the one before it counts, and
the loop is told only then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from gamefleet.errors import GamefleetError, IncompatibleError
from gamefleet.experience.packing import Cursor
from gamefleet.runs.checkpoint import Checkpoint, CheckpointStore

TRAINER_PART = "trainer"

RETRY_S = 60.0
"""After a checkpoint that could not be written, the next try is not before this; each costs training a copy."""

MOST_FAILURES = 5
"""So many in a row end the attempt: it would otherwise learn for hours what nobody can keep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a run stands, besides its weights.

    Args:
        step: Updates made.
        decisions: Decisions learned from.
        global_batch_size: Decisions per step.
        cursor: Place in the data after the last step; None at its beginning.
    """

    step: int
    decisions: int
    global_batch_size: int
    cursor: Cursor | None

    def as_json(self) -> dict[str, Any]:
        """The part `trainer` of a checkpoint."""
        return {
            "step": self.step,
            "decisions": self.decisions,
            "global_batch_size": self.global_batch_size,
            "cursor": None if self.cursor is None else self.cursor.as_json(),
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Standing:
        """Of a checkpoint.

        Raises:
            IncompatibleError: It was not written by a run on recorded play.
        """
        try:
            return Standing(
                step=int(value["step"]),
                decisions=int(value["decisions"]),
                global_batch_size=int(value["global_batch_size"]),
                cursor=None if value["cursor"] is None else Cursor.from_json(value["cursor"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise IncompatibleError("A checkpoint does not say where a run on records stands", value=value) from error


class Copies:
    """The last state as it was copied: named arrays in memory that stays."""

    def __init__(self) -> None:
        self._buffers: dict[str, Tensor] = {}

    def take(self, tensors: Mapping[str, Mapping[str, Tensor]]) -> dict[str, dict[str, NDArray[Any]]]:
        """Copy everything and wait until it is there.

        Args:
            tensors: Part -> name -> tensor on its device.

        Returns:
            The same as arrays, which the next call overwrites.
        """
        devices = set()
        for part, named in tensors.items():
            for name, tensor in named.items():
                key = f"{part}:{name}"
                if key not in self._buffers:
                    is_pinned = tensor.device.type == "cuda"
                    self._buffers[key] = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=is_pinned)
                self._buffers[key].copy_(tensor.detach(), non_blocking=True)
                devices.add(tensor.device)
        for device in devices:
            if device.type == "cuda":
                torch.cuda.synchronize(device)
        return {
            part: {name: self._buffers[f"{part}:{name}"].numpy() for name in named} for part, named in tensors.items()
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A checkpoint that is durable.

    Args:
        checkpoint: Where it lies.
        copy_s: How long training waited for the copy, and for the save before it, seconds.
        seconds: From the copy to durability.
    """

    checkpoint: Checkpoint
    copy_s: float
    seconds: float

    @property
    def num_bytes(self) -> int:
        """Of all its files."""
        return sum(int(file["bytes"]) for file in self.checkpoint.manifest["files"].values())


class Saver:
    """Writes checkpoints in a thread, one at a time; use it in a `with` block.

    Args:
        store: The run's checkpoints; nobody else writes there meanwhile.
        clock: In seconds.

    Attributes:
        failures: Checkpoints in a row that could not be written.
    """

    def __init__(self, store: CheckpointStore, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.failures = 0
        self._failed_at = 0.0
        self._clock = clock
        self._store = store
        self._copies = Copies()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._pending: Future[Saved] | None = None

    def __enter__(self) -> Saver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(wait=True)  # what is being written is finished, whatever ended the loop

    @property
    def is_busy(self) -> bool:
        """Whether a checkpoint is being written."""
        return self._pending is not None and not self._pending.done()

    @property
    def wants_retry(self) -> bool:
        """Whether the last checkpoint could not be written, and it is time for another try."""
        return self.failures > 0 and self._clock() - self._failed_at >= RETRY_S

    def begin(
        self, standing: Standing, tensors: Mapping[str, Mapping[str, Tensor]], *, state: Mapping[str, Any]
    ) -> Saved | None:
        """Copy the state and begin to write it.

        Args:
            standing: Where the run stands.
            tensors: Weights and optimizer; see `SequenceLearner.state_tensors`.
            state: For people, JSON values.

        Returns:
            The checkpoint before, when it had to be waited for.

        Raises:
            RunFolderError: The one before could not be written.
        """
        started = time.monotonic()
        before = self.finish()
        parts: dict[str, Any] = {**self._copies.take(tensors), TRAINER_PART: standing.as_json()}
        copy_s = time.monotonic() - started
        self._pending = self._thread.submit(self._write, standing.step, parts, dict(state), copy_s)
        return before

    def _write(self, step: int, parts: Mapping[str, Any], state: Mapping[str, Any], copy_s: float) -> Saved:
        started = time.monotonic()
        checkpoint = self._store.save(step, parts, state=state)
        return Saved(checkpoint=checkpoint, copy_s=copy_s, seconds=copy_s + time.monotonic() - started)

    def finished(self) -> Saved | None:
        """A checkpoint that has become durable since the last call; raises as `begin` does."""
        return None if self.is_busy else self.finish()

    def finish(self) -> Saved | None:
        """Wait for the checkpoint that is being written, if one is; raises as `begin` does."""
        if self._pending is None:
            return None
        pending, self._pending = self._pending, None
        try:
            saved = pending.result()
        except (GamefleetError, OSError):
            self.failures += 1
            self._failed_at = self._clock()
            raise
        self.failures = 0
        return saved
