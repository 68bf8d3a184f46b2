"""One curve in a fixed amount of memory.

Job: keep the lowest, highest and last value of each stretch of a curve. Place in the data flow: readers of metrics add
points, the pages draw bands. Left out: where points come from.

A curve begins with one point per stretch. When its room is full, neighbours are joined and every stretch holds twice as
many points: no point is ever left out, and a spike of one row stays visible for ever.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CAPACITY = 1024
"""Stretches of a curve; 40 bytes each, so that a curve takes at most 40 KB."""


def _empty() -> array[float]:
    return array("d")


@dataclass(slots=True)
class Curve:
    """A curve that grows.

    Args:
        steps: Step of the last point of each stretch.
        lows: Lowest value of each.
        highs: Highest value of each.
        lasts: Last value of each.
        width: Points that a whole stretch holds.
        num_points: Of the curve.
    """

    steps: array[float] = field(default_factory=_empty)
    lows: array[float] = field(default_factory=_empty)
    highs: array[float] = field(default_factory=_empty)
    lasts: array[float] = field(default_factory=_empty)
    width: int = 1
    num_points: int = 0
    _room: int = 0

    def add(self, step: float, value: float) -> None:
        """One more finite point; steps never decrease."""
        self.num_points += 1
        if self._room:
            self._room -= 1
            self.steps[-1] = step
            self.lasts[-1] = value
            if value < self.lows[-1]:
                self.lows[-1] = value
            if value > self.highs[-1]:
                self.highs[-1] = value
            return
        if len(self.steps) == CAPACITY:
            self._join()
        self._room = self.width - 1
        self.steps.append(step)
        self.lows.append(value)
        self.highs.append(value)
        self.lasts.append(value)

    @property
    def last(self) -> float:
        """The newest value; there is one."""
        return self.lasts[-1]

    def _join(self) -> None:
        """Join neighbours; the last stretch is whole, because a new one is about to begin."""
        self.steps = self.steps[1::2]
        self.lasts = self.lasts[1::2]
        self.lows = array("d", map(min, self.lows[::2], self.lows[1::2]))
        self.highs = array("d", map(max, self.highs[::2], self.highs[1::2]))
        self.width *= 2

    def view(self, *, points: int, first: float | None = None, last: float | None = None) -> Mapping[str, Any]:
        """The curve as JSON values.

        Args:
            points: At most so many stretches; neighbours are joined until they fit.
            first: Leave out stretches that end before this step.
            last: Leave out stretches that end after this step.

        Returns:
            `step`, `low`, `high`, `last`, `num_points` and `is_decimated`: whether any stretch holds several points.
        """
        kept = [
            at
            for at, step in enumerate(self.steps)
            if (first is None or step >= first) and (last is None or step <= last)
        ]
        begin, end = (kept[0], kept[-1] + 1) if kept else (0, 0)
        group = max(1, -(-(end - begin) // max(1, points)))
        starts = range(begin, end, group)
        stops = [min(start + group, end) for start in starts]
        return {
            "step": [_whole(self.steps[stop - 1]) for stop in stops],
            "low": [min(self.lows[start:stop]) for start, stop in zip(starts, stops, strict=True)],
            "high": [max(self.highs[start:stop]) for start, stop in zip(starts, stops, strict=True)],
            "last": [self.lasts[stop - 1] for stop in stops],
            "num_points": self.num_points,
            "is_decimated": self.width > 1 or group > 1,
        }


def _whole(step: float) -> float | int:
    return int(step) if step.is_integer() else step
