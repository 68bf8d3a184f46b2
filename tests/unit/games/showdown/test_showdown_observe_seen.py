"""Without a team sheet nobody sees more than had been shown, not even of the own team."""

import numpy as np
import pytest

from gamefleet.games.recorded import ACTION
from gamefleet.games.showdown import CORPUS, RECORDED
from gamefleet.games.showdown import layout as at
from gamefleet.games.showdown.replays.parse import parse_log
from gamefleet.games.showdown.replays.records import trajectory
from gamefleet.games.showdown.replays.sources import read_unit, units_of
from gamefleet.games.showdown.replays.trace import Trace


@pytest.fixture(scope="module")
def pairs() -> list[tuple[Trace, Trace]]:
    """Some battles of each format, with and without the lines that show whole teams."""
    found = []
    for unit in units_of(CORPUS):
        for raw, _ in zip(read_unit(CORPUS, unit), range(4), strict=False):
            log = str((raw or {})["log"])
            bare = "\n".join(line for line in log.split("\n") if not line.startswith("|showteam|"))
            found.append((parse_log(log), parse_log(bare)))
    return found


def test_a_side_knows_of_its_team_what_the_other_one_knows(pairs: list[tuple[Trace, Trace]]) -> None:
    for _, bare in pairs:
        both = bare.choices != at.CHOICE_NOT_ASKED
        at_once = both.all(axis=1)
        first, second = (trajectory(bare, view) for view in (0, 1))
        own = first["own"][at_once[both[:, 0]]]
        theirs = second["opponent"][at_once[both[:, 1]]]
        undisguised = len(bare.corrected) == 0
        assert not undisguised or np.array_equal(own, theirs)


def test_moves_come_to_be_known_one_by_one(pairs: list[tuple[Trace, Trace]]) -> None:
    for _, bare in pairs:
        for view in (0, 1):
            own = trajectory(bare, view)["own"]
            known = (own[:, :, at.MOVES : at.MOVES + at.NUM_MOVES] > 0).sum(axis=2)
            assert not known[0].any()
            if not bare.corrected.size:
                assert (np.diff(known, axis=0) >= 0).all()


def test_choosing_what_was_not_shown_is_the_first_unknown_place(pairs: list[tuple[Trace, Trace]]) -> None:
    unknown = 0
    for _, bare in pairs:
        for view in (0, 1):
            arrays = trajectory(bare, view)
            for number, action in enumerate(arrays[ACTION]):
                if 0 <= action < at.CHOICE_SWITCH:
                    ids = arrays["moves"][number, :, 0]
                    place = action % at.NUM_MOVES
                    unknown += int(ids[place] == 0)
                    assert ids[place] > 0 or ids[:place].min(initial=1) != 0

    assert unknown > 100


def test_both_kinds_of_views_show_the_same_choices(pairs: list[tuple[Trace, Trace]]) -> None:
    for sheet, bare in pairs:
        for view in (0, 1):
            with_sheet, without = trajectory(sheet, view)[ACTION], trajectory(bare, view)[ACTION]
            first, second = (np.sign(actions + 1) + (actions >= at.CHOICE_SWITCH) for actions in (with_sheet, without))
            assert len(with_sheet) == len(without)
            assert (first == second).mean() > 0.9, "hidden, a move or a switch"


def test_what_was_chosen_is_legal_and_a_free_move_has_four_places(pairs: list[tuple[Trace, Trace]]) -> None:
    for _, bare in pairs:
        arrays = trajectory(bare, 0)
        legal = np.unpackbits(arrays["legal"], axis=1, count=RECORDED.num_actions).astype(bool)
        action = arrays[ACTION]
        shown = action >= 0
        assert legal[shown, action[shown]].all()
        free = arrays["sides"][:, 0, at.MUST_SWITCH] == 0
        assert legal[free, : at.NUM_MOVES].all()
