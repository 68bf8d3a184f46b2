"""Shortest paths over all maps of the cartridge at once, through doors and over map edges.

Job: breadth-first search on the same world data that the cartridge was built from. Place in the data flow:
`scripted.Solver` asks it for a way whenever its goal or the world's flags have changed. Left out: choosing goals.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from .cartridge.world_types import FACINGS, MapData, Person, Position, World
from .scripted_memory import COLUMNS, FACING, TILE_MAP, Memory, Place

STEPS: Mapping[str, Position] = {"down": (0, 1), "up": (0, -1), "left": (-1, 0), "right": (1, 0)}
SHEARS = 1504
"""Event index of the shears, with which a bush can be passed."""


class Pathfinder:
    """Finds ways around people, things and, without shears, bushes.

    Args:
        memory: What the solver sees; flags say who stands where.
        world: The maps.
    """

    def __init__(self, memory: Memory, world: World) -> None:
        self._memory = memory
        self._maps = world.maps

    def bush_ahead(self, place: Place, button: str) -> bool:
        """Whether the player already looks at a bush on the way; the engine's own cells say if it still stands."""
        map_id, (column, row) = place
        target = (column + STEPS[button][0], row + STEPS[button][1])
        data = self._maps[map_id]
        if data.kind(target).name != "bush" or self._memory.byte(FACING) != FACINGS[button]:
            return False
        tile = self._memory.byte(TILE_MAP + (8 + 2 * STEPS[button][1]) * COLUMNS + 8 + 2 * STEPS[button][0])
        return tile != self._memory.byte(TILE_MAP + 8 * COLUMNS + 8)

    def find_path(self, start: Place, goals: set[Place]) -> dict[Place, str]:
        """Shortest path over all maps.

        Args:
            start: Where the player stands.
            goals: Places of which the nearest is wanted; the start does not count.

        Returns:
            The button to press on every place of the path; empty when there is none.
        """
        came: dict[Place, tuple[Place, str]] = {}
        blocked = {map_id: self._blocked(data) for map_id, data in self._maps.items()}
        queue = deque([start])
        seen = {start}
        while queue:
            place = queue.popleft()
            if place in goals and place != start:
                return self._buttons(came, start, place)
            for button in STEPS:
                target = self._after(place, button, blocked)
                if target is not None and target not in seen:
                    seen.add(target)
                    came[target] = (place, button)
                    queue.append(target)
        return {}

    def _buttons(self, came: Mapping[Place, tuple[Place, str]], start: Place, goal: Place) -> dict[Place, str]:
        path = {}
        place = goal
        while place != start:
            place, button = came[place]
            path[place] = button
        return path

    def _after(self, place: Place, button: str, blocked: Mapping[int, set[Position]]) -> Place | None:
        """Where a step leads, through warps; None when something is in the way."""
        map_id, (column, row) = place
        data = self._maps[map_id]
        target = (column + STEPS[button][0], row + STEPS[button][1])
        if not (0 <= target[0] < data.width and 0 <= target[1] < data.height) or target in blocked[map_id]:
            return None
        kind = data.kind(target)
        if kind.solid and not (kind.name == "bush" and self._memory.event(SHEARS)):
            return None
        for warp in data.warps:
            if warp.at == target:
                return warp.to, warp.arrive
        return map_id, target

    def _blocked(self, data: MapData) -> set[Position]:
        return {person.at for person in data.people if self._present(person)}

    def _present(self, person: Person) -> bool:
        if person.shows is not None:
            return self._memory.flag(person.shows)
        return person.hides is None or not self._memory.flag(person.hides)
