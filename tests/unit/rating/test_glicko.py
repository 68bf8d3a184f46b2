"""Glicko-1 and GXE against published numbers."""

import math

import numpy as np
import pytest

from gamefleet.rating.bradley_terry import expected_score
from gamefleet.rating.glicko import START, Glicko, gxe, rate, update
from gamefleet.rating.results import Result


def test_the_worked_example_of_glickmans_description_comes_out() -> None:
    games = [(Glicko(rating=1400, deviation=30), 1.0), (Glicko(rating=1550, deviation=100), 0.0)]
    games.append((Glicko(rating=1700, deviation=300), 0.0))

    after = update(Glicko(rating=1500, deviation=200), games)

    assert after.rating == pytest.approx(1464, abs=0.5)
    assert after.deviation == pytest.approx(151.4, abs=0.1)


@pytest.mark.parametrize(("rating", "deviation"), [(1500, 130), (1786, 41), (1245, 90), (2100, 25)])
def test_gxe_is_what_the_public_ladder_prints(rating: float, deviation: float) -> None:
    spread = 3 * math.log(10) ** 2 * deviation**2 + 2500 * (64 * math.pi**2 + 147 * math.log(10) ** 2)
    printed = round(10000 / (1 + 10 ** ((1500 - rating) * math.pi / math.sqrt(spread)))) / 100

    assert gxe(Glicko(rating=rating, deviation=deviation)) == pytest.approx(printed, abs=0.006)


def test_ratings_of_many_games_come_near_the_true_difference() -> None:
    rng = np.random.default_rng(0)
    chance = expected_score(150.0)
    results = [
        Result(first="strong", second="weak", score=float(rng.random() < chance), block=block) for block in range(2000)
    ]

    rated = rate(results)

    assert rated["strong"].rating - rated["weak"].rating == pytest.approx(150.0, abs=60.0)
    assert rated["strong"].rating > START > rated["weak"].rating
    assert rated["strong"].deviation < 40


def test_who_plays_on_becomes_surer() -> None:
    results = [Result(first="a", second="b", score=float(block % 2), block=block) for block in range(100)]

    assert rate(results)["a"].deviation < rate(results[:30])["a"].deviation < 350
