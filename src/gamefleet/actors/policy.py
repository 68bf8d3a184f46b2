"""Choosing actions for all games at once.

Job: the random policy and the epsilon-greedy one. Place in the data flow: view -> actions, and the recurrent state that
the replay stores. Left out: who knows the best action (`mind`), learning (the weights come from outside through
`refresh`) and scripted players (`evaluate`).

Axes: `env` (one game each), `state` (units of the recurrent state).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gamefleet.actors.mind import NO_ACTION, Mind, NetworkMind, Situation
from gamefleet.actors.steps import Vector, VectorStep
from gamefleet.games.batch import with_intent
from gamefleet.identity import derive_seed


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a policy answers to a view.

    Args:
        actions: int16 `[env]`.
        state: float32 `[env, state]`, the recurrent state before this view, as the replay stores it.
        intents: int16 `[env]`, what it would have done without exploring; None where the game does not hear of it.
        num_actions: Of the game, where there are intents.
    """

    actions: NDArray[np.int16]
    state: NDArray[np.float32]
    intents: NDArray[np.int16] | None = None
    num_actions: int = 0

    @property
    def sent(self) -> NDArray[np.int16]:
        """What the games get, int16 `[env]`: the actions, with the intents where the game hears of them."""
        if self.intents is None:
            return self.actions
        return with_intent(self.actions, self.intents, self.num_actions)


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
    """Uniformly random legal actions; each game has its own stream.

    Args:
        num_actions: Actions of the game.
        num_envs: Number of games.
        seed: Of the run.
        legal: See `GameSpec.legal`.
        hears_intent: See `GameSpec.hears_intent`; whoever plays at random means what it does.
    """

    def __init__(
        self, *, num_actions: int, num_envs: int, seed: int, legal: str = "", hears_intent: bool = False
    ) -> None:
        self._num_actions = num_actions
        self._legal = legal
        self._hears_intent = hears_intent
        self._rngs = [make_rng(seed, purpose="random-policy", environment=str(env)) for env in range(num_envs)]
        self._state = np.zeros((num_envs, 0), np.float32)

    def act(self, view: VectorStep) -> Decision:
        """See `Policy.act`."""
        actions = np.array([self._draw(rng, view, env) for env, rng in enumerate(self._rngs)], np.int16)
        intents = actions if self._hears_intent else None
        return Decision(actions=actions, state=self._state, intents=intents, num_actions=self._num_actions)

    def _draw(self, rng: np.random.Generator, view: VectorStep, env: int) -> int:
        if not self._legal:
            return int(rng.integers(self._num_actions))
        choices = np.flatnonzero(legal_actions(view.obs[self._legal][env], self._num_actions))
        return int(choices[rng.integers(len(choices))]) if len(choices) else 0

    def export_state(self) -> dict[str, Any]:
        """See `Policy.export_state`."""
        return {"rngs": {str(env): rng.bit_generator.state for env, rng in enumerate(self._rngs)}}

    def import_state(self, state: Mapping[str, Any]) -> None:
        """See `Policy.import_state`."""
        for env, rng in enumerate(self._rngs):
            rng.bit_generator.state = state["rngs"][str(env)]


class EpsilonGreedyPolicy:
    """The best actions, and now and then random ones, for all games in one batch.

    Args:
        mind: Knows the best actions.
        epsilons: float `[env]`, probability of a random action; zeros play greedily. See `epsilon_ladder`.
        num_actions: Actions of the game.
        seed: Of the run.
        legal: See `GameSpec.legal`.
        hears_intent: See `GameSpec.hears_intent`.
    """

    def __init__(
        self,
        mind: Mind,
        *,
        epsilons: NDArray[np.floating[Any]],
        num_actions: int,
        seed: int,
        legal: str = "",
        hears_intent: bool = False,
    ) -> None:
        self.mind = mind
        self.version = 0
        self._epsilons = np.asarray(epsilons, np.float64)
        self._num_actions = num_actions
        self._legal = legal
        self._hears_intent = hears_intent
        self._rng = make_rng(seed, purpose="exploration")
        self._state = np.zeros((len(self._epsilons), mind.state_size), np.float32)
        self._previous_action = np.full(len(self._epsilons), NO_ACTION, np.int16)

    def act(self, view: VectorStep) -> Decision:
        """See `Policy.act`; the state of a game that starts an episode is zeroed first."""
        self._state[view.is_first] = 0.0
        self._previous_action[view.is_first] = NO_ACTION
        before = self._state
        reward = np.where(view.is_first, np.float32(0.0), view.reward)
        greedy, self._state = self.mind.greedy(
            Situation(
                obs=view.obs,
                previous_action=self._previous_action,
                reward=reward,
                is_first=view.is_first,
                state=before,
            )
        )
        actions = self._explore(greedy, view)
        self._previous_action = actions.copy()
        intents = greedy if self._hears_intent else None
        return Decision(actions=actions, state=before, intents=intents, num_actions=self._num_actions)

    def refresh(self, weights: Mapping[str, NDArray[Any]], *, version: int) -> None:
        """Take newer weights.

        Args:
            weights: By the names of the network's `state_dict`; copied.
            version: The learner's number of updates; the difference to its present one is the lag.

        Raises:
            IncompatibleError: The weights are of another network.
        """
        self.mind.refresh(weights, version=version)
        self.version = version

    def export_state(self) -> dict[str, Any]:
        """See `Policy.export_state`."""
        return {
            "version": self.version,
            "weights": self.mind.weights(),
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

    def _explore(self, greedy: NDArray[np.int16], view: VectorStep) -> NDArray[np.int16]:
        num_envs = len(greedy)
        # Both draws are always made, so that the stream does not depend on the epsilons.
        explores = self._rng.random(num_envs) < self._epsilons
        if not self._legal:
            random_actions = self._rng.integers(self._num_actions, size=num_envs)
        else:
            chances = self._rng.random((num_envs, self._num_actions))
            random_actions = (chances * legal_actions(view.obs[self._legal], self._num_actions)).argmax(axis=1)
        return np.where(explores, random_actions, greedy).astype(np.int16)


def random_policy(vector: Vector, *, seed: int) -> RandomPolicy:
    """Random play of all games of a vector."""
    spec = vector.spec
    return RandomPolicy(
        num_actions=spec.num_actions,
        num_envs=vector.num_envs,
        seed=seed,
        legal=spec.legal,
        hears_intent=spec.hears_intent,
    )


def network_policy(
    network: Any,
    *,
    epsilons: NDArray[np.floating[Any]],
    seed: int,
    intrinsic_weights: NDArray[np.floating[Any]] | None = None,
    device: str = "cpu",
    hears_intent: bool = False,
) -> EpsilonGreedyPolicy:
    """The epsilon-greedy policy of a network in this process; see `NetworkMind` and `EpsilonGreedyPolicy`."""
    mind = NetworkMind(network, intrinsic_weights=intrinsic_weights, device=device)
    return EpsilonGreedyPolicy(
        mind,
        epsilons=epsilons,
        num_actions=network.num_actions,
        seed=seed,
        legal=network.legal,
        hears_intent=hears_intent,
    )


def legal_actions(packed: NDArray[np.uint8], num_actions: int) -> NDArray[np.bool_]:
    """Unpack what `GameSpec.legal` names.

    Args:
        packed: uint8 `[..., ceil(num_actions / 8)]`.
        num_actions: Actions of the game.

    Returns:
        bool `[..., num_actions]`.
    """
    return np.unpackbits(packed, axis=-1, count=num_actions).view(np.bool_)


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
