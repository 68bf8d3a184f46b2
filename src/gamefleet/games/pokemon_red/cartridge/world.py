"""The cartridge's world as typed data: maps, people, trainers, creatures, moves, items and texts.

Job: read the TOML files of `world/` and check that they hang together (every warp lands on a free cell, every name is
known, every map fits into the engine's buffer). Place in the data flow: `tables.py` compiles the result into C tables,
and the scripted solver plans its paths on the same maps. Left out: graphics (`assets.py`) and what the scripts do
(`src/story.c`).

All coordinates are (column, row) in cells of 16 pixels, counted from a map's upper left corner.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from gamefleet.errors import ConfigError

Position = tuple[int, int]

MAP_BUFFER = 1300
"""Bytes that the engine reserves for a map's cells and the border around them."""

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


def _position(values: list[int]) -> Position:
    column, row = values
    return column, row


def _person(entry: Mapping[str, Any]) -> Person:
    hides = entry.get("hides")
    flag = EVENT_FLAGS + int(hides) if hides is not None else None
    if "taken" in entry:
        flag = OBJECT_FLAGS + int(entry["taken"])
    return Person(
        at=_position(entry["at"]),
        look=entry.get("look", ""),
        facing=entry.get("facing", "down"),
        script=entry.get("script", "TALK"),
        argument=entry.get("argument", ""),
        text=entry.get("text", ""),
        shows=EVENT_FLAGS + int(entry["shows"]) if "shows" in entry else None,
        hides=flag,
    )


def _map(document: Mapping[str, Any], layouts: Mapping[int, tuple[str, ...]]) -> MapData:
    shares = document.get("layout", document["id"])
    wild = document.get("wild", {})
    return MapData(
        id=document["id"],
        key=document["key"],
        tileset=document["tileset"],
        border=document["border"],
        rows=layouts[shares],
        shares=shares,
        warps=tuple(Warp(_position(w["at"]), w["to"], _position(w["arrive"])) for w in document["warps"]),
        people=tuple(_person(entry) for entry in [*document.get("people", []), *document.get("signs", [])]),
        triggers=tuple(Trigger(_position(t["at"]), t["script"]) for t in document.get("triggers", [])),
        wild_rate=wild.get("rate", 0),
        wild=tuple((level, species) for level, species in wild.get("creatures", [])),
        arrival=_position(document["arrival"]) if "arrival" in document else None,
    )


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((resources.files(__package__) / "world" / name).read_text(encoding="utf-8"))


def _read_maps() -> dict[int, MapData]:
    folder = resources.files(__package__) / "world" / "maps"
    files = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".toml")), key=lambda entry: entry.name)
    documents = [tomllib.loads(entry.read_text(encoding="utf-8")) for entry in files]
    layouts = {d["id"]: tuple(d["cells"].strip("\n").splitlines()) for d in documents if "cells" in d}
    return {document["id"]: _map(document, layouts) for document in documents}


def _read_species(types: Mapping[str, int]) -> tuple[Species, ...]:
    return tuple(
        Species(
            key=entry["key"],
            types=(types[entry["types"][0]], types[entry["types"][-1]]),
            base=tuple(entry["base"]),
            catch_rate=entry["catch_rate"],
            experience_yield=entry["yield"],
            learnset=tuple((level, move) for level, move in entry["learnset"]),
        )
        for entry in _read("creatures.toml")["species"]
    )


def _read_trainers() -> tuple[Trainer, ...]:
    return tuple(
        Trainer(
            key=entry["key"],
            name=entry["name"],
            trainer_class=entry["class"],
            team=tuple((species, level) for species, level in entry["team"]),
            prize=entry["prize"],
            flag=EVENT_FLAGS + entry["flag"],
            sight=entry.get("sight", 0),
            before=entry["before"],
            defeat=entry["defeat"],
        )
        for entry in _read("trainers.toml")["trainer"]
    )


@cache
def load_world() -> World:
    """Read and check the whole world.

    Returns:
        The world, read once per process.

    Raises:
        ConfigError: When a map, a warp or a name does not fit the rest; the message names the map.
    """
    move_file, item_file = _read("moves.toml"), _read("items.toml")
    types = move_file["types"]
    halves = {"strong": 4, "weak": 1}
    world = World(
        maps=_read_maps(),
        species=_read_species(types),
        moves=tuple(
            Move(m["key"], types[m["type"]], m["power"], m["accuracy"], m["pp"], m.get("effect", "none"))
            for m in move_file["move"]
        ),
        type_chart=tuple((types[a], types[d], halves[effect]) for a, d, effect in move_file["chart"]),
        items=tuple(
            Item(i["key"], i["id"], i["name"], i["price"], i["kind"], i.get("amount", 0)) for i in item_file["item"]
        ),
        shop=tuple(item_file["shop"]),
        trainers=_read_trainers(),
        texts={key: (text,) if isinstance(text, str) else tuple(text) for key, text in _read("texts.toml").items()},
    )
    for map_data in world.maps.values():
        _check_map(map_data, world)
    return world


def _check_map(map_data: MapData, world: World) -> None:
    where = f"map {map_data.id} {map_data.key}"
    if any(len(row) != map_data.width for row in map_data.rows):
        raise ConfigError("Rows of a map differ in length", value=[len(r) for r in map_data.rows], where=where)
    if map_data.width % 2 or map_data.height % 2:
        raise ConfigError("A map's sides must be even", value=(map_data.width, map_data.height), where=where)
    if (map_data.width + 9) * (map_data.height + 8) > MAP_BUFFER:
        raise ConfigError("A map does not fit the engine's buffer", value=map_data.key, where=where)
    unknown = set("".join(map_data.rows)) - set(KIND_OF)
    if unknown:
        raise ConfigError("A map uses unknown cells", value=sorted(unknown), where=where)
    if len(map_data.people) > 15:
        raise ConfigError("A map has more than 15 people and signs", value=len(map_data.people), where=where)
    if map_data.wild and len(map_data.wild) != 10:
        raise ConfigError("A map needs ten wild creatures", value=len(map_data.wild), where=where)
    for warp in map_data.warps:
        _check_warp(warp, map_data, world, where)


def _check_warp(warp: Warp, map_data: MapData, world: World, where: str) -> None:
    target = world.maps.get(warp.to)
    if target is None:
        raise ConfigError("A warp leads to a map that does not exist", value=warp.to, where=where)
    if map_data.kind(warp.at).solid or target.kind(warp.arrive).solid:
        raise ConfigError("A warp starts or ends on a solid cell", value=warp, where=where)
    if warp.arrive in {other.at for other in target.warps}:
        raise ConfigError("A warp ends on another warp", value=warp, where=where)
