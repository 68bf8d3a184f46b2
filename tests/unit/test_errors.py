"""Errors say what, which value, where and what to do next, and the tree in the docstring is the real one."""

import re

import pytest

from gamefleet import errors
from gamefleet.errors import GamefleetError, nearest


def every_error() -> list[type[GamefleetError]]:
    found = [GamefleetError]
    for error in found:
        found.extend(error.__subclasses__())
    return [error for error in found if error.__module__ == "gamefleet.errors"]


def test_an_error_reads_as_one_paragraph_with_its_four_answers() -> None:
    error = GamefleetError("The ROM is not one we know", value="abc", where="game.rom", remedy="Choose another.")

    assert str(error) == "The ROM is not one we know: 'abc' (game.rom). Choose another."
    assert "\n" not in str(error)


def test_answers_that_are_missing_leave_no_gap() -> None:
    assert str(GamefleetError("The disk is full")) == "The disk is full."
    assert str(GamefleetError("The disk is full", remedy="Free some.")) == "The disk is full. Free some."


def test_values_that_are_false_are_still_shown() -> None:
    assert str(GamefleetError("Too few games", value=0)) == "Too few games: 0."
    assert str(GamefleetError("No name", value="")) == "No name: ''."


def test_the_tree_in_the_module_docstring_is_the_tree_of_classes() -> None:
    drawn = re.findall(r"(?:├─|└─) (\w+)", errors.__doc__ or "")

    assert sorted(drawn) == sorted(error.__name__ for error in every_error() if error is not GamefleetError)


@pytest.mark.parametrize(("name", "code"), re.findall(r"─ (\w+Error) .*\(exit (\d+)\)", errors.__doc__ or ""))
def test_the_exit_codes_in_the_module_docstring_are_the_real_ones(name: str, code: str) -> None:
    assert getattr(errors, name).exit_code == int(code)


def test_every_branch_of_the_tree_has_an_exit_code_of_its_own() -> None:
    branches = [error for error in every_error() if error.__bases__ == (GamefleetError,)]

    assert len({error.exit_code for error in branches} | {0, 1}) == len(branches) + 2


def test_every_error_says_in_its_docstring_when_it_is_raised() -> None:
    assert [error for error in every_error() if not error.__doc__] == []


def test_nearest_names_the_probable_choice_and_lists_all() -> None:
    assert nearest("archiv", ["swarm", "archive", "none"]) == "Did you mean 'archive'? Choices: archive, none, swarm."


def test_nearest_lists_the_choices_when_none_is_close() -> None:
    assert nearest("zzz", ["swarm", "none"]) == "Choices: none, swarm."
