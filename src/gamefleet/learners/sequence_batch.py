"""A packed batch as tensors on the learner's device.

Job: move arrays of packed rows to the device and tell what is learned from them. Place in the data flow: loader -> here
-> `sequence`. Left out: every computation.

On CUDA a batch is copied beside what the device computes: the processor runs ahead of the device, so the copies of the
next step's batches are begun while it is still busy with the step before.

Axes: `rows`, `decisions` of a row.
"""
# ruff: noqa: F722 - axis names inside shape annotations are not Python expressions

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from numpy.typing import NDArray
from torch import Tensor

ACTION, OUTCOME, OUTCOME_WEIGHT = "action", "outcome", "outcome_weight"
"""Arrays that are learned from and not seen; the last one may be missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowBatch:
    """Packed rows.

    Args:
        obs: What the network sees, named arrays `[rows, decisions, ...]`.
        segment: Trajectory within the row, 0 for empty places.
        position: Decisions of the trajectory before this one.
        action: What was chosen, -1 where that is not known.
        outcome: 1 for a game that was won, 0.5 for a tie, 0 for one that was lost.
        outcome_weight: How much the outcome counts as a target.
    """

    obs: dict[str, Tensor]
    segment: Int64[Tensor, "rows decisions"]
    position: Int64[Tensor, "rows decisions"]
    action: Int64[Tensor, "rows decisions"]
    outcome: Float[Tensor, "rows decisions"]
    outcome_weight: Float[Tensor, "rows decisions"]

    def tensors(self) -> Iterator[Tensor]:
        """All of them."""
        yield from self.obs.values()
        yield from (self.segment, self.position, self.action, self.outcome, self.outcome_weight)

    @property
    def is_decision(self) -> Bool[Tensor, "rows decisions"]:
        """Which places hold a decision."""
        return self.segment > 0

    @property
    def is_shown(self) -> Bool[Tensor, "rows decisions"]:
        """Which places hold a decision whose action is known."""
        return self.is_decision & (self.action >= 0)


def row_batch(
    arrays: Mapping[str, NDArray[Any]],
    segment: NDArray[np.int32],
    position: NDArray[np.int32],
    *,
    device: torch.device,
) -> RowBatch:
    """Copy packed rows to the device; on a CPU they are shared where their type allows.

    Args:
        arrays: Named arrays `[rows, decisions, ...]`, `action` and `outcome` among them; where `outcome_weight` is not,
            every outcome counts fully.
        segment: int32 `[rows, decisions]`.
        position: int32 `[rows, decisions]`.
        device: Where to.
    """

    def moved(array: NDArray[Any]) -> Tensor:
        tensor = torch.from_numpy(array)
        return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)

    learned = (ACTION, OUTCOME, OUTCOME_WEIGHT)
    weight = arrays.get(OUTCOME_WEIGHT)
    return RowBatch(
        obs={name: moved(array) for name, array in arrays.items() if name not in learned},
        segment=moved(segment).long(),
        position=moved(position).long(),
        action=moved(arrays[ACTION]).long(),
        outcome=moved(arrays[OUTCOME]).float(),
        outcome_weight=moved(np.ones(segment.shape, np.float32) if weight is None else weight).float(),
    )


@runtime_checkable
class Beside(Protocol):
    """A way to copy while the device computes."""

    def copying(self) -> AbstractContextManager[Any]:
        """Copies that are begun in the block do not wait for what the device computes."""
        ...

    def wait(self, tensors: Sequence[Tensor]) -> None:
        """What the device computes from here on finds these tensors copied, and their memory stays theirs until then.

        Args:
            tensors: Copied to.
        """
        ...


class CudaBeside:
    """A stream of its own for copies.

    Args:
        device: A CUDA device.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call] # torch does not say

    def copying(self) -> AbstractContextManager[Any]:
        """See `Beside`."""
        return torch.cuda.stream(self._stream)

    def wait(self, tensors: Sequence[Tensor]) -> None:
        """See `Beside`."""
        computing = torch.cuda.current_stream(self._device)
        computing.wait_stream(self._stream)
        for tensor in tensors:  # or the allocator would give their memory to the next copies too early
            tensor.record_stream(computing)


class Mover:
    """Takes packed batches to the learner's device: `begin` as soon as they are there, `finish` before they are used.

    Args:
        device: Where to.
        beside: How to copy while it computes; None is a stream on CUDA, and elsewhere nothing.
    """

    def __init__(self, device: torch.device, *, beside: Beside | None = None) -> None:
        self._device = device
        self._beside = beside or (CudaBeside(device) if device.type == "cuda" else None)
        self._begun: list[RowBatch] = []

    def begin(
        self, arrays: Mapping[str, NDArray[Any]], segment: NDArray[np.int32], position: NDArray[np.int32]
    ) -> RowBatch:
        """Begin to copy packed rows; nothing may be computed with them before `finish`. See `row_batch`."""
        if self._beside is None:
            return row_batch(arrays, segment, position, device=self._device)
        with self._beside.copying():
            batch = row_batch(arrays, segment, position, device=self._device)
        self._begun.append(batch)
        return batch

    def finish(self) -> None:
        """From here on everything that was begun can be computed with; this process does not wait for that."""
        begun, self._begun = self._begun, []
        if self._beside is not None and begun:
            self._beside.wait([tensor for batch in begun for tensor in batch.tensors()])
