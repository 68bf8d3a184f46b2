"""Illusions in a log: what is corrected when one ends, and what is not trusted when none was seen to end.

Job: give choices and rows made under a disguise to the Pokémon that made them. Place in the data flow: `reading` asks
at each arrival and at `|replace|`. Left out: the state itself (`state_illusion`).
"""

from __future__ import annotations

from typing import Final

from gamefleet.games.showdown import state_presence
from gamefleet.games.showdown.layout import (
    ACTIVE,
    BASE_SPECIES,
    FIELD,
    FLAG_ACTIVE,
    FLAG_FAINTED,
    FLAG_SEEN,
    FLAGS,
    GENERATION,
    SPECIES,
    TEAM_SIZE,
    mon_at,
    side_at,
)
from gamefleet.games.showdown.replays.progress import Reading
from gamefleet.games.showdown.replays.reasons import ReplayRejected
from gamefleet.games.showdown.state_board import side_of
from gamefleet.games.showdown.state_illusion import can_return_as, faint_illusionist, shift_to
from gamefleet.games.showdown.state_words import read_details

FIRST_ILLUSION: Final = 5
"""The generation that introduced Illusion."""


def check_arrival(reading: Reading, side: int) -> int:
    """A Pokémon that comes in with other HP than it left with was, here or before, the look of an Illusion.

    The log never tells when an Illusion ends on the bench or by fainting, so nothing chosen under that look is trusted.

    Returns:
        The team slot of the Pokémon that came in.

    Raises:
        ReplayRejected: A fainted Pokémon comes in where there are no Illusions.
    """
    board = reading.board
    slot, before = board.arrived[side]
    if before[FLAGS] & (FLAG_SEEN | FLAG_ACTIVE) != FLAG_SEEN:
        return slot
    if board.row[FIELD + GENERATION] < FIRST_ILLUSION:
        if before[FLAGS] & FLAG_FAINTED:
            raise ReplayRejected("contradiction", f"a fainted Pokémon is sent in (slot {slot})")
    elif before[FLAGS] & FLAG_FAINTED:
        faint_illusionist(board, side, slot)
        reading.distrusted.add(side * TEAM_SIZE + slot)
    elif not can_return_as(before, board.block(board.active_at[side])):
        reading.distrusted.add(side * TEAM_SIZE + slot)
    return slot


def on_replace(reading: Reading, parts: list[str]) -> None:
    """`|replace|`: what was chosen since the disguised arrival, and that arrival itself, were of the true Pokémon."""
    side = side_of(parts[2])
    board = reading.board
    disguise, before = board.arrived[side]
    state_presence.on_replace(board, parts)
    true_slot = board.row[side_at(side) + ACTIVE]
    if disguise < 0 or true_slot == disguise:
        return
    first_choice, first_row = reading.arrivals[side]
    shown, true = side * TEAM_SIZE + disguise, side * TEAM_SIZE + true_slot
    for place in range(first_choice, len(reading.choices)):
        decision, chooser, mon, move, variant = reading.choices[place]
        if chooser == side and mon == shown:
            reading.choices[place] = (decision, side, true, move, variant)
    species, _, _ = read_details(parts[3])
    for decision in range(first_row, reading.num_decisions):
        row = reading.row_at(decision)
        shift_to(row, side, disguise, true_slot, before)
        at = mon_at(side, true_slot)
        row[at + SPECIES] = row[at + BASE_SPECIES] = species
        reading.corrected.append((decision, side, row))
