"""How long do ratings take, and how far are they from the truth?

Twelve simulated players of known strength play 20,000 games in mirrored blocks. Every method rates the same games; the
error is that of differences to the anchor. The reference is the running update of Elo (K = 32), the usual way, over the
same games in three orders: what it says depends on the order. Libraries that do the same were not installed.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Sequence

import numpy as np

from gamefleet.rating.bootstrap import bootstrap
from gamefleet.rating.bradley_terry import expected_score, fit
from gamefleet.rating.glicko import rate
from gamefleet.rating.results import Result, players_of, points
from table import Row, report

NUM_PLAYERS, NUM_GAMES, K = 12, 20_000, 32.0
REPEATS = 5
STRENGTH = np.linspace(0.0, 800.0, NUM_PLAYERS)
NAMES = [f"p{index:02d}" for index in range(NUM_PLAYERS)]


def simulated(seed: int) -> list[Result]:
    """Games in blocks of two, pair by pair in turns."""
    rng = np.random.default_rng(seed)
    pairs = list(itertools.combinations(range(NUM_PLAYERS), 2))
    found = []
    for block in range(NUM_GAMES // (2 * len(pairs))):
        for first, second in pairs:
            chance = expected_score(float(STRENGTH[first] - STRENGTH[second]))
            for is_swapped in (False, True):
                score = float(rng.random() < chance)
                found.append(
                    Result(first=NAMES[first], second=NAMES[second], score=score, block=block, is_swapped=is_swapped)
                )
    return found


def running_elo(results: Sequence[Result]) -> list[float]:
    """The usual update after each game; strengths relative to the first player."""
    ratings = dict.fromkeys(NAMES, 0.0)
    for result in results:
        surplus = K * (result.score - expected_score(ratings[result.first] - ratings[result.second]))
        ratings[result.first] += surplus
        ratings[result.second] -= surplus
    return [ratings[name] - ratings[NAMES[0]] for name in NAMES]


def timed(act: Callable[[], object]) -> float:
    """CPU milliseconds of the fastest of a few calls."""
    found = []
    for _ in range(REPEATS):
        before = time.process_time()
        act()
        found.append(time.process_time() - before)
    return 1000 * min(found)


def rows() -> list[Row]:
    results = simulated(0)
    players = players_of(results)
    table = points(results, players)
    drawn = bootstrap(results, players)
    rated, seen = fit(table), rate(results)
    glicko = np.array([seen[name].rating - seen[NAMES[0]].rating for name in NAMES])
    rng = np.random.default_rng(1)
    orders = [[results[index] for index in rng.permutation(len(results))] for _ in range(3)]
    running = [np.array(running_elo(order)) for order in orders]
    reference = timed(lambda: running_elo(results))

    def row(what: str, cpu_ms: float, error: float | str, half_width: float | str = "") -> Row:
        return {
            "what": what,
            "CPU ms": cpu_ms,
            "running Elo / this": reference / cpu_ms,
            "largest error, Elo": error,
            "mean 95 % half width, Elo": half_width,
        }

    return [
        row(
            "running Elo, K = 32, worst of three orders",
            reference,
            max(np.abs(one - STRENGTH).max() for one in running),
        ),
        row("table of points", timed(lambda: points(results, players)), ""),
        row(
            "Bradley-Terry with Fisher's intervals",
            timed(lambda: fit(table)),
            float(np.abs(rated.elo - STRENGTH).max()),
            float(rated.half_width()[1:].mean()),
        ),
        row(
            "bootstrap of blocks, 400 draws",
            timed(lambda: bootstrap(results, players)),
            "",
            float(drawn.half_width()[1:].mean()),
        ),
        row("Glicko-1", timed(lambda: rate(results)), float(np.abs(glicko - STRENGTH).max())),
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    report("rating", "How long do ratings take, and how far are they from the truth?", rows(), asked.write)


if __name__ == "__main__":
    main()
