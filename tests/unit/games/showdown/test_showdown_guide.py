"""Whoever follows README and guide in one checkout needs no folder for two things, and finds nothing to commit."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

PAGES = ("README.md", "docs/guides/showdown-ddp.md")
LINKS = ("checkpoints_8gpu", "slurm-1234.out", "slurm-1234.err")
"""What `launch` leaves where it is called, as links: a pattern with a slash at its end does not match those."""


@pytest.fixture(scope="module")
def commands(repository: Path) -> list[list[str]]:
    """Words of every command in a code block."""
    blocks = [
        block
        for page in PAGES
        for block in re.findall(r"^```bash\n(.*?)^```", (repository / page).read_text(), re.MULTILINE | re.DOTALL)
    ]
    return [
        shlex.split(line, comments=True) for line in "\n".join(blocks).splitlines() if line.startswith("gamefleet ")
    ]


def option(words: list[str], name: str, default: str = "") -> str:
    """What follows an option."""
    return words[words.index(name) + 1] if name in words else default


def test_a_folder_is_one_ladder_of_one_format_and_seed(commands: list[list[str]]) -> None:
    ladders: dict[str, set[tuple[str, str]]] = {}
    for words in commands:
        if words[1:3] == ["ladder", "run"] and "--promote" not in words:
            facts = option(words, "--format"), option(words, "--seed", "0")
            ladders.setdefault(option(words, "--folder", "ladder"), set()).add(facts)

    assert len(ladders) > 2
    assert {folder: facts for folder, facts in ladders.items() if len(facts) > 1} == {}


def test_a_folder_holds_battles_of_one_generation(commands: list[list[str]]) -> None:
    folders = [option(words, "--output-dir") for words in commands if words[1:3] == ["replays", "generate"]]

    assert len(folders) > 2
    assert len(set(folders)) == len(folders)


def test_what_the_pages_make_in_a_checkout_is_ignored(repository: Path, commands: list[list[str]]) -> None:
    named = [option(words, name) for words in commands for name in ("--output-dir", "--folder")]
    made = {f"{name}/file" for name in named if name and not name.startswith("/")} | {"ladder/ladder.json", *LINKS}
    asked = subprocess.run(
        ["git", "check-ignore", "--no-index", *made], cwd=repository, capture_output=True, text=True, check=False
    )
    if asked.returncode == 128:
        pytest.skip("this is no checkout")

    assert made - set(asked.stdout.split()) == set()
