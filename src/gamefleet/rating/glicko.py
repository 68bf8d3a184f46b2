"""Glicko-1 and GXE: the numbers that public ladders print, from our own games.

Job: ratings in the form that players of public ladders know. Place in the data flow: beside `bradley_terry`, from the
same results. Left out: the ladder's daily decay; scripted players and frozen weights do not change.

Both are relative to who plays here. A public ladder's 1500 is its average visitor; ours is the average of the start
values, so numbers of the two cannot be compared.

Source: M. E. Glickman, "Parameter estimation in large dynamic paired comparison experiments", Applied Statistics 48,
1999 (Glicko-1); X-Act, "GLIXARE: a much better way of estimating a player's overall rating than Shoddy's CRE", 2009
(GXE, in the form that public ladders compute).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gamefleet.rating.results import Result

Q = math.log(10.0) / 400.0
START, START_DEVIATION = 1500.0, 350.0
LEAST_DEVIATION = 25.0
OTHERS_DEVIATION = 350.0
"""Of the player whom GXE is about: one of whom nothing is known."""

PERIOD_GAMES = 15
"""Games of the busiest player in a rating period; Glickman advises 5 to 10 of the average one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Glicko:
    """A rating.

    Args:
        rating: In Glicko's points, about Elo's.
        deviation: Its standard error.
    """

    rating: float = START
    deviation: float = START_DEVIATION


def damping(deviation: float) -> float:
    """How much less a result says because the other's rating is not sure; Glickman's g."""
    return 1.0 / math.sqrt(1.0 + 3.0 * (Q * deviation / math.pi) ** 2)


def update(mine: Glicko, games: Sequence[tuple[Glicko, float]]) -> Glicko:
    """A player's rating after one period.

    Args:
        mine: Before it.
        games: The others, as they were before it, with what was scored against them.
    """
    precision, surplus = 0.0, 0.0
    for other, score in games:
        weight = damping(other.deviation)
        expected = 1.0 / (1.0 + 10.0 ** (-weight * (mine.rating - other.rating) / 400.0))
        precision += (Q * weight) ** 2 * expected * (1.0 - expected)
        surplus += weight * (score - expected)
    variance = 1.0 / (1.0 / mine.deviation**2 + precision)
    return Glicko(
        rating=mine.rating + Q * variance * surplus,
        deviation=max(LEAST_DEVIATION, math.sqrt(variance)),
    )


def rate(results: Iterable[Result], *, period_games: int = PERIOD_GAMES) -> Mapping[str, Glicko]:
    """Ratings of all who played, in the order in which they did.

    Args:
        results: Games.
        period_games: A period ends once a player has so many.
    """
    ratings: dict[str, Glicko] = defaultdict(Glicko)
    for period in periods(results, period_games):
        played: dict[str, list[tuple[Glicko, float]]] = defaultdict(list)
        for result in period:
            played[result.first].append((ratings[result.second], result.score))
            played[result.second].append((ratings[result.first], 1.0 - result.score))
        ratings.update({name: update(ratings[name], games) for name, games in played.items()})
    return dict(ratings)


def periods(results: Iterable[Result], period_games: int) -> Iterator[list[Result]]:
    """Cut results into rating periods."""
    counts: dict[str, int] = defaultdict(int)
    period: list[Result] = []
    for result in results:
        period.append(result)
        for name in result.pair:
            counts[name] += 1
        if max(counts[name] for name in result.pair) >= period_games:
            yield period
            counts.clear()
            period = []
    if period:
        yield period


def gxe(player: Glicko) -> float:
    """The chance, in percent, to beat a player of whom nothing is known: rating 1500, deviation 350."""
    both = math.hypot(player.deviation, OTHERS_DEVIATION)
    odds_against: float = 10.0 ** (-damping(both) * (player.rating - START) / 400.0)
    return 100.0 / (1.0 + odds_against)
