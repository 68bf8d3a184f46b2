"""The package says of itself what is true: version, typing, and every library it imports."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import gamefleet

DISTRIBUTION = {
    "yaml": "pyyaml",
    "PIL": "pillow",
    "pygame": "pygame-ce",
    "poke_env": "poke-env",
    "huggingface_hub": "huggingface-hub",
}
"""Where the name to import is not the name to install."""


@pytest.fixture(scope="module")
def project(repository: Path) -> dict[str, Any]:
    settings: dict[str, Any] = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    return settings


def distributions(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=\[; ]", requirement)[0].lower() for requirement in requirements} - {"gamefleet"}


def imported(tree: ast.AST) -> Iterator[str]:
    """Top-level names of the other projects' packages that `tree` imports anywhere."""
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        for name in names:
            top = name.split(".")[0]
            if top not in sys.stdlib_module_names and top != "gamefleet":
                yield DISTRIBUTION.get(top, top).lower()


def test_the_version_is_the_same_in_both_places(project: dict[str, Any]) -> None:
    assert project["version"] == gamefleet.__version__


def test_type_checkers_of_users_may_look_inside(package: Path) -> None:
    assert (package / "py.typed").is_file()


def test_every_folder_with_modules_is_a_package(package: Path) -> None:
    folders = {path.parent for path in package.rglob("*.py")}

    assert sorted(str(folder) for folder in folders if not (folder / "__init__.py").is_file()) == []


def test_every_imported_library_is_declared_for_users(project: dict[str, Any], trees: dict[str, ast.Module]) -> None:
    users = {name: needs for name, needs in project["optional-dependencies"].items() if name != "dev"}
    declared = distributions([*project["dependencies"], *(need for needs in users.values() for need in needs)])

    used = {(path, name) for path, tree in trees.items() for name in imported(tree)}
    assert sorted((path, name) for path, name in used if name not in declared) == []


def test_every_core_dependency_is_used(project: dict[str, Any], trees: dict[str, ast.Module]) -> None:
    used = {name for tree in trees.values() for name in imported(tree)}

    assert sorted(distributions(project["dependencies"]) - used) == []


def test_every_dependency_says_in_the_design_what_it_replaces(project: dict[str, Any], repository: Path) -> None:
    needs = [need for group in project["optional-dependencies"].values() for need in group]
    design = (repository / "docs" / "design.md").read_text()

    rows = {name.lower() for row in re.findall(r"^\| (.+?) \|", design, re.MULTILINE) for name in row.split(", ")}
    missing = distributions([*project["dependencies"], *needs]) - {name.strip("`") for name in rows}
    assert sorted(missing) == []


def test_every_test_is_run_by_a_call_that_names_none(repository: Path) -> None:
    """Pytest's settings order the folders by name; one that is forgotten there would never run."""
    settings = tomllib.loads((repository / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    named = [repository / folder for folder in settings["testpaths"]]
    tests = list((repository / "tests").rglob("test_*.py"))
    assert len(tests) > 100
    assert [path for path in tests if sum(path.is_relative_to(folder) for folder in named) != 1] == []
