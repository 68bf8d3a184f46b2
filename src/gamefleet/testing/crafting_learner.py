"""A linear actor-critic in NumPy: small enough to read at once, and it learns.

Job: choose actions and improve from what came of them. Place in the data flow: `crafting_trainer` plays, and hands
whole rollouts to `improve`. Left out: worlds, skills and checkpoints.

Source: Schulman et al., "High-Dimensional Continuous Control Using Generalized Advantage Estimation", 2016.

Axes: steps (of a rollout), worlds, inputs, actions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Network = dict[str, Floats]
"""`policy/w` [inputs, actions], `policy/b` [actions], `value/w` [inputs, 1], `value/b` [1]."""

DISCOUNT = 0.97
TRACE = 0.9
LEARNING_RATE = 0.05
ENTROPY_WEIGHT = 0.01
MOMENTS = (0.9, 0.99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """What one round of playing brought.

    Args:
        inputs: float32[steps, worlds, inputs].
        actions: int64[steps, worlds].
        rewards: float32[steps, worlds].
        is_over: bool[steps, worlds] whether the episode ended there, by success, death or its limit.
        next_values: float32[worlds] what is expected after the last step.
    """

    inputs: Floats
    actions: NDArray[np.int64]
    rewards: Floats
    is_over: NDArray[np.bool_]
    next_values: Floats


def fresh_network(num_inputs: int, num_actions: int) -> Network:
    """A network that takes every action equally often."""
    return {
        "policy/w": np.zeros((num_inputs, num_actions), np.float32),
        "policy/b": np.zeros(num_actions, np.float32),
        "value/w": np.zeros((num_inputs, 1), np.float32),
        "value/b": np.zeros(1, np.float32),
    }


def probabilities(network: Mapping[str, Floats], inputs: Floats) -> Floats:
    """float32[..., actions]: how likely each action is taken."""
    logits = inputs @ network["policy/w"] + network["policy/b"]
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True), np.float32)


def values(network: Mapping[str, Floats], inputs: Floats) -> Floats:
    """float32[...]: the return that is expected."""
    return np.asarray((inputs @ network["value/w"] + network["value/b"])[..., 0], np.float32)


def choose(network: Mapping[str, Floats], inputs: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    """int64[worlds]: one action each, by chance."""
    edges = np.cumsum(probabilities(network, inputs), axis=-1)
    draws = rng.random((len(inputs), 1), np.float32) * edges[:, -1:]
    return np.asarray((edges < draws).sum(axis=-1).clip(0, edges.shape[-1] - 1), np.int64)


def improve(network: Network, moments: Network, num_updates: int, rollout: Rollout) -> dict[str, float]:
    """One step of Adam on a whole rollout, in place.

    Args:
        network: Is changed.
        moments: Adam's, by `mean/NAME` and `square/NAME`; zeros at first. Are changed.
        num_updates: Which update this is, from 1.
        rollout: What was played with this network.

    Returns:
        Losses by name.
    """
    expected = values(network, rollout.inputs)
    advantages = _advantages(rollout, expected)
    chances = probabilities(network, rollout.inputs)
    taken = np.eye(chances.shape[-1], dtype=np.float32)[rollout.actions]
    scaled = (advantages - advantages.mean()) / (advantages.std() + np.float32(1e-6))
    logs = np.log(chances + np.float32(1e-8))
    entropy = -(chances * logs).sum(axis=-1, keepdims=True)
    push = scaled[..., None] * (taken - chances) - ENTROPY_WEIGHT * chances * (logs + entropy)
    gradients = _gradients(rollout.inputs, -push, -advantages[..., None])
    for name, gradient in gradients.items():
        _adam(network[name], (moments[f"mean/{name}"], moments[f"square/{name}"]), gradient, num_updates)
    return {"entropy": float(entropy.mean()), "value": float((advantages**2).mean())}


def _advantages(rollout: Rollout, expected: Floats) -> Floats:
    advantages = np.zeros_like(expected)
    following, later = rollout.next_values, np.zeros_like(rollout.next_values)
    for t in reversed(range(len(expected))):
        goes_on = (~rollout.is_over[t]).astype(np.float32)
        surprise = rollout.rewards[t] + DISCOUNT * following * goes_on - expected[t]
        later = np.asarray(surprise + DISCOUNT * TRACE * later * goes_on, np.float32)
        advantages[t] = later
        following = expected[t]
    return advantages


def _gradients(inputs: Floats, policy: Floats, value: Floats) -> Network:
    rows = inputs.reshape(-1, inputs.shape[-1])
    policy, value = policy.reshape(len(rows), -1), value.reshape(len(rows), -1)
    return {
        "policy/w": rows.T @ policy / len(rows),
        "policy/b": policy.mean(axis=0),
        "value/w": rows.T @ value / len(rows),
        "value/b": value.mean(axis=0),
    }


def _adam(parameter: Floats, moments: tuple[Floats, Floats], gradient: Floats, num_updates: int) -> None:
    mean, square = moments
    mean += (1 - MOMENTS[0]) * (gradient - mean)
    square += (1 - MOMENTS[1]) * (gradient**2 - square)
    scale = LEARNING_RATE * np.sqrt(1 - MOMENTS[1] ** num_updates) / (1 - MOMENTS[0] ** num_updates)
    parameter -= (scale * mean / (np.sqrt(square) + 1e-8)).astype(np.float32)
