"""The scripted solver as a player of the game's actions.

Job: turn the solver's button names into actions. Place in the data flow: baselines and tests play it. Left out: the
solver, which reads the Game Boy's memory and knows our cartridge's story; the commercial game it does not know.
"""

from __future__ import annotations

from gamefleet.errors import ConfigError
from gamefleet.games.base import Game
from gamefleet.games.pokemon_red.game import ACTIONS, PokemonRed
from gamefleet.games.pokemon_red.scripted import Solver


class SolverPlayer:
    """Plays the cartridge by its script.

    Args:
        game: The game to play; its memory is read before each action.
    """

    def __init__(self, game: PokemonRed) -> None:
        self._solver = Solver(game.read)

    def act(self) -> int:
        """The next action."""
        return ACTIONS.index(self._solver.next_button())


def make_scripted(game: Game) -> SolverPlayer:
    """A scripted player for one game.

    Args:
        game: A `PokemonRed` that plays the cartridge.

    Returns:
        The player.

    Raises:
        ConfigError: The game is something else, which the script does not know.
    """
    if not isinstance(game, PokemonRed) or not game.is_cartridge:
        raise ConfigError(
            "The scripted player only knows the cartridge",
            value=type(game).__name__,
            where="game.rom",
            remedy="Leave game.rom empty, or choose another policy.",
        )
    return SolverPlayer(game)
