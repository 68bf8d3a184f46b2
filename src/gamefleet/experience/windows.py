"""Which windows of the replay can be drawn, and how often each is.

Job: open a window when its last slot is there, close it before one of its slots is overwritten, keep priorities in
between. Place in the data flow: inside `Replay`, which says how far each stream has been written. Left out: slots.

Axes: `stream`, `window` (place on a stream's grid; window k begins at slot k * unroll), `leaf` (of the sum tree: stream
times windows a ring holds, plus window modulo that number, so that a new window takes the leaf of the one it replaces).

Source: priorities of sequences: R2D2 (Kapturowski et al. 2019), section 2.3; new ones get the largest so far: Schaul et
al. 2016, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.experience.sum_tree import SumTree

NO_WINDOW = -1
WINDOW_BITS = 40
"""Of a handle; the stream's number lies above them."""

LEAST_PRIORITY = 1e-6
"""A window without any error stays drawable: its error may change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """How windows lie on streams.

    Args:
        num_streams: Streams.
        num_windows: Windows that begin in one ring.
        unroll: Slots from one window's beginning to the next's.
        span: Slots of a window.
    """

    num_streams: int
    num_windows: int
    unroll: int
    span: int

    @property
    def num_slots(self) -> int:
        """Slots of one ring."""
        return self.num_windows * self.unroll

    @property
    def least_slots(self) -> int:
        """Slots that a ring must hold: one window and the way to the next, so that there always is a whole one."""
        return (self.span // self.unroll + 2) * self.unroll


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """Windows that were drawn.

    Args:
        stream: int64 `[batch]`.
        window: int64 `[batch]`, counted from the stream's beginning.
        probability: float64 `[batch]`.
    """

    stream: NDArray[np.int64]
    window: NDArray[np.int64]
    probability: NDArray[np.float64]

    @property
    def index(self) -> NDArray[np.int64]:
        """Handles that never come again."""
        handles: NDArray[np.int64] = self.stream << WINDOW_BITS | self.window
        return handles

    @classmethod
    def of(cls, index: NDArray[np.int64], probability: NDArray[np.float64]) -> Draw:
        """The draw with these handles."""
        return cls(stream=index >> WINDOW_BITS, window=index & (1 << WINDOW_BITS) - 1, probability=probability)


class Windows:
    """See the module's docstring.

    Args:
        grid: Where windows lie.
        exponent: Power of the priorities; 0 draws all windows alike.
    """

    def __init__(self, grid: Grid, exponent: float) -> None:
        self.grid = grid
        self.num_whole = 0
        self.max_priority = 1.0
        self._exponent = exponent
        self._window = np.full(grid.num_streams * grid.num_windows, NO_WINDOW, np.int64)
        self._tree = SumTree(len(self._window))

    def is_due(self, cursor: int) -> bool:
        """Whether a stream that reaches `cursor` opens or closes a window."""
        return cursor % self.grid.unroll in (0, self.grid.span % self.grid.unroll)

    def advance(self, streams: NDArray[np.int64], cursors: NDArray[np.int64]) -> None:
        """Take notice of newly written slots.

        Args:
            streams: int64 `[slot]`, where each was written.
            cursors: int64 `[slot]`, the place after it; ascending in each stream, at most a ring's length apart.
        """
        newest = np.zeros(self.grid.num_streams, np.int64)
        np.maximum.at(newest, streams, cursors)
        self._close(streams, cursors - self.grid.num_slots)
        self._open(streams, cursors - self.grid.span, newest[streams] - self.grid.num_slots)

    def _close(self, streams: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
        """Forget windows whose first slot is the next to be overwritten: the action before it just was."""
        is_due = (ends >= 0) & (ends % self.grid.unroll == 0)
        if is_due.any():
            leaves = self._leaf(streams[is_due], ends[is_due] // self.grid.unroll)
            self.num_whole -= int((self._window[leaves] != NO_WINDOW).sum())
            self._window[leaves] = NO_WINDOW
            self._tree.set(leaves, np.zeros(len(leaves)))

    def _open(self, streams: NDArray[np.int64], starts: NDArray[np.int64], lost: NDArray[np.int64]) -> None:
        """Make windows whose last slot is there drawable, unless slots up to `lost` took away their beginning."""
        is_due = (starts >= 0) & (starts % self.grid.unroll == 0) & (starts > lost)
        if is_due.any():
            windows = starts[is_due] // self.grid.unroll
            leaves = self._leaf(streams[is_due], windows)
            self.num_whole += len(leaves)
            self._window[leaves] = windows
            self._tree.set(leaves, np.full(len(leaves), self.max_priority**self._exponent))

    def _leaf(self, streams: NDArray[np.int64], windows: NDArray[np.int64]) -> NDArray[np.int64]:
        leaves: NDArray[np.int64] = streams * self.grid.num_windows + windows % self.grid.num_windows
        return leaves

    def draw(self, count: int, rng: np.random.Generator) -> Draw:
        """Draw windows in proportion to their priorities, with replacement.

        Args:
            count: How many.
            rng: Source of randomness.

        Raises:
            ValueError: There is none.
        """
        if not self.num_whole:
            raise ValueError("the replay holds no whole window yet")
        leaves = self._tree.draw(count, rng)
        return Draw(
            stream=leaves // self.grid.num_windows,
            window=self._window[leaves],
            probability=self._tree.values[leaves] / self._tree.total,
        )

    def update(self, index: NDArray[np.int64], priority: NDArray[np.float64]) -> None:
        """Set the priorities of drawn windows; those that were closed meanwhile are left out.

        Args:
            index: `Draw.index`.
            priority: float64 `[batch]`, before the exponent.

        Raises:
            ValueError: A priority is not finite; nothing was changed.
        """
        if not np.isfinite(priority).all():
            raise ValueError(f"priorities must be finite, got {priority.tolist()}")
        streams, windows = index >> WINDOW_BITS, index & ((1 << WINDOW_BITS) - 1)
        leaves = self._leaf(streams, windows)
        is_there = self._window[leaves] == windows
        if is_there.any():
            present = np.maximum(priority[is_there], LEAST_PRIORITY)
            self.max_priority = max(self.max_priority, float(present.max()))
            self._tree.set(leaves[is_there], present**self._exponent)

    def tables(self) -> dict[str, NDArray[Any]]:
        """What a file must hold besides `max_priority`; views."""
        return {"window": self._window, "priority": self._tree.values}

    def load(self, tables: Mapping[str, NDArray[Any]], max_priority: float) -> None:
        """Become what `tables` and `max_priority` were when they were saved."""
        self._window[:] = tables["window"]
        self._tree.set(np.arange(len(self._window)), tables["priority"])
        self.num_whole = int((self._window != NO_WINDOW).sum())
        self.max_priority = max_priority
