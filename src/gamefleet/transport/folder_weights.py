"""The newest merged weights of a shared folder, for those who only play.

Job: be the weights receiver of `base` over a folder. Place in the data flow: `merged/` -> policy. Left out: merging and
publishing, which learners do (`weights.member`), and everything in a version that does not play.

A version that is damaged, half here or removed while it is read is no news: an older whole one is taken, or none.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from gamefleet.errors import GamefleetError
from gamefleet.weights.content import NETWORK, below
from gamefleet.weights.snapshot import Weights
from gamefleet.weights.store import SharedStore

SHORTEST_WAIT_S = 0.05
LONGEST_WAIT_S = 5.0
TRIES = 3
"""Versions that turn out to be damaged before the next look."""


class SharedWeights:
    """See the module's docstring; any number of threads may ask.

    Args:
        store: The shared folder; nobody else may use it.
        monotonic: Clock in seconds.
        sleep: Waits for so many seconds.
    """

    def __init__(
        self,
        store: SharedStore,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._monotonic = monotonic
        self._sleep = sleep
        self._lock = threading.Lock()

    def newest(self, *, after: int, timeout_s: float | None = 0.0) -> Weights | None:
        """See `base.WeightsReceiver.newest`; a folder never says that nothing more comes."""
        gives_up_at = float("inf") if timeout_s is None else self._monotonic() + timeout_s
        wait_s = SHORTEST_WAIT_S
        while (found := self._look(after)) is None:
            left_s = gives_up_at - self._monotonic()
            if left_s <= 0:
                return None
            self._sleep(min(wait_s, left_s))
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)
        return found

    def _look(self, after: int) -> Weights | None:
        with self._lock:
            for _ in range(TRIES):
                try:
                    head = self._store.head()
                    if head is None or head.version <= after:
                        return None
                    arrays = self._store.content(head.version).arrays
                except (GamefleetError, OSError):  # the store passes over it from now on, or the server is away
                    continue
                return Weights(version=head.version, arrays=below(NETWORK, arrays))
        return None
