"""What a battle pays, and how far it is.

Job: (row before, row after) to named terms; milestones, progress and cells from one row. Place in the data flow: `game`
writes them into a step. Left out: the state.

Rows are those of `layout`: what a spectator sees.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.showdown import layout as at
from gamefleet.games.showdown.config import ShowdownConfig

TERMS: Final = ("win", "faints", "hp")
MILESTONES: Final = (*(f"fainted_{count}" for count in range(1, at.TEAM_SIZE + 1)), "won")
"""Opposing Pokémon that fainted, and the battle."""

Row = NDArray[np.int16]

_CELL_HP_STEPS: Final = 4


def terms_of(config: ShowdownConfig, before: Row, after: Row, side: int, result: int) -> NDArray[np.float32]:
    """The terms of one decision.

    Args:
        config: Weights.
        before: int16 `[WIDTH]`.
        after: The row of the next decision, or of the end.
        side: Whose reward.
        result: 1 this side has won by it, -1 lost, 0 neither.

    Returns:
        float32 `[term]`, in the order of `TERMS`.
    """
    faints = _change(before, after, side, num_fainted)
    lost_hp = -_change(before, after, side, total_hp) / 1000
    pays = (config.win_reward * result, config.faint_reward * faints, config.hp_reward * lost_hp)
    return np.array(pays, np.float32)


def _change(before: Row, after: Row, side: int, count: Any) -> float:
    """By how much more something grew for the other side than for this one."""
    theirs, own = at.other(side), side
    return float(count(after, theirs) - count(before, theirs) - count(after, own) + count(before, own))


def num_fainted(row: Row, side: int) -> int:
    """Pokémon of a side that cannot fight any more."""
    return int(row[at.side_at(side) + at.NUM_FAINTED])


def total_hp(row: Row, side: int) -> int:
    """HP of a side's team in permille of one Pokémon; those that were not shown yet are whole."""
    seen = 0
    for slot in range(at.TEAM_SIZE):
        block = at.mon_at(side, slot)
        seen += int(row[block + at.HP_PERMILLE]) if row[block + at.SPECIES] else 1000
    return seen


def milestones_of(row: Row, side: int, result: int) -> NDArray[np.bool_]:
    """Which of `MILESTONES` are reached, bool `[milestone]`."""
    fainted = num_fainted(row, at.other(side))
    return np.array([*(fainted >= count for count in range(1, at.TEAM_SIZE + 1)), result > 0], np.bool_)


def progress_of(row: Row, side: int, result: int) -> float:
    """Opposing Pokémon that fainted, and 1 for the battle."""
    return float(num_fainted(row, at.other(side)) + (result > 0))


def cell_of(row: Row) -> int:
    """Which situations are alike: the same two Pokémon on the field with about the same HP, and as many left."""
    cell = 0
    for side in range(at.NUM_SIDES):
        active = int(row[at.side_at(side) + at.ACTIVE])
        block = at.mon_at(side, max(active, 0))
        hp = -(-int(row[block + at.HP_PERMILLE]) * _CELL_HP_STEPS // 1000)
        for number, size in ((int(row[block + at.SPECIES]), 1 << 16), (hp, 8), (num_fainted(row, side), 8)):
            cell = cell * size + number
    return cell


def reward_json(config: ShowdownConfig) -> dict[str, Any]:
    """What enters the compatibility hash."""
    return {"win": config.win_reward, "faints": config.faint_reward, "hp": config.hp_reward}
