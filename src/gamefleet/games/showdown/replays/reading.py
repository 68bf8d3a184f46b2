"""Lines that tell when a side is asked, and what it chose.

Job: notice decisions and choices while the lines go by. Place in the data flow: `parse` sends it the lines that
matter for choices; it passes them on to the state. Left out: the codes of choices (`choices`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from gamefleet.games.showdown import (
    state_field,
    state_forms,
    state_health,
    state_moves,
    state_presence,
    state_volatiles,
)
from gamefleet.games.showdown.layout import (
    ACTIVE,
    CHOICE_MOVE,
    CHOICE_MOVE_GIMMICK,
    CHOICE_Z_MOVE,
    FLAG_FAINTED,
    FLAGS,
    MIMICKED_MOVE,
    MOVE_SOURCE,
    NUM_SIDES,
    SIDE_AT,
    TEAM_SIZE,
    WIDTH,
    mon_at,
)
from gamefleet.games.showdown.replays.choices import GENERATION_AT, cannot_choose_moves
from gamefleet.games.showdown.replays.illusion import check_arrival, on_replace
from gamefleet.games.showdown.replays.progress import Reading
from gamefleet.games.showdown.replays.reasons import ReplayRejected
from gamefleet.games.showdown.state_board import Board, side_of
from gamefleet.games.showdown.state_moves import carry_out, read_use

REVIVAL: Final = "[from] move: Revival Blessing"
NO_REPLACEMENTS: Final = ("|move|", "|upkeep", "|turn|", "|cant|", "|drag|", "|win|", "|tie")
TELLING: Final = frozenset(("|", "|swi", "|-he", *(line[:4] for line in NO_REPLACEMENTS)))
MUST_SWITCH, MUST_REVIVE = 1, 2
MAX_LINES_BETWEEN: Final = 200
"""Lines between two answers are few, apart from chat."""


def on_turn(reading: Reading, parts: list[str]) -> None:
    """`|turn|5`: both sides are asked; a turn that follows on another than the last one says that lines are missing."""
    if int(parts[2]) != reading.num_turns + 1:
        raise ReplayRejected("contradiction", f"turn {parts[2][:20]} follows on turn {reading.num_turns}")
    first, second = reading.board.active_at
    if first < 0 or second < 0:
        raise ReplayRejected("contradiction", "a turn begins before both sides have a Pokémon out")
    state_field.on_turn(reading.board, parts)
    reading.num_turns += 1
    reading.turn_decision = reading.decide((0, 0))
    reading.has_answered = False
    reading.pending = [-1, -1]
    reading.acted = [False, False]
    reading.has_moved = [False, False]
    reading.has_ended_turn = False
    reading.is_masked = [False, False]
    reading.gimmick = [CHOICE_MOVE, CHOICE_MOVE]


def on_gap(reading: Reading, lines: Sequence[str], number: int) -> None:
    """An empty line: the first after a turn's beginning opens the turn, a later one may open replacements."""
    if not reading.has_answered:
        reading.has_answered = reading.turn_decision >= 0 or min(reading.board.active_at) >= 0
        if reading.turn_decision >= 0 or not reading.has_answered:
            return
    must = replacements(lines, number)
    if must != (0, 0):
        decision = reading.decide(must)
        reading.pending = [decision if must[side] else -1 for side in range(NUM_SIDES)]


def replacements(lines: Sequence[str], number: int) -> tuple[int, int]:
    """What each side sends in after the empty line `number`, before anything else happens: see `layout.MUST_SWITCH`."""
    first = second = 0
    for place in range(number + 1, min(len(lines), number + MAX_LINES_BETWEEN)):
        line = lines[place]
        start = line[:4]
        if start not in TELLING:
            continue
        if start == "|swi" and line.startswith("|switch|"):
            if side_of(line[8:]) == 0:
                first = MUST_SWITCH
            else:
                second = MUST_SWITCH
        elif start == "|-he" and line.startswith("|-heal|"):
            if line.endswith(REVIVAL):
                first, second = (MUST_REVIVE, second) if side_of(line[7:]) == 0 else (first, MUST_REVIVE)
        elif line == "|" or line.startswith(NO_REPLACEMENTS):
            break
    return first, second


def on_upkeep(reading: Reading, parts: list[str]) -> None:
    """`|upkeep`: the turn's end; only replacements follow before the next turn."""
    reading.has_ended_turn = True


def on_switch(reading: Reading, parts: list[str]) -> None:
    """`|switch|`: a lead, an answer to a request for replacements, or the turn's choice."""
    side = side_of(parts[2])
    turn_decision, decision = reading.turn_decision, reading.pending[side]
    if decision < 0 and turn_decision >= 0:
        if reading.acted[side]:  # no empty line announced it
            decision = reading.decide((MUST_SWITCH, 0) if side == 0 else (0, MUST_SWITCH))
        else:
            decision = turn_decision
    arrival = (len(reading.choices), reading.num_decisions)
    state_presence.on_switch(reading.board, parts)
    slot = check_arrival(reading, side)
    if decision >= 0 and not (reading.is_masked[side] and decision == turn_decision):
        reading.choices.append((decision, side, side * TEAM_SIZE + slot, 0, CHOICE_MOVE))
    reading.arrivals[side] = arrival
    reading.pending[side] = -1
    reading.acted[side] = True


def on_drag(reading: Reading, parts: list[str]) -> None:
    """`|drag|`: nobody chose it, and what the side had chosen will not happen."""
    side = side_of(parts[2])
    reading.arrivals[side] = (len(reading.choices), reading.num_decisions)
    state_presence.on_switch(reading.board, parts)
    check_arrival(reading, side)
    reading.acted[side] = True


def on_move(reading: Reading, parts: list[str]) -> None:
    """`|move|`: the turn's choice, unless something else made it happen."""
    board = reading.board
    use = read_use(board, parts)
    side, _, _, move, _, was_caused = use
    if not was_caused:
        if reading.has_moved[side] or reading.has_ended_turn:
            raise ReplayRejected("contradiction", f"a side moves twice in turn {reading.num_turns}: {parts[2][:40]}")
        reading.has_moved[side] = True
    if not reading.acted[side]:
        is_z = board.is_z_ready[side]
        is_called = was_caused and (board.from_instruct[side] or not is_z)
        if is_called and state_moves.is_continued(parts):
            reading.forced.add((reading.turn_decision, side))
            is_called = False
        if not is_called:
            reading.acted[side] = True
            _note_move(reading, side, move, is_z)
    carry_out(board, parts, use)


def _note_move(reading: Reading, side: int, move: int, is_z: bool) -> None:
    decision, row, own = reading.turn_decision, reading.board.row, SIDE_AT[side]
    if not move or move == reading.board.lists.struggle or _is_only_asked_to_fight(reading, side):
        reading.forced.add((decision, side))
    elif decision >= 0 and not reading.is_masked[side] and not _is_changed(reading, side):
        mon = reading.active_mon(side) if row[own + MOVE_SOURCE] else side * TEAM_SIZE + row[own + ACTIVE]
        if move == row[own + MIMICKED_MOVE]:
            move = reading.board.lists.mimic
        reading.choices.append((decision, side, mon, move, CHOICE_Z_MOVE if is_z else reading.gimmick[side]))


def _is_changed(reading: Reading, side: int) -> bool:
    """Whether other moves are in use than at the decision; a choice of those cannot be told by these."""
    at = SIDE_AT[side] + MOVE_SOURCE
    return reading.board.row[at] != reading.rows[reading.turn_decision * WIDTH + at]


def _is_only_asked_to_fight(reading: Reading, side: int) -> bool:
    is_first = reading.board.row[GENERATION_AT] == 1 and reading.turn_decision >= 0
    return is_first and cannot_choose_moves(reading.row_at(reading.turn_decision), side)


def on_cannot(reading: Reading, parts: list[str]) -> None:
    """`|cant|p1a: Nick|move: Taunt|Swords Dance`: sometimes the log says which move it would have been."""
    side = side_of(parts[2])
    is_holder = any(part.startswith("[of]") for part in parts[4:])
    if not is_holder and not reading.acted[side] and parts[3] != "slp":
        reading.acted[side] = True
        if parts[3] in ("recharge", "partiallytrapped"):
            reading.forced.add((reading.turn_decision, side))
        elif len(parts) > 4 and parts[4]:
            _note_move(reading, side, state_moves.move_id(parts[4]), is_z=False)
    state_moves.on_cannot(reading.board, parts)


def on_start(reading: Reading, parts: list[str]) -> None:
    """`|-start|`: Dynamax belongs to the turn's choice; an Encore hides it when it comes first."""
    side = side_of(parts[2])
    if parts[3] == "Dynamax":
        _note_gimmick(reading, side)
    elif parts[3] in ("Encore", "move: Encore") and not reading.acted[side]:
        reading.is_masked[side] = True
    state_volatiles.on_start(reading.board, parts)


def on_form(reading: Reading, parts: list[str]) -> None:
    """`|-mega|`, `|-burst|`, `|-terastallize|`: chosen together with a move."""
    _note_gimmick(reading, side_of(parts[2]))
    if parts[1] == "-terastallize":
        state_forms.on_terastallize(reading.board, parts)
    else:
        state_forms.on_mega(reading.board, parts)


def _note_gimmick(reading: Reading, side: int) -> None:
    if not reading.acted[side]:
        reading.gimmick[side] = CHOICE_MOVE_GIMMICK


def on_heal(reading: Reading, parts: list[str]) -> None:
    """`|-heal|p1: Nick|50/100|[from] move: Revival Blessing`: the answer to the question who revives."""
    side = side_of(parts[2])
    decision = reading.pending[side]
    is_revival = decision >= 0 and len(parts) > 4 and parts[4] == REVIVAL
    fainted = _fainted(reading.board, side) if is_revival else set()
    state_health.on_heal(reading.board, parts)
    if is_revival:
        for slot in fainted - _fainted(reading.board, side):
            reading.choices.append((decision, side, side * TEAM_SIZE + slot, 0, CHOICE_MOVE))
        reading.pending[side] = -1


def _fainted(board: Board, side: int) -> set[int]:
    return {slot for slot in range(TEAM_SIZE) if board.row[mon_at(side, slot) + FLAGS] & FLAG_FAINTED}


READS: Final[Mapping[str, Callable[[Reading, list[str]], None]]] = {
    "turn": on_turn,
    "upkeep": on_upkeep,
    "switch": on_switch,
    "drag": on_drag,
    "move": on_move,
    "cant": on_cannot,
    "-start": on_start,
    "-mega": on_form,
    "-burst": on_form,
    "-terastallize": on_form,
    "-heal": on_heal,
    "replace": on_replace,
}
"""Messages that tell of choices; each passes its line on to the state."""
