"""Which numbers each column of a record may hold.

Job: refuse records whose numbers nothing could look up. Place in the data flow: `trace.unpack` asks before anybody
reads a column. Left out: whether they make sense together.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.showdown import layout as at
from gamefleet.games.showdown import tables

Limits = tuple[NDArray[np.int16], NDArray[np.int16]]
"""Least and greatest value of each column."""

_ANY: Final = (-32768, 32767)


def are_rows(rows: NDArray[np.int16]) -> bool:
    """Whether rows `[d, WIDTH]` hold ids that exist."""
    return _are_within(rows, row_limits())


def are_teams(teams: NDArray[np.int16]) -> bool:
    """Whether team tables `[side, slot, TEAM_WIDTH]` hold ids that exist."""
    return _are_within(teams, team_limits())


def _are_within(numbers: NDArray[np.int16], limits: Limits) -> bool:
    """Both limits in one comparison: less than the least is, from there modulo 65,536, more than the whole range."""
    least, greatest = limits
    return not ((numbers - least).view(np.uint16) > (greatest - least).view(np.uint16)).any()


@cache
def row_limits() -> Limits:
    """Of a row's columns, each int16 `[WIDTH]`."""
    least, greatest = np.full(at.WIDTH, _ANY[0], np.int16), np.full(at.WIDTH, _ANY[1], np.int16)
    blocks = [(at.mon_at(side, slot), _mon()) for side in range(at.NUM_SIDES) for slot in range(at.TEAM_SIZE)]
    blocks += [(at.side_at(side), _side()) for side in range(at.NUM_SIDES)]
    blocks.append((at.FIELD, _field()))
    for start, columns in blocks:
        for column, (low, high) in columns.items():
            least[start + column], greatest[start + column] = low, high
    return least, greatest


@cache
def team_limits() -> Limits:
    """Of a team table's columns, each int16 `[TEAM_WIDTH]`."""
    least, greatest = np.full(at.TEAM_WIDTH, _ANY[0], np.int16), np.full(at.TEAM_WIDTH, _ANY[1], np.int16)
    columns = {
        at.TEAM_SPECIES: len(tables.species()),
        at.TEAM_ITEM: len(tables.items()),
        at.TEAM_ABILITY: len(tables.abilities()),
        at.TEAM_TERA: len(tables.types()),
        **{at.TEAM_MOVES + move: len(tables.moves()) for move in range(at.NUM_MOVES)},
    }
    for column, count in columns.items():
        least[column], greatest[column] = 0, count - 1
    return least, greatest


def _mon() -> dict[int, tuple[int, int]]:
    counts = {
        at.SPECIES: len(tables.species()),
        at.BASE_SPECIES: len(tables.species()),
        at.STATUS: len(at.STATUSES),
        at.ITEM: len(tables.items()),
        at.LOST_ITEM: len(tables.items()),
        at.ABILITY: len(tables.abilities()),
        at.BASE_ABILITY: len(tables.abilities()),
        at.TERA_TYPE: len(tables.types()),
        **{at.MOVES + move: len(tables.moves()) for move in range(at.NUM_MOVES)},
        **{at.TYPES + place: len(tables.types()) for place in range(3)},
    }
    return {column: (0, count - 1) for column, count in counts.items()}


def _side() -> dict[int, tuple[int, int]]:
    moves = (at.LAST_MOVE, at.ENCORED_MOVE, at.LOCKED_MOVE, at.DISABLED_MOVE, at.MIMICKED_MOVE)
    return {
        **{column: (0, len(tables.moves()) - 1) for column in moves},
        at.ACTIVE: (-1, at.TEAM_SIZE - 1),
        at.MOVE_SOURCE: (0, at.NUM_MONS),
        at.MUST_SWITCH: (0, 2),
    }


def _field() -> dict[int, tuple[int, int]]:
    return {
        at.GENERATION: (0, tables.NUM_GENERATIONS),
        at.WEATHER: (0, len(tables.WEATHERS) - 1),
        at.TERRAIN: (0, len(tables.TERRAINS) - 1),
    }
