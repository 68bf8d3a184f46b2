"""The torch modules of the toys' encoders: small enough that a test trains in seconds.

Job: named arrays to features. Place in the data flow: first layers of a toy's network. Left out: convolutions;
no toy has pictures worth them.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gamefleet.games.base import GameSpec


class FlatFeatures(nn.Module):
    """All arrays side by side as float32 numbers; nothing to learn."""

    def __init__(self, spec: GameSpec) -> None:
        super().__init__()
        self._names = [array.name for array in spec.observations]
        self.output_size = sum(int(torch.Size(array.shape).numel()) for array in spec.observations)

    def forward(self, obs: Mapping[str, Tensor]) -> Tensor:
        """Map arrays `[batch, ...]` to `[batch, output_size]`."""
        return torch.cat([obs[name].flatten(1).float() for name in self._names], dim=1)


class DenseEncoder(nn.Module):
    """One learned layer on the flat features."""

    def __init__(self, spec: GameSpec, num_units: int) -> None:
        super().__init__()
        self._flat = FlatFeatures(spec)
        self._layer = nn.Linear(self._flat.output_size, num_units)
        self.output_size = num_units

    def forward(self, obs: Mapping[str, Tensor]) -> Tensor:
        """Map arrays `[batch, ...]` to `[batch, output_size]`."""
        return torch.relu(self._layer(self._flat(obs)))
