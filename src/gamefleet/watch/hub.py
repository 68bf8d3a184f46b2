"""Where all pictures come together: players on one side, whoever watches on the other.

Job: accept players, know their agents, hand pictures to watchers, and grant no more than is watched. Place in the data
flow: links of players -> here -> the viewer, the dashboard, a window. Left out: the pages, and reading run folders.

Two kinds of threads: one per player, which hears; and one that grants. Nothing here waits for a watcher.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from gamefleet.transport.base import ClosedError
from gamefleet.transport.frames import GRANT_INTERVAL_S, MalformedMessageError, read_facts
from gamefleet.transport.link import Link, Message
from gamefleet.watch.crowd import Crowd
from gamefleet.watch.players import MOST_MALFORMED, Player
from gamefleet.watch.selection import Selection
from gamefleet.watch.subscription import Subscription

LISTEN_S = 0.5
ADVICE = [
    "Runs that play on this machine are found by the dashboard within seconds.",
    "Other viewers, and those of a cluster's jobs, need `stream: true` in the run's settings.",
    "Let the viewer make the way to a cluster: `gamefleet view --via USER@login.cluster.example.edu:DIR`.",
    "Both sides need one token: `gamefleet token send USER@login.cluster.example.edu`.",
    "`gamefleet doctor --only streaming` looks at each part.",
]
"""For people who wait for a picture."""

CHOOSE_INTERVAL_S = 0.25
GRANT_PAUSE_S = 0.01
"""Between two looks at what is wanted: every picture that comes or is taken is a reason for one."""


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
        self._players = Crowd()
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
                chosen = self._selections.setdefault(k, Selection(k)).choose(self._players.standings(), now)
                self._best[k] = (now, chosen)
            return chosen

    def statistics(self) -> dict[str, Any]:
        """Numbers for people: who is connected, how much comes."""
        with self._changed:
            now = self._clock()
            connected = self._players.connected
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
            connected = self._players.connected
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
            if self._players.has(facts):
                link.refuse("this player is here already, by another way")
                return
            player = None if self._is_closed else self._players.add(link, facts)
        if player is None:
            link.close()
            return
        self._start(self._hear, f"hub-{player.name}", player)

    def _hear(self, player: Player) -> None:
        while not self._is_closed and player.link.state.kind != "closed":
            message = heard(player.link)
            with self._changed:
                now = self._clock()
                if self._players.is_over(player, now):
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
            self._players.remove(player)

    def _grant(self) -> None:
        while not self._is_closed:
            with self._changed:
                self._changed.wait(CHOOSE_INTERVAL_S)
                now, demand = self._clock(), self._demand()
                due = [
                    (player, grants)
                    for player in self._players.connected
                    if (grants := player.grants(demand, now, renew_after_s=GRANT_INTERVAL_S)) is not None
                ]
            for player, grants in due:
                player.tell(grants)
            time.sleep(GRANT_PAUSE_S)

    def _demand(self) -> dict[str, float]:
        demand: dict[str, float] = {}
        for subscription in self._subscriptions:
            for agent, speed in subscription.demand().items():
                demand[agent] = max(speed, demand.get(agent, 0.0))
        return demand


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
