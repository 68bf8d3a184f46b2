"""Messages about HP, status and boosts.

Job: damage, healing, fainting, status conditions, stages. Place in the data flow: called by `state.BattleState` for
each such line. Left out: what caused it (`state_knowledge` reads items and abilities off the same lines).
"""

from __future__ import annotations

from array import array
from typing import Final

from gamefleet.games.showdown.layout import (
    BOOST_NAMES,
    FIELD,
    FLAG_DYNAMAXED,
    FLAG_FAINTED,
    FLAG_REVIVED,
    FLAG_TERASTALLIZED,
    FLAG_TRANSFORMED,
    FLAGS,
    HP_PERMILLE,
    NUM_FAINTED,
    PERCENT,
    STATUS,
    STATUS_TURNS,
    TEAM_SIZE,
    mon_at,
    side_at,
)
from gamefleet.games.showdown.state_board import SIDE_OF, Board, side_of
from gamefleet.games.showdown.state_knowledge import note_healer, note_source
from gamefleet.games.showdown.state_words import STATUS_IDS, StateError, read_condition, read_exact_condition

TOXIC, FAINTED, ASLEEP = STATUS_IDS["tox"], STATUS_IDS["fnt"], STATUS_IDS["slp"]
NUM_BOOSTS: Final = len(BOOST_NAMES)
NO_BOOSTS: Final = array("h", bytes(2 * NUM_BOOSTS))
BOOST_AT: Final = {name: place for place, name in enumerate(BOOST_NAMES)}
MAX_STAGE: Final = 6


def set_condition(board: Board, ident: str, at: int, condition: str) -> None:
    """Write HP and status as a line gives them; a player's own exact numbers become what the spectator sees."""
    row = board.row
    if board.own_side is not None and SIDE_OF[ident[:2]] == board.own_side:
        permille, status = read_exact_condition(condition, bool(row[FIELD + PERCENT]))
    else:
        permille, status = read_condition(condition)
    row[at + HP_PERMILLE] = permille
    if row[at + STATUS] != status:
        row[at + STATUS] = status
        row[at + STATUS_TURNS] = 0


def on_damage(board: Board, parts: list[str]) -> None:
    """`|-damage|p2a: Nick|67/100|[from] item: Rocky Helmet|[of] p1a: Nick`."""
    ident = parts[2]
    _, at, _ = board.here.get(ident) or board.find(ident)
    set_condition(board, ident, at, parts[3])
    if len(parts) > 4:
        if parts[4] == "[from] psn" and board.row[at + STATUS] == TOXIC:
            board.row[at + STATUS_TURNS] += 1
        note_source(board, at, parts)


def on_heal(board: Board, parts: list[str]) -> None:
    """`|-heal|p1a: Nick|73/100|[from] item: Leftovers`; a revived Pokémon stands again with half its HP."""
    ident = parts[2]
    at = board.mon(ident)
    if len(parts) > 4 and parts[4] == "[from] move: Revival Blessing":
        at = _revive(board, ident, at)
    set_condition(board, ident, at, parts[3])
    if len(parts) > 4:
        note_healer(board, at, parts)


def _revive(board: Board, ident: str, at: int) -> int:
    """Stand the fainted Pokémon called `ident` up again; of several with that name, the one that had fainted."""
    side = side_of(ident)
    for slot in board.names[side].get(ident[4:], ()):
        if board.row[mon_at(side, slot) + FLAGS] & FLAG_FAINTED:
            at = mon_at(side, slot)
            board.row[at + FLAGS] = board.row[at + FLAGS] & ~FLAG_FAINTED | FLAG_REVIVED
            board.row[side_at(side) + NUM_FAINTED] -= 1
            return at
    return at


def on_set_hp(board: Board, parts: list[str]) -> None:
    """`|-sethp|p1a: Nick|50/100|[from] move: Pain Split`; older logs name both Pokémon in one line."""
    set_condition(board, parts[2], board.mon(parts[2]), parts[3])
    if len(parts) > 5 and parts[4][:1] == "p":
        set_condition(board, parts[4], board.mon(parts[4]), parts[5])


def on_faint(board: Board, parts: list[str]) -> None:
    """`|faint|p2a: Nick`."""
    row, (_, at, own) = board.row, board.here.get(parts[2]) or board.find(parts[2])
    flags = row[at + FLAGS]
    if flags & FLAG_FAINTED:
        raise StateError("malformed", parts[2])
    row[at + HP_PERMILLE], row[at + STATUS], row[at + STATUS_TURNS] = 0, FAINTED, 0
    row[at + FLAGS] = flags & ~(FLAG_TERASTALLIZED | FLAG_DYNAMAXED | FLAG_TRANSFORMED) | FLAG_FAINTED
    row[own + NUM_FAINTED] += 1
    row[own : own + NUM_BOOSTS] = NO_BOOSTS


def on_status(board: Board, parts: list[str]) -> None:
    """`|-status|p2a: Nick|brn|[from] item: Flame Orb`."""
    at = board.mon(parts[2])
    board.row[at + STATUS] = STATUS_IDS[parts[3]]
    board.row[at + STATUS_TURNS] = 0
    if len(parts) > 4:
        note_source(board, at, parts)


def on_cure_status(board: Board, parts: list[str]) -> None:
    """`|-curestatus|p1: Nick|par|[msg]`: of several with that name on the bench, the one that has it."""
    side, status = side_of(parts[2]), STATUS_IDS.get(parts[3], 0)
    at = board.known_mon(parts[2])
    if parts[2][2] == ":":
        for slot in board.names[side].get(parts[2][4:], ()):
            if board.row[mon_at(side, slot) + STATUS] == status:
                at = mon_at(side, slot)
    if at >= 0 and board.row[at + STATUS] != FAINTED:
        board.row[at + STATUS] = board.row[at + STATUS_TURNS] = 0
        if len(parts) > 4:
            note_healer(board, at, parts)


def on_cure_team(board: Board, parts: list[str]) -> None:
    """`|-cureteam|p1a: Nick|[from] move: Aromatherapy`."""
    side = side_of(parts[2])
    for slot in range(TEAM_SIZE):
        at = mon_at(side, slot)
        if board.row[at + STATUS] != FAINTED:
            board.row[at + STATUS] = board.row[at + STATUS_TURNS] = 0


def on_boost(board: Board, parts: list[str]) -> None:
    """`|-boost|p1a: Nick|atk|2`."""
    _change(board, parts, int(parts[4]))


def on_unboost(board: Board, parts: list[str]) -> None:
    """`|-unboost|p1a: Nick|spe|1`."""
    _change(board, parts, -int(parts[4]))


def _change(board: Board, parts: list[str], stages: int) -> None:
    column = side_at(side_of(parts[2])) + BOOST_AT[parts[3]]
    board.row[column] = min(MAX_STAGE, max(-MAX_STAGE, board.row[column] + stages))
    if len(parts) > 5:
        note_source(board, board.mon(parts[2]), parts)


def on_set_boost(board: Board, parts: list[str]) -> None:
    """`|-setboost|p1a: Nick|atk|6|[from] move: Belly Drum`."""
    stages = min(MAX_STAGE, max(-MAX_STAGE, int(parts[4])))
    board.row[side_at(side_of(parts[2])) + BOOST_AT[parts[3]]] = stages
    if len(parts) > 5:
        note_source(board, board.mon(parts[2]), parts)


def on_clear_boost(board: Board, parts: list[str]) -> None:
    """`|-clearboost|p1a: Nick`."""
    _keep(board, side_of(parts[2]), 0, 0)


def on_clear_all_boost(board: Board, parts: list[str]) -> None:
    """`|-clearallboost`."""
    _keep(board, 0, 0, 0)
    _keep(board, 1, 0, 0)


def on_clear_positive(board: Board, parts: list[str]) -> None:
    """`|-clearpositiveboost|p1a: Target|p2a: Source|move: Spectral Thief`."""
    _keep(board, side_of(parts[2]), -MAX_STAGE, 0)


def on_clear_negative(board: Board, parts: list[str]) -> None:
    """`|-clearnegativeboost|p1a: Nick`: a White Herb, for one."""
    _keep(board, side_of(parts[2]), 0, MAX_STAGE)


def _keep(board: Board, side: int, lowest: int, highest: int) -> None:
    """Set a side's stages outside `lowest`..`highest` to 0."""
    at = side_at(side)
    for column in range(at, at + NUM_BOOSTS):
        if not lowest <= board.row[column] <= highest:
            board.row[column] = 0


def on_copy_boost(board: Board, parts: list[str]) -> None:
    """`|-copyboost|p1a: Copier|p2a: Copied`."""
    own, theirs = side_at(side_of(parts[2])), side_at(side_of(parts[3]))
    board.row[own : own + NUM_BOOSTS] = board.row[theirs : theirs + NUM_BOOSTS]


def on_swap_boost(board: Board, parts: list[str]) -> None:
    """`|-swapboost|p1a: Nick|p2a: Nick|atk, spa`: all stages when none is named."""
    own, theirs = side_at(side_of(parts[2])), side_at(side_of(parts[3]))
    named = parts[4] if len(parts) > 4 and not parts[4].startswith("[") else ""
    for name in named.split(", ") if named else BOOST_NAMES:
        first, second = own + BOOST_AT[name], theirs + BOOST_AT[name]
        board.row[first], board.row[second] = board.row[second], board.row[first]


def on_invert_boost(board: Board, parts: list[str]) -> None:
    """`|-invertboost|p1a: Nick|[from] move: Topsy-Turvy`."""
    at = side_at(side_of(parts[2]))
    for column in range(at, at + NUM_BOOSTS):
        board.row[column] = -board.row[column]
