"""A sampled batch as tensors on the learner's device.

Job: move a `SequenceBatch` of numpy arrays to the device, with the integer types that torch indexes with. Place in the
data flow: replay -> here -> `ValueLearner`. Left out: every computation.

Axes: `batch`, `time` (burn-in, unroll, look-ahead), `state`.
"""
# ruff: noqa: F722 - axis names inside shape annotations are not Python expressions

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from numpy.typing import NDArray
from torch import Tensor

from gamefleet.experience.types import SequenceBatch


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorBatch:
    """`SequenceBatch` as tensors; the fields mean the same.

    Args:
        obs: Named arrays `[batch, time, ...]`, as packed as they were stored.
        action: The action of each slot.
        reward: What it caused.
        previous_action: -1 where there is none.
        previous_reward: 0 where there is none.
        is_first: First slots of episodes.
        is_last: Last slots of episodes.
        is_terminal: Last slots whose value is zero.
        state: Recurrent state before the first slot.
    """

    obs: dict[str, Tensor]
    action: Int64[Tensor, "batch time"]
    reward: Float[Tensor, "batch time"]
    previous_action: Int64[Tensor, "batch time"]
    previous_reward: Float[Tensor, "batch time"]
    is_first: Bool[Tensor, "batch time"]
    is_last: Bool[Tensor, "batch time"]
    is_terminal: Bool[Tensor, "batch time"]
    state: Float[Tensor, "batch state"]

    def span(self, start: int, stop: int | None) -> Inputs:
        """What the network reads in the slots `start` to `stop` (excluded), or to the end."""
        return Inputs(
            obs={name: array[:, start:stop] for name, array in self.obs.items()},
            previous_action=self.previous_action[:, start:stop],
            previous_reward=self.previous_reward[:, start:stop],
            is_first=self.is_first[:, start:stop],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The network's inputs in a stretch of slots; the fields are those of `TensorBatch`."""

    obs: dict[str, Tensor]
    previous_action: Int64[Tensor, "batch time"]
    previous_reward: Float[Tensor, "batch time"]
    is_first: Bool[Tensor, "batch time"]


def to_device(batch: SequenceBatch, device: torch.device) -> TensorBatch:
    """Copy a batch to the device; on the CPU writable arrays are shared, not copied."""
    return TensorBatch(
        obs={name: tensor(array, device) for name, array in batch.obs.items()},
        action=tensor(batch.action, device).long(),
        reward=tensor(batch.reward, device),
        previous_action=tensor(batch.previous_action, device).long(),
        previous_reward=tensor(batch.previous_reward, device),
        is_first=tensor(batch.is_first, device),
        is_last=tensor(batch.is_last, device),
        is_terminal=tensor(batch.is_terminal, device),
        state=tensor(batch.state, device),
    )


def tensor(array: NDArray[Any], device: torch.device) -> Tensor:
    """One array on the device. Read-only arrays are copied first, because torch cannot mark its tensors read-only."""
    writable = array if array.flags.writeable else np.array(array)
    return torch.from_numpy(writable).to(device, non_blocking=True)
