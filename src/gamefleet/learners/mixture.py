"""Several experts over one batch: each row is answered by the expert that is responsible for it, in JAX.

Job: compute a mixture of experts at little more than the cost of one, by bringing the rows of an expert together. Place
in the data flow: evaluation plays a plan with it; gates and distillation (`mixture_gate`, `distil`) are taught by it.
Left out: who is responsible for a row (the plan, or a gate), and training.

Axes: `expert` local number of an expert, `row` of the batch, `observation`, `action`.

Evaluating every expert for every row and masking costs as many times one expert as there are experts. Here rows are
sorted by expert. On a CPU each expert then takes its rows at once, rounded up to one of a few sizes for which the
program has a branch: weights are read once per expert. Elsewhere, where a branch would wait for the host, rows are cut
into blocks of one expert each, which one batched product computes.

Experts may differ in depth and width: networks of an older program do, and so do those that were trained with other
settings. Those of one form are stacked together and the forms take their turns, so that a network costs what it costs
alone; padded to the largest, a single large one would make all of them as expensive. Where there are blocks, every form
costs blocks for all rows.

Only forwards: rows are placed by loops of a length that depends on the data, which have no gradient. Nothing needs one:
what is trained is a single network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import accumulate
from typing import Any, NamedTuple, get_args

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


class Stack(NamedTuple):
    """Several networks, those of one form together.

    Attributes:
        forms: Networks of one form each, every array with the axis `expert` in front.
        places: int32[expert]: where the expert of a local number stands when all forms follow one another.
    """

    forms: tuple[Params, ...]
    places: Array


def stack_params(experts: Sequence[Mapping[str, Any]], padded: Callable[[int], int] = lambda num: num) -> Stack:
    """Networks as one argument of a compiled program.

    Args:
        experts: By local number; of any depth and width.
        padded: To how many experts a number of them is padded, by repeating the last: each number is compiled anew.

    Raises:
        IncompatibleError: There is none, or two differ in what goes in and comes out; the first difference is named.
    """
    if not experts:
        raise IncompatibleError("A mixture needs at least one expert", remedy="Name a plan with at least one skill.")
    _check_ends(experts)
    groups: dict[str, list[int]] = {}
    for local, expert in enumerate(experts):
        groups.setdefault(str(sorted(_shapes(expert).items())), []).append(local)
    forms, places = [], [0] * len(experts)
    total = 0
    # In an order of their own, so that plans with the same forms share a program.
    for _, members in sorted(groups.items()):
        for rank, local in enumerate(members):
            places[local] = total + rank
        size = padded(len(members))
        alike = [experts[local] for local in [*members, *[members[-1]] * (size - len(members))]]
        forms.append({name: jnp.stack([jnp.asarray(one[name]) for one in alike]) for name in alike[0]})
        total += size
    places += [places[-1]] * (padded(len(experts)) - len(experts))
    return Stack(forms=tuple(forms), places=jnp.array(places, jnp.int32))


def _shapes(params: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(tuple(array.shape)) for name, array in params.items()}


def _check_ends(experts: Sequence[Mapping[str, Any]]) -> None:
    """All are networks of layers, of the same observations and actions."""
    ends = []
    for local, expert in enumerate(experts):
        layers = [*(f"body/{layer}" for layer in range((len(expert) - 4) // 2)), "policy", "value"]
        unlike = sorted({f"{layer}/{part}" for layer in layers for part in "wb"} ^ set(expert))
        if unlike:
            raise IncompatibleError(
                f"Expert {local} of a mixture is no network of layers",
                value=unlike[:4],
                remedy="Only networks as gamefleet trains them play together; train this skill again.",
            )
        ends.append({"observation": expert[f"{layers[0]}/w"].shape[0], "actions": expert["policy/b"].shape[0]})
        difference = first_difference(ends[0], ends[local])
        if difference:
            raise IncompatibleError(
                f"Experts 0 and {local} of a mixture play different games: {difference}",
                remedy="Experts of one mixture see the same observations and have the same actions.",
            )


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
    difference = first_difference(_shapes(fresh), _shapes(dependencies[-1]))
    if difference:
        raise IncompatibleError(
            f"The skill cannot begin as a copy of its last dependency, whose network has another form: {difference}",
            where="--set dependencies=tuned",
            remedy="Begin fresh (--set dependencies=frozen), or train with the width of the dependency (--set width).",
        )
    return {name: jnp.asarray(dependencies[-1][name]) for name in fresh}


def one_of(stack: Params, local: Any) -> Params:
    """The network of one expert, by a number that may be known only while the program runs."""
    return {name: lax.dynamic_index_in_dim(array, local, 0, keepdims=False) for name, array in stack.items()}


def num_experts(stack: Stack) -> int:
    """How many local numbers a stack has."""
    return int(stack.places.shape[0])


def routed(stack: Stack, expert_of_row: Array, observations: Array) -> tuple[Array, Array]:
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


def masked(stack: Stack, expert_of_row: Array, observations: Array) -> tuple[Array, Array]:
    """`routed`, computed by evaluating all experts for all rows; what `routed` is compared with."""
    answers = [jax.vmap(apply_params, in_axes=(0, None))(form, observations) for form in stack.forms]
    logits, values = (jnp.concatenate(parts) for parts in zip(*answers, strict=True))
    places, rows = stack.places[expert_of_row], jnp.arange(observations.shape[0])
    return logits[places, rows], values[places, rows]


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


def routed_by_expert(stack: Stack, expert_of_row: Array, observations: Array) -> tuple[Array, Array]:
    """`routed`, one expert after the other, each with its rows rounded up to a size of `branch_sizes`.

    Rows are sorted by expert. What an expert computes beyond its own rows belongs to later experts, which overwrite it,
    or lies behind the last row.
    """
    num_rows = observations.shape[0]
    branches = branch_sizes(num_rows)
    places = stack.places[expert_of_row]
    order = jnp.argsort(places).astype(jnp.int32)
    sizes = _sizes(places, sum(_num(form) for form in stack.forms))
    starts = jnp.cumsum(sizes) - sizes
    kind = jnp.searchsorted(jnp.array(branches), sizes)
    padded = jnp.concatenate([order, jnp.zeros(num_rows, jnp.int32)])

    def answer(form: tuple[Params, int], length: int, place: Array, answers: tuple[Array, Array]) -> Any:
        if length == 0:
            return answers
        (params, first), begin = form, starts[place]
        rows = lax.dynamic_slice(padded, (begin,), (length,))
        logits, values = apply_params(one_of(params, place - first), observations[rows])
        logits = lax.dynamic_update_slice(answers[0], logits, (begin, 0))
        return logits, lax.dynamic_update_slice(answers[1], values, (begin,))

    answers = (jnp.zeros((2 * num_rows, _num_actions(stack))), jnp.zeros(2 * num_rows))
    for form in _by_place(stack):
        choices = [partial(answer, form, length) for length in branches]
        first, last = form[1], form[1] + _num(form[0])
        answers = lax.fori_loop(first, last, partial(_choose, kind, choices), answers)
    back = _inverse(order)
    return answers[0][back], answers[1][back]


def _choose(kind: Array, choices: Sequence[Callable[..., Any]], place: Array, answers: tuple[Array, Array]) -> Any:
    return lax.switch(kind[place], choices, place, answers)


def routed_by_block(stack: Stack, expert_of_row: Array, observations: Array) -> tuple[Array, Array]:
    """`routed`, as one batched product for each form, over blocks of `_BLOCK` rows of one expert each."""
    places, num_rows = stack.places[expert_of_row], observations.shape[0]
    answers = (jnp.zeros((num_rows, _num_actions(stack))), jnp.zeros(num_rows))
    for params, first in _by_place(stack):
        # Rows of other forms are answered, too, and the answers thrown away: how many there are is not known before.
        logits, values = _form_by_block(params, jnp.clip(places - first, 0, _num(params) - 1), observations)
        is_own = (places >= first) & (places < first + _num(params))
        answers = jnp.where(is_own[:, None], logits, answers[0]), jnp.where(is_own, values, answers[1])
    return answers


def _form_by_block(params: Params, expert_of_row: Array, observations: Array) -> tuple[Array, Array]:
    """What networks of one form say; last blocks are padded."""
    num_rows, experts = observations.shape[0], _num(params)
    num_blocks = (num_rows + experts * (_BLOCK - 1)) // _BLOCK
    order = jnp.argsort(expert_of_row).astype(jnp.int32)
    sizes = _sizes(expert_of_row, experts)
    blocks = -(-sizes // _BLOCK)
    sorted_experts = expert_of_row[order]
    rank = jnp.arange(num_rows) - (jnp.cumsum(sizes) - sizes)[sorted_experts]
    place = (jnp.cumsum(blocks) - blocks)[sorted_experts] * _BLOCK + rank
    source = jnp.zeros(num_blocks * _BLOCK, jnp.int32).at[place].set(order)
    expert_of_block = jnp.repeat(jnp.arange(experts), blocks, total_repeat_length=num_blocks)
    weights = {name: array[expert_of_block] for name, array in params.items()}
    logits, values = jax.vmap(apply_params)(weights, observations[source].reshape(num_blocks, _BLOCK, -1))
    back = place[_inverse(order)]
    return logits.reshape(num_blocks * _BLOCK, -1)[back], values.reshape(-1)[back]


def _num(form: Params) -> int:
    return int(form["policy/w"].shape[0])


def _num_actions(stack: Stack) -> int:
    return int(stack.forms[0]["policy/b"].shape[-1])


def _by_place(stack: Stack) -> list[tuple[Params, int]]:
    """Every form with the place of its first expert."""
    firsts = accumulate((_num(form) for form in stack.forms), initial=0)
    return list(zip(stack.forms, firsts, strict=False))


def _sizes(expert_of_row: Array, num: int) -> Array:
    """int32[expert]: rows of each."""
    return jnp.zeros(num, jnp.int32).at[expert_of_row].add(1)


def _inverse(order: Array) -> Array:
    return jnp.zeros_like(order).at[order].set(jnp.arange(order.shape[0], dtype=jnp.int32))
