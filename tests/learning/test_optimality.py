"""A game whose best return is known is solved to that return."""

from typing import Any

import numpy as np
import pytest

from gamefleet.experience.settings import ReplaySettings
from gamefleet.learners.settings import ValueSettings
from gamefleet.models.settings import NetworkSettings
from gamefleet.testing.toys import grid
from gamefleet.topologies.solo import Solo

MAX_STEPS = 15_000
GAME = grid.GridConfig()


def plan(experiment: Any, seed: int = 0) -> Any:
    return experiment(
        package=grid.PACKAGE,
        game=GAME,
        network=NetworkSettings(core="gru", hidden_size=64, head_size=0),
        learner=ValueSettings(
            num_steps=2,
            discount=0.95,
            learning_rate=2e-3,
            adam_epsilon=1e-5,
            target_update_interval_updates=50,
            replay_ratio=32.0,
            learning_starts_steps=1000,
        ),
        replay=ReplaySettings(capacity_steps=40_000, unroll=10, burn_in=5, priority_exponent=0.6),
        epsilons=tuple(np.linspace(0.5, 0.02, 8).tolist()),
        seed=seed,
    )


@pytest.mark.long
def test_the_greedy_policy_reaches_the_return_that_the_search_found(experiment: Any) -> None:
    subject = plan(experiment)
    wanted = pytest.approx(grid.optimal_return(GAME))

    def is_optimal(solo: Solo, returns: list[float]) -> bool:
        return subject.greedy_returns(solo, 8) == [wanted] * 8

    solo, _ = subject.train(MAX_STEPS, is_optimal)
    assert subject.greedy_returns(solo, 8) == [wanted] * 8
