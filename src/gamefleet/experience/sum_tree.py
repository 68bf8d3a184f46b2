"""A sum tree over priorities: draw leaves in proportion to their value, in O(log n).

Job: prioritised sampling for many draws at once. Place in the data flow: inside the replay. Left out: what a leaf is.

Source: Schaul et al. 2016, "Prioritized Experience Replay", appendix B.2.1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class SumTree:
    """Non-negative values in the leaves of a complete binary tree whose inner nodes hold sums.

    Args:
        num_leaves: Number of values, all zero at first.
    """

    def __init__(self, num_leaves: int) -> None:
        self.num_leaves = num_leaves
        self._depth = max(1, int(np.ceil(np.log2(num_leaves))))
        self._first = 1 << self._depth
        # Node i has the children 2i and 2i + 1; node 1 is the root, node 0 is not used.
        self._nodes = np.zeros(2 * self._first, np.float64)

    @property
    def total(self) -> float:
        """Sum of all values."""
        return float(self._nodes[1])

    @property
    def values(self) -> NDArray[np.float64]:
        """The leaves, float64 `[num_leaves]`; a view."""
        return self._nodes[self._first : self._first + self.num_leaves]

    def set(self, index: NDArray[np.int64], value: NDArray[np.float64]) -> None:
        """Replace values.

        Sums are recomputed from the children instead of adding differences, so that rounding errors never pile up.

        Args:
            index: int64 `[n]`; where an index comes twice, the last value counts.
            value: float64 `[n]`, finite and not negative.

        Raises:
            ValueError: A value is negative or not finite.
        """
        if not (np.isfinite(value).all() and (value >= 0).all()):
            raise ValueError(f"priorities must be finite and not negative, got {value.min()} to {value.max()}")
        self._nodes[self._first + index] = value
        nodes = np.unique((self._first + index) >> 1)
        for _ in range(self._depth):
            self._nodes[nodes] = self._nodes[2 * nodes] + self._nodes[2 * nodes + 1]
            nodes = np.unique(nodes >> 1)

    def find(self, mass: NDArray[np.float64]) -> NDArray[np.int64]:
        """The leaves at which the running sum passes each mass.

        Args:
            mass: float64 `[n]`, each in [0, total).

        Returns:
            int64 `[n]`; leaves of value zero are never returned while `total` is positive.
        """
        mass = mass.copy()
        node = np.ones(len(mass), np.int64)
        for _ in range(self._depth):
            left = 2 * node
            share = self._nodes[left]
            # An empty right child is never entered, although rounding may leave a mass just above the left sum.
            goes_right = (mass >= share) & (self._nodes[left + 1] > 0)
            mass -= np.where(goes_right, share, 0.0)
            node = left + goes_right
        return node - self._first

    def draw(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw leaves with replacement, one from each of `count` equal shares of the mass (stratified).

        Args:
            count: Number of draws.
            rng: Source of randomness.
        """
        shares = (np.arange(count) + rng.random(count)) * (self.total / count)
        return self.find(np.minimum(shares, np.nextafter(self.total, 0.0)))
