"""Flags of choices, told decision by decision, are what whole-array operations tell."""

import numpy as np
import pytest
from numpy.typing import NDArray

from gamefleet.games.showdown import layout as at
from gamefleet.games.showdown import tables
from gamefleet.games.showdown.replays.choices import SLEEPING_OR_FROZEN, forced_flags

DECISIONS = 400


def expected_flags(rows: NDArray[np.int16], coded: NDArray[np.int16]) -> NDArray[np.uint8]:
    """All decisions of a side at once."""
    flags = np.zeros(coded.shape, np.uint8)
    choice_items = np.array([key.startswith("choice") for key in tables.items().keys])
    number = np.arange(len(rows))
    for side in range(at.NUM_SIDES):
        own = at.side_at(side)
        block = np.array([at.mon_at(side, slot) for slot in range(at.TEAM_SIZE)])[rows[:, own + at.ACTIVE]]
        is_choice = choice_items[rows[number, block + at.ITEM]]
        flags[:, side] |= (rows[:, own + at.ENCORED_MOVE] != 0) * np.uint8(at.CHOICE_FLAG_FORCED)
        flags[:, side] |= is_choice * np.uint8(at.CHOICE_FLAG_CHOICE_ITEM)
        flags[rows[:, own + at.LAST_MOVE] == 0, side] = 0
        is_out = np.isin(rows[number, block + at.STATUS], SLEEPING_OR_FROZEN)
        flags[(rows[:, at.FIELD + at.GENERATION] == 1) & is_out, side] = at.CHOICE_FLAG_FORCED
    flags[(coded == at.CHOICE_NOT_ASKED) | (coded >= at.CHOICE_SWITCH)] = 0
    return flags


@pytest.mark.parametrize("generation", [1, 4, 9])
def test_flags_of_any_rows(generation: int) -> None:
    rng = np.random.default_rng(generation)
    choice = [number for key, number in tables.items().ids.items() if key.startswith("choice")]
    rows = np.zeros((DECISIONS, at.WIDTH), np.int16)
    rows[:, at.FIELD + at.GENERATION] = np.where(np.arange(DECISIONS) % 7, generation, 1)
    for side in range(at.NUM_SIDES):
        own = at.side_at(side)
        rows[:, own + at.ACTIVE] = rng.integers(0, at.TEAM_SIZE, DECISIONS)
        for column in (at.LAST_MOVE, at.ENCORED_MOVE):
            rows[:, own + column] = rng.integers(0, 2, DECISIONS) * 33
        for slot in range(at.TEAM_SIZE):
            rows[:, at.mon_at(side, slot) + at.ITEM] = rng.choice([0, 5, *choice], DECISIONS)
            rows[:, at.mon_at(side, slot) + at.STATUS] = rng.integers(0, len(at.STATUSES), DECISIONS)
    coded = rng.integers(at.CHOICE_NOT_ASKED, at.CHOICE_SWITCH + at.TEAM_SIZE, (DECISIONS, at.NUM_SIDES))

    flags = forced_flags(rows, coded.astype(np.int16))

    np.testing.assert_array_equal(flags, expected_flags(rows, coded.astype(np.int16)))
    assert (flags.dtype, flags.shape) == (np.uint8, (DECISIONS, at.NUM_SIDES))
    assert set(np.unique(flags).tolist()) == {0, 1, 2, 3}
    flags[0, 0] |= at.CHOICE_FLAG_FORCED  # more is added to them


def test_a_battle_without_decisions_has_no_flags() -> None:
    assert forced_flags(np.zeros((0, at.WIDTH), np.int16), np.zeros((0, at.NUM_SIDES), np.int16)).shape == (0, 2)
