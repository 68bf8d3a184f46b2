"""Battles that never took place: records of the right form without any sense.

Job: stand in for real battles where only what is around them is tried: `--mock-data`, measurements, tests. Place in the
data flow: `RecordedGame.mock`. Left out: rules; species, moves and choices are drawn at random, and nothing can be
learned from them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.recorded import Record
from gamefleet.games.showdown import layout as at
from gamefleet.games.showdown import tables
from gamefleet.games.showdown.replays.records import record_of
from gamefleet.games.showdown.replays.trace import Trace

FORMAT: Final = "gen9mock"
FIRST_DAY: Final = 20_000
"""In October 2024."""

MEAN_DECISIONS: Final = 30
"""Of one side, as in battles between people (a median of 29 to 32 decisions)."""


def mock_records(count: int, seed: int) -> Iterator[Record]:
    """So many records, the same for the same seed."""
    for number in range(count):
        yield record_of(mock_trace(np.random.default_rng((seed, number))))


def mock_trace(rng: np.random.Generator) -> Trace:
    """One battle of random length."""
    length = int(np.clip(rng.lognormal(np.log(MEAN_DECISIONS), 0.5), 3, 400))
    teams = mock_teams(rng)
    first, second = (int(rating) for rating in rng.integers(1000, 2000, 2))
    choices = rng.integers(at.CHOICE_NOT_SHOWN, at.CHOICE_MOVE_GIMMICK, (length, at.NUM_SIDES))
    return Trace(
        rows=mock_rows(rng, teams, length),
        choices=choices.astype(np.int16),
        choice_flags=np.zeros((length, at.NUM_SIDES), np.uint8),
        teams=teams,
        corrected=np.zeros((0, 2), np.int16),
        corrected_rows=np.zeros((0, at.WIDTH), np.int16),
        format_id=FORMAT,
        generation=tables.NUM_GENERATIONS,
        day=FIRST_DAY + int(rng.integers(365)),
        ratings=(first, second),
        winner=int(rng.integers(2)),
        end_reason="normal",
        num_turns=length,
        players=("", ""),
        battle_id=f"mock-{rng.integers(2**62):x}",
        is_team_known=(True, True),
    )


def mock_teams(rng: np.random.Generator) -> NDArray[np.int16]:
    """Two full teams of any species, int16 `[side, slot, TEAM_WIDTH]`."""
    teams = np.zeros((at.NUM_SIDES, at.TEAM_SIZE, at.TEAM_WIDTH), np.int16)
    shape = teams.shape[:2]
    teams[..., at.TEAM_SPECIES] = rng.integers(1, len(tables.species()), shape)
    teams[..., at.TEAM_LEVEL] = 100
    teams[..., at.TEAM_ITEM] = rng.integers(2, len(tables.items()), shape)
    teams[..., at.TEAM_ABILITY] = rng.integers(2, len(tables.abilities()), shape)
    for move in range(at.NUM_MOVES):
        teams[..., at.TEAM_MOVES + move] = rng.integers(1, len(tables.moves()), shape)
    teams[..., at.TEAM_FLAGS] = at.TEAM_FLAG_SHEET
    return teams


def mock_rows(rng: np.random.Generator, teams: NDArray[np.int16], length: int) -> NDArray[np.int16]:
    """Rows in which HP fall from full to little, int16 `[length, WIDTH]`."""
    rows = np.zeros((length, at.WIDTH), np.int16)
    for side in range(at.NUM_SIDES):
        for slot in range(at.TEAM_SIZE):
            mon = at.mon_at(side, slot)
            rows[:, mon + at.SPECIES] = rows[:, mon + at.BASE_SPECIES] = teams[side, slot, at.TEAM_SPECIES]
            rows[:, mon + at.HP_PERMILLE] = np.sort(rng.integers(1, 1001, length))[::-1]
            rows[:, mon + at.LEVEL] = 100
            rows[:, mon + at.FLAGS] = at.FLAG_SEEN
        active = rng.integers(at.TEAM_SIZE, size=length)
        rows[:, at.side_at(side) + at.ACTIVE] = active
        for slot in range(at.TEAM_SIZE):
            rows[active == slot, at.mon_at(side, slot) + at.FLAGS] |= at.FLAG_ACTIVE
    rows[:, at.FIELD + at.TURN] = np.arange(1, length + 1)
    rows[:, at.FIELD + at.GENERATION] = tables.NUM_GENERATIONS
    return rows
