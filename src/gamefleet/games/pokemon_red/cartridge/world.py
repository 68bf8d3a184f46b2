"""Reads the cartridge's world from the TOML files of `world/` and checks that it hangs together.

Job: every warp lands on a free cell, every cell is known, every map fits into the engine's buffer. Place in the data
flow: `tables.py` compiles the result into C tables, and the scripted solver plans its paths on the same maps. Left out:
graphics (`assets.py`) and what the scripts do (`src/story.c`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from gamefleet.errors import ConfigError

from .world_types import (
    EVENT_FLAGS,
    KIND_OF,
    OBJECT_FLAGS,
    Item,
    MapData,
    Move,
    Person,
    Position,
    Species,
    Trainer,
    Trigger,
    Warp,
    World,
)

MAP_BUFFER = 1300
"""Bytes that the engine reserves for a map's cells and the border around them."""


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
