"""Each command of the five guides has its equivalent, is said to work unchanged, or is said not to be there yet."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

THEIR_OWN = re.compile(r"Daddy|rl_hanabi|flowrl|hanabi-|exp/|scripts/|^python (?!-m venv)|slurm-|checkpoints_")
"""What belongs to the guides' own projects, and therefore cannot work unchanged."""


@pytest.fixture(scope="module")
def listed(repository: Path) -> list[tuple[str, str]]:
    """(guide number, command) as committed in the list."""
    header, *lines = (repository / "docs" / "guide-commands.tsv").read_text().splitlines()
    assert header.split("\t") == ["guide", "section", "command"]
    rows = [line.split("\t") for line in lines]
    assert all(len(row) == 3 and all(row) for row in rows)
    return [(guide, command) for guide, _, command in rows]


@pytest.fixture(scope="module")
def answers(repository: Path) -> list[tuple[str, str, str]]:
    """(guide number, their command, what the page says of it) for every row of the page's tables."""
    page = (repository / "docs" / "from-the-guides.md").read_text()
    found = []
    for guide, section in re.findall(r"^## Guide (\d).*?\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL):
        for theirs, ours in re.findall(r"^\| `(.+?)` \| (.+?) \|$", section, re.MULTILINE):
            found.append((guide, theirs.replace("\\|", "|"), ours.replace("\\|", "|")))
    return found


def flags(command: str) -> set[str]:
    """The flags of a command, spelt with dashes, as the guides use both spellings."""
    return {word.split("=")[0].replace("_", "-") for word in shlex.split(command) if word.startswith("--")}


def test_the_list_covers_all_five_guides_once(listed: list[tuple[str, str]]) -> None:
    assert {guide for guide, _ in listed} == set("12345")
    assert len(set(listed)) == len(listed)


def test_every_listed_command_has_exactly_one_row(
    listed: list[tuple[str, str]], answers: list[tuple[str, str, str]]
) -> None:
    rows = [(guide, theirs) for guide, theirs, _ in answers]

    assert sorted(set(listed) - set(rows)) == [], "listed, but the page does not say what to type"
    assert sorted(set(rows) - set(listed)) == [], "on the page, but not in the list"
    assert len(rows) == len(set(rows))


def test_every_row_answers_with_a_command_or_says_that_there_is_none(answers: list[tuple[str, str, str]]) -> None:
    def is_answer(ours: str) -> bool:
        return ours in ("not yet", "unchanged") or re.fullmatch(r"`[^`]+`", ours) is not None

    assert [row for row in answers if not is_answer(row[2])] == []


def test_only_commands_of_other_programs_are_called_unchanged(answers: list[tuple[str, str, str]]) -> None:
    assert [theirs for _, theirs, ours in answers if ours == "unchanged" and THEIR_OWN.search(theirs)] == []


def test_every_gamefleet_command_of_the_page_parses(
    answers: list[tuple[str, str, str]],
    refusal: Callable[[str], str],
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(repository)
    commands = [ours.strip("`") for _, _, ours in answers if ours.startswith("`gamefleet ")]

    assert [(command, why) for command in commands if (why := refusal(command))] == []
    assert commands


def test_equivalents_keep_the_flags_of_the_guides(answers: list[tuple[str, str, str]]) -> None:
    rows = [(theirs, ours.strip("`")) for _, theirs, ours in answers if ours.startswith("`gamefleet ")]

    assert [(theirs, ours) for theirs, ours in rows if not flags(theirs) <= flags(ours)] == []
