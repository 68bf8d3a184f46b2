"""Rewards, milestones and cells.

Job: what a step earns and how far a game is. Place in the data flow: `game` writes them into steps. Left out: rewards
of skills, which are expressions over features.

The sum of the terms with the default settings is the package's own reward.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.craftax.config import CraftaxConfig
from gamefleet.games.craftax.state import State
from gamefleet.games.craftax.variants import Variant

TERMS = ("achievements", "health")

_POINTS_FROM_22 = (
    1, 1, 1, 3, 3, 3, 3, 3, 5, 5, 5, 8, 8, 8, 3, 3, 3, 3, 5, 5, 5, 5, 8, 8, 8, 8, 8, 8, 3, 3, 3, 3, 3, 5, 5, 5, 5, 3,
    3, 3, 3, 5, 5, 5, 5,
)  # fmt: skip
"""Of the achievements that only Craftax has, in their order. Source: `ACHIEVEMENT_REWARD_MAP` of craftax 1.6.1."""

_TILES_PER_CELL = 6


def points_of(variant: Variant) -> NDArray[np.float32]:
    """float32[achievements]: what each is worth."""
    basic = [1] * 22
    return np.array(basic if variant.is_classic else [*basic, *_POINTS_FROM_22], np.float32)


def terms_of(config: CraftaxConfig, previous: State, state: State) -> NDArray[np.float32]:
    """The terms of one step, in the order of `TERMS`."""
    gained = state.achievements & ~previous.achievements
    points = float(points_of(config.variant) @ gained)
    return np.array([points, config.health_weight * (state.health - previous.health)], np.float32)


def progress_of(variant: Variant, state: State) -> float:
    """Points of everything achieved so far."""
    return float(points_of(variant) @ state.achievements)


def cell_of(state: State) -> int:
    """Which situations are alike: the floor, the region of 6 x 6 tiles, and what was achieved; 64 bits."""
    row, column = (place // _TILES_PER_CELL for place in state.position)
    text = bytes([state.level, row, column]) + np.packbits(state.achievements).tobytes()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def reward_json(config: CraftaxConfig) -> dict[str, Any]:
    """What enters the compatibility hash."""
    return {"terms": list(TERMS), "health_weight": config.health_weight, "env_name": config.env_name}
