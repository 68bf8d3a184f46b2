"""How well does Hanabi's scripted player play, who knows no more than the rules allow?

Games of seeds 0, 1, ..., all seats played by the same script, for each number of players and two small variants.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.batch import empty_rows
from gamefleet.games.hanabi.config import HanabiConfig
from gamefleet.games.hanabi.game import HanabiBatch, make_spec
from gamefleet.games.hanabi.scripted import Thought
from gamefleet.games.hanabi.view import view_of
from table import Row, report

GAMES: dict[str, dict[str, Any]] = {
    "standard, 2 players": {"num_players": 2},
    "standard, 3 players": {"num_players": 3},
    "standard, 4 players": {"num_players": 4},
    "standard, 5 players": {"num_players": 5},
    "mini, 2 players": {"variant": "mini"},
    "small, 2 players": {"variant": "small"},
}


def scores(config: HanabiConfig, num_games: int) -> NDArray[np.float64]:
    """The return of each game."""
    rows = empty_rows(make_spec(config), num_games)
    batch = HanabiBatch(config, rows)
    batch.reset(np.arange(num_games), range(num_games))
    returns = np.zeros(num_games)
    while not rows.terminated.all():
        envs = np.flatnonzero(~rows.terminated)
        seen = ({name: array[env] for name, array in rows.obs.items()} for env in envs)
        actions = [Thought(config, view_of(config, obs)).choose() for obs in seen]
        batch.step(envs, np.array(actions, np.int16))
        returns[envs] += rows.terms[envs].sum(axis=1)
    return returns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--games", type=int, default=1000)
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/hanabi_scripted.md")
    arguments = parser.parse_args()
    rows: list[Row] = []
    for name, settings in GAMES.items():
        config = HanabiConfig(**settings)
        returns = scores(config, arguments.games)
        rows.append(
            {
                "game": name,
                "games": arguments.games,
                "mean score": f"{returns.mean():.2f} of {config.max_score}",
                "standard error": float(returns.std() / np.sqrt(len(returns))),
                "standard deviation": float(returns.std()),
                "perfect, %": float(100 * (returns == config.max_score).mean()),
                "scored nothing, %": float(100 * (returns == 0).mean()),
            }
        )
    report("hanabi_scripted", (__doc__ or "").splitlines()[0], rows, arguments.write)


if __name__ == "__main__":
    main()
