"""Which agents are shown when nobody chose: the best ones, without flicker.

Job: choose k agents by progress, then reward, and stay with them unless others are clearly better for a while. Place in
the data flow: rosters of all players -> here -> whom the viewer watches. Left out: where rosters come from.

Progress counts badges and story flags, so a single unit of it is a real difference. Rewards differ all the time: by
those alone an agent is replaced only when another has clearly more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

PATIENCE_S = 3.0
MARGIN_SHARE, LEAST_MARGIN = 0.1, 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How an agent stands.

    Args:
        id: The agent.
        progress: As in `Step.progress`.
        reward: Sum of its episode so far.
    """

    id: str
    progress: float
    reward: float

    @property
    def rank(self) -> tuple[float, float, str]:
        """For sorting; the name decides between equals, so that all viewers agree."""
        return (-self.progress, -self.reward, self.id)


class Selection:
    """The places on the screen and who has them.

    Args:
        size: Number of places.
        patience_s: So long a challenger must have been better without a break.
    """

    def __init__(self, size: int, *, patience_s: float = PATIENCE_S) -> None:
        self._size = size
        self._patience_s = patience_s
        self._chosen: list[str] = []
        self._better_since: dict[tuple[str, str], float] = {}

    def choose(self, standings: Sequence[Standing], now: float) -> tuple[str, ...]:
        """Who is shown now; who stays keeps the place.

        Args:
            standings: Of all agents that are there.
            now: In seconds, of any clock.
        """
        known = {standing.id: standing for standing in standings}
        ranked = sorted(standings, key=lambda standing: standing.rank)
        waiting = [standing for standing in ranked if standing.id not in self._chosen]
        for place, holder in enumerate(self._chosen):
            if holder not in known and waiting:
                self._chosen[place] = waiting.pop(0).id
        self._chosen = [holder for holder in self._chosen if holder in known]
        while len(self._chosen) < self._size and waiting:
            self._chosen.append(waiting.pop(0).id)
        self._challenge(known, waiting, now)
        return tuple(self._chosen)

    def _challenge(self, known: dict[str, Standing], waiting: list[Standing], now: float) -> None:
        """Let the best of those who wait take the place of the worst who is shown, when it is time."""
        since: dict[tuple[str, str], float] = {}
        worst_first = sorted(self._chosen, key=lambda holder: known[holder].rank, reverse=True)
        for holder, challenger in zip(worst_first, waiting, strict=False):
            if not is_clearly_better(challenger, known[holder]):
                break
            pair = (holder, challenger.id)
            since[pair] = self._better_since.get(pair, now)
            if now - since[pair] >= self._patience_s:
                self._chosen[self._chosen.index(holder)] = challenger.id
        self._better_since = since


def is_clearly_better(challenger: Standing, holder: Standing) -> bool:
    """Whether an agent should take another's place, if it stays like this."""
    if challenger.progress != holder.progress:
        return challenger.progress > holder.progress
    margin = max(LEAST_MARGIN, MARGIN_SHARE * abs(holder.reward))
    return challenger.reward > holder.reward + margin
