"""Making the next merged version from contributions.

Job: the arithmetic of the three rules, a pure function of its inputs. Place in the data flow: contributions that passed
the guard -> the next version's content. Left out: which contributions (`guard`, `merging`) and files.

With g the merged content, x a contribution, b the version it grew from and w its weight, the rules `average` and
`polyak` make `(1 - sum w) g + sum w (x + (g - b))`, in which terms that are zero are left out: one contribution of
weight one that grew from g is taken over bit for bit. `outer` makes `m' = mu m + d` and `g + lr (d + mu m')` with
`d = sum w (x - b)`: PyTorch's SGD with Nesterov momentum on the gradient `-d`.

Source: Douillard et al. 2023, "DiLoCo: Distributed Low-Communication Training of Language Models".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.weights.average import Term, weighted_sum
from gamefleet.weights.content import Arrays, Content, is_averaged
from gamefleet.weights.moments import Moments, pooled, without
from gamefleet.weights.settings import MergeSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A contribution as the arithmetic sees it.

    Args:
        content: What the member published.
        base: The version from which it grew; None for the version that is merged into.
        samples: Environment steps of the work.
        age: Versions since the work began.
    """

    content: Content
    base: Content | None
    samples: int
    age: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """The next version.

    Args:
        content: What members go on from.
        momentum: Of the outer step, by array name; empty for the other rules.
        weights: Of the inputs.
    """

    content: Content
    momentum: Mapping[str, NDArray[Any]]
    weights: tuple[float, ...]


def weights_of(inputs: Sequence[Input], settings: MergeSettings) -> tuple[float, ...]:
    """Weights by samples and age; they add up to one, for `polyak` to `tau`."""
    shares = [one.samples * settings.age_decay**one.age for one in inputs]
    total = settings.tau if settings.rule == "polyak" else 1.0
    if len(shares) == 1 or sum(shares) <= 0:
        return tuple(total / len(shares) for _ in shares)
    return tuple(total * share / sum(shares) for share in shares)


def shortened(content: Content, base: Content, part: float) -> Content:
    """What a contribution would be if it had gone only a part of its way; the whole one is the same object."""
    if part == 1.0:
        return content
    arrays = {
        name: weighted_sum([(part, array), (1.0 - part, base.arrays[name])]) if is_averaged(array) else array
        for name, array in content.arrays.items()
    }
    return Content(arrays=arrays, moments=content.moments)


def merge(head: Content, momentum: Arrays, inputs: Sequence[Input], settings: MergeSettings) -> Merged:
    """Make the next version.

    Args:
        head: The version that is merged into.
        momentum: Its momentum; missing arrays are zero.
        inputs: At least one; of the same form as `head`.
        settings: Of merging.
    """
    weights = weights_of(inputs, settings)
    arrays: dict[str, NDArray[Any]] = {}
    moved: dict[str, NDArray[Any]] = {}
    for name, array in head.arrays.items():
        if not is_averaged(array):
            arrays[name] = np.asarray(reduce(np.maximum, (one.content.arrays[name] for one in inputs), array))
        elif settings.rule == "outer":
            change = _change(name, array, inputs, weights)
            arrays[name], moved[name] = _stepped(array, change, momentum.get(name), settings)
        else:
            arrays[name] = _combined(name, array, inputs, weights, 1.0 - (settings.tau if _is_polyak(settings) else 1))
    moments = {name: _moments(name, one, inputs) for name, one in head.moments.items()}
    return Merged(content=Content(arrays=arrays, moments=moments), momentum=moved, weights=weights)


def _is_polyak(settings: MergeSettings) -> bool:
    return settings.rule == "polyak"


def _combined(
    name: str, head: NDArray[Any], inputs: Sequence[Input], weights: Sequence[float], rest: float
) -> NDArray[Any]:
    moved = [(weight, one.base) for weight, one in zip(weights, inputs, strict=True) if one.base is not None]
    terms: list[Term] = [(weight, one.content.arrays[name]) for weight, one in zip(weights, inputs, strict=True)]
    terms += [(-weight, base.arrays[name]) for weight, base in moved]
    terms.append((rest + sum(weight for weight, _ in moved), head))
    return weighted_sum(terms)


def _change(name: str, head: NDArray[Any], inputs: Sequence[Input], weights: Sequence[float]) -> NDArray[Any]:
    terms: list[Term] = []
    for weight, one in zip(weights, inputs, strict=True):
        base = head if one.base is None else one.base.arrays[name]
        terms += [(weight, one.content.arrays[name]), (-weight, base)]
    return weighted_sum(terms)


def _stepped(
    head: NDArray[Any], change: NDArray[Any], momentum: NDArray[Any] | None, settings: MergeSettings
) -> tuple[NDArray[Any], NDArray[Any]]:
    rate, kept = settings.outer_learning_rate, settings.outer_momentum
    moved = change if momentum is None else weighted_sum([(kept, momentum), (1.0, change)])
    return weighted_sum([(1.0, head), (rate, change), (rate * kept, moved)]), moved


def _moments(name: str, head: Moments, inputs: Sequence[Input]) -> Moments:
    """Rows that the members added since their bases, merged by their counts."""
    if len(inputs) == 1 and inputs[0].base is None:
        return inputs[0].content.moments[name]
    total = head
    for one in inputs:
        base = head if one.base is None else one.base.moments[name]
        total = pooled(total, without(one.content.moments[name], base))
    return total
