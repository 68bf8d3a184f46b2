"""How far, and in which directions, contributions moved away from the versions they grew from.

Job: measure all candidates in one pass over memory. Place in the data flow: contents -> numbers for the guard. Left
out: what the numbers mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gamefleet.weights.content import NETWORK, Content, is_averaged

CHUNK_ITEMS = 1 << 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What candidates did to the network.

    Args:
        products: Inner products of their changes, `float64[candidates, candidates]`.
        num_weights: Numbers that make up the network.
    """

    products: NDArray[np.float64]
    num_weights: int

    def norm(self, candidate: int) -> float:
        """Euclidean norm of a change."""
        return float(np.sqrt(self.products[candidate, candidate]))

    def cosine(self, one: int, other: int) -> float:
        """Of the angle between two changes; 1 when one of them is zero."""
        length = self.norm(one) * self.norm(other)
        return float(self.products[one, other] / length) if length > 0 else 1.0


def is_finite(content: Content) -> bool:
    """Whether every number is finite, and none so large that its square is not.

    A sum of squares is infinite or not a number as soon as one of its terms is, and costs a fraction of asking each.
    """
    with np.errstate(all="ignore"):
        squares = [float(np.dot(flat, flat)) for flat in map(np.ravel, content.arrays.values()) if is_averaged(flat)]
    return bool(np.isfinite(squares).all()) and all(one.is_sane for one in content.moments.values())


def measure(contents: Sequence[Content], bases: Sequence[Content]) -> Measured:
    """Measure candidates of finite numbers and of one form against their bases.

    Arrays whose names begin with `network/` count; where there is none, all do.
    """
    products, num_weights = np.zeros((len(contents), len(contents))), 0
    for name in network_names(contents[0]) if contents else []:
        here = [content.arrays[name].reshape(-1) for content in contents]
        there = [base.arrays[name].reshape(-1) for base in bases]
        num_weights += here[0].size
        for start in range(0, here[0].size, CHUNK_ITEMS):
            part = slice(start, start + CHUNK_ITEMS)
            changes = np.empty((len(contents), here[0][part].size), np.float32)
            for row, one, other in zip(changes, here, there, strict=True):
                np.subtract(one[part], other[part], out=row, casting="same_kind")
            products += changes @ changes.T
    return Measured(products=products, num_weights=num_weights)


def network_names(content: Content) -> list[str]:
    """Arrays that are measured, sorted."""
    floats = [name for name in sorted(content.arrays) if is_averaged(content.arrays[name])]
    return [name for name in floats if name.startswith(NETWORK)] or floats
