"""Messages about the shape of a Pokémon on the field.

Job: forme changes, Transform, Mega Evolution, Ultra Burst, Z-power, Dynamax and Terastallization. Place in the data
flow: called by `state.BattleState` for each such line. Left out: arrivals (`state_presence`), which undo what does not
last.
"""

from __future__ import annotations

from gamefleet.games.showdown import layout, tables
from gamefleet.games.showdown.layout import (
    ABILITY,
    BASE_ABILITY,
    BASE_SPECIES,
    FIELD,
    FLAG_DYNAMAXED,
    FLAG_GIGANTAMAX,
    FLAG_MEGA,
    FLAG_TERASTALLIZED,
    FLAG_TRANSFORMED,
    FLAGS,
    GENDER,
    GENERATION,
    GIMMICKS_USED,
    ITEM,
    LEVEL,
    MIMICKED_MOVE,
    MON_WIDTH,
    MOVE_SOURCE,
    NUM_MOVES,
    SPECIES,
    TERA_TYPE,
    TYPES,
    side_at,
)
from gamefleet.games.showdown.state_board import Board, side_of
from gamefleet.games.showdown.state_knowledge import note_source
from gamefleet.games.showdown.state_presence import ZEROS
from gamefleet.games.showdown.state_words import StateError, read_details


def on_details_change(board: Board, parts: list[str]) -> None:
    """`|detailschange|p1a: Nick|Charizard-Mega-X, M`: a forme that stays."""
    at = board.mon(parts[2])
    species, level, gender = read_details(parts[3])
    row = board.row
    row[at + BASE_SPECIES] = species
    if not row[at + FLAGS] & FLAG_TRANSFORMED:
        row[at + SPECIES] = species
        if species in board.lists.one_ability:
            board.first_abilities.setdefault(at, row[at + BASE_ABILITY])
            row[at + ABILITY] = row[at + BASE_ABILITY] = board.lists.one_ability[species]
    row[at + LEVEL], row[at + GENDER] = level, gender


def on_forme_change(board: Board, parts: list[str]) -> None:
    """`|-formechange|p1a: Nick|Aegislash-Blade||[from] ability: Stance Change`: a forme until it leaves."""
    species, at = tables.species().id(parts[3]), board.mon(parts[2])
    if not species:
        raise StateError("unknown_name", parts[3])
    board.row[at + SPECIES] = species
    note_source(board, at, parts)


def on_transform(board: Board, parts: list[str]) -> None:
    """`|-transform|p1a: Ditto|p2a: Slowking|[from] ability: Imposter`."""
    row, at = board.row, board.mon(parts[2])
    target = board.mon(parts[3])
    own, theirs = side_at(side_of(parts[2])), side_at(side_of(parts[3]))
    row[at + FLAGS] |= FLAG_TRANSFORMED
    row[at + SPECIES] = row[target + SPECIES]
    row[at + TYPES : at + TYPES + 3] = row[target + TYPES : target + TYPES + 3]
    if row[FIELD + GENERATION] > 2:
        row[at + ABILITY] = row[target + ABILITY]
    if len(parts) > 4 and parts[4].endswith("Imposter"):
        row[at + BASE_ABILITY] = tables.abilities().id("Imposter")
        board.first_abilities.setdefault(at, row[at + BASE_ABILITY])
    row[own : own + len(layout.BOOST_NAMES)] = row[theirs : theirs + len(layout.BOOST_NAMES)]
    row[own + MOVE_SOURCE] = row[theirs + MOVE_SOURCE] or 1 + target // MON_WIDTH
    row[own + layout.TRANSFORM_PP_USED : own + layout.TRANSFORM_PP_USED + NUM_MOVES] = ZEROS[:NUM_MOVES]
    row[own + MIMICKED_MOVE] = 0


def on_mega(board: Board, parts: list[str]) -> None:
    """`|-mega|p1a: Nick|Charizard|Charizardite X`, `-burst` with Ultranecrozium Z and `-primal` with an orb."""
    at, side = board.mon(parts[2]), side_at(side_of(parts[2]))
    board.row[at + FLAGS] |= FLAG_MEGA
    item = tables.items().id(parts[-1]) if len(parts) > 3 else 0
    if item:
        board.row[at + ITEM] = item
        board.first_items.setdefault(at, item)
    used = {"-mega": layout.GIMMICK_MEGA, "-burst": layout.GIMMICK_ULTRA_BURST}.get(parts[1], 0)
    board.row[side + GIMMICKS_USED] |= used


def on_z_power(board: Board, parts: list[str]) -> None:
    """`|-zpower|p1a: Nick`: its next move is a Z-move."""
    side = side_of(parts[2])
    board.is_z_ready[side] = True
    board.row[side_at(side) + GIMMICKS_USED] |= layout.GIMMICK_Z_MOVE


def on_terastallize(board: Board, parts: list[str]) -> None:
    """`|-terastallize|p1a: Nick|Water`."""
    at = board.mon(parts[2])
    board.row[at + TERA_TYPE] = tables.types().id(parts[3])
    board.row[at + FLAGS] |= FLAG_TERASTALLIZED
    board.row[side_at(side_of(parts[2])) + GIMMICKS_USED] |= layout.GIMMICK_TERASTALLIZE


def start_dynamax(board: Board, parts: list[str]) -> None:
    """`|-start|p1a: Nick|Dynamax|Gmax`."""
    at, side = board.mon(parts[2]), side_at(side_of(parts[2]))
    board.row[at + FLAGS] |= FLAG_DYNAMAXED | (FLAG_GIGANTAMAX if "Gmax" in parts[4:] else 0)
    board.row[side + GIMMICKS_USED] |= layout.GIMMICK_DYNAMAX
    board.row[side + layout.DYNAMAX_TURNS] = 1
    board.running.add(side + layout.DYNAMAX_TURNS)


def end_dynamax(board: Board, parts: list[str]) -> None:
    """`|-end|p1a: Nick|Dynamax`."""
    board.row[board.mon(parts[2]) + FLAGS] &= ~FLAG_DYNAMAXED
    board.row[side_at(side_of(parts[2])) + layout.DYNAMAX_TURNS] = 0
