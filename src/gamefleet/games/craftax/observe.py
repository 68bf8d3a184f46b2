"""A state as named arrays, small enough to be kept, and back.

Job: write the map of the symbolic observation, 99 % of which are zeros, as numbers of blocks, items and creatures.
Place in the data flow: `game` fills steps with it; the network's encoder and pictures read it. Left out: what the
symbolic observation holds, which the package decides.

Nothing is lost: `symbols_of` gives the symbolic observation back, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.base import ArraySpec
from gamefleet.games.craftax.names import ITEMS
from gamefleet.games.craftax.state import State
from gamefleet.games.craftax.variants import Variant

Arrays = dict[str, NDArray[Any]]

CLASSIC_CREATURES = 4
"""Zombie, cow, skeleton, arrow: one bit each."""

FULL_CREATURES = 40
"""Melee, passive and ranged creatures, projectiles of creatures and of the player: 8 kinds each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """How many channels of a tile say what, in the order of the symbolic observation.

    Args:
        blocks: One-hot.
        items: One-hot; 0 in Craftax-Classic.
        creatures: One bit each.
        light: 1 where a channel says whether the tile is lit.
    """

    blocks: int
    items: int
    creatures: int
    light: int

    @property
    def total(self) -> int:
        """Channels of a tile."""
        return self.blocks + self.items + self.creatures + self.light


def channels_of(variant: Variant) -> Channels:
    """The channels of a variant's tiles."""
    if variant.is_classic:
        return Channels(blocks=len(variant.blocks), items=0, creatures=CLASSIC_CREATURES, light=0)
    return Channels(blocks=len(variant.blocks), items=len(ITEMS), creatures=FULL_CREATURES, light=1)


def arrays_of(variant: Variant) -> tuple[ArraySpec, ...]:
    """The named arrays of an observation."""
    channels = channels_of(variant)
    rows, columns = variant.view
    num_bytes = -(-channels.creatures // 8)
    tiles = _spec("tiles", variant.view, len(variant.blocks) - 1, "number of the block in sight; 0 in the dark")
    items = _spec("items", variant.view, len(ITEMS) - 1, "number of the item that lies there; 0 none or dark")
    creatures = _spec("creatures", (rows, columns, num_bytes), 255, "kinds of creatures there, a bit each, packed")
    light = _spec("light", variant.view, 1, "whether the tile is lit")
    numbers = ArraySpec(
        name="numbers",
        shape=(variant.observation_size - rows * columns * channels.total,),
        dtype="float32",
        low=-10.0,
        high=100.0,
        meaning="inventory, needs, direction, light and what else is no tile, scaled as the package does",
    )
    return (tiles, creatures, numbers) if variant.is_classic else (tiles, items, creatures, light, numbers)


def _spec(name: str, shape: tuple[int, ...], high: int, meaning: str) -> ArraySpec:
    return ArraySpec(name=name, shape=shape, dtype="uint8", low=0, high=high, meaning=meaning)


def observe(variant: Variant, state: State) -> Arrays:
    """The named arrays of a state."""
    channels = channels_of(variant)
    size = variant.view[0] * variant.view[1] * channels.total
    tiles = state.symbols[:size].reshape(*variant.view, channels.total) > 0
    ends = np.cumsum([channels.blocks, channels.items, channels.creatures])
    found: Arrays = {"tiles": tiles[..., : ends[0]].argmax(-1).astype(np.uint8)}
    if channels.items:
        found["items"] = tiles[..., ends[0] : ends[1]].argmax(-1).astype(np.uint8)
    found["creatures"] = np.packbits(tiles[..., ends[1] : ends[2]], axis=-1)
    if channels.light:
        found["light"] = tiles[..., -1].astype(np.uint8)
    found["numbers"] = state.symbols[size:].astype(np.float32)
    return found


def symbols_of(variant: Variant, arrays: Arrays) -> NDArray[np.float32]:
    """The symbolic observation that `observe` was given; float32[observation]."""
    channels = channels_of(variant)
    lit = arrays["light"][..., None] > 0 if channels.light else np.ones((*variant.view, 1), np.bool_)
    parts = [np.eye(channels.blocks, dtype=np.bool_)[arrays["tiles"].astype(np.int64)] & lit]
    if channels.items:
        parts.append(np.eye(channels.items, dtype=np.bool_)[arrays["items"].astype(np.int64)] & lit)
    parts.append(np.unpackbits(arrays["creatures"].astype(np.uint8), axis=-1, count=channels.creatures) > 0)
    if channels.light:
        parts.append(lit)
    tiles = np.concatenate(parts, axis=-1).astype(np.float32)
    return np.concatenate([tiles.reshape(-1), arrays["numbers"].astype(np.float32)])
