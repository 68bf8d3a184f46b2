"""The players that a hub knows.

Job: names that are unique, who was replaced by another process, who is away for too long. Place in the data flow:
inside `hub`, under its lock. Left out: what players say (`players`) and who watches.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from gamefleet.transport.frames import PlayerFacts
from gamefleet.transport.link import Link
from gamefleet.watch.players import MOST_PLAYERS, Player
from gamefleet.watch.selection import Standing

FORGET_AFTER_S = 30.0
"""A player that is away this long is no longer listed."""


class Crowd:
    """See the module's docstring."""

    def __init__(self) -> None:
        self._players: list[Player] = []
        self._away_since: dict[str, float] = {}

    def __iter__(self) -> Iterator[Player]:
        return iter(list(self._players))

    @property
    def connected(self) -> list[Player]:
        """Those who can be heard at present."""
        return [player for player in self._players if player.is_connected]

    def add(self, link: Link, facts: PlayerFacts) -> Player | None:
        """A player came; None when there is no place for it.

        One that came back, by another way or as another process such as the next job of a chain, takes the place and
        name that it had; its agents are listed as they were until it calls their roll.
        """
        before = [known for known in self if alike(known.facts, facts) and not known.is_connected]
        for known in before:
            known.link.close()
            self.remove(known)
        if len(self._players) >= MOST_PLAYERS:
            return None
        player = Player(link, facts, self._free_name(facts.member))
        if before:
            player.rows, player.roster_at = before[-1].rows, before[-1].roster_at
        self._players.append(player)
        return player

    def has(self, facts: PlayerFacts) -> bool:
        """Whether the same process is here by another way."""
        return bool(facts.process) and any(known.facts.process == facts.process for known in self.connected)

    def remove(self, player: Player) -> None:
        """Forget a player, if it is known."""
        if player in self._players:
            self._players.remove(player)
            self._away_since.pop(player.name, None)

    def is_over(self, player: Player, now: float) -> bool:
        """Whether a player was replaced, or has been away for too long."""
        if player not in self._players:
            return True
        if player.is_connected:
            self._away_since.pop(player.name, None)
            return False
        return now - self._away_since.setdefault(player.name, now) > FORGET_AFTER_S

    def standings(self) -> list[Standing]:
        """How all agents stand that could be watched now."""
        return [
            Standing(id=player.agent(env), progress=row.progress, reward=row.reward)
            for player in self.connected
            for env, row in player.rows.items()
        ]

    def _free_name(self, wanted: str) -> str:
        taken = {player.name for player in self._players}
        names = [wanted, *(f"{wanted}~{number}" for number in range(2, MOST_PLAYERS + 2))]
        return next(name for name in names if name not in taken)


def alike(one: PlayerFacts, other: PlayerFacts) -> bool:
    """Whether two processes are one player at different times."""
    return msgspec.structs.replace(one, process="") == msgspec.structs.replace(other, process="")
