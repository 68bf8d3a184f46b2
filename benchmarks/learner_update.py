"""How much does a learner's update cost beyond its forward and backward passes?

Both sides take the same batch in turns, in one thread, on CPU time. The bare passes are what no recurrent double
Q-learning can do without: the online network over burn-in, trained and look-ahead slots, the target network over all
slots, and the gradient of a squared error against targets that are given. With curiosity, the features, the fixed
network and the predictor with its gradient belong to them. The update adds the copy to tensors, double Q-learning,
n-step targets, rescaling, normalisation, priorities, clipping, Adam, finiteness checks and metrics.
Goal: at most 10 % more.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from gamefleet.experience.types import SequenceBatch
from gamefleet.games import open_game
from gamefleet.games.base import GameSpec
from gamefleet.learners.curiosity import Curiosity
from gamefleet.learners.settings import CuriositySettings, ValueSettings
from gamefleet.learners.tensors import TensorBatch, to_device
from gamefleet.learners.value import ValueLearner
from gamefleet.models.recurrent import RecurrentQNetwork
from gamefleet.models.settings import NetworkSettings
from gamefleet.testing.batches import random_batch
from table import report

CPU = torch.device("cpu")


def game_spec(name: str) -> GameSpec:
    package = open_game(name)
    spec: GameSpec = package.make_game(package.config_type()).spec
    return spec


def make_learner(name: str, spec: GameSpec, burn_in: int, is_curious: bool) -> ValueLearner:
    package = open_game(name)
    torch.manual_seed(0)
    network = RecurrentQNetwork(
        package.make_encoder(spec, {}, "policy"),
        num_actions=spec.num_actions,
        num_heads=2 if is_curious else 1,
        settings=NetworkSettings(),
    )
    embed = package.make_encoder(spec, {}, "novelty")
    curiosity = Curiosity(embed, CuriositySettings(), seed=0) if is_curious else None
    return ValueLearner(network, ValueSettings(), burn_in=burn_in, curiosity=curiosity)


class BarePasses:
    """The passes alone, on networks of the same shapes, with everything else prepared."""

    def __init__(self, learner: ValueLearner, batch: SequenceBatch, burn_in: int) -> None:
        self._online = learner.network
        self._target = learner._target
        self._curiosity = learner.curiosity
        self._batch: TensorBatch = to_device(batch, CPU)
        self._burn_in = burn_in
        self._stop = batch.action.shape[1] - ValueSettings().num_steps
        size = (len(batch.index), self._stop - burn_in, learner.network.num_heads, learner.network.num_actions)
        self._wanted = torch.randn(size)
        self._obs_after = {name: array[:, burn_in + 1 :].flatten(0, 1) for name, array in self._batch.obs.items()}

    def __call__(self) -> None:
        """Run them once and drop the gradients."""
        loss = self._value_loss()
        if self._curiosity is not None:
            loss = loss + self._novelty_loss(self._curiosity)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        for module in (self._online, self._curiosity._predictor if self._curiosity else nn.Identity()):
            module.zero_grad(set_to_none=True)

    def _value_loss(self) -> torch.Tensor:
        q, state = self._run(self._online, self._burn_in, self._stop, self._warm(self._online))
        with torch.no_grad():
            self._run(self._online, self._stop, None, state)
            self._run(self._target, self._burn_in, None, self._warm(self._target))
        return (q - self._wanted).square().sum()

    def _warm(self, network: RecurrentQNetwork) -> torch.Tensor:
        with torch.no_grad():
            before = self._batch.span(0, self._burn_in)
            features = network.encode(before.obs, before.previous_action, before.previous_reward)
            return network.remember(features, before.is_first, self._batch.state)[1]

    def _run(
        self, network: RecurrentQNetwork, start: int, stop: int | None, state: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        here = self._batch.span(start, stop)
        q, state = network(here.obs, here.previous_action, here.previous_reward, here.is_first, state)
        return q, state

    def _novelty_loss(self, curiosity: Curiosity) -> torch.Tensor:
        with torch.no_grad():
            features = curiosity._embed(self._obs_after)
            wanted = curiosity._target(features)
            num_trained = round(features.shape[0] * curiosity.settings.train_share)
            curiosity._predictor(features[num_trained:])
        predicted: torch.Tensor = curiosity._predictor(features[:num_trained])
        return (predicted - wanted[:num_trained]).square().mean()


def cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def measure(sides: Sequence[Callable[[], object]], num_rounds: int) -> list[list[float]]:
    """CPU seconds of each side in each round, after one round that does not count.

    Which side goes first changes from round to round: the second finds warmer caches.
    """
    times: list[list[float]] = [[] for _ in sides]
    for turn in range(num_rounds + 1):
        order = range(len(sides)) if turn % 2 else reversed(range(len(sides)))
        for side in order:
            seconds = cpu_seconds(sides[side])
            if turn:
                times[side].append(seconds)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--game", default="pokemon_red")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/learner_update.md")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    spec = game_spec(arguments.game)
    rows: list[dict[str, str | float]] = []
    for batch_size, burn_in, unroll, is_curious in [
        (16, 10, 20, False),
        (16, 10, 20, True),
        (32, 20, 40, False),
        (32, 20, 40, True),
    ]:
        learner = make_learner(arguments.game, spec, burn_in, is_curious)
        batch = random_batch(
            spec,
            batch_size=batch_size,
            num_slots=burn_in + unroll + ValueSettings().num_steps,
            state_size=learner.network.state_size,
            end_rate=1e-3,
            rng=np.random.default_rng(0),
        )
        bare = BarePasses(learner, batch, burn_in)
        passes, updates = measure([bare, lambda learner=learner, batch=batch: learner.update(batch)], arguments.rounds)
        # The median of paired ratios: a neighbour on the machine then disturbs a round, not the result.
        ratio = statistics.median(update / passed for update, passed in zip(updates, passes, strict=True))
        rows.append(
            {
                "windows x (burn-in + unroll)": f"{batch_size} x ({burn_in} + {unroll})",
                "curiosity": "yes" if is_curious else "no",
                "passes ms": statistics.median(passes) * 1e3,
                "update ms": statistics.median(updates) * 1e3,
                "update / passes": ratio,
                "updates per CPU-s": 1.0 / statistics.median(updates),
            }
        )
    report(
        "learner_update",
        "How much does a learner's update cost beyond its forward and backward passes?",
        rows,
        arguments.write,
    )


if __name__ == "__main__":
    main()
