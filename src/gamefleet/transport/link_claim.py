"""One connection at a time works for an end of a link.

Job: have the older connection end before anything of the newer one happens. Place in the data flow: within
`link_endpoint`, for the listening side. Left out: which connection may claim (`link_admission`).
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition


class Claim:
    """Who may work; call every method under the lock of `changed`.

    Args:
        changed: Notified when the place is free.
    """

    def __init__(self, changed: Condition) -> None:
        self.is_wanted = False
        self._changed = changed
        self._is_taken = False

    def take(self, timeout_s: float, wake_up: Callable[[], None]) -> bool:
        """Take the place of the connection at work, which ends first: two at a time would mix up half-sent messages.

        Args:
            timeout_s: To wait for its end at most.
            wake_up: Has it look at `is_wanted`.

        Returns:
            Whether the place is free; call `give_back` at the end of the connection that has it now.
        """
        self.is_wanted = True
        wake_up()
        if not self._changed.wait_for(lambda: not self._is_taken, timeout_s):
            return False
        self.is_wanted = False
        self._is_taken = True
        return True

    def give_back(self) -> None:
        """The connection that had it has ended."""
        self._is_taken = False
        self._changed.notify_all()
