"""The promotion gate, on simulated candidates."""

import numpy as np
import pytest

from gamefleet.errors import ConfigError
from gamefleet.rating.bradley_terry import expected_score
from gamefleet.rating.sprt import Gate, Verdict


def decide(gate: Gate, elo: float, rng: np.random.Generator, *, luck: float = 0.0) -> tuple[Verdict, int]:
    """Play blocks of two mirrored games until the gate is sure."""
    scores: list[float] = []
    while True:
        teams = rng.normal(0.0, luck) if luck else 0.0
        chances = (expected_score(elo + teams), expected_score(elo - teams))
        scores.append(sum(float(rng.random() < chance) for chance in chances) / 2.0)
        verdict = gate.verdict(scores)
        if verdict != "play on" or len(scores) >= 2000:
            return verdict, len(scores)


def shares(gate: Gate, elo: float, *, luck: float = 0.0, trials: int = 200) -> tuple[float, float]:
    """Share of promotions, and blocks played on average."""
    rng = np.random.default_rng(int(elo) + 1000)
    ends = [decide(gate, elo, rng, luck=luck) for _ in range(trials)]
    return sum(verdict == "better" for verdict, _ in ends) / trials, float(np.mean([blocks for _, blocks in ends]))


def test_a_candidate_that_is_no_stronger_is_rarely_promoted() -> None:
    assert shares(Gate(), 0.0)[0] <= 0.08


def test_a_candidate_that_is_strong_enough_is_rarely_turned_away() -> None:
    assert shares(Gate(), 50.0)[0] >= 0.92


def test_the_shares_of_errors_hold_although_teams_decide_much() -> None:
    assert shares(Gate(), 0.0, luck=400.0, trials=120)[0] <= 0.1


def test_a_much_stronger_candidate_needs_few_games() -> None:
    promoted, blocks = shares(Gate(), 300.0, trials=50)

    assert promoted == 1.0
    assert blocks < 40


def test_a_candidate_that_loses_everything_is_turned_away_soon() -> None:
    gate = Gate()
    assert gate.verdict([0.0] * 12) == "not better"
    assert gate.verdict([]) == "play on"


def test_a_gate_whose_bounds_are_the_wrong_way_round_is_refused() -> None:
    with pytest.raises(ConfigError, match="elo_high above elo_low"):
        Gate(elo_low=10.0, elo_high=10.0)
