"""The shapes of the cartridge's world: cells, maps, people, creatures, moves, items, trainers.

Job: say what there is. Place in the data flow: `world.py` fills these shapes from the TOML files; `tables.py` and the
scripted solver read them. Left out: reading and checking the files.

All coordinates are (column, row) in cells of 16 pixels, counted from a map's upper left corner.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Position = tuple[int, int]

OBJECT_FLAGS = 0
"""Number of the first object flag, which records a thing taken from the ground (bit 0 of 0xD5A6)."""

EVENT_FLAGS = 3336
"""Number of event flag 0 (bit 0 of 0xD747), counted in bits from 0xD5A6."""

FACINGS: Mapping[str, int] = {"down": 0, "up": 4, "left": 8, "right": 12}
"""Directions a person can look in, with the values of the facing byte."""


@dataclass(frozen=True)
class CellKind:
    """One kind of cell: its letter in the maps and what the player can do with it.

    Args:
        letter: How the maps write it.
        name: Its drawing in `art/cells.txt`.
        solid: Whether it blocks walking.
        wild: Whether wild creatures appear on it.
        counter: Whether people can be spoken to across it.
    """

    letter: str
    name: str
    solid: bool = True
    wild: bool = False
    counter: bool = False

    @property
    def attributes(self) -> int:
        """The attribute byte of the engine."""
        return self.solid | self.wild << 1 | self.counter << 2


def _walkable(letter: str, name: str, *, wild: bool = False) -> CellKind:
    return CellKind(letter, name, solid=False, wild=wild)


CELL_KINDS: tuple[CellKind, ...] = (
    _walkable(".", "lawn"),
    _walkable(",", "flowers"),
    _walkable('"', "tall_grass", wild=True),
    _walkable("-", "path"),
    CellKind("T", "tree"),
    CellKind("t", "bush"),
    CellKind("~", "water"),
    CellKind("f", "fence"),
    CellKind("S", "sign"),
    CellKind("R", "roof"),
    CellKind("H", "wall"),
    CellKind("W", "window"),
    _walkable("D", "door"),
    CellKind("+", "heal_wall"),
    CellKind("$", "shop_wall"),
    CellKind("*", "gym_wall"),
    CellKind("^", "rock"),
    _walkable("E", "cave_mouth"),
    _walkable(":", "floor"),
    CellKind("#", "inner_wall"),
    _walkable("_", "mat"),
    CellKind("=", "table"),
    CellKind("B", "shelf"),
    CellKind("b", "bed"),
    CellKind("c", "counter", counter=True),
    CellKind("v", "machine"),
    CellKind("p", "plant"),
    _walkable("r", "rug"),
    CellKind("s", "statue"),
    _walkable(";", "cave_floor", wild=True),
    CellKind("x", "void"),
)
"""Every kind of cell; the place in this tuple is the cell's number in the cartridge."""

KIND_OF: Mapping[str, CellKind] = {kind.letter: kind for kind in CELL_KINDS}


@dataclass(frozen=True)
class Warp:
    """A cell that leads to another map: its place, the map's id, and where the player appears there."""

    at: Position
    to: int
    arrive: Position


@dataclass(frozen=True)
class Person:
    """Someone (or something) that stands on a map and can be spoken to.

    Args:
        at: The cell.
        look: Name of a look in `art/looks.toml`; empty for signs.
        facing: Direction the person looks in.
        script: Name of a script of `src/story.c`.
        argument: Trainer, item or species key that the script needs; empty for none.
        text: What it says; for trainers, what they say when beaten.
        shows: Flag number that must be set for the person to be there, or None.
        hides: Flag number that must not be set, or None.
    """

    at: Position
    look: str
    facing: str
    script: str
    argument: str
    text: str
    shows: int | None
    hides: int | None


@dataclass(frozen=True)
class Trigger:
    """A cell that starts a script when the player steps on it."""

    at: Position
    script: str


@dataclass(frozen=True)
class MapData:
    """One map.

    Args:
        id: The map's number in the commercial game's table.
        key: Its name in the sources.
        tileset: Tileset number that the commercial game's table gives to this map.
        border: Letter of the cell that surrounds the map.
        rows: The cells, one string of letters per row.
        shares: Id of the map whose cells these are, or the own id.
        warps: Cells that lead elsewhere.
        people: People, things and signs.
        triggers: Cells that start scripts.
        wild_rate: Chance of an encounter per step on a wild cell, of 256.
        wild: Ten (level, species key) pairs, all equally likely.
        arrival: Where a blackout ends, for towns; else None.
    """

    id: int
    key: str
    tileset: int
    border: str
    rows: tuple[str, ...]
    shares: int
    warps: tuple[Warp, ...]
    people: tuple[Person, ...]
    triggers: tuple[Trigger, ...]
    wild_rate: int
    wild: tuple[tuple[int, str], ...]
    arrival: Position | None

    @property
    def width(self) -> int:
        """Columns of cells."""
        return len(self.rows[0])

    @property
    def height(self) -> int:
        """Rows of cells."""
        return len(self.rows)

    def kind(self, at: Position) -> CellKind:
        """The kind of a cell; cells outside the map are of the border's kind."""
        column, row = at
        inside = 0 <= row < self.height and 0 <= column < self.width
        return KIND_OF[self.rows[row][column] if inside else self.border]


@dataclass(frozen=True)
class Move:
    """A move: name, type number, power (0: effect only), accuracy of 255, uses, and the name of its effect."""

    key: str
    type: int
    power: int
    accuracy: int
    pp: int
    effect: str


@dataclass(frozen=True)
class Species:
    """A kind of creature: name, one or two type numbers, base values, and the (level, move key) pairs it learns."""

    key: str
    types: tuple[int, int]
    base: tuple[int, ...]
    catch_rate: int
    experience_yield: int
    learnset: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Item:
    """An item: key, number in the bag, shown name, price in coins, kind, and what the kind needs to know."""

    key: str
    id: int
    name: str
    price: int
    kind: str
    amount: int


@dataclass(frozen=True)
class Trainer:
    """A trainer: shown name, class number, (species key, level) team, prize, event index, sight and texts."""

    key: str
    name: str
    trainer_class: int
    team: tuple[tuple[str, int], ...]
    prize: int
    flag: int
    sight: int
    before: str
    defeat: str


@dataclass(frozen=True)
class World:
    """Everything the cartridge's tables are made of."""

    maps: Mapping[int, MapData]
    species: tuple[Species, ...]
    moves: tuple[Move, ...]
    type_chart: tuple[tuple[int, int, int], ...]
    items: tuple[Item, ...]
    shop: tuple[str, ...]
    trainers: tuple[Trainer, ...]
    texts: Mapping[str, tuple[str, ...]]
