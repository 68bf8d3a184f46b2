"""Bradley-Terry: one number per player such that their differences explain who beat whom.

Job: the most likely ratings and how sure they are. Place in the data flow: a table of points in, Elo out. Left out:
where the points come from (`results`), intervals without the model's assumptions (`bootstrap`).

Player i beats player j with probability `1 / (1 + exp(t_j - t_i))`; a tie is half a win for both. The likelihood is
concave and has few unknowns, so Newton's method needs a handful of steps; unlike Elo's running update the result does
not depend on the order of the games. A weak normal prior (`ridge`) keeps the rating of a player who won or lost all of
its games finite. Only differences can be learned: one player, the anchor, gets its rating by definition.

Source: R. A. Bradley and M. E. Terry, "Rank analysis of incomplete block designs", Biometrika 39, 1952.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gamefleet.errors import ConfigError

ELO_PER_UNIT = 400.0 / math.log(10.0)
"""Elo points per natural unit of a rating: 400 points are odds of ten to one."""

RIDGE = 1e-3
"""Precision of the prior: a standard deviation of 32 units, 5,500 Elo."""

Z_95 = 1.959964
MAX_STEPS = 100
TOLERANCE = 1e-9
LONGEST_STEP = 2.0
"""Of a rating in one Newton step, in units: far from the maximum the quadratic model goes too far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Ratings of players, in Elo, relative to the anchor.

    Args:
        elo: Float64 [players].
        error: Standard errors of `elo`, float64 [players]: of the difference to the anchor, whose own is 0.
        covariance: Of the ratings before anchoring, float64 [players, players], in Elo squared.
    """

    elo: NDArray[np.float64]
    error: NDArray[np.float64]
    covariance: NDArray[np.float64]

    def half_width(self) -> NDArray[np.float64]:
        """Half of each 95 % interval, in Elo."""
        return Z_95 * self.error

    def difference(self, first: int, second: int) -> tuple[float, float]:
        """How much stronger one player is than another, and the standard error of that, in Elo."""
        cov = self.covariance
        variance = cov[first, first] + cov[second, second] - 2.0 * cov[first, second]
        return float(self.elo[first] - self.elo[second]), math.sqrt(max(0.0, float(variance)))


def fit(points: NDArray[np.float64], *, anchor: int = 0, anchor_elo: float = 0.0, ridge: float = RIDGE) -> Fit:
    """The most likely ratings.

    Args:
        points: Float64 [players, players]: what the row's player got against the column's.
        anchor: Whose rating is fixed.
        anchor_elo: At which.
        ridge: Precision of the prior, per squared unit.

    Raises:
        ConfigError: The players fall into groups that never met, so nothing compares them.
    """
    check_connected(points)
    games = points + points.T
    ratings = maximise(points[None], ridge)[0]
    covariance = np.linalg.inv(curvature(ratings[None], games[None], ridge)[0]) * ELO_PER_UNIT**2
    spread = np.diag(covariance) + covariance[anchor, anchor] - 2.0 * covariance[anchor]
    return Fit(
        elo=(ratings - ratings[anchor]) * ELO_PER_UNIT + anchor_elo,
        error=np.sqrt(np.maximum(spread, 0.0)),
        covariance=covariance,
    )


def maximise(points: NDArray[np.float64], ridge: float = RIDGE) -> NDArray[np.float64]:
    """Newton's method on many tables at once.

    Args:
        points: Float64 [tables, players, players].
        ridge: Precision of the prior.

    Returns:
        Float64 [tables, players], natural units, mean zero.
    """
    games = points + points.transpose(0, 2, 1)
    ratings = np.zeros(points.shape[:2])
    for _ in range(MAX_STEPS):
        expected = games * chance(ratings)
        slope = (points - expected).sum(axis=2) - ridge * ratings
        step = np.linalg.solve(curvature(ratings, games, ridge), slope[..., None])[..., 0]
        longest = np.abs(step).max(axis=1, keepdims=True)
        ratings += step * np.minimum(1.0, LONGEST_STEP / np.maximum(longest, TOLERANCE))
        if longest.max() < TOLERANCE:
            break
    return np.asarray(ratings - ratings.mean(axis=1, keepdims=True))


def chance(ratings: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability that the row's player wins; [tables, players] -> [tables, players, players]."""
    difference = ratings[:, :, None] - ratings[:, None, :]
    # The hyperbolic tangent does not overflow, exp() does.
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * difference)))


def curvature(ratings: NDArray[np.float64], games: NDArray[np.float64], ridge: float) -> NDArray[np.float64]:
    """Fisher information with the prior's; [tables, players, players], positive definite."""
    win = chance(ratings)
    information = -games * win * (1.0 - win)
    diagonal = np.arange(games.shape[1])
    information[:, diagonal, diagonal] = 0.0
    information[:, diagonal, diagonal] = ridge - information.sum(axis=2)
    return information


def check_connected(points: NDArray[np.float64]) -> None:
    """Refuse players between whom no line of games runs.

    Raises:
        ConfigError: See above.
    """
    met = (points + points.T) > 0
    reached = np.zeros(len(points), dtype=bool)
    reached[:1] = True
    for _ in range(len(points)):
        reached |= met[reached].any(axis=0)
    if not reached.all():
        apart = [int(index) for index in np.flatnonzero(~reached)]
        raise ConfigError(
            "Players cannot be compared: no games connect them with the rest",
            value=f"players {apart} of {len(points)}",
            remedy="Let them play against one of the others, or rate them apart.",
        )


def expected_score(elo_difference: float) -> float:
    """Probability that a player wins who is so much stronger."""
    return 0.5 * (1.0 + math.tanh(0.5 * elo_difference / ELO_PER_UNIT))
