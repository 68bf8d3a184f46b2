"""Distillation: one network that answers as a whole mixture does, in JAX.

Job: make of a plan's experts a single network of the usual form, which can be played, exchanged and stacked like any
expert. Place in the data flow: after a skill is learned, as an export; observations of its evaluation and the experts
that answered them come in. Left out: playing, and saving (`weights.experts`).

The student learns the teacher's whole policy, not only the likeliest action: KL divergence from the teacher's to the
student's, and the squared error of the value. Source: Rusu et al. 2016, "Policy distillation".
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from gamefleet.learners.mixture import Stack, routed
from gamefleet.learners.mixture_fitting import Rows, fit, split_rows
from gamefleet.learners.mixture_settings import FitSettings
from gamefleet.learners.ppo_network import Array, Params, apply_params, init_params

_ROWS = 128
"""That the teacher answers at a time."""


class Distilled(NamedTuple):
    """A student and what it is worth, on rows that it did not learn from.

    Attributes:
        params: A network as `learners.ppo_network` has it.
        agreement: How often its likeliest action is the teacher's, 0 to 1.
        divergence: KL divergence from the teacher's policy, in nats.
    """

    params: Params
    agreement: float
    divergence: float


def distil(
    stack: Stack, expert_of_row: Array, observations: Array, seed: int, settings: FitSettings | None = None
) -> Distilled:
    """Teach one network to answer as the responsible experts do.

    Args:
        stack: The experts, of `stack_params`.
        expert_of_row: int32[row], who was responsible.
        observations: float32[row, observation], of played plans.
        seed: Of all chance.
        settings: Of the optimizer and the student's width.

    Raises:
        ConfigError: There are too few rows.
    """
    settings = settings or FitSettings()
    logits, values = jax.jit(_taught)(stack, jnp.asarray(expert_of_row), jnp.asarray(observations))
    rows = {"observations": jnp.asarray(observations), "logits": logits, "values": values}
    learned, measured = split_rows(rows, seed, settings)
    make = jax.jit(init_params, static_argnums=(1, 2, 3))
    student = make(jax.random.key(seed), observations.shape[-1], logits.shape[-1], settings.width)
    student = fit(student, learned, _loss, settings, seed)
    found, _ = apply_params(student, measured["observations"])
    agreement = (found.argmax(-1) == measured["logits"].argmax(-1)).mean()
    return Distilled(
        params=student, agreement=float(agreement), divergence=float(_divergence(measured["logits"], found).mean())
    )


def _taught(stack: Stack, expert_of_row: Array, observations: Array) -> tuple[Array, Array]:
    """What the responsible experts say, some rows at a time: memory and compilation do not grow with their number."""
    num_rows = observations.shape[0]
    padding = -num_rows % _ROWS
    experts = jnp.pad(expert_of_row, (0, padding)).reshape(-1, _ROWS)
    padded = jnp.pad(observations, ((0, padding), (0, 0))).reshape(-1, _ROWS, observations.shape[-1])
    logits, values = jax.lax.map(lambda part: routed(stack, *part), (experts, padded))
    return logits.reshape(-1, logits.shape[-1])[:num_rows], values.reshape(-1)[:num_rows]


def _loss(params: Params, rows: Rows, settings: FitSettings) -> Array:
    logits, values = apply_params(params, rows["observations"])
    error = ((values - rows["values"]) ** 2).mean()
    return _divergence(rows["logits"], logits).mean() + settings.value_weight * error


def _divergence(teacher: Array, student: Array) -> Array:
    """float32[row]: KL divergence from the teacher's policy to the student's."""
    chances = jax.nn.log_softmax(teacher)
    return (jnp.exp(chances) * (chances - jax.nn.log_softmax(student))).sum(-1)
