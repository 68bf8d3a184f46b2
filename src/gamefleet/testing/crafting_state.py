"""A small crafting game: a ring of places with trees, stone, coal, iron and water, played many at a time.

Job: the dynamics of the toy world of `crafting`, vectorised over worlds. Place in the data flow: `crafting_trainer`
plays it. Left out: what skills see of it (`crafting_view`) and learning (`crafting_learner`).

Walking left and right reaches every place; `do` takes what the place holds, if the tools allow. Tables and furnaces
are put down where the player stands; things are made beside them. Drink falls by 1 every 20 steps, then health does.
What is taken grows back, so that nothing runs out.

Axes: worlds, places (of the ring), items, facts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

GRASS, TREE, STONE, COAL, IRON, WATER = range(6)
NOTHING, TABLE, FURNACE = range(3)

RING = (TREE, TREE, STONE, STONE, COAL, IRON, WATER, GRASS, GRASS, GRASS)
PLACES = len(RING)

ACTIONS = (
    "noop",
    "left",
    "right",
    "do",
    "place_table",
    "place_furnace",
    "make_wood_pickaxe",
    "make_wood_sword",
    "make_stone_pickaxe",
    "make_stone_sword",
    "make_iron_pickaxe",
)

ITEMS = (
    "wood",
    "stone",
    "coal",
    "iron",
    "wood_pickaxe",
    "wood_sword",
    "stone_pickaxe",
    "stone_sword",
    "iron_pickaxe",
)
CAPACITY = 9
FULL = 9
STEPS_PER_DRINK = 20

COLLECTED = (
    (TREE, "wood", None),
    (STONE, "stone", "wood_pickaxe"),
    (COAL, "coal", "wood_pickaxe"),
    (IRON, "iron", "stone_pickaxe"),
)
"""What a place gives, and the tool it takes."""

RECIPES: dict[str, tuple[dict[str, int], tuple[str, ...]]] = {
    "wood_pickaxe": ({"wood": 1}, ("near_table",)),
    "wood_sword": ({"wood": 1}, ("near_table",)),
    "stone_pickaxe": ({"wood": 1, "stone": 1}, ("near_table",)),
    "stone_sword": ({"wood": 1, "stone": 1}, ("near_table",)),
    "iron_pickaxe": ({"wood": 1, "stone": 1, "coal": 1, "iron": 1}, ("near_table", "near_furnace")),
}
"""What a tool is made of, and what must be near."""

BUILT = {"place_table": (TABLE, "wood", 2), "place_furnace": (FURNACE, "stone", 1)}
"""What an action puts down, of what, and how much of it."""

FACT_NAMES = (
    "Collect_Wood",
    "Collect_Stone",
    "Collect_Coal",
    "Collect_Iron",
    "Collect_Drink",
    "Place_Table",
    "Place_Furnace",
    "Make_Wood_Pickaxe",
    "Make_Wood_Sword",
    "Make_Stone_Pickaxe",
    "Make_Stone_Sword",
    "Make_Iron_Pickaxe",
)


@dataclass(slots=True, kw_only=True)
class Worlds:
    """Many worlds at once; every array's first axis is worlds.

    Args:
        tiles: int8[worlds, places] what grows there.
        things: int8[worlds, places] what was put there.
        place: int16[worlds] where the player is.
        items: int16[worlds, items] what the player carries.
        drink: int16[worlds]
        health: int16[worlds]; 0 is dead.
        age: int32[worlds] steps since the world was made.
        done: bool[worlds, facts] what was achieved.
    """

    tiles: NDArray[np.int8]
    things: NDArray[np.int8]
    place: NDArray[np.int16]
    items: NDArray[np.int16]
    drink: NDArray[np.int16]
    health: NDArray[np.int16]
    age: NDArray[np.int32]
    done: NDArray[np.bool_]

    def as_arrays(self) -> dict[str, NDArray[Any]]:
        """The worlds by the names of their parts."""
        return {name: getattr(self, name) for name in self.__slots__}

    def take(self, rows: Any) -> Worlds:
        """A copy of some of the worlds."""
        return Worlds(**{name: array[rows] for name, array in self.as_arrays().items()})

    def put(self, rows: Any, other: Worlds) -> None:
        """Replace some of the worlds by others."""
        for name, array in self.as_arrays().items():
            array[rows] = getattr(other, name)

    def __len__(self) -> int:
        return len(self.place)


def generate(rng: np.random.Generator, num: int) -> Worlds:
    """Fresh worlds: the same places in another order each."""
    tiles = rng.permuted(np.tile(np.asarray(RING, np.int8), (num, 1)), axis=1)
    return Worlds(
        tiles=tiles,
        things=np.zeros((num, PLACES), np.int8),
        place=rng.integers(0, PLACES, num).astype(np.int16),
        items=np.zeros((num, len(ITEMS)), np.int16),
        drink=np.full(num, FULL, np.int16),
        health=np.full(num, FULL, np.int16),
        age=np.zeros(num, np.int32),
        done=np.zeros((num, len(FACT_NAMES)), np.bool_),
    )


def around(worlds: Worlds, layer: NDArray[np.int8]) -> NDArray[np.int8]:
    """int8[worlds, places]: a layer from where the player stands: here first, then to the right."""
    rows = np.arange(len(worlds))[:, None]
    return np.asarray(layer[rows, (worlds.place[:, None] + np.arange(PLACES)) % PLACES])


def near_kinds(worlds: Worlds, layer: NDArray[np.int8], kinds: Sequence[int]) -> NDArray[np.bool_]:
    """bool[worlds, kinds]: whether each kind of tile or thing is where the player stands, or beside."""
    rows = np.arange(len(worlds))[:, None]
    close = layer[rows, (worlds.place[:, None] + np.asarray([-1, 0, 1])) % PLACES]
    return np.asarray((close[:, :, None] == np.asarray(kinds)).any(axis=1))


def step(worlds: Worlds, actions: NDArray[np.integer[Any]]) -> None:
    """Play one step in every world, in place.

    Args:
        worlds: Are changed.
        actions: int[worlds] indices of `ACTIONS`.
    """
    move = (actions == ACTIONS.index("right")).astype(np.int16) - (actions == ACTIONS.index("left"))
    worlds.place[:] = (worlds.place + move) % PLACES
    _collect(worlds, actions == ACTIONS.index("do"))
    for action, (thing, item, amount) in BUILT.items():
        _build(worlds, actions == ACTIONS.index(action), thing, (item, amount))
    table, furnace = near_kinds(worlds, worlds.things, (TABLE, FURNACE)).T
    near = {"near_table": table, "near_furnace": furnace}
    for tool, (parts, places) in RECIPES.items():
        wants = actions == ACTIONS.index(f"make_{tool}")
        _make(worlds, np.logical_and.reduce([wants, *(near[place] for place in places)]), tool, parts)
    _grow_older(worlds)


def _collect(worlds: Worlds, does: NDArray[np.bool_]) -> None:
    here = worlds.tiles[np.arange(len(worlds)), worlds.place]
    for tile, item, tool in COLLECTED:
        takes = does & (here == tile) & (worlds.items[:, ITEMS.index(item)] < CAPACITY)
        if tool is not None:
            takes &= worlds.items[:, ITEMS.index(tool)] > 0
        worlds.items[:, ITEMS.index(item)] += takes
        worlds.done[:, FACT_NAMES.index(f"Collect_{item.title()}")] |= takes
    drinks = does & (here == WATER)
    worlds.drink[drinks] = np.minimum(worlds.drink[drinks] + 1, FULL)
    worlds.done[:, FACT_NAMES.index("Collect_Drink")] |= drinks


def _build(worlds: Worlds, wants: NDArray[np.bool_], thing: int, price: tuple[str, int]) -> None:
    item, amount = price
    rows = np.arange(len(worlds))
    is_free = worlds.things[rows, worlds.place] == NOTHING
    builds = wants & is_free & (worlds.items[:, ITEMS.index(item)] >= amount)
    worlds.items[:, ITEMS.index(item)] -= (builds * amount).astype(np.int16)
    worlds.things[rows[builds], worlds.place[builds]] = thing
    worlds.done[:, FACT_NAMES.index("Place_Table" if thing == TABLE else "Place_Furnace")] |= builds


def _make(worlds: Worlds, wants: NDArray[np.bool_], tool: str, parts: dict[str, int]) -> None:
    makes = wants & (worlds.items[:, ITEMS.index(tool)] < CAPACITY)
    for item, amount in parts.items():
        makes &= worlds.items[:, ITEMS.index(item)] >= amount
    for item, amount in parts.items():
        worlds.items[:, ITEMS.index(item)] -= (makes * amount).astype(np.int16)
    worlds.items[:, ITEMS.index(tool)] += makes
    worlds.done[:, FACT_NAMES.index(f"Make_{tool.title()}")] |= makes


def _grow_older(worlds: Worlds) -> None:
    worlds.age += 1
    thirst = worlds.age % STEPS_PER_DRINK == 0
    worlds.health -= thirst & (worlds.drink == 0)
    worlds.drink[:] = np.maximum(worlds.drink - thirst, 0)
    worlds.health[:] = np.maximum(worlds.health, 0)
