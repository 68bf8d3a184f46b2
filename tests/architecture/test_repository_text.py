"""What is committed reads the same for everyone: no machine, person, work order or unfinished thought in it."""

import re
from pathlib import Path

import pytest

TEXT_SUFFIXES = {
    ".py", ".md", ".toml", ".tsv", ".csv", ".json", ".yaml", ".yml", ".txt", ".c", ".h", ".s", ".sh", ".cfg", ".js",
    ".css", ".html", "",
}  # fmt: skip


def joined(*pieces: str) -> str:
    """Patterns are written in pieces so that this file does not contain what it forbids."""
    return "".join(pieces)


MACHINE_PATHS = joined(r"(?<![\w.~$})\"'`*-])", "/(work|root|home|Users)/", r"|/tmp", r"/\w")
PERSONS_AND_HOSTS = joined("(?i)wash", "u|wu", "stl|scratch", r"01|\ben", r"gr\b|@gm", "ail")
WORK_ORDERS = joined("(?i)\\b(this|our) iss", "ue\\b|iss", "ues show|this se", "ssion\\b|as req", "uested")
AUTHORS = joined(
    "(?i)clau", "de|anthro", "pic|chat", "gpt|co-auth", "ored-by|generated (by|with) (an? )?(ai|l", "lm)\\b"
)
UNFINISHED = joined(r"\b(TO", "DO|FIX", "ME|XX", r"X|HA", r"CK)\b")


@pytest.fixture(scope="module")
def committed(repository: Path, repository_files: tuple[Path, ...]) -> dict[str, list[str]]:
    """Lines of every text file by its path; the licence names its holder."""
    texts = [path for path in repository_files if path.suffix in TEXT_SUFFIXES and is_ours(path)]
    return {path.as_posix(): (repository / path).read_text(errors="replace").splitlines() for path in texts}


def is_ours(path: Path) -> bool:
    """Not a licence, and nothing that was taken over as it is."""
    return path.name != "LICENSE" and "vendor" not in path.parts


def matches(committed: dict[str, list[str]], pattern: str) -> list[str]:
    return [
        f"{path}:{number}: {line.strip()[:100]}"
        for path, lines in committed.items()
        for number, line in enumerate(lines, start=1)
        if re.search(pattern, line)
    ]


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param(MACHINE_PATHS, id="no path of one machine"),
        pytest.param(PERSONS_AND_HOSTS, id="no person, university or host"),
        pytest.param(WORK_ORDERS, id="no work order"),
        pytest.param(AUTHORS, id="no author"),
        pytest.param(UNFINISHED, id="nothing unfinished"),
    ],
)
def test_what_is_committed_contains(committed: dict[str, list[str]], pattern: str) -> None:
    assert matches(committed, pattern) == []


def test_committed_files_are_small_except_pictures_and_films(
    repository: Path, repository_files: tuple[Path, ...]
) -> None:
    sizes = {path.as_posix(): (repository / path).stat().st_size for path in repository_files}
    media = (".png", ".gif", ".mp4")

    assert {path: size for path, size in sizes.items() if size > 3_000_000} == {}
    assert {path: size for path, size in sizes.items() if size > 300_000 and not path.endswith(media)} == {}


def test_no_game_but_our_own_is_committed(repository_files: tuple[Path, ...]) -> None:
    roms = [path.as_posix() for path in repository_files if path.suffix in (".gb", ".gbc", ".sav", ".state")]

    assert [rom for rom in roms if not rom.endswith("cartridge/cartridge.gb")] == []
