"""Networks of older programs in our form.

Job: find the experts in a tree of parameters and turn an actor and a critic that stand apart into one network that
computes exactly the same. Place in the data flow: between a pickle that was read and the store of experts. Left out:
reading and writing.

The older program keeps two networks for expert i, `actor_networks_<i>` and `critic_networks_<i>`, each a chain of dense
layers (`kernel`, `bias`) with tanh between them. Side by side they are one body: the first layers next to each other,
the later ones as blocks on the diagonal, and heads that read only their own half. Networks of another make are taken
with their own names: they can be kept and extracted, not mixed with ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.weights.migrate_values import RefusedError

Tree = Mapping[str, Any]
Layer = tuple[NDArray[np.float32], NDArray[np.float32]]

INDEXED = re.compile(r"(actor|critic)_networks?_([0-9]+)")
ALONE = re.compile(r"(actor|critic)_network")
MOST_DEPTH = 12

MOST_INDEX = 1_000
"""Numbers of experts are below this. A graph has a place for every number up to its largest one, used or not, and each
merge lists all experts again: a few bytes with a large number in them would fill memory and disk."""

MOST_GROWTH, SMALL = 16, 1 << 20
"""A layer of both halves may have this many times the numbers of the two, once it has more than so many."""


def experts_in(tree: Any) -> dict[int, dict[str, Any]]:
    """The parameters of every expert, by the number in their names.

    Args:
        tree: Nested dicts; the innermost dict that has such names counts.

    Returns:
        Index -> {"actor": ..., "critic": ...}; empty where there are none.

    Raises:
        RefusedError: A number is `MOST_INDEX` or more.
    """
    found: dict[int, dict[str, Any]] = {}
    for inner in _dicts(tree, 0):
        for name, part in inner.items():
            match = INDEXED.fullmatch(str(name))
            if match is not None and isinstance(part, Mapping):
                found.setdefault(index_of(match[2]), {})[match[1]] = part
        if found:
            break
    return found


def index_of(digits: str) -> int:
    """The number of an expert as a stranger wrote it.

    Raises:
        RefusedError: It is `MOST_INDEX` or more.
    """
    if len(digits) > 9 or int(digits) >= MOST_INDEX:
        raise RefusedError(f"an expert with the number {digits[:20]}; the largest one is {MOST_INDEX - 1}")
    return int(digits)


def single_expert(tree: Any) -> dict[str, Any]:
    """The parameters of a file that holds one expert, with or without a number in their names.

    Raises:
        RefusedError: As `experts_in` does.
    """
    several = experts_in(tree)
    if len(several) == 1:
        return next(iter(several.values()))
    for inner in _dicts(tree, 0):
        parts = {match[1]: inner[name] for name in inner if (match := ALONE.fullmatch(str(name)))}
        if parts:
            return parts
    return dict(tree) if isinstance(tree, Mapping) else {}


def _dicts(tree: Any, depth: int) -> list[Mapping[str, Any]]:
    """A dict and those in it, outer ones first."""
    if not isinstance(tree, Mapping) or depth > MOST_DEPTH:
        return []
    inner = [found for value in tree.values() for found in _dicts(value, depth + 1)]
    return [tree, *inner]


def in_our_form(parts: Mapping[str, Any]) -> dict[str, NDArray[Any]] | None:
    """One network that computes what the actor and the critic do; None where they are no chains of dense layers."""
    if set(parts) != {"actor", "critic"}:
        return None
    actor, critic = layers(parts["actor"]), layers(parts["critic"])
    if not actor or not critic or len(actor) != len(critic) or len(actor) < 2:
        return None
    if actor[0][0].shape[0] != critic[0][0].shape[0] or critic[-1][0].shape[1] != 1:
        return None
    # Weights of the two stand in a corner each: a long and a wide layer of a few numbers would make an immense one.
    if not all(_fits_together(one[0], other[0]) for one, other in zip(actor[1:], critic[1:], strict=True)):
        return None
    params: dict[str, NDArray[Any]] = {}
    for depth, (one, other) in enumerate(zip(actor[:-1], critic[:-1], strict=True)):
        weights = np.hstack([one[0], other[0]]) if depth == 0 else _diagonal(one[0], other[0])
        params[f"body/{depth}/w"], params[f"body/{depth}/b"] = weights, np.concatenate([one[1], other[1]])
    rows_actor, rows_critic = actor[-1][0].shape[0], critic[-1][0].shape[0]
    zeros = np.zeros((rows_critic, actor[-1][0].shape[1]), np.float32), np.zeros((rows_actor, 1), np.float32)
    params["policy/w"], params["policy/b"] = np.vstack([actor[-1][0], zeros[0]]), actor[-1][1]
    params["value/w"], params["value/b"] = np.vstack([zeros[1], critic[-1][0]]), critic[-1][1]
    return params


def _fits_together(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    """Whether the block of two layers is not immensely larger than they are."""
    size = (one.shape[0] + other.shape[0]) * (one.shape[1] + other.shape[1])
    return bool(size <= max(SMALL, MOST_GROWTH * (one.size + other.size)))


def _diagonal(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    whole = np.zeros((one.shape[0] + other.shape[0], one.shape[1] + other.shape[1]), np.float32)
    whole[: one.shape[0], : one.shape[1]] = one
    whole[one.shape[0] :, one.shape[1] :] = other
    return whole


def layers(network: Any) -> list[Layer]:
    """Dense layers in the order of the numbers in their names; empty where something else is there."""
    if not isinstance(network, Mapping):
        return []
    numbered = {name: re.fullmatch(r"[A-Za-z]+_([0-9]{1,4})", str(name)) for name in network}
    if not all(numbered.values()):
        return []
    ordered = sorted(network, key=lambda name: int(numbered[name][1]))  # type: ignore[index]
    found = [_dense(network[name]) for name in ordered]
    chain = [layer for layer in found if layer is not None]
    fits = all(one[1].shape[0] == other[0].shape[0] for one, other in pairwise(chain))
    return chain if fits and len(chain) == len(found) else []


def _dense(part: Any) -> Layer | None:
    if not isinstance(part, Mapping) or set(part) != {"kernel", "bias"}:
        return None
    kernel, bias = part["kernel"], part["bias"]
    if not isinstance(kernel, np.ndarray) or not isinstance(bias, np.ndarray):
        return None
    if kernel.ndim != 2 or bias.shape != kernel.shape[1:]:
        return None
    return kernel.astype(np.float32), bias.astype(np.float32)


def flat_arrays(tree: Any, prefix: str = "") -> dict[str, NDArray[Any]]:
    """Every array of a tree by its path, for networks of another make."""
    if isinstance(tree, np.ndarray):
        return {prefix: tree}
    if not isinstance(tree, Mapping):
        return {}
    found: dict[str, NDArray[Any]] = {}
    for name, value in tree.items():
        found |= flat_arrays(value, f"{prefix}/{name}" if prefix else str(name))
    return found
