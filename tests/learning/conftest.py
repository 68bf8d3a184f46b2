"""The whole machine on toy games: actor, replay, learner and wiring as in a real run, only smaller."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from gamefleet.actors.actor import Actor
from gamefleet.actors.curriculum import Beginning
from gamefleet.actors.evaluate import evaluate
from gamefleet.actors.policy import network_policy
from gamefleet.actors.vector import make_vector
from gamefleet.experience.replay import Replay
from gamefleet.experience.settings import ReplaySettings
from gamefleet.games.base import GamePackage
from gamefleet.learners.curiosity import Curiosity
from gamefleet.learners.settings import CuriositySettings, ValueSettings
from gamefleet.learners.value import ValueLearner
from gamefleet.models.recurrent import RecurrentQNetwork
from gamefleet.models.settings import NetworkSettings
from gamefleet.topologies.solo import Schedule, Solo

STEPS_BETWEEN_QUESTIONS = 500


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One training on a toy.

    Args:
        package: The toy.
        game: Its settings.
        network: Core and sizes.
        learner: Numbers of the algorithm.
        curiosity: Numbers of curiosity; None trains without.
        replay: Window lengths and size.
        epsilons: Share of random actions of each game; their number is that of the games.
        seed: Of everything.
    """

    package: GamePackage
    game: Any
    network: NetworkSettings
    learner: ValueSettings
    replay: ReplaySettings
    epsilons: tuple[float, ...]
    curiosity: CuriositySettings | None = None
    seed: int = 0

    @property
    def num_envs(self) -> int:
        return len(self.epsilons)

    def build(self) -> Solo:
        torch.manual_seed(self.seed)
        vector = make_vector(self.package, self.game, num_envs=self.num_envs, num_workers=0)
        spec = vector.spec
        curiosity = None
        if self.curiosity is not None:
            embed = self.package.make_encoder(spec, {}, "novelty")
            curiosity = Curiosity(embed, self.curiosity, seed=self.seed)
        network = RecurrentQNetwork(
            self.package.make_encoder(spec, {}, "policy"),
            num_actions=spec.num_actions,
            num_heads=2 if curiosity else 1,
            settings=self.network,
        )
        weight = self.curiosity.weight if self.curiosity else 0.0
        policy = network_policy(
            network,
            epsilons=np.array(self.epsilons),
            seed=self.seed,
            intrinsic_weights=np.full(self.num_envs, weight),
        )
        learner = ValueLearner(network, self.learner, burn_in=self.replay.burn_in, curiosity=curiosity)
        replay = Replay(
            {array.name: (array.shape, array.dtype) for array in spec.observations},
            self.replay,
            num_streams=self.num_envs,
            state_size=network.state_size,
            num_steps=self.learner.num_steps,
            seed=self.seed,
        )
        schedule = Schedule(
            round_length=8,
            replay_ratio=self.learner.replay_ratio,
            learning_starts_steps=self.learner.learning_starts_steps,
            batch_size=self.learner.batch_size,
            unroll=self.replay.unroll,
        )
        actor = Actor(vector=vector, policy=policy, curriculum=Beginning(), seed=self.seed)
        return Solo(actor=actor, policy=policy, replay=replay, learner=learner, schedule=schedule)

    def train(self, num_steps: int, is_done: Callable[[Solo, list[float]], bool]) -> tuple[Solo, list[float]]:
        """Train for so many steps, or until `is_done` says so, which is asked now and then.

        Returns:
            The machine and the returns of the finished episodes, in order.
        """
        returns: list[float] = []
        with self.build() as solo:
            next_question = 0
            while solo.steps < num_steps:
                for moment in solo.run_round().moments:
                    self._warm_up(solo, moment.slots.obs)
                    returns += [episode.total_return for episode in moment.episodes]
                if solo.steps >= next_question:
                    if is_done(solo, returns):
                        break
                    next_question = solo.steps + STEPS_BETWEEN_QUESTIONS
        return solo, returns

    def _warm_up(self, solo: Solo, obs: Any) -> None:
        if solo.learner.curiosity is not None and solo.updates == 0:
            solo.learner.curiosity.warm_up(obs)

    def greedy_returns(self, solo: Solo, num_episodes: int) -> list[float]:
        """Returns of episodes without exploration and without curiosity."""
        vector = make_vector(self.package, self.game, num_envs=self.num_envs, num_workers=0)
        policy = network_policy(solo.learner.network, epsilons=np.zeros(self.num_envs), seed=1)
        seeds = range(10_000, 10_000 + num_episodes)
        results = evaluate(vector, policy, seeds=list(seeds), max_steps=vector.spec.max_episode_steps)
        return [result.summary.total_return for result in results]


@pytest.fixture(scope="session")
def experiment() -> type[Experiment]:
    """The class, handed over as a fixture because tests are no package and cannot import from each other."""
    return Experiment
