"""Both sides see the battle from their place, and nobody sees the future."""

import numpy as np
import pytest
from numpy.typing import NDArray

from gamefleet.games.showdown import layout as at
from gamefleet.games.showdown.observe import (
    ACTIONS,
    ARRAYS,
    NO_ACTION,
    observe,
    view_actions,
    view_order,
)
from gamefleet.games.showdown.observe_legal import likely_legal

Rows = NDArray[np.int16]
SPECIES = ((30, 10, 20, 0, 0, 0), (7, 8, 9, 0, 0, 0))
MOVES = ((5, 3, 9, 0), (40, 41, 0, 0), (60, 0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0))


@pytest.fixture
def teams() -> Rows:
    table = np.zeros((2, at.TEAM_SIZE, at.TEAM_WIDTH), np.int16)
    table[:, :, at.TEAM_SPECIES] = SPECIES
    table[:, :, at.TEAM_MOVES : at.TEAM_MOVES + 4] = MOVES
    table[:, :3, at.TEAM_ITEM] = 77
    table[:, :3, at.TEAM_LEVEL] = 80
    return table


@pytest.fixture
def rows() -> Rows:
    """One decision: both lead with their first Pokémon, of which side 0's has shown one move, twice."""
    row = np.zeros((1, at.WIDTH), np.int16)
    for side in (0, 1):
        mon = at.mon_at(side, 0)
        row[0, mon + at.SPECIES] = row[0, mon + at.BASE_SPECIES] = SPECIES[side][0]
        row[0, mon + at.HP_PERMILLE] = 500
        row[0, mon + at.FLAGS] = at.FLAG_SEEN | at.FLAG_ACTIVE
        row[0, at.side_at(side) + at.ACTIVE] = 0
    row[0, at.mon_at(0, 0) + at.MOVES] = 9
    row[0, at.mon_at(0, 0) + at.PP_USED] = 2
    row[0, at.FIELD + at.GENERATION] = 9
    return row


def test_arrays_have_the_shapes_and_dtypes_that_are_promised(rows: Rows, teams: Rows) -> None:
    arrays = observe(rows, teams, 0)

    for spec in ARRAYS[:-1]:
        assert (arrays[spec.name].shape, arrays[spec.name].dtype) == ((1, *spec.shape), np.int16), spec.name
    assert len(ACTIONS) == at.NUM_CHOICES


def test_the_own_team_stands_in_the_order_of_species_and_its_moves_in_that_of_ids(rows: Rows, teams: Rows) -> None:
    own = observe(rows, teams, 0)["own"][0]

    assert own[:, at.SPECIES].tolist() == [10, 20, 30, 0, 0, 0]
    assert own[2, at.MOVES : at.MOVES + 4].tolist() == [3, 5, 9, 0]
    assert own[2, at.PP_USED : at.PP_USED + 4].tolist() == [0, 0, 2, 0]


def test_the_order_in_which_things_were_used_changes_nothing(rows: Rows, teams: Rows) -> None:
    other = teams.copy()
    other[0, 0, at.TEAM_MOVES : at.TEAM_MOVES + 4] = (9, 5, 3, 0)

    first, second = observe(rows, teams, 0), observe(rows, other, 0)

    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert view_actions(np.array([0], np.int16), rows, other, 0) == view_actions(
        np.array([2], np.int16), rows, teams, 0
    )


def test_an_own_pokemon_that_nobody_has_seen_is_known_to_its_side_only(rows: Rows, teams: Rows) -> None:
    own, theirs = observe(rows, teams, 0)["own"][0], observe(rows, teams, 1)["opponent"][0]

    assert own[0, [at.SPECIES, at.HP_PERMILLE, at.ITEM, at.LEVEL]].tolist() == [10, 1000, 77, 80]
    assert theirs[1].tolist() == [0] * at.MON_WIDTH
    assert theirs[0, at.ITEM] == 0


def test_what_was_lost_is_not_filled_in_again(rows: Rows, teams: Rows) -> None:
    mon = at.mon_at(0, 0)
    rows[0, mon + at.ITEM], rows[0, mon + at.LOST_ITEM] = 0, 77

    assert observe(rows, teams, 0)["own"][0, 2, at.ITEM] == 0


def test_the_active_place_is_that_of_the_view_and_each_side_comes_first_in_its_own(rows: Rows, teams: Rows) -> None:
    rows[0, at.side_at(1) + at.SPIKES] = 3

    assert observe(rows, teams, 0)["sides"][0, 0, at.ACTIVE] == 2
    assert observe(rows, teams, 0)["sides"][0, :, at.SPIKES].tolist() == [0, 3]
    assert observe(rows, teams, 1)["sides"][0, :, at.SPIKES].tolist() == [3, 0]


def test_choices_become_actions_of_the_view(rows: Rows, teams: Rows) -> None:
    many = np.repeat(rows, 6, axis=0)
    choices = [0, 1 + at.CHOICE_MOVE_GIMMICK, 2 + at.CHOICE_Z_MOVE, at.CHOICE_SWITCH + 1, -1, -2]

    actions = view_actions(np.array(choices, np.int16), many, teams, 0)

    assert actions.tolist() == [1, 4, 10, at.CHOICE_SWITCH, NO_ACTION, NO_ACTION]


def test_a_transformed_pokemon_chooses_from_the_moves_of_the_one_it_copies(rows: Rows, teams: Rows) -> None:
    side = at.side_at(0)
    rows[0, side + at.MOVE_SOURCE] = 1 + at.TEAM_SIZE + 1  # the opponent's second
    copied = at.mon_at(1, 1)
    rows[0, copied + at.MOVES : copied + at.MOVES + 2] = (41, 40)  # in the order in which they were shown
    rows[0, side + at.TRANSFORM_PP_USED] = 4

    moves = observe(rows, teams, 0)["moves"][0]

    assert moves[:, 0].tolist() == [40, 41, 0, 0]
    assert moves[:, 1].tolist() == [0, 4, 0, 0]
    assert view_actions(np.array([1], np.int16), rows, teams, 0).tolist() == [1]


def test_only_what_the_rules_leave_is_legal(rows: Rows, teams: Rows) -> None:
    legal = likely_legal(observe(rows, teams, 0), np.array([NO_ACTION], np.int16))[0]

    assert np.flatnonzero(legal).tolist() == [0, 1, 2, 4, 5, 6, 12, 13]


def test_who_must_switch_may_do_nothing_else(rows: Rows, teams: Rows) -> None:
    rows[0, at.side_at(0) + at.MUST_SWITCH] = 1
    legal = likely_legal(observe(rows, teams, 0), np.array([NO_ACTION], np.int16))[0]

    assert np.flatnonzero(legal).tolist() == [12, 13]


def test_a_revival_chooses_among_the_fainted(rows: Rows, teams: Rows) -> None:
    rows[0, at.side_at(0) + at.MUST_SWITCH] = 2
    rows[0, at.mon_at(0, 1) + at.SPECIES] = 10
    rows[0, at.mon_at(0, 1) + at.FLAGS] = at.FLAG_SEEN | at.FLAG_FAINTED
    legal = likely_legal(observe(rows, teams, 0), np.array([NO_ACTION], np.int16))[0]

    assert np.flatnonzero(legal).tolist() == [12]


@pytest.mark.parametrize(
    ("generation", "used", "expected"),
    [
        (3, 0, []),
        (6, 0, [4, 5, 6]),
        (7, 0, [4, 5, 6, 8, 9, 10]),
        (7, at.GIMMICK_Z_MOVE, [4, 5, 6]),
        (7, at.GIMMICK_MEGA | at.GIMMICK_ULTRA_BURST, [8, 9, 10]),
        (8, at.GIMMICK_DYNAMAX, []),
        (9, at.GIMMICK_TERASTALLIZE, []),
    ],
)
def test_a_gimmick_is_legal_in_its_generation_until_it_is_used(
    rows: Rows, teams: Rows, generation: int, used: int, expected: list[int]
) -> None:
    rows[0, at.FIELD + at.GENERATION] = generation
    rows[0, at.side_at(0) + at.GIMMICKS_USED] = used
    legal = likely_legal(observe(rows, teams, 0), np.array([NO_ACTION], np.int16))[0]

    assert np.flatnonzero(legal[4:12]).tolist() == [action - 4 for action in expected]


def test_what_was_chosen_is_always_legal(rows: Rows, teams: Rows) -> None:
    legal = likely_legal(observe(rows, teams, 0), np.array([17], np.int16))[0]

    assert legal[17]


def test_equal_species_keep_their_order() -> None:
    team = np.zeros((at.TEAM_SIZE, at.TEAM_WIDTH), np.int16)
    team[:, at.TEAM_SPECIES] = (9, 4, 9, 4, 0, 1)

    order = view_order(team)

    assert order.slots.tolist() == [5, 1, 3, 0, 2, 4]
    assert order.places[order.slots].tolist() == list(range(at.TEAM_SIZE))
