"""Intervals of ratings from the games themselves, by drawing blocks of games again.

Job: how much ratings would move if other seeds had been played. Place in the data flow: beside `bradley_terry`, from
the same results. Left out: the model.

Two mirrored games share their teams and their dice, so they are not two independent games; what is drawn again is the
block, not the game. Blocks are drawn within each pair of players, because the schedule says how many each pair plays.
Blocks of one pair with the same points are alike, so the counts of each kind are drawn at once.

Source: B. Efron and R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13 (percentile intervals).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gamefleet.rating.bradley_terry import ELO_PER_UNIT, RIDGE, maximise
from gamefleet.rating.results import Result

DRAWS = 400
Block = tuple[float, float]
"""Points of the alphabetically first and second player."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """95 % intervals of ratings, in Elo.

    Args:
        low: Float64 [players].
        high: Float64 [players].
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def half_width(self) -> NDArray[np.float64]:
        """Half of each interval."""
        return np.asarray((self.high - self.low) / 2.0)


def blocks_of(results: Iterable[Result]) -> Mapping[tuple[str, str], Counter[Block]]:
    """How often each pair had a block with these points."""
    sums: dict[tuple[str, str, int], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for result in results:
        total = sums[*result.pair, result.block]
        total[0] += result.pair_score
        total[1] += 1.0 - result.pair_score
    found: dict[tuple[str, str], Counter[Block]] = defaultdict(Counter)
    for (first, second, _), (mine, theirs) in sums.items():
        found[first, second][mine, theirs] += 1
    return found


def draw_tables(
    results: Iterable[Result], players: Sequence[str], *, draws: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Tables of points as other blocks would have given them.

    Returns:
        Float64 [draws, players, players].
    """
    place = {name: index for index, name in enumerate(players)}
    tables = np.zeros((draws, len(players), len(players)))
    for (first, second), kinds in sorted(blocks_of(results).items()):
        if first not in place or second not in place:
            continue
        values = np.array(sorted(kinds))
        counts = np.array([kinds[mine, theirs] for mine, theirs in sorted(kinds)])
        drawn = rng.multinomial(counts.sum(), counts / counts.sum(), size=draws) @ values
        tables[:, place[first], place[second]] = drawn[:, 0]
        tables[:, place[second], place[first]] = drawn[:, 1]
    return tables


def bootstrap(
    results: Sequence[Result],
    players: Sequence[str],
    *,
    anchor: int = 0,
    anchor_elo: float = 0.0,
    ridge: float = RIDGE,
    draws: int = DRAWS,
    seed: int = 0,
) -> Interval:
    """Intervals of the ratings that `bradley_terry.fit` gives; arguments as there.

    Args:
        results: Games with their blocks.
        players: Names, in the order of the ratings.
        anchor: Whose rating is fixed.
        anchor_elo: At which.
        ridge: Precision of the prior.
        draws: How many tables are drawn.
        seed: Of the draws; the same seed gives the same intervals.
    """
    tables = draw_tables(results, players, draws=draws, rng=np.random.default_rng(seed))
    ratings = maximise(tables, ridge) * ELO_PER_UNIT
    elo = ratings - ratings[:, anchor : anchor + 1] + anchor_elo
    low, high = np.quantile(elo, (0.025, 0.975), axis=0)
    return Interval(low=low, high=high)
