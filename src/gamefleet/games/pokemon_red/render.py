"""Pictures from observations.

Job: show what a recorded observation holds, without an emulator. Place in the data flow: viewers and notebooks that
read experience. Left out: live pictures in full resolution, which the game's `frame` returns.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.base import Observation
from gamefleet.games.pokemon_red.observe import unpack_screen
from gamefleet.games.pokemon_red.places import WINDOW_COLUMNS, WINDOW_ROWS

# The four greys of the emulator, by level.
_GREYS = np.array([0x00, 0x55, 0x99, 0xFF], np.uint8)


def picture_of(obs: Observation, *, show_visited: bool = False) -> NDArray[np.uint8]:
    """What the agent saw, in the Game Boy's resolution.

    Args:
        obs: One observation.
        show_visited: Tint the tiles that the episode has visited.

    Returns:
        uint8 `[144, 160, 3]`, RGB; each pixel stands four times, because the observation holds every second one.
    """
    grey = _GREYS[unpack_screen(obs["screen"])]
    picture = np.repeat(np.repeat(grey, 2, axis=0), 2, axis=1)[..., None].repeat(3, axis=2)
    if show_visited:
        tiles = np.unpackbits(obs["visited"])[: WINDOW_ROWS * WINDOW_COLUMNS].reshape(WINDOW_ROWS, WINDOW_COLUMNS)
        mask = np.kron(tiles, np.ones((16, 16), np.uint8)).astype(bool)
        picture[mask, 2] //= 2
    return picture
