"""What a player does for its viewers between two steps: microseconds.

Job: say which games shall draw themselves in the next step, and copy what they drew in the last one. Place in the data
flow: an observer of the actor -> `sender`, which does everything that takes time in threads of its own. Left
out: encoding and sending.

It changes nothing that the training depends on: pictures are drawn beside the observations, by the same games in the
same order.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gamefleet.actors.accounts import Standing
from gamefleet.actors.actor import Actor, Moment
from gamefleet.transport.frames import ROSTER_INTERVAL_S, AgentRow, Credits
from gamefleet.transport.pictures import EncodedPicture, encode


@dataclass(slots=True, kw_only=True)
class Taken:
    """A picture and where its agent stood.

    Args:
        row: The agent.
        picture: uint8 `[height, width, 3]`, RGB; an own copy.
        at: Seconds since 1970.
    """

    row: AgentRow
    picture: NDArray[np.uint8]
    at: float
    _encoded: EncodedPicture | None = None

    def encoded(self) -> EncodedPicture:
        """The picture as bytes; encoded once, however many watch.

        Raises:
            MissingDependencyError: See `pictures.encode`.
        """
        if self._encoded is None:
            self._encoded = encode(self.picture)
        return self._encoded


class Audience:
    """Those who watch through one link: what they grant, and what waits for them.

    Args:
        credits: What may be drawn for them.
    """

    def __init__(self, credits: Credits) -> None:
        self.credits = credits
        self.is_there = False
        self.has_news = threading.Event()
        self._lock = threading.Lock()
        self._taken: dict[int, Taken] = {}
        self._roster: list[AgentRow] = []

    def put(self, *, taken: Taken | None = None, roster: list[AgentRow] | None = None) -> None:
        """Something for them; only the newest of each kind waits."""
        with self._lock:
            if taken is not None:
                self._taken[taken.row.env] = taken
            if roster is not None:
                self._roster = roster
        self.has_news.set()

    def take(self) -> tuple[list[Taken], list[AgentRow]]:
        """What there is to send; the newest picture of each agent."""
        with self._lock:
            taken, self._taken = list(self._taken.values()), {}
            roster, self._roster = self._roster, []
        return taken, roster


class Stage:
    """See the module's docstring.

    Args:
        actor: Its games have pictures.
        clock: In seconds.
        wall: In seconds since 1970.
    """

    def __init__(
        self, actor: Actor, *, clock: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        self._actor = actor
        self._scene = actor.vector.scene
        self._clock = clock
        self._wall = wall
        # Replaced, never changed: the playing thread looks at it without a lock.
        self._audiences: tuple[Audience, ...] = ()
        self._doors = threading.Lock()
        self._asked: dict[int, list[Audience]] = {}
        self._last: dict[int, Taken] = {}
        self._roster_at = -float("inf")

    def admit(self, credits: Credits) -> Audience:
        """A new audience; `dismiss` it when its link ends."""
        audience = Audience(credits)
        with self._doors:
            self._audiences = (*self._audiences, audience)
        return audience

    def dismiss(self, audience: Audience) -> None:
        """Nobody comes any more through that link."""
        with self._doors:
            self._audiences = tuple(other for other in self._audiences if other is not audience)

    def observe(self, moment: Moment) -> None:
        """See `actor.Observer`; while no viewer is connected this looks at two variables."""
        if self._asked:
            self._collect()
        present = [audience for audience in self._audiences if audience.is_there]
        if not present:
            return
        if self._clock() - self._roster_at >= ROSTER_INTERVAL_S:
            self._call_the_roll(present)
        for audience in present:
            for env in audience.credits.due():
                if env < self._actor.vector.num_envs:
                    self._asked.setdefault(env, []).append(audience)
        self._scene.wanted[list(self._asked)] = True

    def _collect(self) -> None:
        for env, audiences in self._asked.items():
            taken = self._last[env] = self._taken_of(env)
            for audience in audiences:
                audience.put(taken=taken)
        self._scene.wanted[list(self._asked)] = False
        self._asked = {}

    def _taken_of(self, env: int) -> Taken:
        """The picture of one agent; one that has not changed, as when it walks against a wall, is not encoded again."""
        row, picture, last = row_of(self._actor.standing(env)), self._scene.pictures[env], self._last.get(env)
        if last is not None and np.array_equal(picture, last.picture):
            return replace(last, row=row, at=self._wall())
        return Taken(row=row, picture=picture.copy(), at=self._wall())

    def _call_the_roll(self, present: list[Audience]) -> None:
        self._roster_at = self._clock()
        roster = [row_of(self._actor.standing(env)) for env in range(self._actor.vector.num_envs)]
        for audience in present:
            audience.put(roster=roster)


def row_of(standing: Standing) -> AgentRow:
    """An agent's row from its episode."""
    return AgentRow(
        env=standing.env,
        progress=standing.progress,
        milestones=standing.num_milestones,
        reward=standing.total_return,
        steps=standing.num_steps,
        origin=standing.origin,
    )
