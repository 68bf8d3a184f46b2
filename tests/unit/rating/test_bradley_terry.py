"""Ratings of simulated players, whose strengths are known."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from gamefleet.errors import ConfigError
from gamefleet.rating.bradley_terry import ELO_PER_UNIT, expected_score, fit, maximise


def play(elo: NDArray[np.float64], games: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A table of points: every pair plays so many independent games."""
    table = np.zeros((len(elo), len(elo)))
    for i in range(len(elo)):
        for j in range(i):
            table[i, j] = rng.binomial(games, expected_score(float(elo[i] - elo[j])))
            table[j, i] = games - table[i, j]
    return table


def test_two_players_are_as_far_apart_as_their_score_says() -> None:
    rated = fit(np.array([[0.0, 75.0], [25.0, 0.0]]), anchor=1, anchor_elo=1000.0, ridge=1e-9)

    assert rated.elo[1] == 1000.0
    assert rated.elo[0] == pytest.approx(1000.0 + 400 * math.log10(3), abs=0.01)
    # The Fisher information of n games at chance p is n p (1 - p).
    assert rated.error[0] == pytest.approx(ELO_PER_UNIT / math.sqrt(100 * 0.75 * 0.25), rel=1e-3)
    assert rated.error[1] == 0.0


def test_a_tie_counts_as_half_a_win_for_both() -> None:
    assert fit(np.array([[0.0, 50.0], [50.0, 0.0]])).elo[1] == pytest.approx(0.0, abs=1e-9)


def test_the_slope_of_the_likelihood_is_zero_at_the_ratings() -> None:
    table = play(np.array([0.0, 90.0, 180.0, -200.0, 400.0]), 60, np.random.default_rng(1))
    ratings = maximise(table[None], ridge=1e-3)[0]

    expected = (table + table.T) / (1.0 + np.exp(ratings[None, :] - ratings[:, None]))
    np.testing.assert_allclose((table - expected).sum(axis=1), 1e-3 * ratings, atol=1e-6)


def test_the_order_and_names_of_players_do_not_matter() -> None:
    table = play(np.array([0.0, 120.0, 60.0, -80.0]), 40, np.random.default_rng(2))
    order = np.array([2, 0, 3, 1])

    straight, shuffled = fit(table, anchor=2), fit(table[np.ix_(order, order)], anchor=0)

    np.testing.assert_allclose(shuffled.elo, straight.elo[order], atol=1e-6)
    np.testing.assert_allclose(shuffled.error, straight.error[order], atol=1e-6)


def test_who_won_all_games_gets_a_finite_rating_with_a_wide_interval() -> None:
    rated = fit(np.array([[0.0, 100.0, 50.0], [0.0, 0.0, 0.0], [50.0, 100.0, 0.0]]), anchor=1)

    assert 1000 < rated.elo[0] < 4000
    assert rated.half_width()[0] > 500, "one hundred wins in a row say little about how much stronger"


def test_players_who_never_met_the_others_are_refused() -> None:
    table = np.zeros((4, 4))
    table[0, 1] = table[2, 3] = 5.0

    with pytest.raises(ConfigError, match="no games connect"):
        fit(table)


def test_players_are_compared_through_others_they_both_met() -> None:
    table = np.zeros((3, 3))
    table[0, 1], table[1, 0] = 75.0, 25.0
    table[1, 2], table[2, 1] = 75.0, 25.0

    assert fit(table, anchor=2, ridge=1e-9).elo[0] == pytest.approx(800 * math.log10(3), abs=0.1)


def test_a_difference_has_a_smaller_error_than_the_sum_of_both() -> None:
    rated = fit(play(np.array([0.0, 100.0, 110.0]), 100, np.random.default_rng(4)))
    difference, error = rated.difference(2, 1)

    assert difference == pytest.approx(rated.elo[2] - rated.elo[1])
    assert error < rated.error[1] + rated.error[2]


def test_the_95_percent_intervals_hold_the_truth_19_times_out_of_20() -> None:
    rng = np.random.default_rng(7)
    truth = np.array([0.0, 50.0, 120.0, 200.0, 350.0, -150.0])
    held, errors = [], []
    for _ in range(300):
        rated = fit(play(truth, 40, rng))
        held.append(np.abs(rated.elo - truth)[1:] <= rated.half_width()[1:])
        errors.append(rated.elo - truth)

    # 1,500 intervals; players share games, so allow more than the binomial's 0.6 points.
    assert 0.93 <= np.mean(held) <= 0.97


def test_ratings_are_not_biased_when_there_are_many_games() -> None:
    rng = np.random.default_rng(8)
    truth = np.array([0.0, 60.0, 140.0, -100.0])
    mean_error = np.mean([fit(play(truth, 400, rng)).elo - truth for _ in range(200)], axis=0)

    assert np.abs(mean_error).max() < 3.0, "Elo points, standard error of the mean about 1"
