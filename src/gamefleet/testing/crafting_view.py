"""What skills and networks see of the toy crafting game.

Job: worlds -> named features (for expressions) and observations (for the learner). Place in the data flow:
`crafting_state` -> here -> `crafting` and `crafting_trainer`. Left out: dynamics and learning.

Axes: worlds, features, inputs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gamefleet.skills.world import Feature
from gamefleet.testing.crafting_state import (
    CAPACITY,
    COAL,
    FACT_NAMES,
    FULL,
    FURNACE,
    IRON,
    ITEMS,
    STONE,
    TABLE,
    TREE,
    WATER,
    Worlds,
    around,
    near_kinds,
)

TILES = {"near_tree": TREE, "near_stone": STONE, "near_coal": COAL, "near_iron": IRON, "near_water": WATER}
THINGS = {"near_table": TABLE, "near_furnace": FURNACE}

MOST_COUNTED = 4
"""Observations tell amounts up to this apart."""

NUM_INPUTS = (len(TILES) + len(THINGS)) * 4 + len(ITEMS) * MOST_COUNTED + 1


def make_features() -> tuple[Feature, ...]:
    """The features of a state, in the order of `features_of`."""
    carried = [Feature(name=item, low=0, high=CAPACITY, meaning=f"how many of {item} are carried") for item in ITEMS]
    flags = [
        Feature(name=name, low=0, high=1, meaning=f"whether a {name[5:]} is here or beside", is_bit=True)
        for name in (*TILES, *THINGS)
    ]
    vitals = [
        Feature(name="health", low=0, high=FULL, meaning="falls when drink is 0; 0 is death"),
        Feature(name="drink", low=0, high=FULL, meaning="falls by 1 every 20 steps"),
    ]
    bits = [
        Feature(name=f"did_{name.lower()}", low=0, high=1, meaning=f"whether {name} was achieved before", is_bit=True)
        for name in FACT_NAMES
    ]
    return (*carried, *flags, *vitals, *bits)


def features_of(worlds: Worlds) -> NDArray[np.float32]:
    """float32[worlds, features], in the order of `make_features`."""
    tiles = near_kinds(worlds, worlds.tiles, tuple(TILES.values()))
    things = near_kinds(worlds, worlds.things, tuple(THINGS.values()))
    vitals = [worlds.health[:, None], worlds.drink[:, None]]
    return np.concatenate([worlds.items, tiles, things, *vitals, worlds.done], axis=1, dtype=np.float32)


def observe(worlds: Worlds) -> NDArray[np.float32]:
    """float32[worlds, inputs]: where each kind of place is, and how much is carried, as ones and zeros."""
    amounts = worlds.items[:, :, None] > np.arange(MOST_COUNTED)
    parts = [
        _directions(around(worlds, worlds.tiles), tuple(TILES.values())),
        _directions(around(worlds, worlds.things), tuple(THINGS.values())),
        amounts.reshape(len(worlds), -1),
        np.ones((len(worlds), 1), np.bool_),
    ]
    return np.concatenate(parts, axis=1, dtype=np.float32)


def _directions(ring: NDArray[np.int8], kinds: tuple[int, ...]) -> NDArray[np.bool_]:
    """bool[worlds, kinds x 4]: each kind is here, nearest to the right, nearest to the left, nowhere."""
    is_there = ring[:, None, :] == np.asarray(kinds)[:, None]
    is_here, exists = is_there[..., 0], is_there.any(axis=-1)
    # Walking right meets places 1, 2, ...; walking left meets the last one first.
    is_right_nearer = is_there[..., 1:].argmax(axis=-1) <= is_there[..., :0:-1].argmax(axis=-1)
    goes_right = exists & ~is_here & is_right_nearer
    found = np.stack([is_here, goes_right, exists & ~is_here & ~goes_right, ~exists], axis=-1)
    return found.reshape(len(ring), -1)
