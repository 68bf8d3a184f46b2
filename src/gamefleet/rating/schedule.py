"""Who plays whom, in mirrored games.

Job: the list of games that a ladder needs. Place in the data flow: names and what was played already in, games out; a
game's own code plays them. Left out: playing.

Luck with teams and dice is larger than the differences that are to be seen. A block is therefore two games with the
same teams and the same seed, in which the players change sides: what the teams decide cancels.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gamefleet.errors import ConfigError, nearest
from gamefleet.rating.results import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixture:
    """A game to be played.

    Args:
        first: Name of one player.
        second: Name of the other.
        block: Teams and seed are the same in both games of a block, and differ between blocks.
        is_swapped: Whether the first takes the second side.
    """

    first: str
    second: str
    block: int
    is_swapped: bool

    def result(self, score: float, end: str = "") -> Result:
        """What it gave; `score` is the first's."""
        return Result(
            first=self.first, second=self.second, score=score, block=self.block, is_swapped=self.is_swapped, end=end
        )


def mirrored(first: str, second: str, blocks: Iterable[int]) -> Iterator[Fixture]:
    """Both games of each block."""
    for block in blocks:
        for is_swapped in (False, True):
            yield Fixture(first=first, second=second, block=block, is_swapped=is_swapped)


def schedule(
    players: Sequence[str], *, blocks: int, done: Iterable[Result] = (), against: Sequence[str] = ()
) -> list[Fixture]:
    """Games that are still to be played so that every pair has so many blocks.

    Args:
        players: Names.
        blocks: Per pair; twice as many games.
        done: Games that were played already.
        against: Only pairs with one of these; empty for all pairs.

    Returns:
        Games, one block of every pair before the next: a ladder that is cut short is balanced.

    Raises:
        ConfigError: There are fewer than two players, a name occurs twice, or `against` names nobody.
    """
    check_players(players, against)
    played = {(*result.pair, result.block, swap_of(result)) for result in done}
    pairs = [pair for pair in itertools.combinations(players, 2) if not against or set(pair) & set(against)]
    wanted = (
        fixture for block in range(blocks) for first, second in pairs for fixture in mirrored(first, second, [block])
    )
    return [game for game in wanted if (*pair_of(game), game.block, swap_of(game)) not in played]


def pair_of(game: Fixture) -> tuple[str, str]:
    """Both names in alphabetical order."""
    return (game.first, game.second) if game.first < game.second else (game.second, game.first)


def swap_of(game: Fixture | Result) -> bool:
    """Whether the alphabetically first player has the second side."""
    return game.is_swapped if game.first < game.second else not game.is_swapped


def check_players(players: Sequence[str], against: Sequence[str]) -> None:
    """Refuse names from which no schedule can be made.

    Raises:
        ConfigError: See `schedule`.
    """
    if len(players) < 2 or len(set(players)) != len(players):
        raise ConfigError("A ladder needs at least two players, each once", value=", ".join(players))
    for name in against:
        if name not in players:
            raise ConfigError("There is no such player", value=name, remedy=nearest(name, players))
