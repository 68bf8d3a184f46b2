"""Names say what a thing is for; every module opens with its job; no game is named outside its folder."""

import ast
import re

from gamefleet.games import GAMES

BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "base_class", "new", "v2", "final"}

GAME_NAMES_ALLOWED: dict[str, str] = {
    "games/__init__.py": "the one dict of games",
    "topologies/job_graph/settings.py": "the default environment of skills, which a user may leave out",
    "games/gymnasium_adapter.py": "the example in its docstring names a game that exists",
    "topologies/recorded/parts.py": "the one place that joins the pipeline of raw records to packed files",
}
"""Files outside a game's folder that may name it, each with its reason; `cli/` may, in its examples."""


def name_parts(name: str) -> set[str]:
    """`RunManager` and `run_manager` both give {run, manager, run_manager}."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_")
    return {*snake.split("_"), snake}


def test_no_module_or_folder_has_a_name_that_attracts_leftovers(texts: dict[str, str]) -> None:
    parts = {path: name_parts(part) for path in texts for part in path.removesuffix(".py").split("/")}

    assert {path: found & BANNED_NAMES for path, found in parts.items() if found & BANNED_NAMES} == {}


def test_no_class_or_function_has_such_a_name_either(trees: dict[str, ast.Module]) -> None:
    names = [
        f"{path}::{node.name}"
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]

    def last_word(name: str) -> str:
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.split("::")[1]).lower().split("_")[-1]

    assert [name for name in names if last_word(name) in BANNED_NAMES] == []


def test_every_module_opens_with_a_docstring(trees: dict[str, ast.Module]) -> None:
    assert [path for path, tree in trees.items() if not ast.get_docstring(tree)] == []


def test_every_module_says_its_job_and_what_it_leaves_out(trees: dict[str, ast.Module]) -> None:
    docstrings = {
        path: " ".join((ast.get_docstring(tree) or "").split())
        for path, tree in trees.items()
        if not path.endswith("__init__.py")
    }
    required = ("Job:", "Left out:")

    missing = {path: [word for word in required if word not in text] for path, text in docstrings.items()}
    assert {path: words for path, words in missing.items() if words} == {}


def test_every_public_function_and_class_has_a_docstring(trees: dict[str, ast.Module]) -> None:
    public = [
        (f"{path}::{node.name}", node)
        for path, tree in trees.items()
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]

    assert [name for name, node in public if not ast.get_docstring(node)] == []


def test_no_game_is_named_outside_its_folder(texts: dict[str, str]) -> None:
    found = {
        path: name
        for name in GAMES
        for path, text in texts.items()
        if not path.startswith((f"games/{name}/", "cli/"))
        and re.search(name.replace("_", "[_ -]"), text, re.IGNORECASE)
    }

    assert {path: name for path, name in found.items() if path not in GAME_NAMES_ALLOWED} == {}
    assert set(GAME_NAMES_ALLOWED) <= set(found), "allowed but without need: take it off the list"
