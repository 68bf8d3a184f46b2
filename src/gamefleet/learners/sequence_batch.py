"""A packed batch as tensors on the learner's device.

Job: move arrays of packed rows to the device and tell what is learned from them. Place in the data flow: loader -> here
-> `sequence`. Left out: every computation.

Axes: `rows`, `decisions` of a row.
"""
# ruff: noqa: F722 - axis names inside shape annotations are not Python expressions

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from numpy.typing import NDArray
from torch import Tensor

ACTION, OUTCOME = "action", "outcome"
"""Arrays that are learned and not seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowBatch:
    """Packed rows.

    Args:
        obs: What the network sees, named arrays `[rows, decisions, ...]`.
        segment: Trajectory within the row, 0 for empty places.
        position: Decisions of the trajectory before this one.
        action: What was chosen, -1 where that is not known.
        outcome: 1 for a game that was won, 0.5 for a tie, 0 for one that was lost.
    """

    obs: dict[str, Tensor]
    segment: Int64[Tensor, "rows decisions"]
    position: Int64[Tensor, "rows decisions"]
    action: Int64[Tensor, "rows decisions"]
    outcome: Float[Tensor, "rows decisions"]

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
        arrays: Named arrays `[rows, decisions, ...]`, `action` and `outcome` among them.
        segment: int32 `[rows, decisions]`.
        position: int32 `[rows, decisions]`.
        device: Where to.
    """

    def moved(array: NDArray[Any]) -> Tensor:
        tensor = torch.from_numpy(array)
        return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)

    return RowBatch(
        obs={name: moved(array) for name, array in arrays.items() if name not in (ACTION, OUTCOME)},
        segment=moved(segment).long(),
        position=moved(position).long(),
        action=moved(arrays[ACTION]).long(),
        outcome=moved(arrays[OUTCOME]).float(),
    )
