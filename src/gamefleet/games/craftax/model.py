"""The network for this game's arrays, in torch.

Job: named arrays to features, for runs that learn with torch. Place in the data flow: `GamePackage.make_encoder`. Left
out: the network of skills, which is JAX's (`learners.ppo_network`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from gamefleet.errors import ConfigError, nearest
from gamefleet.games.base import GameSpec

_PURPOSES = ("policy", "novelty")


class CraftaxEncoder(nn.Module):
    """Tiles and numbers through one hidden layer.

    Args:
        spec: The game's spec.
        width: Size of the features.
    """

    def __init__(self, spec: GameSpec, width: int) -> None:
        super().__init__()
        arrays = {array.name: array for array in spec.observations}
        self.output_size = width
        self._kinds = {name: int(arrays[name].high) + 1 for name in ("tiles", "items") if name in arrays}
        size = sum(kinds * _tiles(arrays[name].shape) for name, kinds in self._kinds.items())
        size += 8 * _tiles(arrays["creatures"].shape) + arrays["numbers"].shape[0]
        size += _tiles(arrays["light"].shape) if "light" in arrays else 0
        self.hidden = nn.Sequential(nn.Linear(size, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.register_buffer("bits", torch.tensor([128, 64, 32, 16, 8, 4, 2, 1], dtype=torch.uint8), persistent=False)

    def forward(self, obs: Mapping[str, Tensor]) -> Tensor:
        """Features float32[batch, output_size]."""
        parts = [functional.one_hot(obs[name].long(), kinds).flatten(1) for name, kinds in self._kinds.items()]
        bits: Tensor = self.get_buffer("bits")
        parts.append((obs["creatures"].unsqueeze(-1) & bits).ne(0).flatten(1))
        if "light" in obs:
            parts.append(obs["light"].flatten(1))
        parts.append(obs["numbers"])
        features: Tensor = self.hidden(torch.cat([part.float() for part in parts], dim=1))
        return features


def make_encoder(spec: GameSpec, settings: Mapping[str, Any], purpose: str) -> nn.Module:
    """The encoder for one purpose.

    Args:
        spec: The game's spec.
        settings: `width`, 256 unless given.
        purpose: `policy` or `novelty`; both look at the same arrays.

    Raises:
        ConfigError: A setting or the purpose is unknown.
    """
    if purpose not in _PURPOSES:
        raise ConfigError("Unknown purpose of an encoder", value=purpose, remedy=nearest(purpose, _PURPOSES))
    for name in settings:
        if name != "width":
            raise ConfigError("Unknown setting of the encoder", value=name, where="network.encoder", remedy="width")
    return CraftaxEncoder(spec, int(settings.get("width", 256)))


def _tiles(shape: tuple[int, ...]) -> int:
    size = 1
    for side in shape:
        size *= side
    return size
