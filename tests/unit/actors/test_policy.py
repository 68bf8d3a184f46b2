"""Epsilon ladder, recurrent state, own weights, exact resume."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gamefleet.actors.policy import EpsilonGreedyPolicy, RandomPolicy, epsilon_ladder, network_policy
from gamefleet.actors.steps import VectorStep
from gamefleet.errors import IncompatibleError
from gamefleet.games.batch import split_intent

NUM_ENVS, NUM_ACTIONS = 3, 4


class Counter(nn.Module):
    """Counts the steps of an episode in its state; its favourite action is the count, or the head's bias."""

    state_size = 1
    num_actions = NUM_ACTIONS
    legal = ""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(2, NUM_ACTIONS))

    def forward(
        self, obs: dict[str, Tensor], action: Tensor, reward: Tensor, is_first: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor]:
        self.seen = (obs["x"].clone(), action.clone(), reward.clone(), is_first.clone())
        q = torch.zeros(len(state), 1, 2, NUM_ACTIONS) + self.bias
        q[torch.arange(len(state)), 0, 0, state[:, 0].long() % NUM_ACTIONS] += 1.0
        return q, state + 1.0

    def legal_actions(self, obs: dict[str, Tensor]) -> Tensor | None:
        return None

    def action_values(self, q: Tensor, intrinsic_weight: Tensor) -> Tensor:
        return q[..., 0, :] + intrinsic_weight * q[..., 1, :]


def view(*, is_first: list[bool] | None = None, reward: float = 0.0) -> VectorStep:
    zeros = np.zeros(NUM_ENVS, np.bool_)
    return VectorStep(
        obs={"x": np.ones((NUM_ENVS, 2), np.uint8)},
        reward=np.full(NUM_ENVS, reward, np.float32),
        terms=np.zeros((NUM_ENVS, 1), np.float32),
        terminated=zeros,
        truncated=zeros,
        is_first=zeros if is_first is None else np.array(is_first),
        lost=zeros,
        milestones=np.zeros((NUM_ENVS, 1), np.bool_),
        cell=np.zeros(NUM_ENVS, np.uint64),
        progress=np.zeros(NUM_ENVS, np.float32),
    )


def greedy(network: Any = None, **settings: Any) -> EpsilonGreedyPolicy:
    return network_policy(network or Counter(), epsilons=np.zeros(NUM_ENVS), seed=1, **settings)


def test_the_ladder_is_that_of_ape_x() -> None:
    ladder = epsilon_ladder(8, base=0.4, alpha=7.0)
    np.testing.assert_allclose(ladder, [0.4 ** (1 + i) for i in range(8)])


def test_a_single_game_explores_with_the_base() -> None:
    assert epsilon_ladder(1, base=0.4, alpha=7.0).tolist() == [0.4]


def test_the_state_before_the_view_is_reported_and_zeroed_where_an_episode_starts() -> None:
    policy = greedy()
    first = policy.act(view(is_first=[True] * 3))
    second = policy.act(view())
    third = policy.act(view(is_first=[False, True, False]))
    assert first.state.tolist() == [[0], [0], [0]]
    assert second.state.tolist() == [[1], [1], [1]]
    assert third.state.tolist() == [[2], [0], [2]]
    assert third.actions.tolist() == [2, 0, 2]
    assert second.state.tolist() == [[1], [1], [1]]


def test_the_network_sees_the_previous_action_and_reward_except_at_the_start() -> None:
    policy = greedy()
    policy.act(view(is_first=[True] * 3))
    policy.act(view())
    policy.act(view(is_first=[False, True, False], reward=2.5))
    obs, action, reward, is_first = policy.mind._network.seen
    assert obs.shape == (NUM_ENVS, 1, 2)
    assert action.dtype == torch.int64
    assert action[:, 0].tolist() == [1, -1, 1]
    assert reward[:, 0].tolist() == [2.5, 0.0, 2.5]
    assert is_first[:, 0].tolist() == [False, True, False]


def test_each_game_weighs_the_intrinsic_head_as_it_is_told() -> None:
    network = Counter()
    network.bias.data[1, 3] = 5.0
    policy = greedy(network, intrinsic_weights=np.array([0.0, 0.1, 1.0]))
    assert policy.act(view(is_first=[True] * 3)).actions.tolist() == [0, 0, 3]


def test_the_learner_may_change_its_network_without_the_policy_noticing() -> None:
    network = Counter()
    policy = greedy(network)
    network.bias.data[0, 2] = 9.0
    assert policy.act(view(is_first=[True] * 3)).actions.tolist() == [0, 0, 0]
    policy.refresh({"bias": network.bias.detach().numpy()}, version=7)
    assert policy.act(view(is_first=[True] * 3)).actions.tolist() == [2, 2, 2]
    assert policy.version == 7
    network.bias.data[0, 3] = 99.0
    assert policy.act(view(is_first=[True] * 3)).actions.tolist() == [2, 2, 2]


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(IncompatibleError, match="do not fit"):
        greedy().refresh({"bias": np.zeros((2, 9), np.float32)}, version=1)


def test_full_exploration_is_uniform_and_seeded() -> None:
    def actions(seed: int) -> np.ndarray[Any, Any]:
        policy = network_policy(Counter(), epsilons=np.ones(NUM_ENVS), seed=seed)
        return np.array([policy.act(view()).actions for _ in range(400)])

    np.testing.assert_array_equal(actions(3), actions(3))
    counts = np.bincount(actions(3).ravel(), minlength=NUM_ACTIONS)
    assert counts.min() > 240
    assert (actions(3) != actions(4)).any()


@pytest.mark.parametrize("kind", ["recurrent", "random"])
def test_a_policy_continues_exactly_from_its_exported_state(kind: str) -> None:
    def make(seed: int) -> Any:
        if kind == "random":
            return RandomPolicy(num_actions=NUM_ACTIONS, num_envs=NUM_ENVS, seed=seed)
        return network_policy(Counter(), epsilons=np.full(NUM_ENVS, 0.5), seed=seed)

    one, other = make(1), make(2)
    for _ in range(5):
        one.act(view())
    other.import_state(one.export_state())
    for _ in range(20):
        mine, theirs = one.act(view()), other.act(view())
        np.testing.assert_array_equal(mine.actions, theirs.actions)
        np.testing.assert_array_equal(mine.state, theirs.state)


LEGAL = np.array([[0, 1, 0, 1], [0, 0, 0, 1], [1, 1, 1, 1]], np.bool_)


class Choosy(Counter):
    """A network of a game that says which actions are legal."""

    legal = "legal"

    def legal_actions(self, obs: dict[str, Tensor]) -> Tensor | None:
        return torch.from_numpy(LEGAL).unsqueeze(1)


def choosy_view() -> VectorStep:
    shown = view()
    return dataclasses.replace(shown, obs={**shown.obs, "legal": np.packbits(LEGAL, axis=1)})


def test_neither_the_best_nor_a_random_action_is_an_illegal_one() -> None:
    best = network_policy(Choosy(), epsilons=np.zeros(NUM_ENVS), seed=1).act(choosy_view())
    assert best.actions.tolist() == [1, 3, 0]

    wild = network_policy(Choosy(), epsilons=np.ones(NUM_ENVS), seed=1)
    uniform = RandomPolicy(num_actions=NUM_ACTIONS, num_envs=NUM_ENVS, seed=1, legal="legal")
    for policy in (wild, uniform):
        seen = np.array([policy.act(choosy_view()).actions for _ in range(200)])
        assert [sorted(set(column)) for column in seen.T.tolist()] == [[1, 3], [3], [0, 1, 2, 3]]


def test_a_game_that_hears_of_intents_is_sent_what_would_have_been_done() -> None:
    policy = network_policy(Choosy(), epsilons=np.ones(NUM_ENVS), seed=1, hears_intent=True)
    decision = policy.act(choosy_view())

    action, greedy_action = split_intent(decision.sent, NUM_ACTIONS)
    assert action.tolist() == decision.actions.tolist()
    assert greedy_action.tolist() == [1, 3, 0]
