"""Messages about what lies on the field or sticks to an active Pokémon.

Job: weather, terrain, rooms, side conditions, volatiles, and counting their turns. Place in the data flow: called by
`state.BattleState` for each such line. Left out: guessing when something unseen ends.
"""

from __future__ import annotations

from typing import Final

from gamefleet.games.showdown import layout, tables
from gamefleet.games.showdown.layout import (
    CONDITIONS,
    FIELD,
    FIELD_EFFECTS,
    HAZARDS,
    SIDE_AT,
    SIDE_CONDITIONS,
    side_at,
)
from gamefleet.games.showdown.state_board import Board, side_of
from gamefleet.games.showdown.state_knowledge import note_source
from gamefleet.games.showdown.state_words import effect_key

CONDITION_AT: Final = {key: CONDITIONS + place for place, key in enumerate(SIDE_CONDITIONS)}
EFFECT_AT: Final = {key: layout.TRICK_ROOM + place for place, key in enumerate(FIELD_EFFECTS)}
MAX_TURNS: Final = 1200
FIXED_TURNS: Final = {
    FIELD + layout.FAIRY_LOCK: 2,
    SIDE_AT[0] + layout.WISH_TURNS: 2,
    SIDE_AT[1] + layout.WISH_TURNS: 2,
}
"""What ends without a line of its own."""
NORMAL_WEATHER: Final = {"snow": "snowscape"}


def on_weather(board: Board, parts: list[str]) -> None:
    """`|-weather|RainDance|[from] ability: Drizzle|[of] p1a: Nick`, `[upkeep]` each turn, or `none`."""
    row, key = board.row, effect_key(parts[2])
    key = NORMAL_WEATHER.get(key, key)
    weather = tables.WEATHERS.index("" if key == "none" else key) if key in tables.WEATHERS or key == "none" else 0
    if "[upkeep]" in parts[3:]:
        row[FIELD + layout.WEATHER_TURNS] += 1
    else:
        row[FIELD + layout.WEATHER_TURNS] = 1 if weather else 0
    row[FIELD + layout.WEATHER] = weather
    if len(parts) > 4 and parts[4].startswith("[of] "):
        note_source(board, board.mon(parts[4][5:]), ["", "", "", "", *parts[3:]])


def on_field_start(board: Board, parts: list[str]) -> None:
    """`|-fieldstart|move: Trick Room|[of] p1a: Nick` and terrains."""
    key = effect_key(parts[2])
    if key in tables.TERRAINS:
        board.row[FIELD + layout.TERRAIN] = tables.TERRAINS.index(key)
        count(board, FIELD + layout.TERRAIN_TURNS)
    elif key in EFFECT_AT:
        count(board, FIELD + EFFECT_AT[key])
    if len(parts) > 4 and parts[4].startswith("[of] "):
        note_source(board, board.mon(parts[4][5:]), ["", "", "", "", *parts[3:]])


def on_field_end(board: Board, parts: list[str]) -> None:
    """`|-fieldend|move: Trick Room`."""
    key = effect_key(parts[2])
    if key in tables.TERRAINS:
        board.row[FIELD + layout.TERRAIN] = board.row[FIELD + layout.TERRAIN_TURNS] = 0
    elif key in EFFECT_AT:
        board.row[FIELD + EFFECT_AT[key]] = 0


def on_field_activate(board: Board, parts: list[str]) -> None:
    """`|-fieldactivate|move: Perish Song`, Fairy Lock."""
    if effect_key(parts[2]) == "fairylock":
        count(board, FIELD + layout.FAIRY_LOCK)


def on_side_start(board: Board, parts: list[str]) -> None:
    """`|-sidestart|p1: Name|move: Stealth Rock`."""
    key = effect_key(parts[3])
    column = CONDITION_AT.get(key)
    if column is not None:
        at = side_at(side_of(parts[2])) + column
        if key in HAZARDS:
            board.row[at] += 1
        else:
            count(board, at)


def on_side_end(board: Board, parts: list[str]) -> None:
    """`|-sideend|p1: Name|Reflect`."""
    column = CONDITION_AT.get(effect_key(parts[3]))
    if column is not None:
        board.row[side_at(side_of(parts[2])) + column] = 0


def on_swap_side_conditions(board: Board, parts: list[str]) -> None:
    """`|-swapsideconditions`: Court Change."""
    first, second = side_at(0), side_at(1)
    row = board.row
    for key, column in CONDITION_AT.items():
        row[first + column], row[second + column] = row[second + column], row[first + column]
        if key not in HAZARDS:
            board.running.update((first + column, second + column))


def count(board: Board, column: int) -> None:
    """Begin to count the turns of what `column` stands for."""
    board.row[column] = 1
    board.running.add(column)


def on_turn(board: Board, parts: list[str]) -> None:
    """`|turn|5`: everything that lasts turns has lasted one more."""
    row, (first, second) = board.row, SIDE_AT
    row[FIELD + layout.TURN] = int(parts[2])
    board.moved[0] = board.moved[1] = 0
    board.is_z_ready[0] = board.is_z_ready[1] = False
    board.from_instruct[0] = board.from_instruct[1] = False
    row[first + layout.TURNS_ACTIVE] += 1
    row[second + layout.TURNS_ACTIVE] += 1
    if board.has_turn_bits:
        for column, mask in board.lists.turn_masks:
            row[first + column] &= mask
            row[second + column] &= mask
        board.has_turn_bits = False
    if board.running:
        _count_turns(board)


def _count_turns(board: Board) -> None:
    row, running = board.row, board.running
    for column in tuple(running):
        if not row[column]:
            running.discard(column)
        elif row[column] >= FIXED_TURNS.get(column, MAX_TURNS):
            row[column] = 0
        else:
            row[column] += 1
