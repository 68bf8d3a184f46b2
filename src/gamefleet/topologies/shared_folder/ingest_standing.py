"""What a learner thinks of the members whose play it takes in.

Job: say from whom nothing is taken, and whose chunks are checked. Place in the data flow: under `ingest`; pure. Left
out: checking.
"""

from __future__ import annotations

from collections import Counter

MOST_LOST = 3
"""So many chunks of a member may be lost with the process that plays them before the member is left alone."""


class Standing:
    """Members on probation, in good standing, or dropped.

    Args:
        verify_first: The first so many chunks of a member are played again before they count.
    """

    def __init__(self, verify_first: int) -> None:
        self._verify_first = verify_first
        self._passed: Counter[str] = Counter()
        self._pending: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()
        self.dropped: set[str] = set()

    @property
    def left_alone(self) -> set[str]:
        """Members from which nothing is taken now: those dropped, and those on probation with enough in the queue."""
        waiting = {
            member
            for member, pending in self._pending.items()
            if self.is_on_probation(member) and pending + self._passed[member] >= self._verify_first
        }
        return waiting | self.dropped

    def is_on_probation(self, member: str) -> bool:
        """Whether all of a member's chunks are checked."""
        return self._passed[member] < self._verify_first

    def note_asked(self, member: str) -> None:
        """A chunk is being checked."""
        self._pending[member] += 1

    def note_answered(self, member: str) -> None:
        """It was checked, whatever came of it."""
        self._pending[member] -= 1

    def note_passed(self, member: str) -> None:
        """It was right."""
        self._passed[member] += 1

    def note_lost(self, member: str) -> bool:
        """It was lost with the process that played it; whether the member is left alone from now on."""
        self._lost[member] += 1
        is_enough = self._lost[member] >= MOST_LOST
        if is_enough:
            self.dropped.add(member)
        return is_enough
