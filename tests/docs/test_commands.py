"""Commands in the documentation are ones that `gamefleet` and `make` accept; the command reference is current."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


def test_a_wrong_command_would_be_noticed(refusal: Callable[[str], str]) -> None:
    assert "nothing" in refusal("gamefleet nothing")
    assert "--wrong" in refusal("gamefleet train pokemon_red --wrong")
    assert refusal("gamefleet rollout pokemon_red --steps many") != ""
    assert refusal("gamefleet train") != ""
    assert refusal("gamefleet train pokemon_red --resume") == ""


def test_every_gamefleet_command_in_a_code_block_parses(
    pages: dict[str, str],
    shell_lines: Callable[[str], list[str]],
    refusal: Callable[[str], str],
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(repository)
    commands = [
        (path, line)
        for path, page in pages.items()
        for line in shell_lines(page)
        if line.startswith("gamefleet ") and path != "docs/cli.md"
    ]

    refused = [(path, line, refusal(line)) for path, line in commands]
    assert [entry for entry in refused if entry[2]] == []
    assert len(commands) > 10, "the pages show how the command is used"


def test_every_gamefleet_command_in_running_text_exists(pages: dict[str, str], refusal: Callable[[str], str]) -> None:
    # In running text a command may be cut short, so only its words are checked, by asking for its help.
    words = {
        (path, match)
        for path, page in pages.items()
        for match in re.findall(r"`gamefleet ((?:[a-z]+ ?){1,2})(?=[A-Z\-\[`])", page)
    }
    known_games = ("pokemon_red", "hanabi")

    def exists(text: str) -> bool:
        names = [word for word in text.split() if word not in known_games]
        return not refusal(f"gamefleet {' '.join(names)} --help")

    assert sorted((path, text) for path, text in words if not exists(text)) == []


def test_every_make_target_in_the_pages_exists(pages: dict[str, str], repository: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (repository / "Makefile").read_text(), re.MULTILINE))
    named = {(path, name) for path, page in pages.items() for name in re.findall(r"(?:`|^)make ([a-z-]+)", page, re.M)}

    assert sorted((path, name) for path, name in named if name not in targets) == []


def test_the_command_reference_is_what_the_code_generates(repository: Path, tmp_path: Path) -> None:
    fresh = tmp_path / "cli.md"
    subprocess.run([sys.executable, "-m", "gamefleet.cli.reference", str(fresh)], check=True, timeout=300)

    assert (repository / "docs" / "cli.md").read_text() == fresh.read_text(), "run `make docs`"
