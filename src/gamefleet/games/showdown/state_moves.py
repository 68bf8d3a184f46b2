"""Messages about moves: which are known, their PP, and what binds a Pokémon to one.

Job: `move`, `cant`, `-prepare` and `-mustrecharge`. Place in the data flow: called by `state.BattleState` for each
such line; `replays.reading` reads the same lines for what was chosen. Left out: effects of moves, which have their
own lines.
"""

from __future__ import annotations

import functools
from typing import Final

from gamefleet.games.showdown import tables
from gamefleet.games.showdown.layout import (
    ABILITY,
    FLAG_ACTIVE,
    FLAG_FAINTED,
    FLAG_TRANSFORMED,
    FLAGS,
    ITEM,
    LAST_MOVE,
    LOCKED_MOVE,
    LOCKED_TURNS,
    MIMICKED_MOVE,
    MON_WIDTH,
    MOVE_SOURCE,
    MOVES,
    NUM_MOVES,
    PP_USED,
    PROTECT_STREAK,
    SIDE_AT,
    STATUS,
    STATUS_TURNS,
    TRANSFORM_PP_USED,
    WISH_TURNS,
)
from gamefleet.games.showdown.state_board import Board, side_of
from gamefleet.games.showdown.state_health import ASLEEP
from gamefleet.games.showdown.state_knowledge import see_ability
from gamefleet.games.showdown.state_lists import lists
from gamefleet.games.showdown.state_presence import set_volatile

Use = tuple[int, int, int, int, bool, bool]
"""What a line says that a move is used: side, column of the user's block and of its side's, id of the move, whether it
is a plain one (`_facts_of`), whether something else made it happen. A plain tuple, because there are so many."""


def on_move(board: Board, parts: list[str]) -> None:
    """`|move|p1a: Nick|U-turn|p2a: Nick|[from] lockedmove`."""
    carry_out(board, parts, read_use(board, parts))


def read_use(board: Board, parts: list[str]) -> Use:
    """What the line says, before it changes anything."""
    side, at, own = board.here.get(parts[2]) or board.find(parts[2])
    move, is_plain = _facts_of(parts[3])
    # A usual line ends with the target; only what stands behind it can be a cause.
    is_usual = len(parts) == USUAL_PARTS and parts[4][:1] != "["
    return side, at, own, move, is_plain, board.from_instruct[side] or (not is_usual and is_called(parts))


def carry_out(board: Board, parts: list[str], use: Use) -> None:
    """Let a move that is used change the state: what is known of the Pokémon, PP and what binds it to a move."""
    side, at, own, move, is_plain, called = use
    row = board.row
    row[own + LAST_MOVE] = move
    if board.has_bits[side]:
        for column, mask in board.lists.move_masks:
            row[own + column] &= mask
    if not called or not board.moved[side]:
        board.moved[side] = move
    board.from_instruct[side] = False
    if row[own + PROTECT_STREAK] and move not in board.lists.protecting:
        row[own + PROTECT_STREAK] = 0
    if not is_plain or row[own + LOCKED_MOVE]:
        _bind(board, side, move, parts)
    if called:
        if "ability: " in parts[-1]:
            see_ability(board, at, parts[-1].partition("ability: ")[2])
    elif board.is_z_ready[side]:
        _show_z_crystal(board, side, at, move)
    elif is_plain or move in board.lists.ordinary:
        foe = board.active_at[1 - side]
        is_pressed = foe >= 0 and row[foe + ABILITY] == board.lists.pressure
        _spend(board, side, at, move, _cost(board, side, foe, parts) if is_pressed else 1)
    board.is_z_ready[side] = False


@functools.lru_cache(maxsize=1 << 12)
def _facts_of(name: str) -> tuple[int, bool]:
    """Id of a move, and whether using it does nothing but cost PP: most moves, for which the rest need not be asked."""
    move, known = move_id(name), lists()
    return move, move in known.ordinary and move not in known.rampages and move != known.wish


def _bind(board: Board, side: int, move: int, parts: list[str]) -> None:
    """Moves that go on, and a Wish that is on its way."""
    row, own = board.row, SIDE_AT[side]
    if row[own + LOCKED_MOVE] or move in board.lists.rampages:
        _lock(board, side, move, parts)
    if move == board.lists.wish and not row[own + WISH_TURNS]:
        row[own + WISH_TURNS] = 1
        board.running.add(own + WISH_TURNS)


USUAL_PARTS: Final = 5


@functools.lru_cache(maxsize=1 << 12)
def move_id(name: str) -> int:
    """Id of a move as lines write it; a Z-powered status move ("Z-Splash") is its ordinary move."""
    table = tables.moves()
    return table.id(name) or (table.id(name[2:]) if name.startswith("Z-") else 0)


def is_called(parts: list[str]) -> bool:
    """Whether another move, an ability or a lock made this move happen: it is no use of an own move slot."""
    for part in parts[4:]:
        if part.startswith("[from]"):
            cause = part[6:].strip()
            return cause not in ("move: Pursuit", "Pursuit") or parts[3] != "Pursuit"
    return False


def is_continued(parts: list[str]) -> bool:
    """Whether the move goes on from an earlier turn: a rampage, a charged move, a trap of the first generation."""
    for part in parts[4:]:
        if part.startswith("[from]"):
            cause = part[6:].strip().removeprefix("move: ")
            return cause == "lockedmove" or cause == parts[3]
    return False


def _lock(board: Board, side: int, move: int, parts: list[str]) -> None:
    row, own, rampages = board.row, SIDE_AT[side], board.lists.rampages
    if row[own + LOCKED_MOVE] == move and is_continued(parts) and move in rampages:
        row[own + LOCKED_TURNS] += 1
    elif move in rampages and not is_called(parts):
        row[own + LOCKED_MOVE], row[own + LOCKED_TURNS] = move, 1
    elif row[own + LOCKED_MOVE]:
        row[own + LOCKED_MOVE] = row[own + LOCKED_TURNS] = 0
        _set(board, side, "charging", is_on=False)


def _show_z_crystal(board: Board, side: int, at: int, move: int) -> None:
    crystal = board.lists.crystals.get(move)
    if crystal:
        board.row[at + ITEM] = crystal
        board.first_items.setdefault(at, crystal)
    elif move in board.lists.ordinary:
        _spend(board, side, at, move, 1)


def _cost(board: Board, side: int, foe: int, parts: list[str]) -> int:
    """PP a move costs while the foe at column `foe` has Pressure: one more when it is the target."""
    is_there = board.row[foe + FLAGS] & (FLAG_ACTIVE | FLAG_FAINTED) == FLAG_ACTIVE
    return 2 if is_there and len(parts) >= USUAL_PARTS and parts[4][:2] == f"p{2 - side}" else 1


def _spend(board: Board, side: int, at: int, move: int, cost: int) -> None:
    """Count a use of `move`, which is now known to be the Pokémon's own (or, transformed, its model's)."""
    row, own = board.row, SIDE_AT[side]
    if row[at + FLAGS] & FLAG_TRANSFORMED and row[own + MOVE_SOURCE]:
        place = learn(board, (row[own + MOVE_SOURCE] - 1) * MON_WIDTH, move)
        if place >= 0:
            row[own + TRANSFORM_PP_USED + place] += cost
    elif row[own + MIMICKED_MOVE] != move:
        place = learn(board, at, move)
        if place >= 0:
            row[at + PP_USED + place] += cost


def learn(board: Board, at: int, move: int) -> int:
    """Place (0-3) of `move` among the known moves of the Pokémon at `at`; -1 when four others are known."""
    row = board.row
    for column in range(at + MOVES, at + MOVES + NUM_MOVES):
        known = row[column]
        if known == move:
            return column - at - MOVES
        if not known:
            row[column] = move
            return column - at - MOVES
    return -1


def on_cannot(board: Board, parts: list[str]) -> None:
    """`|cant|p1a: Nick|slp`: the Pokémon does not act."""
    side = side_of(parts[2])
    at, own, row = board.mon(parts[2]), SIDE_AT[side], board.row
    reason = parts[3]
    if reason == "slp" and row[at + STATUS] == ASLEEP:
        row[at + STATUS_TURNS] += 1
    if reason == "recharge":
        _set(board, side, "mustrecharge", is_on=False)
    elif reason.startswith("ability: "):
        see_ability(board, at, reason[9:])
    elif len(parts) == USUAL_PARTS and move_id(parts[4]) in board.lists.ordinary:
        _spend(board, side, at, move_id(parts[4]), 0)
    row[own + PROTECT_STREAK] = 0


def on_prepare(board: Board, parts: list[str]) -> None:
    """`|-prepare|p1a: Nick|Solar Beam`: it strikes next turn."""
    side = side_of(parts[2])
    own = SIDE_AT[side]
    board.row[own + LOCKED_MOVE] = move_id(parts[3])
    board.row[own + LOCKED_TURNS] = 1
    _set(board, side, "charging", is_on=True)


def on_must_recharge(board: Board, parts: list[str]) -> None:
    """`|-mustrecharge|p1a: Nick`."""
    _set(board, side_of(parts[2]), "mustrecharge", is_on=True)


def _set(board: Board, side: int, key: str, *, is_on: bool) -> None:
    set_volatile(board, side, board.lists.volatiles[key], is_on=is_on)
