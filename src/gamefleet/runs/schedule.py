"""When to save.

Job: say after each round whether a checkpoint is due. Place in the data flow: between the loop and `checkpoint`. Left
out: the last checkpoint of an attempt, which is always written.
"""

from __future__ import annotations

import time
from collections.abc import Callable

SHARE_OF_TIME = 0.1
"""Saving by steps may take this share of the time; beyond it, saves wait (those by the clock do not)."""


class CheckpointSchedule:
    """Every so many steps, and at least every so many seconds.

    Args:
        interval_steps: Steps between checkpoints.
        interval_s: Longest time between checkpoints, in seconds.
        step: Step of the checkpoint that the attempt starts from.
        clock: In seconds.
    """

    def __init__(
        self, *, interval_steps: int, interval_s: float, step: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._interval_steps = interval_steps
        self._interval_s = interval_s
        self._clock = clock
        self._last_step = step
        self._last_time = clock()
        self._last_cost_s = 0.0

    def is_due(self, step: int) -> bool:
        """Whether to save at this step."""
        elapsed = self._clock() - self._last_time
        if elapsed >= self._interval_s:
            return step > self._last_step
        return step - self._last_step >= self._interval_steps and elapsed >= self._last_cost_s / SHARE_OF_TIME

    def note_save(self, step: int, seconds: float) -> None:
        """A checkpoint of `step` was written and took so long."""
        self._last_step = step
        self._last_time = self._clock()
        self._last_cost_s = seconds
