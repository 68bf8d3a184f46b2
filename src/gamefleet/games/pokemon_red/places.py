"""Where the player has been in this episode.

Job: the set of visited tiles, per map. Place in the data flow: `game` notes each step's tile here; `reward` asks what
was new, `observe` for the part that the screen shows. Left out: states of earlier episodes, which curricula keep.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.pokemon_red.state import State

# The screen shows 9 rows and 10 columns of 16-pixel tiles; the player always stands in row 4, column 4.
WINDOW_ROWS, WINDOW_COLUMNS = 9, 10
_BEHIND = 4
# A map's grid has a border, so that the window never needs clipping.
_EDGE = 256 + WINDOW_COLUMNS


class Places:
    """Visited tiles of one episode: a grid of 71 kB for each map entered, because a window must be cheap to cut out."""

    def __init__(self) -> None:
        self._grids: dict[int, NDArray[np.uint8]] = {}
        self._num_tiles: dict[int, int] = {}

    @property
    def num_maps(self) -> int:
        """How many maps were entered."""
        return len(self._grids)

    def num_tiles(self, map_id: int) -> int:
        """How many different tiles of one map were visited."""
        return self._num_tiles.get(map_id, 0)

    def visit(self, state: State) -> bool:
        """Note where the player is.

        Args:
            state: The present moment.

        Returns:
            True if the tile is new in this episode.
        """
        grid = self._grids.get(state.map_id)
        if grid is None:
            grid = self._grids[state.map_id] = np.zeros((_EDGE, _EDGE), np.uint8)
            self._num_tiles[state.map_id] = 0
        y, x = state.y + _BEHIND, state.x + _BEHIND
        if grid[y, x]:
            return False
        grid[y, x] = 1
        self._num_tiles[state.map_id] += 1
        return True

    def window(self, state: State) -> NDArray[np.uint8]:
        """The visited tiles that the screen shows.

        Args:
            state: The present moment; its map must have been visited.

        Returns:
            uint8 `[9, 10]`, 1 where the player has been; a view.
        """
        return self._grids[state.map_id][state.y : state.y + WINDOW_ROWS, state.x : state.x + WINDOW_COLUMNS]

    def export_state(self) -> dict[str, list[int]]:
        """Per map number the visited tiles as `256 * y + x`, ascending."""
        exported = {}
        for map_id, grid in self._grids.items():
            y, x = np.nonzero(grid)
            exported[str(map_id)] = ((y - _BEHIND) * 256 + x - _BEHIND).tolist()
        return exported

    def import_state(self, state: dict[str, list[int]]) -> None:
        """Forget everything and take what `export_state` returned."""
        self._grids = {}
        self._num_tiles = {}
        for map_id, tiles in state.items():
            grid = np.zeros((_EDGE, _EDGE), np.uint8)
            for tile in tiles:
                grid[tile // 256 + _BEHIND, tile % 256 + _BEHIND] = 1
            self._grids[int(map_id)] = grid
            self._num_tiles[int(map_id)] = len(tiles)
