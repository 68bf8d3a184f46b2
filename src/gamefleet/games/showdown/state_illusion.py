"""Give to an Illusion's user what was written on its disguise.

Job: the one rule for it, used when the Illusion ends and when a player's own view is made of a row in which the
spectator was still deceived. Place in the data flow: below `state_presence`; `replays.illusion` and live play use it
too. Left out: finding out that a Pokémon is disguised.
"""

from __future__ import annotations

import functools
from array import array
from collections.abc import MutableSequence
from typing import Final

from gamefleet.games.showdown import layout, tables
from gamefleet.games.showdown.layout import (
    ACTIVE,
    BASE_SPECIES,
    FLAG_ACTIVE,
    FLAG_FAINTED,
    FLAG_SEEN,
    FLAGS,
    GENDER,
    HP_PERMILLE,
    LEVEL,
    MON_WIDTH,
    MOVES,
    NUM_MOVES,
    PP_USED,
    SPECIES,
    mon_at,
    side_at,
)
from gamefleet.games.showdown.state_board import Board
from gamefleet.games.showdown.state_words import FULL_PERMILLE

LOOKS: Final = (SPECIES, BASE_SPECIES, LEVEL, GENDER)
STATE_COLUMNS: Final = (layout.HP_PERMILLE, layout.STATUS, layout.STATUS_TURNS)
ROUNDING_PERMILLE: Final = 20
REGENERATED_PERMILLE: Final = 333
FACT_COLUMNS: Final = (layout.ITEM, layout.LOST_ITEM, layout.TERA_TYPE, *range(layout.TYPES, layout.TYPES + 3))


def shift_to(
    row: MutableSequence[int], side: int, disguise: int, true_slot: int, before: array[int] | list[int]
) -> None:
    """Move what happened since the disguised arrival from the slot of the disguise to `true_slot`, in `row`.

    Args:
        row: int16 [WIDTH]; changed in place.
        side: 0 or 1.
        disguise: Team slot that the Illusion looks like; it gets its block from before the arrival back.
        true_slot: Team slot of the Pokémon that stands there.
        before: The block of `disguise` before the arrival.
    """
    shown, true = mon_at(side, disguise), mon_at(side, true_slot)
    now = list(row[shown : shown + MON_WIDTH])
    for column in range(MON_WIDTH):
        row[shown + column] = before[column]
    if not before[SPECIES]:  # it exists, since it was imitated, but has not been on the field
        for column in LOOKS:
            row[shown + column] = now[column]
        row[shown + HP_PERMILLE] = FULL_PERMILLE
    for column in STATE_COLUMNS:
        row[true + column] = now[column]
    for column in FACT_COLUMNS:
        if now[column] != before[column]:
            row[true + column] = now[column]
    row[true + FLAGS] |= FLAG_SEEN | FLAG_ACTIVE | (now[FLAGS] & ~before[FLAGS])
    row[shown + FLAGS] &= ~FLAG_ACTIVE
    _shift_moves(row, true, now, before)
    row[side_at(side) + ACTIVE] = true_slot


def can_return_as(before: array[int], now: array[int]) -> bool:
    """Whether the Pokémon that left as `before` can be the one that comes in as `now` (blocks of a row).

    On the bench HP only change by Regenerator, by a third of the whole, and a status only ends.
    """
    gained = now[HP_PERMILLE] - before[HP_PERMILLE]
    is_same_hp = abs(gained) <= ROUNDING_PERMILLE or now[HP_PERMILLE] == before[HP_PERMILLE]
    is_regenerated = abs(gained - REGENERATED_PERMILLE) <= ROUNDING_PERMILLE or (
        0 < gained < REGENERATED_PERMILLE and now[HP_PERMILLE] == FULL_PERMILLE
    )
    is_same_status = now[layout.STATUS] in (0, before[layout.STATUS])
    may_regenerate = is_regenerated and _may_have(before, "regenerator")
    return is_same_status and (is_same_hp or may_regenerate)


@functools.lru_cache(maxsize=1 << 12)
def _can_have(species: int, ability: str) -> bool:
    table = tables.species()
    own = (int(table.column(f"ability{place}")[species]) for place in range(1, 5))
    return tables.abilities().ids[ability] in own


def _may_have(block: array[int], ability: str) -> bool:
    known = block[layout.BASE_ABILITY]
    return known == tables.abilities().ids[ability] if known else _can_have(block[BASE_SPECIES], ability)


def faint_illusionist(board: Board, side: int, look: int) -> None:
    """A Pokémon fainted under the look of team slot `look`: the one that has Illusion, when there is only one."""
    suspects = [
        slot
        for slot in range(board.count[side])
        if slot != look
        and not board.row[mon_at(side, slot) + FLAGS] & FLAG_FAINTED
        and _has_illusion(board, side, slot)
    ]
    if len(suspects) == 1:
        at = mon_at(side, suspects[0])
        board.row[at + FLAGS] |= FLAG_SEEN | FLAG_FAINTED
        board.row[at + HP_PERMILLE] = 0
        board.row[at + layout.STATUS] = layout.STATUSES.index("fnt")


def _has_illusion(board: Board, side: int, slot: int) -> bool:
    block = board.block(mon_at(side, slot))
    return bool(block[SPECIES]) and _may_have(block, "illusion")


def _shift_moves(row: MutableSequence[int], true: int, now: list[int], before: array[int] | list[int]) -> None:
    known = dict(zip(before[MOVES : MOVES + NUM_MOVES], before[PP_USED : PP_USED + NUM_MOVES], strict=True))
    for place in range(NUM_MOVES):
        move, used = now[MOVES + place], now[PP_USED + place]
        if move and used != known.get(move, -1):
            _add_move(row, true, move, used - known.get(move, 0))


def _add_move(row: MutableSequence[int], at: int, move: int, pp_used: int) -> None:
    for place in range(NUM_MOVES):
        if row[at + MOVES + place] in (0, move):
            row[at + MOVES + place] = move
            row[at + PP_USED + place] += pp_used
            return
