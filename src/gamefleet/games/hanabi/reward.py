"""Points, milestones and cells.

Job: what moves earn, and how far a game is. Place in the data flow: `game` writes them into a step's rows. Left out:
the rules (`simulator`).

The sum of an episode's terms is the score as the rules count it: each card played is a point, and losing the last life
takes all points back.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.hanabi.config import HanabiConfig
from gamefleet.games.hanabi.state import State

TERMS = ("score", "lost_score")
MILESTONES = ("first_card", "quarter", "half", "three_quarters", "perfect")


def terms_of(scored: NDArray[np.int64], score: NDArray[np.int64], is_lost: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The terms of one move each.

    Args:
        scored: int64 `[n]`, points of this move.
        score: int64 `[n]`, points so far.
        is_lost: bool `[n]`, this move took the last life.

    Returns:
        float32 `[n, term]`, in the order of `TERMS`.
    """
    terms = np.empty((len(scored), len(TERMS)), np.float32)
    terms[:, 0] = scored
    terms[:, 1] = -score * is_lost
    return terms


def milestone_scores(config: HanabiConfig) -> NDArray[np.int64]:
    """The score that reaches each milestone, int64 `[milestone]`."""
    most = config.max_score
    return np.array([1, -(-most // 4), -(-most // 2), -(-3 * most // 4), most], np.int64)


def cells(config: HanabiConfig, state: State, envs: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Which games are alike: equal fireworks, lives, hint tokens and undealt cards, uint64 `[n]`."""
    height = (config.num_ranks + 1) ** np.arange(config.num_colors)
    cell = state.fireworks[envs] @ height
    for count in (state.lives, state.information, state.drawn):
        cell = cell * 64 + count[envs]
    return cell.astype(np.uint64)


def reward_json(config: HanabiConfig) -> dict[str, Any]:
    """What enters the compatibility hash: the terms, each of which counts points."""
    return {"terms": list(TERMS), "points_per_card": 1}
