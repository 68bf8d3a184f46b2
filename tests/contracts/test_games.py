"""Every game keeps the promises of `games.base`."""

from collections.abc import Callable

import pytest

from gamefleet.games import GAMES, open_game
from gamefleet.games.base import GamePackage
from gamefleet.testing.game_contract import check_game
from gamefleet.testing.toys import chain, corridor, grid

PACKAGES = [*(open_game(name) for name in GAMES), chain.PACKAGE, corridor.PACKAGE, grid.PACKAGE]


NEEDS = {"showdown": "simulator", "craftax": "compiled_world"}
"""What a game cannot be played without, as a fixture."""


@pytest.fixture
def compiled_world(require_module: Callable[[str, str], None]) -> None:
    """The package that computes Craftax."""
    require_module("craftax", "make craftax")
    # Half the time to compile; nothing here runs for long.
    import jax

    jax.config.update("jax_disable_most_optimizations", True)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_a_game_keeps_its_promises(package: GamePackage, request: pytest.FixtureRequest) -> None:
    if package.name in NEEDS:
        request.getfixturevalue(NEEDS[package.name])
    check_game(package)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_a_game_is_found_by_the_module_that_it_names(package: GamePackage) -> None:
    import importlib

    assert importlib.import_module(package.module).PACKAGE is package
