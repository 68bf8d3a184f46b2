"""Recurrent Q-learning solves what cannot be solved without memory."""

from typing import Any

import numpy as np
import pytest

from gamefleet.experience.settings import ReplaySettings
from gamefleet.learners.settings import ValueSettings
from gamefleet.models.settings import Core, NetworkSettings
from gamefleet.testing.toys import corridor
from gamefleet.topologies.solo import Solo

MAX_STEPS = 12_000


def plan(experiment: Any, core: Core, seed: int = 0) -> Any:
    return experiment(
        package=corridor.PACKAGE,
        game=corridor.CorridorConfig(length=4),
        network=NetworkSettings(core=core, hidden_size=32, head_size=0),
        learner=ValueSettings(
            num_steps=3,
            discount=0.9,
            learning_rate=2e-3,
            adam_epsilon=1e-5,
            target_update_interval_updates=50,
            replay_ratio=32.0,
            learning_starts_steps=500,
        ),
        replay=ReplaySettings(capacity_steps=20_000, unroll=10, burn_in=10, priority_exponent=0.6),
        epsilons=(0.1,) * 8,
        seed=seed,
    )


def guesses_no_more(returns: list[float]) -> bool:
    return len(returns) > 100 and bool(np.mean(returns[-100:]) > 0.9)


@pytest.mark.long
@pytest.mark.parametrize("core", ["gru", "lstm"])
def test_a_network_with_memory_turns_where_the_cue_showed(experiment: Any, core: Core) -> None:
    subject = plan(experiment, core)

    def is_solved(solo: Solo, returns: list[float]) -> bool:
        return guesses_no_more(returns) and min(subject.greedy_returns(solo, 40)) == 1.0

    solo, _ = subject.train(MAX_STEPS, is_solved)
    assert min(subject.greedy_returns(solo, 40)) == 1.0


@pytest.mark.long
def test_the_same_network_without_memory_can_only_guess(experiment: Any) -> None:
    subject = plan(experiment, "none")
    solo, returns = subject.train(MAX_STEPS, lambda solo, returns: guesses_no_more(returns))
    assert not guesses_no_more(returns)
    # It does learn what can be learned without memory: to walk ahead and to turn somewhere.
    assert 0.3 < np.mean(returns[-200:]) < 0.7
    assert np.mean(subject.greedy_returns(solo, 40)) < 0.75
