"""A fixed, seemingly random order of N things, of which any place can be asked for alone.

Job: say which thing comes at a place of an epoch, without a list of all. Place in the data flow: `packing` takes
trajectories in this order. Left out: what the things are.

Every process computes the same order from (number of things, seed, epoch), so that nothing has to be agreed on, stored
or shuffled: that is what lets a run go on with another number of ranks and meet the same trajectories.

The things are cells of a table with a columns and b rows, a*b just above N. A round adds to one coordinate a hash of
the other, which can be undone, so rounds never map two cells to one; a result beyond N goes through the rounds again.

Source: Black and Rogaway, "Ciphers with Arbitrary Finite Domains" (CT-RSA 2002): a Feistel network of two moduli, and
cycle walking.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gamefleet.identity import derive_seed

ROUNDS = 8

_MIX_A, _MIX_B = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


class Order:
    """The order of one epoch.

    Args:
        num_items: How many things there are, at least 1.
        seed: Of the run.
        epoch: Number of the pass, from 0; each has an order of its own.
    """

    def __init__(self, num_items: int, *, seed: int, epoch: int) -> None:
        if num_items < 1:
            raise ValueError(f"nothing to put in order: {num_items} items")
        self.num_items = num_items
        self._columns = max(2, math.isqrt(num_items - 1) + 1)
        self._rows = max(2, -(-num_items // self._columns))
        keys = (derive_seed(seed, purpose=f"order-{epoch}-{number}") for number in range(ROUNDS))
        self._keys = np.fromiter(keys, np.uint64, ROUNDS)

    def at(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Which things come at these places.

        Args:
            places: int64 `[n]`, each in [0, num_items).

        Returns:
            int64 `[n]`: numbers of things; all places together give every thing once.
        """
        found = self._rounds(places.astype(np.uint64))
        beyond = np.flatnonzero(found >= self.num_items)
        while beyond.size:
            found[beyond] = self._rounds(found[beyond])
            beyond = beyond[found[beyond] >= self.num_items]
        return found.astype(np.int64)

    def _rounds(self, cells: NDArray[np.uint64]) -> NDArray[np.uint64]:
        columns, rows = np.uint64(self._columns), np.uint64(self._rows)
        row, column = np.divmod(cells, columns)
        for number in range(0, ROUNDS, 2):
            column = (column + _hash(row, self._keys[number]) % columns) % columns
            row = (row + _hash(column, self._keys[number + 1]) % rows) % rows
        return row * columns + column


def _hash(values: NDArray[np.uint64], key: np.uint64) -> NDArray[np.uint64]:
    """The finaliser of splitmix64 over value and key; products wrap around, as meant."""
    mixed = values ^ key
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_A
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_B
    return mixed ^ (mixed >> np.uint64(31))
