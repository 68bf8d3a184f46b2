"""Intervals from blocks of games that share their chance."""

import numpy as np

from gamefleet.rating.bootstrap import blocks_of, bootstrap
from gamefleet.rating.bradley_terry import expected_score, fit
from gamefleet.rating.results import Result, points

PLAYERS = ("a", "b")


def blocks(number: int, *, elo: float, luck: float, rng: np.random.Generator) -> list[Result]:
    """Mirrored games in which the teams decide much: `luck` is their spread in Elo, gone when sides are swapped."""
    found = []
    for block in range(number):
        teams = rng.normal(0.0, luck)
        for is_swapped in (False, True):
            chance = expected_score(elo + (-teams if is_swapped else teams))
            score = float(rng.random() < chance)
            found.append(Result(first="a", second="b", score=score, block=block, is_swapped=is_swapped))
    return found


def test_the_same_results_and_seed_give_the_same_intervals() -> None:
    results = blocks(30, elo=50.0, luck=200.0, rng=np.random.default_rng(0))

    one, other = (bootstrap(results, PLAYERS, anchor=1, seed=3) for _ in range(2))

    np.testing.assert_array_equal(one.low, other.low)
    assert one.low[0] < fit(points(results, PLAYERS), anchor=1).elo[0] < one.high[0]
    assert one.half_width()[1] == 0.0, "the anchor does not move"


def test_games_of_a_block_are_counted_together_whoever_is_named_first() -> None:
    found = blocks_of(
        [
            Result(first="a", second="b", score=1.0, block=4),
            Result(first="b", second="a", score=1.0, block=4),
            Result(first="a", second="b", score=0.5, block=5),
        ]
    )

    assert found["a", "b"] == {(1.0, 1.0): 1, (0.5, 0.5): 1}


def test_mirrored_games_make_intervals_narrower_than_independent_ones_would() -> None:
    rng = np.random.default_rng(1)
    results = blocks(200, elo=0.0, luck=800.0, rng=rng)
    scattered = [
        Result(first="a", second="b", score=result.score, block=number) for number, result in enumerate(results)
    ]

    mirrored = bootstrap(results, PLAYERS, anchor=1).half_width()[0]
    apart = bootstrap(scattered, PLAYERS, anchor=1).half_width()[0]

    assert mirrored < 0.8 * apart


def test_games_that_repeat_each_other_make_intervals_wider() -> None:
    rng = np.random.default_rng(2)
    results = []
    for block in range(200):
        score = float(rng.random() < 0.5)  # both games of a block end alike: half as much is known
        results += [Result(first="a", second="b", score=score, block=block) for _ in range(2)]

    drawn = bootstrap(results, PLAYERS, anchor=1).half_width()[0]
    fisher = fit(points(results, PLAYERS), anchor=1).half_width()[0]

    assert 1.25 < drawn / fisher < 1.6, "the square root of two"


def test_the_intervals_hold_the_truth_19_times_out_of_20_although_teams_decide_much() -> None:
    rng = np.random.default_rng(3)
    # What mirrored blocks measure: the score over the luck of teams, as a difference in Elo.
    samples = rng.normal(0.0, 300.0, 200_000)
    mean = float(np.mean(1.0 / (1.0 + 10.0 ** (-(80.0 + samples) / 400.0))))
    truth = 400.0 * np.log10(mean / (1.0 - mean))
    held = 0
    for trial in range(200):
        drawn = bootstrap(blocks(60, elo=80.0, luck=300.0, rng=rng), PLAYERS, anchor=1, draws=200, seed=trial)
        held += drawn.low[0] <= truth <= drawn.high[0]

    assert 0.90 <= held / 200 <= 0.985
