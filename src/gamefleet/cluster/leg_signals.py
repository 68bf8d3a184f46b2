"""Signals as flags, and things that are due every so often: what a leg's loop is made of.

Job: keep signal handlers trivial and intervals in one place. Place in the data flow: `leg` asks while its child works.
Left out: what follows from a signal.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Signals:
    """Flags that signal handlers set.

    Args:
        numbers: Signals that are taken note of.
    """

    def __init__(self, *numbers: signal.Signals) -> None:
        self.seen: set[int] = set()
        for number in numbers:
            signal.signal(number, lambda number, frame: self.seen.add(number))

    def near_the_end(self) -> bool:
        """Whether the scheduler said that the limit is near."""
        return signal.SIGUSR1 in self.seen


@contextmanager
def ignored(*numbers: signal.Signals) -> Iterator[None]:
    """Let what is started in the block ignore signals until it listens: while it imports, it would die of them."""
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


class Repeat:
    """Things that are due every so often, at once the first time.

    Args:
        clock: In seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last: dict[str, float] = {}

    def is_due(self, name: str, interval_s: float) -> bool:
        """Whether it is time again; asking takes note."""
        now = self._clock()
        if now - self._last.get(name, float("-inf")) < interval_s:
            return False
        self._last[name] = now
        return True
