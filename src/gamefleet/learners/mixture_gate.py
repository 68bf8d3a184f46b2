"""A gate: which expert acts, decided from the observation alone, in JAX.

Job: learn from played plans which expert was responsible, so that a mixture acts without a plan. Place in the data
flow: after a skill is learned; observations and responsible experts of its evaluation come in, a small network comes
out that is saved with the skill's expert. Left out: playing.

The gate is linear: features that tell the steps of a plan apart (what is carried, what is near) are in the observation
as they are. The experts are frozen; only the gate learns.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from gamefleet.learners.mixture import Stack, num_experts, routed
from gamefleet.learners.mixture_fitting import Rows, fit, split_rows
from gamefleet.learners.mixture_settings import FitSettings
from gamefleet.learners.ppo_network import Array, Params


class FittedGate(NamedTuple):
    """A gate and what it is worth.

    Attributes:
        params: `gate/w [observation, expert]`, `gate/b [expert]`.
        agreement: How often it chooses the expert that the plan chose, on rows that it did not learn from, 0 to 1.
    """

    params: Params
    agreement: float


def gate_logits(params: Params, observations: Array) -> Array:
    """float32[row, expert]: how much speaks for each expert."""
    return observations @ params["gate/w"] + params["gate/b"]


def choose_experts(params: Params, observations: Array) -> Array:
    """int32[row]: the local number of the expert that acts."""
    return jnp.argmax(gate_logits(params, observations), axis=-1).astype(jnp.int32)


def gated(stack: Stack, gate: Params, observations: Array) -> tuple[Array, Array]:
    """What the experts say that the gate chooses.

    Args:
        stack: The experts, of `stack_params`.
        gate: Of `fit_gate`.
        observations: float32[row, observation].

    Returns:
        Logits float32[row, action] and values float32[row].
    """
    return routed(stack, choose_experts(gate, observations), observations)


def fit_gate(
    stack: Stack, observations: Array, expert_of_row: Array, seed: int, settings: FitSettings | None = None
) -> FittedGate:
    """Learn to choose as a plan did.

    Args:
        stack: The experts; only their number matters.
        observations: float32[row, observation], of played plans.
        expert_of_row: int32[row], who was responsible.
        seed: Of all chance.
        settings: Of the optimizer.

    Raises:
        ConfigError: There are too few rows.
    """
    settings = settings or FitSettings()
    rows = {"observations": jnp.asarray(observations), "experts": jnp.asarray(expert_of_row, jnp.int32)}
    learned, measured = split_rows(rows, seed, settings)
    experts = num_experts(stack)
    empty = {
        "gate/w": jnp.zeros((rows["observations"].shape[-1], experts), jnp.float32),
        "gate/b": jnp.zeros(experts, jnp.float32),
    }
    params = fit(empty, learned, _loss, settings, seed)
    agreement = (choose_experts(params, measured["observations"]) == measured["experts"]).mean()
    return FittedGate(params=params, agreement=float(agreement))


def _loss(params: Params, rows: Rows, settings: FitSettings) -> Array:
    """Cross entropy of the responsible expert; nothing of it can be set."""
    chances = jax.nn.log_softmax(gate_logits(params, rows["observations"]))
    return -jnp.take_along_axis(chances, rows["experts"][:, None], axis=-1).mean()
