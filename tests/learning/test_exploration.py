"""Curiosity finds a reward that random exploration does not."""

from typing import Any

import pytest

from gamefleet.experience.settings import ReplaySettings
from gamefleet.learners.settings import CuriositySettings, ValueSettings
from gamefleet.models.settings import NetworkSettings
from gamefleet.testing.toys import chain
from gamefleet.topologies.solo import Solo

MAX_STEPS = 12_000
CURIOSITY = CuriositySettings(weight=1.0, discount=0.95, learning_rate=1e-3, hidden_size=64, output_size=32)


def plan(experiment: Any, curiosity: CuriositySettings | None, seed: int = 0) -> Any:
    return experiment(
        package=chain.PACKAGE,
        game=chain.ChainConfig(length=18),
        network=NetworkSettings(core="none", hidden_size=64, head_size=0),
        learner=ValueSettings(
            num_steps=3,
            discount=0.97,
            learning_rate=2e-3,
            adam_epsilon=1e-5,
            target_update_interval_updates=30,
            replay_ratio=32.0,
            learning_starts_steps=500,
        ),
        replay=ReplaySettings(capacity_steps=20_000, unroll=10, burn_in=0, priority_exponent=0.6),
        curiosity=curiosity,
        epsilons=(0.05,) * 8,
        seed=seed,
    )


def has_found_it(solo: Solo, returns: list[float]) -> bool:
    return sum(returns[-50:]) >= 10


@pytest.mark.long
def test_random_network_distillation_finds_the_end_of_the_chain_again_and_again(experiment: Any) -> None:
    _, returns = plan(experiment, CURIOSITY).train(MAX_STEPS, has_found_it)
    assert sum(returns) >= 10


@pytest.mark.long
def test_epsilon_greedy_alone_never_sees_the_reward(experiment: Any) -> None:
    _, returns = plan(experiment, None).train(MAX_STEPS, has_found_it)
    assert len(returns) > 200
    assert sum(returns) == 0
