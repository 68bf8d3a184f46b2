"""What the dashboard's map needs to know of the game: its areas, their sizes, and where they lie.

Job: lay out the commercial game's areas by the table of its maps, and those of the cartridge by the doors between them.
Place in the data flow: `PACKAGE.panels` -> the dashboard -> `panel.js` in the browser. Left out: where players went
(the run's visits) and drawing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from gamefleet.games.pokemon_red.cartridge.world import load_world
from gamefleet.games.pokemon_red.cartridge.world_types import MapData, Warp, World
from gamefleet.games.pokemon_red.config import PokemonRedConfig
from gamefleet.games.pokemon_red.tables import maps

GAP_TILES = 3
"""Between areas that are not joined."""

_OUTDOORS = 0
"""The tileset of the cartridge's open air."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """One map of the game on the map of them all.

    Args:
        id: The map's number, as in `Placed.spot`.
        name: For people.
        width: Columns of tiles.
        height: Rows of tiles.
        x: Column of its left edge.
        y: Row of its upper edge.
        walls: One string per row, `#` where nobody can walk; empty where that is not known.
    """

    id: int
    name: str
    width: int
    height: int
    x: int = 0
    y: int = 0
    walls: tuple[str, ...] = ()

    def at(self, x: int, y: int) -> Area:
        """The same area elsewhere."""
        return Area(id=self.id, name=self.name, width=self.width, height=self.height, x=x, y=y, walls=self.walls)


def map_data(config: PokemonRedConfig) -> dict[str, Any]:
    """The areas as JSON values: the cartridge's, or with a ROM those of the commercial game.

    Args:
        config: Settings of the run; only `rom` matters.
    """
    areas = commercial_areas() if config.rom else cartridge_areas()
    return {"areas": [asdict(area) for area in areas]}


@cache
def commercial_areas() -> tuple[Area, ...]:
    """Outdoor areas as the game joins them, all others in rows to their right."""
    outdoors, indoors = [], []
    for row in maps().values():
        if not row.width_steps or not row.height_steps:
            continue  # numbers that the game does not use
        area = Area(id=row.number, name=_title(row.name), width=row.width_steps, height=row.height_steps)
        if row.global_x is None or row.global_y is None:
            indoors.append(area)
        else:
            outdoors.append(area.at(row.global_x, row.global_y))
    return (*outdoors, *beside(outdoors, indoors))


@cache
def cartridge_areas() -> tuple[Area, ...]:
    """The cartridge's outdoor areas joined at the edges that lead to each other, all others close to their doors."""
    world = load_world()
    open_air = [number for number, data in world.maps.items() if data.tileset == _OUTDOORS]
    outdoors: list[Area] = []
    for number in open_air:
        if number not in {area.id for area in outdoors}:
            outdoors += right_of(outdoors, joined(world, number))
    placed = list(outdoors)
    for number, data in world.maps.items():
        if number not in open_air:
            placed.append(near(placed, _area(data), _door(world, outdoors, number)))
    return tuple(placed)


def joined(world: World, start: int) -> list[Area]:
    """All open-air areas that can be walked to from one without going through a door, with that one at the origin."""
    placed = {start: _area(world.maps[start])}
    todo = [start]
    while todo:
        here = placed[todo.pop()]
        data = world.maps[here.id]
        for warp in data.warps:
            target = world.maps[warp.to]
            if warp.to in placed or target.tileset != _OUTDOORS or (step := _edge(warp, data)) is None:
                continue
            placed[warp.to] = _area(target).at(*_beyond(here, warp, step, target))
            todo.append(warp.to)
    return list(placed.values())


def _edge(warp: Warp, data: MapData) -> tuple[int, int] | None:
    """The direction in which a warp at the edge of its map leads out, or None for a door inside the map."""
    column, row = warp.at
    if row in (0, data.height - 1):
        return (0, -1 if row == 0 else 1)
    if column in (0, data.width - 1):
        return (-1 if column == 0 else 1, 0)
    return None


def _beyond(here: Area, warp: Warp, step: tuple[int, int], target: MapData) -> tuple[int, int]:
    """Where the target lies, so that it touches `here` and the way goes on straight."""
    (column, row), (to_column, to_row) = warp.at, warp.arrive
    if step[0]:
        return here.x + (here.width if step[0] > 0 else -target.width), here.y + row - to_row
    return here.x + column - to_column, here.y + (here.height if step[1] > 0 else -target.height)


def right_of(placed: Sequence[Area], group: Sequence[Area]) -> list[Area]:
    """A group of areas moved to the right of what is placed, with its upper edge level with theirs."""
    if not placed:
        return list(group)
    right = max(area.x + area.width for area in placed) + GAP_TILES - min(area.x for area in group)
    down = min(area.y for area in placed) - min(area.y for area in group)
    return [area.at(area.x + right, area.y + down) for area in group]


def beside(outdoors: Sequence[Area], indoors: Iterable[Area]) -> list[Area]:
    """Indoor areas in columns to the right of the outdoor ones, each column about as high as those are."""
    left = max(area.x + area.width for area in outdoors) + 2 * GAP_TILES
    top = min(area.y for area in outdoors)
    bottom = max(area.y + area.height for area in outdoors)
    placed: list[Area] = []
    y, width = top, 0
    for area in indoors:
        if y > top and y + area.height > bottom:
            left, y, width = left + width + GAP_TILES, top, 0
        placed.append(area.at(left, y))
        y += area.height + GAP_TILES
        width = max(width, area.width)
    return placed


def near(placed: Sequence[Area], area: Area, point: tuple[int, int]) -> Area:
    """An area in the free place beside others that is nearest to a point."""
    width, height = area.width + GAP_TILES, area.height + GAP_TILES
    columns = {x for one in placed for x in (one.x - width, one.x, one.x + one.width + GAP_TILES)}
    rows = {y for one in placed for y in (one.y - height, one.y, one.y + one.height + GAP_TILES)}

    def distance(place: tuple[int, int]) -> tuple[float, int, int]:
        across = place[0] + area.width / 2 - point[0]
        down = place[1] + area.height / 2 - point[1]
        return across * across + down * down, *place

    places = sorted(((x, y) for x in columns for y in rows), key=distance)
    return next(area.at(x, y) for x, y in places if _is_free(placed, area.at(x, y)))


def _is_free(placed: Sequence[Area], area: Area) -> bool:
    return not any(
        area.x < one.x + one.width + GAP_TILES
        and one.x < area.x + area.width + GAP_TILES
        and area.y < one.y + one.height + GAP_TILES
        and one.y < area.y + area.height + GAP_TILES
        for one in placed
    )


def _door(world: World, outdoors: Sequence[Area], number: int) -> tuple[int, int]:
    """Where one enters an indoor area from outdoors; the origin where there is no such door."""
    doors = [
        (area.x + warp.at[0], area.y + warp.at[1])
        for area in outdoors
        for warp in world.maps[area.id].warps
        if warp.to == number
    ]
    return doors[0] if doors else (0, 0)


def _area(data: MapData) -> Area:
    walls = tuple(
        "".join("#" if data.kind((x, y)).solid else "." for x in range(data.width)) for y in range(data.height)
    )
    return Area(id=data.id, name=_title(data.key), width=data.width, height=data.height, walls=walls)


def _title(name: str) -> str:
    """`PALLET_TOWN` as `Pallet Town`; floors keep their capitals."""
    return " ".join(word if any(map(str.isdigit, word)) else word.capitalize() for word in name.split("_"))
