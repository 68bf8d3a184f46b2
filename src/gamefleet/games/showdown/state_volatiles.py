"""Messages about what sticks to an active Pokémon.

Job: volatiles that start and end, changed types, and effects that last one turn. Place in the data flow: called by
`state.BattleState` for each such line. Left out: weather, terrain and side conditions (`state_field`).
"""

from __future__ import annotations

import functools
from typing import Final

from gamefleet.games.showdown import layout, tables
from gamefleet.games.showdown.layout import MIMICKED_MOVE, TYPES, side_at
from gamefleet.games.showdown.state_board import Board, side_of
from gamefleet.games.showdown.state_field import count
from gamefleet.games.showdown.state_forms import end_dynamax, start_dynamax
from gamefleet.games.showdown.state_knowledge import note_source, on_skill_swap, on_taken_ability, see_ability, see_item
from gamefleet.games.showdown.state_moves import learn, move_id
from gamefleet.games.showdown.state_presence import set_volatile
from gamefleet.games.showdown.state_words import effect_key

COUNTED: Final = {
    "confusion": layout.CONFUSION_TURNS,
    "taunt": layout.TAUNT_TURNS,
    "encore": layout.ENCORE_TURNS,
    "disable": layout.DISABLE_TURNS,
}
"""Volatiles whose turns are counted."""
FUTURE_MOVES: Final = ("futuresight", "doomdesire")
TRAPPING_MOVES: Final = frozenset(
    (
        "bind",
        "wrap",
        "firespin",
        "clamp",
        "whirlpool",
        "sandtomb",
        "magmastorm",
        "infestation",
        "snaptrap",
        "thundercage",
        "gmaxcentiferno",
        "gmaxsandblast",
    )
)
STAT_SUFFIXES: Final = ("atk", "def", "spa", "spd", "spe")
PARADOX: Final = ("quarkdrive", "protosynthesis")
STALLING: Final = frozenset(("protect", "endure", "maxguard"))


@functools.lru_cache(maxsize=1 << 12)
def volatile_key(effect: str) -> tuple[str, int]:
    """Key in `tables.volatiles` of an effect as `-start` writes it, and the number it carries ("perish2")."""
    key = effect_key(effect)
    for name in ("perish", "stockpile", "fallen"):
        if key.startswith(name) and key[len(name) :].isdigit():
            return name, int(key[len(name) :][:2])
    if key[-3:] in STAT_SUFFIXES and key[:-3] in PARADOX:
        return key[:-3], 0
    return key, 0


def on_start(board: Board, parts: list[str]) -> None:
    """`|-start|p1a: Nick|confusion`, `typechange`, `Dynamax`, `perish3`, `Mimic` and all others."""
    key, number = volatile_key(parts[3])
    side = side_of(parts[2])
    own = side_at(side)
    at = board.mon(parts[2])
    if key == "dynamax":
        start_dynamax(board, parts)
    elif key in FUTURE_MOVES:
        count(board, side_at(1 - side) + layout.FUTURE_MOVE_TURNS)
        return
    elif key in COUNTED:
        count(board, own + COUNTED[key])
    bit = board.lists.volatiles.get(key)
    if bit is not None:
        set_volatile(board, side, bit, is_on=True)
    _start_special(board, parts, own, at, (key, number))
    if len(parts) > 4:
        note_source(board, at, parts)


def _start_special(board: Board, parts: list[str], own: int, at: int, what: tuple[str, int]) -> None:
    """What more than a bit some effects write."""
    row, (key, number) = board.row, what
    if key == "typechange":
        _change_types(board, at, parts)
    elif key == "typeadd":
        row[at + TYPES + 2] = tables.types().id(parts[4])
    elif key == "perish":
        row[own + layout.PERISH] = number + 1
    elif key in ("stockpile", "fallen"):
        row[own + (layout.STOCKPILE if key == "stockpile" else layout.FALLEN)] = number
    elif key == "encore":
        row[own + layout.ENCORED_MOVE] = row[own + layout.LAST_MOVE]
    elif key == "disable":
        row[own + layout.DISABLED_MOVE] = move_id(parts[4]) if len(parts) > 4 else 0
    elif key == "mimic" and len(parts) > 4:
        row[own + MIMICKED_MOVE] = move_id(parts[4])
    elif key == "confusion" and "[fatigue]" in parts[4:]:
        row[own + layout.LOCKED_MOVE] = row[own + layout.LOCKED_TURNS] = 0
    elif key == "flashfire":
        see_ability(board, at, "Flash Fire")


def _change_types(board: Board, at: int, parts: list[str]) -> None:
    row = board.row
    if len(parts) > 4 and not parts[4].startswith("["):
        found = [tables.types().id(name) for name in parts[4].split("/")[:2]]
        row[at + TYPES], row[at + TYPES + 1] = found[0], found[1] if len(found) > 1 else 0
    else:
        row[at + TYPES] = row[at + TYPES + 1] = 0


def on_end(board: Board, parts: list[str]) -> None:
    """`|-end|p1a: Nick|Substitute`."""
    key, _ = volatile_key(parts[3])
    side = side_of(parts[2])
    own, row = side_at(side), board.row
    if key == "dynamax":
        end_dynamax(board, parts)
    elif key in FUTURE_MOVES:
        row[own + layout.FUTURE_MOVE_TURNS] = 0
    elif key in TRAPPING_MOVES:
        key = "partiallytrapped"
    elif key == "stockpile":
        row[own + layout.STOCKPILE] = 0
    elif key == "encore":
        row[own + layout.ENCORED_MOVE] = 0
    elif key == "disable":
        row[own + layout.DISABLED_MOVE] = 0
    elif key == "bide":
        row[own + layout.LOCKED_MOVE] = row[own + layout.LOCKED_TURNS] = 0
    if key in COUNTED:
        row[own + COUNTED[key]] = 0
    bit = board.lists.volatiles.get(key)
    if bit is not None:
        set_volatile(board, side, bit, is_on=False)


def on_single(board: Board, parts: list[str]) -> None:
    """`|-singleturn|p1a: Nick|Protect` and `|-singlemove|p1a: Nick|Destiny Bond`."""
    key = effect_key(parts[3])
    side = side_of(parts[2])
    bit = board.lists.volatiles.get("protect" if key == "maxguard" else key)
    if bit is not None:
        set_volatile(board, side, bit, is_on=True)
        board.has_turn_bits = True
    if key in STALLING:
        board.row[side_at(side) + layout.PROTECT_STREAK] += 1
    elif key == "instruct":
        board.from_instruct[side] = True


def on_activate(board: Board, parts: list[str]) -> None:
    """`|-activate|p2a: Nick|move: Whirlpool|[of] p1a: Nick` and all others."""
    if not parts[2]:
        return
    effect = parts[3]
    key = effect_key(effect)
    if key in TRAPPING_MOVES and any(part.startswith("[of]") for part in parts[4:]):
        set_volatile(board, side_of(parts[2]), board.lists.volatiles["partiallytrapped"], is_on=True)
    elif key == "trapped":
        set_volatile(board, side_of(parts[2]), board.lists.volatiles["trapped"], is_on=True)
    elif key == "skillswap":
        on_skill_swap(board, parts)
    elif key == "mimic" and len(parts) > 4:
        board.row[side_at(side_of(parts[2])) + MIMICKED_MOVE] = move_id(parts[4])
    elif key in ("lockon", "mindreader"):
        set_volatile(board, side_of(parts[2]), board.lists.volatiles["lockon"], is_on=True)
    elif key in ("spite", "eeriespell", "gmaxdepletion"):
        _lose_pp(board, parts)
    elif effect.startswith("ability: "):
        see_ability(board, board.mon(parts[2]), effect[9:])
        on_taken_ability(board, parts)
    elif effect.startswith("item: "):
        see_item(board, board.mon(parts[2]), effect[6:])


def _lose_pp(board: Board, parts: list[str]) -> None:
    if len(parts) > 5 and parts[5].isdigit():
        at = board.mon(parts[2])
        place = learn(board, at, move_id(parts[4]))
        if place >= 0:
            board.row[at + layout.PP_USED + place] += int(parts[5][:2])
