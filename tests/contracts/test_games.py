"""Every game keeps the promises of `games.base`."""

import pytest

from gamefleet.games import GAMES, open_game
from gamefleet.games.base import GamePackage
from gamefleet.testing.game_contract import check_game
from gamefleet.testing.toys import chain, corridor, grid

PACKAGES = [*(open_game(name) for name in GAMES), chain.PACKAGE, corridor.PACKAGE, grid.PACKAGE]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_a_game_keeps_its_promises(package: GamePackage) -> None:
    check_game(package)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_a_game_is_found_by_the_module_that_it_names(package: GamePackage) -> None:
    import importlib

    assert importlib.import_module(package.module).PACKAGE is package
