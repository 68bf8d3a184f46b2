"""The import contracts in pyproject.toml are the table of docs/design.md, for every package that exists.

`make lint` checks the code against the contracts; this checks the contracts against the table.
"""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from gamefleet.games import GAMES

LEAVES = {"errors", "files", "identity", "untrusted"}

MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "files": set(),
    "identity": set(),
    "untrusted": set(),
    "experience": set(),
    "weights": set(),
    "models": set(),
    "skills": set(),
    "games": {"models", "skills"},
    "transport": {"experience", "weights"},
    "actors": {"games", "skills", "experience", "weights"},
    "learners": {"experience", "weights", "models"},
    "cluster": set(),
    "runs": {"weights"},
    "rating": set(),
    "topologies": {
        "games",
        "skills",
        "models",
        "actors",
        "experience",
        "learners",
        "weights",
        "transport",
        "cluster",
        "runs",
        "rating",
    },
    "watch": {"runs", "transport", "rating"},
    "testing": {"games", "models", "skills", "experience", "weights", "transport", "cluster"},
}
"""Besides itself and the leaves; `files` may use `errors`. `cli` may import everything but `testing`."""


@pytest.fixture(scope="module")
def contracts(repository: Path) -> list[dict[str, Any]]:
    settings = tomllib.loads((repository / "pyproject.toml").read_text())
    found: list[dict[str, Any]] = settings["tool"]["importlinter"]["contracts"]
    return found


@pytest.fixture(scope="module")
def members(repository: Path) -> set[str]:
    """Names of the packages and modules directly below gamefleet that hold code; `__main__` only calls the commands."""
    top = (repository / "src" / "gamefleet").iterdir()
    found = {path.stem for path in top if path.suffix == ".py" or (path / "__init__.py").is_file()}
    return found - {"__init__", "__main__"}


def allowed(member: str, members: set[str]) -> set[str]:
    if member == "cli":
        return members - {"testing"}
    return MAY_IMPORT[member] | {member} | ({"errors"} if member == "files" else LEAVES - {member})


def test_every_package_is_in_the_table(members: set[str]) -> None:
    assert sorted(members - set(MAY_IMPORT) - {"cli"}) == [], "say in the table what the new package may import"


def test_every_package_has_a_contract_that_forbids_what_the_table_does_not_allow(
    contracts: list[dict[str, Any]], members: set[str]
) -> None:
    stated = {
        contract["source_modules"][0].removeprefix("gamefleet."): set(contract["forbidden_modules"])
        for contract in contracts
        if contract["name"].endswith("imports only what the table allows")
    }

    for member in sorted(members):
        names = members - allowed(member, members) if member not in LEAVES else members - {member, "errors"}
        if member == "errors":
            names = members - {"errors"}
        assert stated.get(member, set()) == {f"gamefleet.{name}" for name in names}, f"contract of {member}"


def test_every_game_is_in_the_contract_that_keeps_games_apart(contracts: list[dict[str, Any]]) -> None:
    apart = next(contract["modules"] for contract in contracts if contract["type"] == "independence")

    assert sorted(apart) == sorted(GAMES.values())


def test_no_contract_has_exceptions(contracts: list[dict[str, Any]]) -> None:
    assert [contract["name"] for contract in contracts if contract.get("ignore_imports")] == []
