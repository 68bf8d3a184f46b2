"""Teaching a network from recorded rows, in JAX.

Job: minibatches, Adam and a part of the rows that is held out, as one compiled program. Place in the data flow: under
gates and distillation. Left out: what the loss is, and where the rows come from.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from gamefleet.errors import ConfigError
from gamefleet.learners.mixture_settings import FitSettings
from gamefleet.learners.ppo_network import Array, Params

Rows = dict[str, Array]
"""Named arrays that share the axis `row`."""

Loss = Callable[[Params, Rows, FitSettings], Array]


def split_rows(rows: Rows, seed: int, settings: FitSettings) -> tuple[Rows, Rows]:
    """Rows to learn from and rows to measure with, by chance of a seed.

    Raises:
        ConfigError: There are too few for both.
    """
    num_rows = next(iter(rows.values())).shape[0]
    num_held_out = round(num_rows * settings.held_out)
    if num_held_out < 1 or num_rows - num_held_out < 1:
        raise ConfigError(
            "There are too few recorded rows to learn from", value=num_rows, remedy="Play more steps of the plan."
        )
    order = np.random.default_rng(seed).permutation(num_rows)
    parts = order[num_held_out:], order[:num_held_out]
    learned, measured = ({name: array[part] for name, array in rows.items()} for part in parts)
    return learned, measured


def fit(params: Params, rows: Rows, loss: Loss, settings: FitSettings, seed: int) -> Params:
    """Move parameters down a loss, on minibatches drawn with replacement.

    Args:
        params: Where to begin.
        rows: To learn from.
        loss: Of some rows, float32[].
        settings: Of the optimizer.
        seed: Of the draws; the same seed gives the same result.
    """
    result: Params = _fit(params, rows, jax.random.key(seed), loss=loss, settings=settings)
    return result


@partial(jax.jit, static_argnames=("loss", "settings"))
def _fit(params: Params, rows: Rows, key: Array, *, loss: Loss, settings: FitSettings) -> Params:
    num_rows = next(iter(rows.values())).shape[0]

    rate = optax.linear_schedule(settings.learning_rate, 0.0, settings.updates)
    optimizer = optax.chain(optax.clip_by_global_norm(settings.max_norm), optax.adam(rate))

    def update(state: tuple[Params, Any], step: Array) -> tuple[tuple[Params, Any], None]:
        moved, moments = state
        chosen = jax.random.randint(jax.random.fold_in(key, step), (settings.batch_size,), 0, num_rows)
        gradients = jax.grad(loss)(moved, {name: array[chosen] for name, array in rows.items()}, settings)
        steps, moments = optimizer.update(gradients, moments)
        return (optax.apply_updates(moved, steps), moments), None

    (moved, _), _ = lax.scan(update, (params, optimizer.init(params)), jnp.arange(settings.updates))
    return dict(moved)
