"""Who knows the best action: a network in this process, or somebody elsewhere.

Job: from what is seen of all games to the best action in each. Place in the data flow: asked by `EpsilonGreedyPolicy`
once per step. Left out: exploring, and remembering recurrent states from step to step (`policy`).

Axes: `env` (one game each), `state` (units of the recurrent state).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gamefleet.errors import IncompatibleError

if TYPE_CHECKING:
    import torch

NO_ACTION = -1
"""The previous action at an episode's first observation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What a network needs to know of all games to say which action is best.

    Args:
        obs: Named arrays `[env, ...]`.
        previous_action: int16 `[env]`, `NO_ACTION` where an episode begins.
        reward: float32 `[env]`, what that action caused; zero where an episode begins.
        is_first: bool `[env]`, where an episode begins.
        state: float32 `[env, state]`, the recurrent state; zero where an episode begins.
    """

    obs: Mapping[str, NDArray[Any]]
    previous_action: NDArray[np.int16]
    reward: NDArray[np.float32]
    is_first: NDArray[np.bool_]
    state: NDArray[np.float32]


class Mind(Protocol):
    """Knows the best actions, here or on another machine; remembers nothing of the games."""

    state_size: int

    def greedy(self, situation: Situation) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
        """The best legal actions, int16 `[env]`, and the recurrent state after them, float32 `[env, state]`."""
        ...

    def refresh(self, weights: Mapping[str, NDArray[Any]], *, version: int) -> None:
        """Take newer weights."""
        ...

    def weights(self) -> dict[str, NDArray[Any]]:
        """The weights that it has; empty when they are elsewhere."""
        ...


class NetworkMind:
    """A Q-network in this process; its own copy, so that a learner may change the original at any time.

    Args:
        network: `RecurrentQNetwork` of `models`; typed loosely because actors know no models.
        intrinsic_weights: float `[env]`, weight of the intrinsic head in the choice (beta of NGU); zeros when None.
        device: Where the copy lives.
    """

    def __init__(
        self, network: Any, *, intrinsic_weights: NDArray[np.floating[Any]] | None = None, device: str = "cpu"
    ) -> None:
        import torch

        self.state_size = int(network.state_size)
        self._device = torch.device(device)
        self._network = copy.deepcopy(network).to(self._device).requires_grad_(False).eval()
        weights = np.zeros(1) if intrinsic_weights is None else intrinsic_weights
        self._intrinsic_weights = torch.as_tensor(np.asarray(weights, np.float32), device=self._device)

    def greedy(self, situation: Situation) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
        """See `Mind.greedy`."""
        import torch

        with torch.inference_mode():
            obs = {name: self._moment(array) for name, array in situation.obs.items()}
            q, after = self._network(
                obs,
                self._moment(situation.previous_action).long(),
                self._moment(situation.reward),
                self._moment(situation.is_first),
                torch.tensor(situation.state, device=self._device),  # a copy: results may depend on memory's alignment
            )
            values = self._network.action_values(q[:, 0], self._intrinsic_weights[:, None])
            legal = self._network.legal_actions(obs)
            if legal is not None:
                values = values.masked_fill(~legal[:, 0], -torch.inf)
            best = values.float().cpu().numpy().argmax(axis=1).astype(np.int16)
            # The copy matters: without it the next forward pass would share memory with what the replay is given.
            return best, after.cpu().numpy().copy()

    def refresh(self, weights: Mapping[str, NDArray[Any]], *, version: int) -> None:
        """See `Mind.refresh`.

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

    def weights(self) -> dict[str, NDArray[Any]]:
        """See `Mind.weights`; copies."""
        return {name: tensor.cpu().numpy().copy() for name, tensor in self._network.state_dict().items()}

    def _moment(self, array: NDArray[Any]) -> torch.Tensor:
        import torch

        return torch.as_tensor(array, device=self._device).unsqueeze(1)
