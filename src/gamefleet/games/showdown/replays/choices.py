"""What each side chose, as far as the log shows it.

Job: collect choices while the log is read, and code them once the teams are known. Place in the data flow: `parse`
notes choices here and asks for the codes at the end. Left out: when a decision takes place (`parse`).

A log shows what happened, not what was chosen. A Pokémon that faints, flinches or sleeps first leaves no trace of its
choice; called moves are no choices; a Max Move or Z-move does not always tell which move is behind it. What is not
certain is coded as not shown.
"""

from __future__ import annotations

import functools
from array import array
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.showdown import layout, tables
from gamefleet.games.showdown.layout import (
    ACTIVE,
    CHOICE_FLAG_CHOICE_ITEM,
    CHOICE_FLAG_FORCED,
    CHOICE_NOT_ASKED,
    CHOICE_NOT_SHOWN,
    CHOICE_SWITCH,
    ENCORED_MOVE,
    ITEM,
    LAST_MOVE,
    MON_AT,
    NUM_MOVES,
    NUM_SIDES,
    SIDE_AT,
    TEAM_ABILITY,
    TEAM_MOVES,
    TEAM_SIZE,
    TEAM_WIDTH,
    mon_at,
)
from gamefleet.games.showdown.observe_legal import choice_items

ORDINARY, Z_MOVE, MAX_MOVE = 0, 1, 2
STATUS_CATEGORY: Final = 0
GENERATION_AT: Final = layout.FIELD + layout.GENERATION
SLEEPING_OR_FROZEN: Final = (layout.STATUSES.index("slp"), layout.STATUSES.index("frz"))
CHANGING_TYPES: Final = (
    "weatherball",
    "terrainpulse",
    "naturalgift",
    "judgment",
    "multiattack",
    "technoblast",
    "revelationdance",
    "aurawheel",
    "hiddenpower",
    "ivycudgel",
    "ragingbull",
    "terablast",
)
TYPE_ABILITIES: Final = ("pixilate", "refrigerate", "aerilate", "galvanize", "normalize", "liquidvoice")


Choice = tuple[int, int, int, int, int]
"""One choice that the log shows: decision; side; for a switch the Pokémon (side * 6 + slot) that comes in (or revives),
else the one whose moves are in use; id of the move as shown, 0 for a switch; 0, or what is added to a move's code
(`CHOICE_MOVE_GIMMICK`, `CHOICE_Z_MOVE`). A plain tuple, because there are so many."""


def codes(choices: Iterable[Choice], asked: list[int], teams: array[int]) -> array[int]:
    """Codes of all decisions, flat [decision, side].

    Args:
        choices: What the log shows.
        asked: Flat, per decision and side `CHOICE_NOT_SHOWN` or `CHOICE_NOT_ASKED`.
        teams: Flat [side, slot, TEAM_WIDTH].
    """
    coded = asked.copy()
    known: dict[int, tuple[int, ...]] = {}
    for decision, side, mon, move, variant in choices:
        place = NUM_SIDES * decision + side
        if coded[place] != CHOICE_NOT_SHOWN:
            continue
        if not move:
            coded[place] = CHOICE_SWITCH + mon % TEAM_SIZE
            continue
        at = mon * TEAM_WIDTH
        moves = known.get(mon)
        if moves is None:
            moves = known[mon] = tuple(teams[at + TEAM_MOVES : at + TEAM_MOVES + NUM_MOVES])
        entry = moves.index(move) if move in moves else entry_of(move, moves, teams[at + TEAM_ABILITY])
        if entry >= 0:
            coded[place] = variant + entry
    return array("h", coded)


@functools.lru_cache(maxsize=1 << 14)
def entry_of(shown: int, known: tuple[int, ...], ability: int) -> int:
    """Place of the move that was chosen among the `known` moves, given the move that was shown; -1 when not certain."""
    if shown in known:
        return known.index(shown)
    kind = move_kinds()[shown]
    if kind == ORDINARY:
        return -1
    if kind == Z_MOVE and shown in _signature_z():
        return _only(place for place, move in enumerate(known) if move == _signature_z()[shown])
    if 0 in known:
        return -1
    if kind == Z_MOVE:
        return _only(place for place, move in enumerate(known) if _may_be_z(move, shown))
    is_typed = ability in _type_abilities()
    return _only(place for place, move in enumerate(known) if _may_be_max(move, shown, is_typed))


def _only(places: Iterable[int]) -> int:
    found = list(places)
    return found[0] if len(found) == 1 else -1


def _may_be_z(move: int, shown: int) -> bool:
    if categories()[move] == STATUS_CATEGORY:
        return False
    return move_types()[move] == move_types()[shown] or move in _changing()


def _may_be_max(move: int, shown: int, is_typed: bool) -> bool:
    if shown == tables.moves().ids["maxguard"]:
        return categories()[move] == STATUS_CATEGORY
    if categories()[move] == STATUS_CATEGORY:
        return False
    return move_types()[move] == move_types()[shown] or move in _changing() or is_typed


def forced_flags(rows: NDArray[np.int16], coded: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Flags that the rows themselves tell of choices to move: an Encore, or a Choice item after a first move.

    Args:
        rows: int16 [decision, WIDTH].
        coded: int16 [decision, side].

    Returns:
        uint8 [decision, side]; 0 where a side is not asked or sends in another Pokémon.
    """
    # Numbers one by one: a battle has a few dozen decisions, and whole-array operations cost more than they save there.
    items, flat, flags = _choice_items(), rows.reshape(-1).data, bytearray(coded.size)
    for place, code in enumerate(coded.reshape(-1).tolist()):
        if code == CHOICE_NOT_ASKED or code >= CHOICE_SWITCH:
            continue
        start, side = place // NUM_SIDES * rows.shape[1], place % NUM_SIDES
        own = start + SIDE_AT[side]
        block = start + MON_AT[side][flat[own + ACTIVE] % TEAM_SIZE]
        if flat[start + GENERATION_AT] == 1 and flat[block + layout.STATUS] in SLEEPING_OR_FROZEN:
            flags[place] = CHOICE_FLAG_FORCED
        elif flat[own + LAST_MOVE]:
            flags[place] = (CHOICE_FLAG_FORCED if flat[own + ENCORED_MOVE] else 0) | items[flat[block + ITEM]]
    return np.frombuffer(flags, np.uint8).reshape(coded.shape)


def cannot_choose_moves(row: Sequence[int], side: int) -> bool:
    """In the first generation a sleeping or frozen Pokémon is only asked to fight, not with which move."""
    return (
        row[GENERATION_AT] == 1 and row[mon_at(side, row[SIDE_AT[side] + ACTIVE]) + layout.STATUS] in SLEEPING_OR_FROZEN
    )


@functools.cache
def move_kinds() -> tuple[int, ...]:
    """0 ordinary, 1 Z-move, 2 Max Move, by move id."""
    return tuple(tables.moves().column("kind").tolist())


@functools.cache
def categories() -> tuple[int, ...]:
    """0 status, 1 physical, 2 special, by move id."""
    return tuple(tables.moves().column("category").tolist())


@functools.cache
def move_types() -> tuple[int, ...]:
    """Type id by move id."""
    return tuple(tables.moves().column("type").tolist())


@functools.cache
def _signature_z() -> dict[int, int]:
    """The one move behind each Z-move that only one Pokémon has."""
    items = tables.items()
    pairs = zip(items.column("z_move").tolist(), items.column("z_from").tolist(), strict=True)
    return {shown: base for shown, base in pairs if shown and base}


@functools.cache
def _changing() -> frozenset[int]:
    return frozenset(tables.moves().ids[key] for key in CHANGING_TYPES)


@functools.cache
def _type_abilities() -> frozenset[int]:
    return frozenset(tables.abilities().ids[key] for key in TYPE_ABILITIES)


@functools.cache
def _choice_items() -> tuple[int, ...]:
    """`CHOICE_FLAG_CHOICE_ITEM` for each item that allows only one move, 0 for the others."""
    return tuple((choice_items() * CHOICE_FLAG_CHOICE_ITEM).tolist())
