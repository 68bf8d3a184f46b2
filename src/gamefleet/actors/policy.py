"""Choosing actions for all games at once.

Job: the random policy and the recurrent Q-network's epsilon-greedy policy. Place in the data flow: view -> actions, and
the recurrent state that the replay stores. Left out: learning (the weights come from outside through `refresh`) and
scripted players (`evaluate`).

Axes: `env` (one game each), `state` (units of the recurrent state).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gamefleet.actors.steps import VectorStep
from gamefleet.errors import IncompatibleError
from gamefleet.identity import derive_seed

if TYPE_CHECKING:
    import torch

NO_ACTION = -1
"""The previous action at an episode's first observation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a policy answers to a view.

    Args:
        actions: int16 `[env]`.
        state: float32 `[env, state]`, the recurrent state before this view, as the replay stores it.
    """

    actions: NDArray[np.int16]
    state: NDArray[np.float32]


class Policy(Protocol):
    """Chooses actions; remembers what it needs per game."""

    def act(self, view: VectorStep) -> Decision:
        """Answer one view of all games; called once per view, in order."""
        ...

    def export_state(self) -> dict[str, Any]:
        """Everything that shapes future actions, as JSON values and arrays."""
        ...

    def import_state(self, state: Mapping[str, Any]) -> None:
        """Continue exactly from `export_state`."""
        ...


class RandomPolicy:
    """Uniformly random actions; each game has its own stream.

    Args:
        num_actions: Actions of the game.
        num_envs: Number of games.
        seed: Of the run.
    """

    def __init__(self, *, num_actions: int, num_envs: int, seed: int) -> None:
        self._num_actions = num_actions
        self._rngs = [make_rng(seed, purpose="random-policy", environment=str(env)) for env in range(num_envs)]
        self._state = np.zeros((num_envs, 0), np.float32)

    def act(self, view: VectorStep) -> Decision:
        """See `Policy.act`."""
        actions = [rng.integers(self._num_actions) for rng in self._rngs]
        return Decision(actions=np.array(actions, np.int16), state=self._state)

    def export_state(self) -> dict[str, Any]:
        """See `Policy.export_state`."""
        return {"rngs": {str(env): rng.bit_generator.state for env, rng in enumerate(self._rngs)}}

    def import_state(self, state: Mapping[str, Any]) -> None:
        """See `Policy.import_state`."""
        for env, rng in enumerate(self._rngs):
            rng.bit_generator.state = state["rngs"][str(env)]


class RecurrentPolicy:
    """Epsilon-greedy actions of a recurrent Q-network, for all games in one batch.

    The policy has its own copy of the network, so that a learner may change the original at any time.

    Args:
        network: `RecurrentQNetwork` of `models`; typed loosely because actors know no models.
        epsilons: float `[env]`, probability of a random action; zeros play greedily. See `epsilon_ladder`.
        seed: Of the run.
        intrinsic_weights: float `[env]`, weight of the intrinsic head in the choice (beta of NGU); zeros when None.
        device: Where the copy lives.
    """

    def __init__(
        self,
        network: Any,
        *,
        epsilons: NDArray[np.floating[Any]],
        seed: int,
        intrinsic_weights: NDArray[np.floating[Any]] | None = None,
        device: str = "cpu",
    ) -> None:
        import torch

        self.version = 0
        self._device = torch.device(device)
        self._network = copy.deepcopy(network).to(self._device).requires_grad_(False).eval()
        self._epsilons = np.asarray(epsilons, np.float64)
        num_envs = len(self._epsilons)
        weights = np.zeros(num_envs) if intrinsic_weights is None else intrinsic_weights
        self._intrinsic_weights = torch.as_tensor(np.asarray(weights, np.float32), device=self._device)
        self._rng = make_rng(seed, purpose="exploration")
        self._state = np.zeros((num_envs, network.state_size), np.float32)
        self._previous_action = np.full(num_envs, NO_ACTION, np.int16)

    def act(self, view: VectorStep) -> Decision:
        """See `Policy.act`; the state of a game that starts an episode is zeroed first."""
        self._state[view.is_first] = 0.0
        self._previous_action[view.is_first] = NO_ACTION
        before = self._state
        values, self._state = self._values(view, before)
        actions = self._explore(values)
        self._previous_action = actions.copy()
        return Decision(actions=actions, state=before)

    def refresh(self, weights: Mapping[str, NDArray[Any]], *, version: int) -> None:
        """Take newer weights.

        Args:
            weights: By the names of the network's `state_dict`; copied.
            version: The learner's number of updates; the difference to its present one is the lag.

        Raises:
            IncompatibleError: The weights are of another network.
        """
        import torch

        try:
            self._network.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})
        except RuntimeError as error:
            raise IncompatibleError(
                f"The weights do not fit the policy's network: {error}",
                remedy="Use the settings that the weights were trained with.",
            ) from error
        self.version = version

    def export_state(self) -> dict[str, Any]:
        """See `Policy.export_state`."""
        weights = {name: tensor.cpu().numpy().copy() for name, tensor in self._network.state_dict().items()}
        return {
            "version": self.version,
            "weights": weights,
            "state": self._state.copy(),
            "previous_action": self._previous_action.copy(),
            "rng": self._rng.bit_generator.state,
        }

    def import_state(self, state: Mapping[str, Any]) -> None:
        """See `Policy.import_state`; raises as `refresh` does."""
        self.refresh(state["weights"], version=int(state["version"]))
        self._state = np.array(state["state"], np.float32)
        self._previous_action = np.array(state["previous_action"], np.int16)
        self._rng.bit_generator.state = state["rng"]

    def _values(self, view: VectorStep, state: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        import torch

        with torch.inference_mode():
            q, after = self._network(
                {name: self._moment(array) for name, array in view.obs.items()},
                self._moment(self._previous_action).long(),
                self._moment(np.where(view.is_first, np.float32(0.0), view.reward)),
                self._moment(view.is_first),
                torch.tensor(state, device=self._device),  # a copy: results may depend on how memory is aligned
            )
            values = self._network.action_values(q[:, 0], self._intrinsic_weights[:, None])
            # The copy matters: without it the next forward pass would share memory with what the replay is given.
            return values.float().cpu().numpy(), after.cpu().numpy().copy()

    def _moment(self, array: NDArray[Any]) -> torch.Tensor:
        import torch

        return torch.as_tensor(array, device=self._device).unsqueeze(1)

    def _explore(self, values: NDArray[np.float32]) -> NDArray[np.int16]:
        num_envs, num_actions = values.shape
        # Both draws are always made, so that the stream does not depend on the epsilons.
        explores = self._rng.random(num_envs) < self._epsilons
        random_actions = self._rng.integers(num_actions, size=num_envs)
        return np.where(explores, random_actions, values.argmax(axis=1)).astype(np.int16)


def epsilon_ladder(num_envs: int, *, base: float = 0.4, alpha: float = 7.0) -> NDArray[np.float64]:
    """Exploration per game: the first explores most, the last almost never.

    epsilon_i = base^(1 + alpha i / (N - 1)); a single game gets `base`.

    Args:
        num_envs: N.
        base: Probability of a random action in the first game.
        alpha: Spread; 7 gives 0.4 ... 0.00066.

    Returns:
        float64 `[env]`.

    Source: Horgan et al. 2018, "Distributed Prioritized Experience Replay", section 4.1.
    """
    rank = np.arange(num_envs) / max(1, num_envs - 1)
    ladder: NDArray[np.float64] = np.power(base, 1.0 + alpha * rank)
    return ladder


def make_rng(seed: int, *, purpose: str, environment: str = "") -> np.random.Generator:
    """The generator of one of the actor's random streams; see `derive_seed`."""
    return np.random.Generator(np.random.PCG64(derive_seed(seed, purpose=purpose, environment=environment)))
