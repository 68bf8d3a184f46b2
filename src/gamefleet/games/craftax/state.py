"""What is known of one moment of a game, in NumPy.

Job: the typed state that rewards, cells and pictures read. Place in the data flow: `game` makes one after every step
from what the compiled world says. Left out: the world's whole state, which nobody here looks into.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One moment.

    Args:
        symbols: float32[observation], the symbolic observation of the package.
        achievements: bool[achievements].
        health: Points of health.
        position: Row and column.
        level: Floor; 0 in Craftax-Classic.
        is_dead: Whether the game is over.
    """

    symbols: NDArray[np.float32]
    achievements: NDArray[np.bool_]
    health: float
    position: tuple[int, int]
    level: int
    is_dead: bool
