"""Several experts over one batch: each row is answered by the expert that is responsible for it, in JAX.

Job: compute a mixture of experts at little more than the cost of one, by bringing the rows of an expert together. Place
in the data flow: evaluation plays a plan with it; gates and distillation (`mixture_gate`, `distil`) are taught by it.
Left out: who is responsible for a row (the plan, or a gate), and training.

Axes: `expert` local number of an expert, `row` of the batch, `observation`, `action`.

Evaluating every expert for every row and masking costs as many times one expert as there are experts. Here rows are
sorted by expert. On a CPU each expert then takes its rows at once, rounded up to one of a few sizes for which the
program has a branch: weights are read once per expert. Elsewhere, where a branch would wait for the host, rows are cut
into blocks of one expert each, which one batched product computes.

Only forwards: rows are placed by loops of a length that depends on the data, which have no gradient. Nothing needs one:
what is trained is a single network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import jax
import jax.numpy as jnp
from jax import lax

from gamefleet.errors import ConfigError, IncompatibleError, nearest
from gamefleet.identity import first_difference
from gamefleet.learners.mixture_settings import Dependencies
from gamefleet.learners.ppo_network import Array, Params, apply_params

_SMALLEST = 8
"""Rows below which a product costs the same: reading the weights is what takes the time."""

_FINE_UP_TO = 256
"""Up to here sizes grow by a half or a third at a time, above they double: every size is one more branch to compile."""

_BLOCK = 16
"""Rows of a block where there are no branches."""


def stack_params(experts: Sequence[Mapping[str, Any]]) -> Params:
    """Networks of one form as one, with the axis `expert` in front.

    Args:
        experts: By local number.

    Raises:
        IncompatibleError: There is none, or two differ in an array's name or shape; the first difference is named.
    """
    if not experts:
        raise IncompatibleError("A mixture needs at least one expert", remedy="Name a plan with at least one skill.")
    forms = [{name: str(tuple(array.shape)) for name, array in expert.items()} for expert in experts]
    for local, form in enumerate(forms):
        difference = first_difference(forms[0], form)
        if difference:
            raise IncompatibleError(
                f"Experts 0 and {local} of a mixture differ in form: {difference}",
                remedy="Experts of one mixture have the same layers; distil the one that differs into this form.",
            )
    return {name: jnp.stack([jnp.asarray(expert[name]) for expert in experts]) for name in experts[0]}


def first_params(dependencies: Sequence[Mapping[str, Any]], fresh: Params, choice: str) -> Params:
    """Where the own network of a skill begins.

    Args:
        dependencies: Networks of the plan's earlier skills, in order.
        fresh: A network that knows nothing.
        choice: One of `Dependencies`: `frozen` gives the fresh one, `tuned` a copy of the last dependency's if there is
            one.

    Raises:
        ConfigError: There is no such choice.
        IncompatibleError: The dependency's network has another form; the first difference is named.
    """
    if choice not in get_args(Dependencies):
        remedy = nearest(str(choice), get_args(Dependencies))
        raise ConfigError("No such choice of what becomes of dependencies", value=choice, remedy=remedy)
    if choice == "frozen" or not dependencies:
        return fresh
    tuned = stack_params([fresh, {name: array for name, array in dependencies[-1].items() if name in fresh}])
    return one_of(tuned, 1)


def one_of(stack: Params, local: Any) -> Params:
    """The network of one expert, by a number that may be known only while the program runs."""
    return {name: lax.dynamic_index_in_dim(array, local, 0, keepdims=False) for name, array in stack.items()}


def num_experts(stack: Params) -> int:
    """How many experts a stack holds."""
    return int(stack["policy/w"].shape[0])


def routed(stack: Params, expert_of_row: Array, observations: Array) -> tuple[Array, Array]:
    """What the responsible experts say.

    Args:
        stack: Of `stack_params`.
        expert_of_row: int32[row], local numbers; one that does not exist is taken for the nearest.
        observations: float32[row, observation].

    Returns:
        Logits float32[row, action] and values float32[row].
    """
    chosen = jnp.clip(expert_of_row.astype(jnp.int32), 0, num_experts(stack) - 1)
    result: tuple[Array, Array] = lax.platform_dependent(
        stack, chosen, observations, cpu=routed_by_expert, default=routed_by_block
    )
    return result


def all_experts(stack: Params, observations: Array) -> tuple[Array, Array]:
    """What every expert says about every row: the plain, expensive way.

    Returns:
        Logits float32[expert, row, action] and values float32[expert, row].
    """
    result: tuple[Array, Array] = jax.vmap(apply_params, in_axes=(0, None))(stack, observations)
    return result


def masked(stack: Params, expert_of_row: Array, observations: Array) -> tuple[Array, Array]:
    """`routed`, computed by evaluating all experts; what `routed` is compared with."""
    logits, values = all_experts(stack, observations)
    rows = jnp.arange(observations.shape[0])
    return logits[expert_of_row, rows], values[expert_of_row, rows]


def branch_sizes(num_rows: int) -> tuple[int, ...]:
    """Numbers of rows for which the program has a branch: 0, 8, 16, 24, 32, 48, ..., and all rows."""
    sizes = [0]
    size = min(_SMALLEST, num_rows)
    while size < num_rows:
        sizes.append(size)
        size = _next_size(size)
    return (*sizes, num_rows)


def _next_size(size: int) -> int:
    is_power = size & (size - 1) == 0
    if size <= _SMALLEST or size >= _FINE_UP_TO:
        return 2 * size
    return size * 3 // 2 if is_power else size * 4 // 3


def routed_by_expert(stack: Params, expert_of_row: Array, observations: Array) -> tuple[Array, Array]:
    """`routed`, one expert after the other, each with its rows rounded up to a size of `branch_sizes`.

    Rows are sorted by expert. What an expert computes beyond its own rows belongs to later experts, which overwrite it,
    or lies behind the last row.
    """
    num_rows = observations.shape[0]
    branches = branch_sizes(num_rows)
    order = jnp.argsort(expert_of_row).astype(jnp.int32)
    sizes = _sizes(stack, expert_of_row)
    starts = jnp.cumsum(sizes) - sizes
    kind = jnp.searchsorted(jnp.array(branches), sizes)
    padded = jnp.concatenate([order, jnp.zeros(num_rows, jnp.int32)])

    def answer(length: int, local: Array, logits: Array, values: Array) -> tuple[Array, Array]:
        if length == 0:
            return logits, values
        begin = starts[local]
        rows = lax.dynamic_slice(padded, (begin,), (length,))
        some_logits, some_values = apply_params(one_of(stack, local), observations[rows])
        logits = lax.dynamic_update_slice(logits, some_logits, (begin, 0))
        return logits, lax.dynamic_update_slice(values, some_values, (begin,))

    choices = [lambda *carried, length=length: answer(length, *carried) for length in branches]
    empty = (jnp.zeros((2 * num_rows, stack["policy/b"].shape[-1])), jnp.zeros(2 * num_rows))
    logits, values = lax.fori_loop(
        0, num_experts(stack), lambda local, carried: lax.switch(kind[local], choices, local, *carried), empty
    )
    back = _inverse(order)
    return logits[back], values[back]


def routed_by_block(stack: Params, expert_of_row: Array, observations: Array) -> tuple[Array, Array]:
    """`routed`, as one batched product over blocks of `_BLOCK` rows of one expert each; last blocks are padded."""
    num_rows, experts = observations.shape[0], num_experts(stack)
    num_blocks = (num_rows + experts * (_BLOCK - 1)) // _BLOCK
    order = jnp.argsort(expert_of_row).astype(jnp.int32)
    sizes = _sizes(stack, expert_of_row)
    blocks = -(-sizes // _BLOCK)
    sorted_experts = expert_of_row[order]
    rank = jnp.arange(num_rows) - (jnp.cumsum(sizes) - sizes)[sorted_experts]
    place = (jnp.cumsum(blocks) - blocks)[sorted_experts] * _BLOCK + rank
    source = jnp.zeros(num_blocks * _BLOCK, jnp.int32).at[place].set(order)
    expert_of_block = jnp.repeat(jnp.arange(experts), blocks, total_repeat_length=num_blocks)
    weights = {name: array[expert_of_block] for name, array in stack.items()}
    logits, values = jax.vmap(apply_params)(weights, observations[source].reshape(num_blocks, _BLOCK, -1))
    back = place[_inverse(order)]
    return logits.reshape(num_blocks * _BLOCK, -1)[back], values.reshape(-1)[back]


def _sizes(stack: Params, expert_of_row: Array) -> Array:
    """int32[expert]: rows of each."""
    return jnp.zeros(num_experts(stack), jnp.int32).at[expert_of_row].add(1)


def _inverse(order: Array) -> Array:
    return jnp.zeros_like(order).at[order].set(jnp.arange(order.shape[0], dtype=jnp.int32))
