"""Curiosity: random network distillation.

Job: say how new an observation is, and learn that it is not new any more. Place in the data flow: `ValueLearner` asks
for the intrinsic rewards of each sampled batch and trains the predictor in the same update. Left out: the intrinsic
value head (part of the Q-network) and its targets (`returns.endless_targets`).

What is new is the error of a trained predictor of a fixed random network. Both read the game's `novelty` features,
whitened and clipped. Three choices, with their reasons:

- The reward is computed when a sequence is sampled, with the present predictor (as NGU and Agent57 do not, which store
  it): what was new when it was recorded and is old by now pays nothing, and the replay needs no room for it.
- The reward of an action is the novelty of the observation after it. An episode's last slot has no action: no reward.
- Rewards are divided by the running standard deviation of their discounted return. Burda et al. run that discounted sum
  along each environment's endless rollout; sampled windows start in the middle of it, so the sum before a window is
  taken to be the window's mean reward / (1 - discount), its value had everything before been like the window.

Axes: `batch`, `time`, `rows` (batch x time), `features`, `outputs`.

Source: Burda et al. 2018, "Exploration by Random Network Distillation", sections 2.2 to 2.4 and appendix A.
"""
# ruff: noqa: F722 - axis names inside shape annotations are not Python expressions

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor, nn

from gamefleet.learners.normalise import Moments
from gamefleet.learners.optimizer import ClippedAdam
from gamefleet.learners.settings import CuriositySettings
from gamefleet.learners.tensors import tensor
from gamefleet.models.arrays import load_arrays, module_arrays

MAX_GRADIENT_NORM = 40.0
SMALLEST_STD = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Novelty:
    """What curiosity says about a batch; nothing has changed until `Curiosity.learn` is told to.

    Args:
        reward: Intrinsic reward of each slot's action, normalised; zero at last slots.
        loss: The predictor's loss, with gradient.
        error: Mean prediction error over all slots, not normalised.
        observations: The whitening after this batch.
        returns: The moments of the discounted intrinsic return after this batch.
    """

    reward: Float[Tensor, "batch time"]
    loss: Float[Tensor, ""]
    error: Float[Tensor, ""]
    observations: Moments
    returns: Moments


class Curiosity:
    """Random network distillation with its predictor, optimizer, normalisers and random numbers.

    Args:
        embed: The game's `novelty` encoder: named arrays `[rows, ...]` to numbers `[rows, embed.output_size]` that are
            worth whitening (unpacked, flattened, without memory). It is never trained.
        settings: Sizes and rates.
        seed: Of the fixed target, the predictor's start and the choice of slots to train on.
        device: Where it computes; random numbers are drawn on the CPU, so that they do not depend on it.
    """

    def __init__(
        self, embed: nn.Module, settings: CuriositySettings, *, seed: int, device: torch.device | str = "cpu"
    ) -> None:
        self.settings = settings
        self.device = torch.device(device)
        self._embed = embed.requires_grad_(False).to(self.device)
        num_features = int(embed.output_size)  # type: ignore[arg-type]  # the encoder's contract
        self._generator = torch.Generator().manual_seed(seed)
        target, predictor = make_networks(num_features, settings, seed)
        self._target = target.to(self.device)
        self._predictor = predictor.to(self.device)
        self._optimizer = ClippedAdam(
            dict(predictor.named_parameters()),
            learning_rate=settings.learning_rate,
            epsilon=1e-8,
            max_norm=MAX_GRADIENT_NORM,
        )
        self._observations = Moments.empty(num_features, self.device)
        self._returns = Moments.empty(1, self.device)

    @property
    def num_parameters(self) -> int:
        """Numbers in target and predictor."""
        return sum(p.numel() for net in (self._target, self._predictor) for p in net.parameters())

    @property
    def needs_warm_up(self) -> bool:
        """Whether the whitening has seen nothing yet."""
        return self._observations.count == 0

    @property
    def return_std(self) -> float:
        """Standard deviation of the discounted intrinsic return: what rewards are divided by."""
        return float(self._returns.std)

    def warm_up(self, obs: Mapping[str, NDArray[Any]]) -> None:
        """Start the whitening from random play, so that the first rewards are not an artefact of the first batch.

        Args:
            obs: Named arrays `[rows, ...]`; may be called several times.
        """
        tensors = {name: tensor(np.ascontiguousarray(array), self.device) for name, array in obs.items()}
        with torch.no_grad():
            self._observations = self._observations.including(self._embed(tensors).float())

    def measure(self, obs: Mapping[str, Tensor], is_last: Bool[Tensor, "batch time"]) -> Novelty:
        """Intrinsic rewards of a batch, and the predictor's loss on a share of it.

        Args:
            obs: The observations *after* each slot's action, named arrays `[batch, time, ...]`.
            is_last: Slots without an action.
        """
        with torch.no_grad():
            features = self._embed({name: array.flatten(0, 1) for name, array in obs.items()}).float()
        chosen, rest = self._split(features.shape[0])
        observations = self._observations.including(features[chosen])
        whitened = whiten(features, self._observations, self.settings.clip)
        loss_rows = self._errors(whitened[chosen])
        error = torch.empty(features.shape[0], device=self.device)
        error[chosen] = loss_rows.detach()
        with torch.no_grad():
            error[rest] = self._errors(whitened[rest])
        raw = error.view_as(is_last).masked_fill(is_last, 0.0)
        returns = self._returns.including(discounted_sums(raw, is_last, self.settings.discount).reshape(-1, 1))
        return Novelty(
            reward=raw / returns.std.clamp(min=SMALLEST_STD),
            loss=loss_rows.mean(),
            error=error.mean(),
            observations=observations,
            returns=returns,
        )

    def _split(self, num_rows: int) -> tuple[Tensor, Tensor]:
        """Rows to train on, drawn without replacement, and the others."""
        order = torch.randperm(num_rows, generator=self._generator).to(self.device)
        num_chosen = max(1, round(num_rows * self.settings.train_share))
        return order[:num_chosen], order[num_chosen:]

    def _errors(self, whitened: Float[Tensor, "rows features"]) -> Float[Tensor, " rows"]:
        """Mean squared difference of predictor and target."""
        with torch.no_grad():
            wanted = self._target(whitened)
        difference: Tensor = self._predictor(whitened) - wanted
        return difference.square().mean(dim=1)

    def clip(self) -> Tensor:
        """Clip the predictor's gradients and return their norm; see `ClippedAdam.clip`."""
        return self._optimizer.clip()

    def learn(self, novelty: Novelty) -> None:
        """Apply the gradients of `novelty.loss` and take over the normalisers."""
        self._optimizer.step()
        self._observations = novelty.observations
        self._returns = novelty.returns

    def forget(self, random_state: Tensor) -> None:
        """Drop the gradients of an update that failed and take back its random numbers."""
        self._optimizer.clear()
        self._generator.set_state(random_state)

    @property
    def random_state(self) -> Tensor:
        """State of the random numbers, for `forget`."""
        return self._generator.get_state()

    def export_shared(self) -> dict[str, Any]:
        """What is known about the game, without what belongs to this learner: networks and normalisers."""
        return {
            "target": module_arrays(self._target),
            "predictor": module_arrays(self._predictor),
            "embed": module_arrays(self._embed),
            "observations": self._observations.export_state(),
            "returns": self._returns.export_state(),
        }

    def adopt(self, shared: Mapping[str, Any]) -> None:
        """Go on with another's `export_shared`, with the optimizer and the random numbers of one's own.

        Raises:
            IncompatibleError: It belongs to other settings or another game.
        """
        for name, module in (("target", self._target), ("predictor", self._predictor), ("embed", self._embed)):
            load_arrays(module, shared[name])
        self._observations = Moments.from_state(shared["observations"], self.device)
        self._returns = Moments.from_state(shared["returns"], self.device)

    def export_state(self) -> dict[str, Any]:
        """Everything that shapes its future, as nested dicts of JSON values, arrays and bytes."""
        return {
            **self.export_shared(),
            "optimizer": self._optimizer.export_state(),
            "random": self._generator.get_state().numpy().tobytes(),
        }

    def import_state(self, state: Mapping[str, Any]) -> None:
        """Continue from `export_state`.

        Raises:
            IncompatibleError: It belongs to other settings or another game.
        """
        self.adopt(state)
        self._optimizer.import_state(state["optimizer"])
        self._generator.set_state(torch.tensor(np.frombuffer(state["random"], dtype=np.uint8)))


def make_networks(num_features: int, settings: CuriositySettings, seed: int) -> tuple[nn.Module, nn.Module]:
    """The fixed random target, and a predictor that is one layer deeper so that it can match it.

    Source: Burda et al. 2018, appendix A.3 (orthogonal weights with gain sqrt 2; extra layers in the predictor only).
    """
    sizes = [num_features, settings.hidden_size, settings.output_size]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        target = perceptron(sizes).requires_grad_(False)
        predictor = perceptron([*sizes[:-1], settings.hidden_size, settings.output_size])
    return target, predictor


def perceptron(sizes: list[int]) -> nn.Sequential:
    """Linear layers with ReLU between them and orthogonal weights."""
    layers: list[nn.Module] = []
    for num_inputs, num_outputs in itertools.pairwise(sizes):
        linear = nn.Linear(num_inputs, num_outputs)
        nn.init.orthogonal_(linear.weight, gain=2**0.5)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def whiten(features: Float[Tensor, "rows features"], moments: Moments, clip: float) -> Float[Tensor, "rows features"]:
    """Zero mean, unit variance, clipped.

    A number that never changed has no variance: it stays zero, and the first change is clipped to the largest value.
    """
    return ((features - moments.mean) / moments.std.clamp(min=SMALLEST_STD)).clamp(-clip, clip)


def discounted_sums(
    reward: Float[Tensor, "batch time"], is_last: Bool[Tensor, "batch time"], discount: float
) -> Float[Tensor, "batch time"]:
    """Running sums `R[t] = discount R[t-1] + reward[t]` along each window; last slots take no time.

    The sum before a window is its mean reward / (1 - discount); see the module's docstring.
    """
    counted = reward.masked_fill(is_last, 0.0)
    mean = counted.sum(dim=1) / (~is_last).sum(dim=1).clamp(min=1)
    running = mean / (1.0 - discount)
    factor = torch.where(is_last, 1.0, discount).to(reward.dtype)
    sums = []
    for slot in range(reward.shape[1]):
        running = factor[:, slot] * running + counted[:, slot]
        sums.append(running)
    return torch.stack(sums, dim=1)
