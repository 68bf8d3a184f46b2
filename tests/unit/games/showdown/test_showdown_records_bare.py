"""Without a team sheet a side knows of its own team, from the start, what the whole battle shows."""

import numpy as np
import pytest

from gamefleet.games.recorded import ACTION
from gamefleet.games.showdown import CORPUS, RECORDED
from gamefleet.games.showdown import layout as at
from gamefleet.games.showdown.observe import mons_of
from gamefleet.games.showdown.replays.parse import parse_log
from gamefleet.games.showdown.replays.records import seen_from, trajectory
from gamefleet.games.showdown.replays.sources import read_unit, units_of
from gamefleet.games.showdown.replays.trace import Trace

MOVES = slice(at.MOVES, at.MOVES + at.NUM_MOVES)
MIN_KNOWN_MOVES = {"gen1ou": 9, "gen9ou": 7}
"""Of the 24 of a team, on average; what had been shown by then is 5.9 and 4.7."""


@pytest.fixture(scope="module")
def pairs() -> list[tuple[Trace, Trace]]:
    """Some battles of each format, with and without the lines that show whole teams."""
    found = []
    for unit in units_of(CORPUS):
        for raw, _ in zip(read_unit(CORPUS, unit), range(6), strict=False):
            log = str((raw or {})["log"])
            bare = "\n".join(line for line in log.split("\n") if not line.startswith("|showteam|"))
            found.append((parse_log(log), parse_log(bare)))
    return found


def test_a_side_knows_the_same_of_its_team_at_all_decisions(pairs: list[tuple[Trace, Trace]]) -> None:
    for _, bare in pairs:
        for view in (0, 1):
            own = trajectory(bare, view)["own"]
            assert (own[:, :, at.BASE_SPECIES] > 0).sum() == len(own) * (bare.teams[view, :, at.TEAM_SPECIES] > 0).sum()
            np.testing.assert_array_equal(own[:, :, MOVES], np.broadcast_to(own[:1, :, MOVES], own[:, :, MOVES].shape))
            for fact in (at.LEVEL, at.GENDER):
                np.testing.assert_array_equal(own[:, :, fact], np.broadcast_to(own[:1, :, fact], own.shape[:2]))


def test_every_choice_that_is_shown_is_of_something_known(pairs: list[tuple[Trace, Trace]]) -> None:
    labels = 0
    for _, bare in pairs:
        for view in (0, 1):
            arrays, actions = seen_from(bare, view)
            moved, switched = (actions >= 0) & (actions < at.CHOICE_SWITCH), actions >= at.CHOICE_SWITCH
            assert (arrays["moves"][moved, actions[moved] % at.NUM_MOVES, 0] > 0).all()
            assert (arrays["own"][switched, actions[switched] - at.CHOICE_SWITCH, at.SPECIES] > 0).all()
            labels += int(moved.sum() + switched.sum())

    assert labels > 2000


@pytest.mark.parametrize("battle_format", MIN_KNOWN_MOVES)
def test_about_half_of_the_own_moves_are_known(pairs: list[tuple[Trace, Trace]], battle_format: str) -> None:
    views = [
        trajectory(bare, view)["own"][0] for _, bare in pairs for view in (0, 1) if bare.format_id == battle_format
    ]

    assert np.mean([(own[:, MOVES] > 0).sum() for own in views]) > MIN_KNOWN_MOVES[battle_format]


def test_the_choices_are_those_of_the_log_with_its_sheets(pairs: list[tuple[Trace, Trace]]) -> None:
    """By name: what was not shown has no place in one of the two."""
    same = total = 0
    for sheet, bare in pairs:
        for view in (0, 1):
            names = [names_of(*seen_from(trace, view)) for trace in (sheet, bare)]
            assert len(names[0]) == len(names[1])
            both = [(first, second) for first, second in zip(*names, strict=True) if first and second]
            same, total = same + sum(first == second for first, second in both), total + len(both)

    assert total > 2000
    assert same / total > 0.999


def names_of(arrays: dict[str, np.ndarray], actions: np.ndarray) -> list[tuple[str, int] | None]:
    names: list[tuple[str, int] | None] = []
    for number, action in enumerate(actions.tolist()):
        if action >= at.CHOICE_SWITCH:
            names.append(("switch", int(arrays["own"][number, action - at.CHOICE_SWITCH, at.BASE_SPECIES])))
        elif action >= 0:
            move = int(arrays["moves"][number, action % at.NUM_MOVES, 0])
            names.append((f"move {action // at.NUM_MOVES}", move))
        else:
            names.append(None)
    return names


def test_of_the_other_side_only_what_was_shown_by_then_is_seen(pairs: list[tuple[Trace, Trace]]) -> None:
    for _, bare in pairs:
        for view in (0, 1):
            asked = bare.choices[:, view] != at.CHOICE_NOT_ASKED
            theirs = trajectory(bare, view)["opponent"]
            np.testing.assert_array_equal(theirs, mons_of(bare.view_rows(view)[asked], at.other(view)))
            assert not theirs[0, :, MOVES].any()


def test_the_places_of_the_own_team_do_not_tell_when_it_will_be_shown(pairs: list[tuple[Trace, Trace]]) -> None:
    """They stand by the numbers of their species and moves, as in live play; unknown ones come last."""
    last = np.iinfo(np.int16).max
    for _, bare in pairs:
        for view in (0, 1):
            arrays = trajectory(bare, view)
            own = arrays["own"][0]
            species = np.where(own[:, at.SPECIES] > 0, own[:, at.SPECIES], last)
            moves = np.where(own[:, MOVES] > 0, own[:, MOVES], last)
            assert (np.diff(species) >= 0).all()
            assert (np.diff(moves, axis=1) >= 0).all()


def test_what_is_never_shown_is_no_legal_action(pairs: list[tuple[Trace, Trace]]) -> None:
    unknown = 0
    for _, bare in pairs:
        for view in (0, 1):
            arrays = trajectory(bare, view)
            legal = np.unpackbits(arrays["legal"], axis=1, count=RECORDED.num_actions).astype(bool)
            can_act = (arrays["moves"][:, :, 0] > 0).any(axis=1)
            is_unknown = (arrays["moves"][:, :, 0] == 0) & can_act[:, None]
            assert not (legal[:, : at.NUM_MOVES] & is_unknown).any()
            is_missing = (arrays["own"][:, :, at.SPECIES] == 0) & can_act[:, None]
            assert not (legal[:, at.CHOICE_SWITCH :] & is_missing).any()
            unknown += int(is_unknown.sum() + is_missing.sum())
            shown = arrays[ACTION] >= 0
            assert legal[shown, arrays[ACTION][shown]].all()

    assert unknown > 1000
