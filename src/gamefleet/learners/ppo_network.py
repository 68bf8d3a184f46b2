"""The network of an expert: two tanh layers, logits and a value, in JAX.

Job: its parameters as a flat dict of named float32 arrays, and what they compute. Place in the data flow: PPO trains
it; experts are saved and exchanged in this form. Left out: optimising (`ppo_optimizer`), mixtures of several.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

Array = Any
"""A JAX array; JAX has no types where it is not installed."""

Params = dict[str, Array]
"""`body/0/w [observation, width]`, `body/0/b`, `body/1/w`, `body/1/b`, `policy/w`, `policy/b`, `value/w`, `value/b`."""


class Scaling(NamedTuple):
    """Running moments of observations.

    Attributes:
        count: float32, observations seen.
        mean: float32[observation].
        square: float32[observation], sum of squared deviations.
    """

    count: Array
    mean: Array
    square: Array


_LEAST_DEVIATION = 0.1
"""A number that hardly ever differs is scaled up tenfold at most."""


def init_params(key: Array, observation_size: int, num_actions: int, width: int) -> Params:
    """Orthogonal weights, zero biases; a policy that begins nearly even."""
    shapes = {
        "body/0": (observation_size, width, 2.0**0.5),
        "body/1": (width, width, 2.0**0.5),
        "policy": (width, num_actions, 0.01),
        "value": (width, 1, 1.0),
    }
    params: Params = {}
    for each, (name, (rows, columns, scale)) in zip(jax.random.split(key, len(shapes)), shapes.items(), strict=True):
        params[f"{name}/w"] = jax.nn.initializers.orthogonal(scale)(each, (rows, columns), jnp.float32)
        params[f"{name}/b"] = jnp.zeros(columns, jnp.float32)
    return params


def apply_params(params: Params, observations: Array) -> tuple[Array, Array]:
    """Logits and value.

    Args:
        params: The network; ours have two hidden layers, others as many as there are.
        observations: float32[..., observation].

    Returns:
        Logits float32[..., actions] and values float32[...].
    """
    hidden, layer = observations, 0
    while f"body/{layer}/w" in params:
        hidden = jnp.tanh(hidden @ params[f"body/{layer}/w"] + params[f"body/{layer}/b"])
        layer += 1
    value = hidden @ params["value/w"] + params["value/b"]
    return hidden @ params["policy/w"] + params["policy/b"], value[..., 0]


def fold_scaling(params: Params, scaling: Scaling) -> Params:
    """A network that takes plain observations and computes what `params` does of scaled ones.

    Scaling is linear, so it becomes part of the first layer: experts need no normaliser beside them.
    """
    deviation = jnp.sqrt(scaling.square / jnp.maximum(scaling.count, 1.0))
    scale = jnp.where(scaling.count > 0, 1.0 / jnp.maximum(deviation, _LEAST_DEVIATION), 1.0)
    weights = params["body/0/w"] * scale[:, None]
    return {**params, "body/0/w": weights, "body/0/b": params["body/0/b"] - scaling.mean @ weights}


def init_scaling(observation_size: int) -> Scaling:
    """Moments of nothing: observations are left as they are."""
    zeros = jnp.zeros(observation_size, jnp.float32)
    return Scaling(count=jnp.float32(0), mean=zeros, square=zeros)


def update_scaling(scaling: Scaling, observations: Array) -> Scaling:
    """Add observations float32[num, observation] to the moments (Chan et al. 1983)."""
    num = jnp.float32(observations.shape[0])
    mean = observations.mean(0)
    square = ((observations - mean) ** 2).sum(0)
    count = scaling.count + num
    delta = mean - scaling.mean
    return Scaling(
        count=count,
        mean=scaling.mean + delta * num / count,
        square=scaling.square + square + delta**2 * scaling.count * num / count,
    )
