"""The glossary has one meaning per word, and headings use its words, not the ones that it turns down."""

import re
from pathlib import Path

import pytest

NEEDED = {
    "actor", "batch", "checkpoint", "curriculum", "episode", "experience", "lag", "learner", "milestone", "quest",
    "replay", "round", "run", "sequence", "slot", "snapshot", "step", "stream", "terminated", "truncated", "update",
    "window",
}  # fmt: skip
"""Words on which the code and the pages lean."""


@pytest.fixture(scope="module")
def entries(repository: Path) -> dict[str, str]:
    page = (repository / "docs" / "glossary.md").read_text()
    found = re.findall(r"^\*\*(.+?)\*\*: (.+?)(?=\n\n|\Z)", page, re.MULTILINE | re.DOTALL)
    assert len(found) == len({word for word, _ in found}), "a word has one meaning"
    return dict(found)


def test_every_needed_word_is_explained(entries: dict[str, str]) -> None:
    assert sorted(NEEDED - set(entries)) == []


def test_words_are_in_alphabetical_order(entries: dict[str, str]) -> None:
    assert list(entries) == sorted(entries, key=str.casefold)


def test_headings_do_not_use_words_that_the_glossary_turns_down(entries: dict[str, str], pages: dict[str, str]) -> None:
    turned_down = {
        word.strip()
        for meaning in entries.values()
        for listed in re.findall(r"Not: ([^.]+)\.", meaning)
        for word in listed.split(",")
    }
    headings = [(path, line) for path, page in pages.items() for line in re.findall(r"^#+ (.+)$", page, re.MULTILINE)]

    assert turned_down
    assert [
        (path, heading, word)
        for path, heading in headings
        for word in turned_down
        if re.search(rf"\b{re.escape(word)}\b", heading, re.IGNORECASE) and path != "CHANGELOG.md"
    ] == []


def test_no_word_is_both_explained_and_turned_down(entries: dict[str, str]) -> None:
    turned_down = {
        word.strip()
        for meaning in entries.values()
        for listed in re.findall(r"Not: ([^.]+)\.", meaning)
        for word in listed.split(",")
    }

    assert sorted(turned_down & set(entries)) == []
