"""No more steps per second than a machine's owner wants to give away.

Job: say how long to wait before the next round. Place in the data flow: asked between rounds by whoever plays them.
Left out: the waiting itself, during which signals must be heard.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class Pace:
    """Holds play to a number of steps per second; what a slow round missed is not caught up on.

    Args:
        max_steps_per_s: Over all games; None for no limit.
        steps: Of the run so far.
        monotonic: Clock, seconds.
    """

    def __init__(
        self, max_steps_per_s: float | None, steps: int, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_steps_per_s = max_steps_per_s
        self._monotonic = monotonic
        self._steps = steps
        self._due_at = monotonic()

    def note(self, steps: int) -> None:
        """A round has ended.

        Args:
            steps: Of the run so far.
        """
        played, self._steps = steps - self._steps, steps
        if self._max_steps_per_s is not None:
            self._due_at = max(self._monotonic(), self._due_at + played / self._max_steps_per_s)

    def left_s(self) -> float:
        """Seconds until the next round may begin, 0 or less when it may."""
        return 0.0 if self._max_steps_per_s is None else self._due_at - self._monotonic()
