"""Messages about who stands on the field and in which shape.

Job: previews, arrivals, replacements after an Illusion, forme changes, Transform and the gimmicks. Place in the data
flow: called by `state.BattleState` for each such line. Left out: what the Pokémon then do.
"""

from __future__ import annotations

from array import array
from typing import Final

from gamefleet.games.showdown import layout, tables
from gamefleet.games.showdown.layout import (
    ABILITY,
    ACTIVE,
    BASE_ABILITY,
    BASE_SPECIES,
    FIELD,
    FLAG_ACTIVE,
    FLAG_DYNAMAXED,
    FLAG_FAINTED,
    FLAG_SEEN,
    FLAG_TERASTALLIZED,
    FLAG_TRANSFORMED,
    FLAGS,
    GENDER,
    GENERATION,
    HP_PERMILLE,
    ITEM,
    LAST_MOVE,
    LEVEL,
    MON_AT,
    MON_WIDTH,
    PERCENT,
    PREVIEW,
    SIDE_AT,
    SIDES,
    SPECIES,
    STATUS,
    STATUS_TURNS,
    TEAM_COUNT,
    TERA_TYPE,
    TYPES,
    VOLATILE_WORDS,
    VOLATILES,
    WORD_BITS,
    mon_at,
    side_at,
)
from gamefleet.games.showdown.state_board import Board, side_of
from gamefleet.games.showdown.state_illusion import shift_to
from gamefleet.games.showdown.state_words import (
    StateError,
    effect_key,
    read_arrival,
    read_condition,
    read_details,
    read_exact_condition,
)

NUM_TYPES: Final = 3
TOXIC: Final = layout.STATUSES.index("tox")
ZEROS: Final = array("h", bytes(2 * layout.WIDTH))
NO_BOOSTS: Final = ZEROS[: len(layout.BOOST_NAMES)]
NO_TYPES: Final = ZEROS[:NUM_TYPES]
NO_VOLATILES: Final = ZEROS[:VOLATILE_WORDS]
FIRST_RESET: Final = layout.DYNAMAX_TURNS
"""From here to `FALLEN` every column of a side starts at 0 with a new arrival, as do the volatiles and `LAST_MOVE`."""
NUM_RESET: Final = layout.FALLEN + 1 - FIRST_RESET
NO_COUNTS: Final = ZEROS[:NUM_RESET]


def on_generation(board: Board, parts: list[str]) -> None:
    """`|gen|9`."""
    generation = int(parts[2])
    if not 1 <= generation <= tables.NUM_GENERATIONS:
        raise StateError("malformed", parts[2])
    board.row[FIELD + GENERATION] = generation
    if generation >= 7:
        board.row[FIELD + PERCENT] = 1


def on_rule(board: Board, parts: list[str]) -> None:
    """`|rule|HP Percentage Mod: HP is shown in percentages`: how HP are shown in older formats."""
    if parts[2].startswith("HP Percentage Mod") or parts[2].startswith("Exact HP Mod"):
        board.row[FIELD + PERCENT] = 1


def on_poke(board: Board, parts: list[str]) -> None:
    """`|poke|p1|Dragonite, F|item`: one Pokémon of the preview."""
    board.row[FIELD + PREVIEW] = 1
    board.add_slot(side_of(parts[2]), parts[3])


def on_clear_poke(board: Board, parts: list[str]) -> None:
    """`|clearpoke`: a preview begins (again)."""
    if board.active_at != [-1, -1]:
        raise StateError("malformed", "clearpoke")
    for column in range(SIDES):
        board.row[column] = 0
    board.count[:] = [0, 0]


def on_team_size(board: Board, parts: list[str]) -> None:
    """`|teamsize|p1|6`."""
    size = int(parts[3])
    if size < 1:
        raise StateError("malformed", parts[3])
    board.row[side_at(side_of(parts[2])) + TEAM_COUNT] = size


def on_switch(board: Board, parts: list[str]) -> None:
    """`|switch|p1a: Nick|Corviknight, M|100/100|[from] U-turn`, and the same for `drag`."""
    ident, details = parts[2], parts[3]
    side = side_of(ident)
    if ident[2:4] != "a:":
        raise StateError("malformed", ident)
    slot, row = board.slot_of(side, ident[5:], details), board.row
    at = MON_AT[side][slot]
    board.arrived[side] = (slot, row[at : at + MON_WIDTH])
    _hand_on(board, side, _leave(board, side, parts))
    species, row[at + LEVEL], row[at + GENDER], tera_type = read_arrival(details)
    row[at + SPECIES] = row[at + BASE_SPECIES] = species
    board.first_species.setdefault(at, species)
    flags = row[at + FLAGS] & ~FLAG_FAINTED | (FLAG_SEEN | FLAG_ACTIVE)
    if tera_type >= 0:
        row[at + TERA_TYPE] = tera_type
        flags |= FLAG_TERASTALLIZED
    row[at + FLAGS] = flags
    row[SIDE_AT[side] + ACTIVE] = slot
    board.enter(side, slot, ident)
    board.moved[side] = 0
    if board.own_side == side:
        permille, status = read_exact_condition(parts[4], bool(row[FIELD + PERCENT]))
    else:
        permille, status = read_condition(parts[4])
    row[at + HP_PERMILLE], row[at + STATUS] = permille, status
    if status == TOXIC:
        row[at + STATUS_TURNS] = 0


def _leave(board: Board, side: int, parts: list[str]) -> str:
    """Take the active Pokémon off the field; says what it hands on: "", "batonpass" or "shedtail"."""
    row, at = board.row, board.active_at[side]
    if at < 0:
        return ""
    row[at + FLAGS] &= ~(FLAG_ACTIVE | FLAG_TRANSFORMED | FLAG_DYNAMAXED)
    row[at + SPECIES] = row[at + BASE_SPECIES]
    row[at + ABILITY] = row[at + BASE_ABILITY]
    if board.swapped_abilities:
        board.swapped_abilities.discard(at)
    row[at + TYPES : at + TYPES + NUM_TYPES] = NO_TYPES
    if row[at + STATUS] == TOXIC:
        row[at + STATUS_TURNS] = 0
    if board.has_bits[1 - side]:
        foe = SIDE_AT[1 - side]
        for column, mask in board.lists.foe_masks:
            row[foe + column] &= mask
    if len(parts) > 5:
        return effect_key(parts[5].removeprefix("[from] "))
    return board.lists.moves.keys[board.moved[side]]  # logs from before arrivals said why


def _hand_on(board: Board, side: int, how: str) -> None:
    """Clear what does not outlast a switch; Baton Pass and Shed Tail hand some of it on."""
    row, at = board.row, SIDE_AT[side]
    kept = _handed_on(board, side, how) if how in ("batonpass", "shedtail") else ()
    perish, confusion = row[at + layout.PERISH], row[at + layout.CONFUSION_TURNS]
    row[at + FIRST_RESET : at + FIRST_RESET + NUM_RESET] = NO_COUNTS
    if board.has_bits[side]:
        row[at + VOLATILES : at + VOLATILES + VOLATILE_WORDS] = NO_VOLATILES
        board.has_bits[side] = False
    row[at + LAST_MOVE] = 0
    if how == "batonpass":
        row[at + layout.PERISH], row[at + layout.CONFUSION_TURNS] = perish, confusion
    else:
        row[at : at + len(NO_BOOSTS)] = NO_BOOSTS
    for number in kept:
        set_volatile(board, side, number, is_on=True)


def _handed_on(board: Board, side: int, how: str) -> list[int]:
    """Volatiles that the next Pokémon gets."""
    passes = tables.volatiles_lasting("pass") if how == "batonpass" else (board.lists.volatiles["substitute"],)
    first = SIDE_AT[side] + VOLATILES
    return [number for number in passes if board.row[first + number // WORD_BITS] >> number % WORD_BITS & 1]


def set_volatile(board: Board, side: int, number: int, *, is_on: bool) -> None:
    """Set or clear bit `number` of a side's volatiles."""
    column = SIDE_AT[side] + VOLATILES + number // WORD_BITS
    bit = 1 << number % WORD_BITS
    if is_on:
        board.row[column] |= bit
        board.has_bits[side] = True
    else:
        board.row[column] &= ~bit


def on_replace(board: Board, parts: list[str]) -> None:
    """`|replace|p2a: Zoroark|Zoroark-Hisui, M`: an Illusion ends; what the disguise did was Zoroark's doing."""
    side = side_of(parts[2])
    disguise, before = board.arrived[side]
    if disguise < 0:
        raise StateError("malformed", parts[2])
    slot = board.slot_of(side, parts[2][5:], parts[3])
    if slot == disguise:
        return
    at = mon_at(side, slot)
    _shift_firsts(board, mon_at(side, disguise), at, before)
    shift_to(board.row, side, disguise, slot, before)
    species, level, gender = read_details(parts[3])
    board.row[at + SPECIES] = board.row[at + BASE_SPECIES] = species
    board.row[at + LEVEL], board.row[at + GENDER] = level, gender
    board.enter(side, slot, parts[2])
    board.arrived[side] = (slot, board.block(at))


def _shift_firsts(board: Board, shown: int, true: int, before: array[int]) -> None:
    """What was first seen under the disguise was not its own."""
    if not before[ITEM] and not before[layout.LOST_ITEM] and shown in board.first_items:
        board.first_items.setdefault(true, board.first_items.pop(shown))
    if not before[BASE_ABILITY]:
        board.first_abilities.pop(shown, None)
