"""Running mean and variance of everything seen, for whitening.

Job: merge the moments of batches exactly, however the data is cut into batches. Place in the data flow: curiosity
whitens observations and scales rewards with it. Left out: forgetting; early data counts as much as late, as in RND.
"""
# ruff: noqa: F722 - axis names inside shape annotations are not Python expressions

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Count, mean and sum of squared deviations of the rows seen so far.

    Args:
        count: Rows seen.
        mean: Of each column.
        deviation: Sum of squared deviations from the mean, of each column.
    """

    count: float
    mean: Float[Tensor, " columns"]
    deviation: Float[Tensor, " columns"]

    @classmethod
    def empty(cls, num_columns: int, device: torch.device) -> Moments:
        """Nothing seen yet."""
        zeros = torch.zeros(num_columns, device=device)
        return cls(count=0.0, mean=zeros, deviation=zeros)

    def including(self, rows: Float[Tensor, "rows columns"]) -> Moments:
        """The moments after more rows.

        Source: Chan, Golub & LeVeque 1983, "Algorithms for Computing the Sample Variance", equation 2.1.
        """
        variance, mean = torch.var_mean(rows, dim=0, correction=0)
        added = rows.shape[0]
        total = self.count + added
        shift = mean - self.mean
        return Moments(
            count=total,
            mean=self.mean + shift * (added / total),
            deviation=self.deviation + variance * added + shift.square() * (self.count * added / total),
        )

    @property
    def std(self) -> Float[Tensor, " columns"]:
        """Standard deviation of each column; 1 before anything was seen."""
        if self.count == 0:
            return torch.ones_like(self.mean)
        return torch.sqrt(self.deviation / self.count)

    def export_state(self) -> dict[str, Any]:
        """As JSON values and arrays."""
        return {
            "count": self.count,
            "mean": self.mean.cpu().numpy().copy(),
            "deviation": self.deviation.cpu().numpy().copy(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], device: torch.device) -> Moments:
        """What `export_state` wrote."""
        return cls(
            count=float(state["count"]),
            mean=torch.tensor(state["mean"], device=device),
            deviation=torch.tensor(state["deviation"], device=device),
        )
