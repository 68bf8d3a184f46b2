"""Rows of a battle as what changed from one to the next.

Job: rows to their changes and back. Place in the data flow: `trace.pack` keeps the changes, `trace.unpack` gives the
rows back. Left out: compression (the packed files do it).

From one decision to the next about fifteen of a row's columns change. Written one after the other, these changes are a
twelfth of the rows, and compressed they are three quarters of the compressed rows: what comes first is not what was
there before, but what happened.

Axes: `decision` in order; `change` by decision, then by column.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.showdown.layout import WIDTH


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Changes:
    """What changed; before the first decision everything is 0.

    Args:
        counts: uint16 [decision]: how many columns differ from the decision before.
        columns: uint16 [change]: which.
        steps: int16 [change]: by how much, modulo 65,536.
    """

    counts: NDArray[np.uint16]
    columns: NDArray[np.uint16]
    steps: NDArray[np.int16]


def changes_of(rows: NDArray[np.int16]) -> Changes:
    """The changes of int16 `rows` [decision, WIDTH]."""
    steps = rows.copy()
    steps[1:] -= rows[:-1]
    decisions, columns = steps.nonzero()
    return Changes(
        counts=np.bincount(decisions, minlength=len(rows)).astype(np.uint16),
        columns=columns.astype(np.uint16),
        steps=steps[decisions, columns],
    )


def are_changes(changes: Changes) -> bool:
    """Whether rows can be made of them: as many as their counts say, in columns that exist."""
    columns = changes.columns
    return int(changes.counts.sum(dtype=np.int64)) == len(columns) and not (len(columns) and columns.max() >= WIDTH)


def rows_of(changes: Changes) -> NDArray[np.int16]:
    """The rows, int16 [decision, WIDTH], of changes that `are_changes`."""
    starts = np.arange(0, WIDTH * len(changes.counts), WIDTH)
    flat = np.zeros(WIDTH * len(changes.counts), np.int16)
    flat[np.repeat(starts, changes.counts) + changes.columns] = changes.steps
    rows = flat.reshape(-1, WIDTH)
    previous = rows[0] if len(rows) else None
    for row in rows[1:]:  # row by row is faster than `cumsum`, which goes down the columns
        row += previous
        previous = row
    return rows
