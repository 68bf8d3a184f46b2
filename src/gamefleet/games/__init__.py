"""What is played: one folder per game, found through one literal table.

Job: name the games and open one. Place in the data flow: actors play games; nothing else touches them. Left out:
everything about a particular game, which lives in its folder and is imported only when it is asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from gamefleet.errors import ConfigError, nearest

if TYPE_CHECKING:
    from gamefleet.games.base import GamePackage

GAMES = {
    "pokemon_red": "gamefleet.games.pokemon_red",
    "hanabi": "gamefleet.games.hanabi",
    "showdown": "gamefleet.games.showdown",
    "craftax": "gamefleet.games.craftax",
}

DEFAULT_GAME = "pokemon_red"
"""Played where nothing names a game."""


def open_game(name: str) -> GamePackage:
    """Import the package of one game.

    Args:
        name: A key of `GAMES`; dashes are taken for underscores.

    Returns:
        The game's package.

    Raises:
        ConfigError: There is no game of that name.
    """
    key = name.replace("-", "_")
    if key not in GAMES:
        raise ConfigError("No such game", value=name, remedy=nearest(key, GAMES))
    package: GamePackage = importlib.import_module(GAMES[key]).PACKAGE
    return package


def first_with_skills() -> str:
    """The first game that has worlds for skills."""
    return next(name for name in GAMES if open_game(name).skills is not None)
