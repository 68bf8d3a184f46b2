"""Fitting trajectories into rows of equal length, so that hardly a place stays empty.

Job: for the trajectories of one window, say which piece lies where in which row. Place in the data flow: under
`packing`. Left out: windows, epochs and where a run stands.

Rows are filled one at a time with the longest piece that fits, which is first-fit decreasing; where two pieces fill
the rest exactly, those are taken instead. A trajectory longer than a row is cut. So is one that would leave a gap
behind which nothing fits: without that, battles that all take a little more than half a row would waste the other half.

Source: Johnson, "Near-optimal bin packing algorithms" (1973): first-fit decreasing; for sequences of tokens: Krell et
al., "Efficient Sequence Packing without Cross-contamination" (2021).

Axes: `piece`, `trajectory`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAST_PIECE = 4
"""Nothing shorter is cut off: a decision without what led to it teaches less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """Where everything lies, in the order of rows and places.

    Args:
        row: int32 `[piece]`, from 0, non-decreasing.
        place: int32 `[piece]`, first place within the row.
        item: int32 `[piece]`, number of the trajectory within the window.
        start: int32 `[piece]`, first decision of the trajectory that is here.
        length: int32 `[piece]`, decisions.
        num_rows: How many rows there are.
    """

    row: NDArray[np.int32]
    place: NDArray[np.int32]
    item: NDArray[np.int32]
    start: NDArray[np.int32]
    length: NDArray[np.int32]
    num_rows: int


def fit(lengths: NDArray[np.int32], row_decisions: int) -> Pieces:
    """Lay trajectories into rows.

    Args:
        lengths: int32 `[trajectory]`, each at least 1.
        row_decisions: Places in a row.

    Returns:
        Every decision of every trajectory exactly once.
    """
    shelf = _Shelf(lengths, row_decisions)
    found: list[tuple[int, int, int, int, int]] = []
    row = 0
    while shelf.has_any:
        place = 0
        while place < row_decisions and (taken := shelf.take(row_decisions - place)):
            item, start, length = taken
            found.append((row, place, item, start, length))
            place += length
        row += 1
    table = np.array(found, np.int32).reshape(-1, 5)
    columns = np.ascontiguousarray(table.T)
    return Pieces(row=columns[0], place=columns[1], item=columns[2], start=columns[3], length=columns[4], num_rows=row)


class _Shelf:
    """Pieces that are not laid yet, by their length.

    `_present` has bit n set while there is a piece of length n: the longest that fits is one instruction away.
    """

    def __init__(self, lengths: NDArray[np.int32], row_decisions: int) -> None:
        self._by_length: list[list[tuple[int, int]]] = [[] for _ in range(row_decisions + 1)]
        self._present = 0
        for item, length in enumerate(lengths.tolist()):
            for start in range(0, length, row_decisions):
                self._put(item, start, min(row_decisions, length - start))

    @property
    def has_any(self) -> bool:
        return self._present != 0

    def take(self, room: int) -> tuple[int, int, int] | None:
        """The best piece for `room` places as (item, start, length); None when the gap stays."""
        fitting = self._present & ((2 << room) - 1)
        if not fitting:
            return self._cut(room)
        length = fitting.bit_length() - 1
        if length != room:
            length = self._half_of_pair(fitting, room) or length
        return *self._pop(length), length

    def _half_of_pair(self, fitting: int, room: int) -> int:
        """The longer of two lengths that are there and fill the room exactly; 0 when there are none."""
        for longer in range(fitting.bit_length() - 1, (room - 1) // 2, -1):
            other = room - longer
            if fitting >> longer & 1 and fitting >> other & 1 and (longer != other or len(self._by_length[other]) > 1):
                return longer
        return 0

    def _cut(self, room: int) -> tuple[int, int, int] | None:
        """The beginning of the longest piece; its rest stays here."""
        length = self._present.bit_length() - 1
        part = min(room, length - LEAST_PIECE)
        if part < LEAST_PIECE:
            return None
        item, start = self._pop(length)
        self._put(item, start + part, length - part)
        return item, start, part

    def _put(self, item: int, start: int, length: int) -> None:
        self._by_length[length].append((item, start))
        self._present |= 1 << length

    def _pop(self, length: int) -> tuple[int, int]:
        pieces = self._by_length[length]
        taken = pieces.pop()
        if not pieces:
            self._present &= ~(1 << length)
        return taken
