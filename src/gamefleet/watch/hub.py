"""Where all pictures come together: players on one side, whoever watches on the other.

Job: accept players, know their agents, hand pictures to watchers, and grant no more than is watched. Place in the data
flow: links of players -> here -> the viewer, the dashboard, a window. Left out: the pages, and reading run folders.

Two kinds of threads: one per player, which hears; and one that grants. Nothing here waits for a watcher.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from gamefleet.transport.base import ClosedError
from gamefleet.transport.frames import GRANT_INTERVAL_S, MalformedMessageError, PlayerFacts, read_facts
from gamefleet.transport.link import Link, Message
from gamefleet.watch.players import MOST_MALFORMED, MOST_PLAYERS, Player
from gamefleet.watch.selection import Selection, Standing
from gamefleet.watch.subscription import Subscription

LISTEN_S = 0.5
FORGET_AFTER_S = 30.0
"""A player that is away this long is no longer listed."""

ADVICE = [
    "Train with streaming: `--set streaming.enabled=true`, or `stream: true` in the settings of a cluster's fleet.",
    "Let the viewer make the way to a cluster: `gamefleet view --via USER@login.cluster.example.edu:DIR`.",
    "Both sides need one token: `gamefleet token send USER@login.cluster.example.edu`.",
    "`gamefleet doctor --only stream` looks at each part.",
]
"""For people who wait for a picture."""

CHOOSE_INTERVAL_S = 0.25


class PlayerSource(Protocol):
    """Where players come from."""

    def accept(self, timeout_s: float) -> Link | None:
        """The next player's link, once per session; None when none came in time."""
        ...

    def close(self) -> None:
        """Accept no more."""
        ...


class Hub:
    """See the module's docstring; close it to end its threads.

    Args:
        source: Where players come from, such as a `transport` listener.
        listening: Its address, for people.
        clock: In seconds.
    """

    def __init__(
        self, source: PlayerSource, *, listening: str = "", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._source = source
        self._listening = listening
        self._clock = clock
        # Shared with every subscription: what they take and what comes for them changes what is granted.
        self._changed = threading.Condition(threading.RLock())
        self._players: list[Player] = []
        self._away_since: dict[str, float] = {}
        self._subscriptions: list[Subscription] = []
        self._selections: dict[int, Selection] = {}
        self._best: dict[int, tuple[float, tuple[str, ...]]] = {}
        self._is_closed = False
        self._threads: list[threading.Thread] = []
        self._start(self._accept, "hub-accept")
        self._start(self._grant, "hub-grant")

    def close(self) -> None:
        """Let everybody go."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            subscriptions, players = list(self._subscriptions), list(self._players)
        for subscription in subscriptions:
            subscription.close()
        self._source.close()
        for player in players:
            player.link.close()
        for thread in list(self._threads):
            thread.join()

    def watch(self) -> Subscription:
        """A new watcher; close it when nobody looks any more."""
        subscription = Subscription(self._changed, self.best, clock=self._clock)
        with self._changed:
            self._subscriptions = [*(known for known in self._subscriptions if not known.is_closed), subscription]
            self._changed.notify_all()
        return subscription

    def agents(self) -> list[dict[str, Any]]:
        """All agents that are known, as JSON values."""
        with self._changed:
            now = self._clock()
            return [_described(player, env, now) for player in self._players for env in sorted(player.rows)]

    def best(self, k: int) -> tuple[str, ...]:
        """Ids of the k best agents, each in its place; see `selection`."""
        with self._changed:
            now = self._clock()
            at, chosen = self._best.get(k, (-1e9, ()))
            if now - at >= CHOOSE_INTERVAL_S:
                chosen = self._selections.setdefault(k, Selection(k)).choose(self._standings(), now)
                self._best[k] = (now, chosen)
            return chosen

    def statistics(self) -> dict[str, Any]:
        """Numbers for people: who is connected, how much comes."""
        with self._changed:
            now = self._clock()
            connected = [player for player in self._players if player.is_connected]
            return {
                "players": len(connected),
                "agents": sum(len(player.rows) for player in connected),
                "watchers": sum(not subscription.is_closed for subscription in self._subscriptions),
                "frames_per_s": sum(player.frames_per_s(env, now) for player in connected for env in player.rows),
                "bytes_per_s": sum(player.bytes_per_s(now) for player in connected),
                "malformed": sum(player.num_malformed for player in self._players),
                "faults": {player.name: player.fault for player in self._players if player.fault},
            }

    def as_json(self) -> dict[str, Any]:
        """What `/api/agents` says."""
        with self._changed:
            connected = [player for player in self._players if player.is_connected]
            why = "" if connected else f"No player has found the way to {self._listening or 'this viewer'}."
            streaming = {"listening": self._listening, "producers": len(connected), "why": why, "advice": ADVICE}
            return {"streaming": streaming, "agents": self.agents()}

    def _start(self, work: Callable[..., None], name: str, *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, name=name, daemon=True)
        with self._changed:
            self._threads = [*(known for known in self._threads if known.is_alive() or known is thread), thread]
            thread.start()

    def _accept(self) -> None:
        while not self._is_closed:
            link = self._source.accept(LISTEN_S)
            if link is not None:
                self._welcome(link)

    def _welcome(self, link: Link) -> None:
        try:
            facts = read_facts(link.peer.facts)
        except MalformedMessageError:
            link.close()
            return
        with self._changed:
            self._drop_replaced(facts)
            if self._is_closed or len(self._players) >= MOST_PLAYERS:
                link.close()
                return
            player = Player(link, facts, self._free_name(facts.member))
            self._players.append(player)
        self._start(self._hear, f"hub-{player.name}", player)

    def _drop_replaced(self, facts: PlayerFacts) -> None:
        """Forget a player that came back as another process, such as the next job of a chain."""
        for player in list(self._players):
            if player.facts == facts and not player.is_connected:
                player.link.close()
                self._players.remove(player)

    def _free_name(self, wanted: str) -> str:
        taken = {player.name for player in self._players}
        names = [wanted, *(f"{wanted}~{number}" for number in range(2, MOST_PLAYERS + 2))]
        return next(name for name in names if name not in taken)

    def _hear(self, player: Player) -> None:
        while not self._is_closed and player.link.state.kind != "closed":
            message = heard(player.link)
            with self._changed:
                now = self._clock()
                if player not in self._players or self._is_forgotten(player, now):
                    break
                frame = player.hear(message, now) if message is not None else None
                if frame is not None:
                    for subscription in self._subscriptions:
                        subscription.put(player.agent(frame.env), frame)
                if player.num_malformed > MOST_MALFORMED:
                    break
            if message is not None and not message.is_lossy:
                player.link.acknowledge(message)
        player.link.close()
        with self._changed:
            if player in self._players:
                self._players.remove(player)

    def _is_forgotten(self, player: Player, now: float) -> bool:
        if player.is_connected:
            self._away_since.pop(player.name, None)
            return False
        return now - self._away_since.setdefault(player.name, now) > FORGET_AFTER_S

    def _grant(self) -> None:
        while not self._is_closed:
            with self._changed:
                self._changed.wait(CHOOSE_INTERVAL_S)
                now = self._clock()
                due = [
                    (player, grants)
                    for player in self._players
                    if player.is_connected
                    and (grants := player.grants(self, now, renew_after_s=GRANT_INTERVAL_S)) is not None
                ]
            for player, grants in due:
                player.tell(grants)

    def speed(self, agent: str) -> float:
        """Pictures of an agent per second that somebody is ready to take; see `players.Demand`."""
        with self._changed:
            return max((watcher.hungry_for(agent) for watcher in self._subscriptions), default=0.0)

    def _standings(self) -> Sequence[Standing]:
        return [
            Standing(id=player.agent(env), progress=row.progress, reward=row.reward)
            for player in self._players
            if player.is_connected
            for env, row in player.rows.items()
        ]


def heard(link: Link) -> Message | None:
    """The next message, None when none came for a while or the link was closed."""
    try:
        return link.receive(LISTEN_S)
    except ClosedError:
        return None


def _described(player: Player, env: int, now: float) -> dict[str, Any]:
    row, facts = player.rows[env], player.facts
    return {
        "id": player.agent(env),
        "member": facts.member,
        "run": facts.run,
        "game": facts.game,
        "env": env,
        "picture": list(facts.picture),
        "progress": row.progress,
        "milestones": row.milestones,
        "reward": row.reward,
        "steps": row.steps,
        "origin": row.origin,
        "seen_s": round(now - player.roster_at, 1),
        "fps": round(player.frames_per_s(env, now), 1),
    }
