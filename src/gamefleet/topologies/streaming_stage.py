"""What a player does for its viewers between two steps: microseconds.

Job: say which games shall draw themselves in the next step, and copy what they drew in the last one. Place in the data
flow: an observer of the actor -> `streaming_sender`, which does everything that takes time in threads of its own. Left
out: encoding and sending.

It changes nothing that the training depends on: pictures are drawn beside the observations, by the same games in the
same order.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gamefleet.actors.accounts import Standing
from gamefleet.actors.actor import Actor, Moment
from gamefleet.transport.frames import ROSTER_INTERVAL_S, AgentRow, Credits


@dataclass(frozen=True, slots=True, kw_only=True)
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


class Stage:
    """See the module's docstring.

    Args:
        actor: Its games have pictures.
        credits: What may be drawn.
        clock: In seconds.
        wall: In seconds since 1970.
    """

    def __init__(
        self,
        actor: Actor,
        credits: Credits,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.is_watched = False
        self.has_news = threading.Event()
        self._actor = actor
        self._scene = actor.vector.scene
        self.credits = credits
        self._clock = clock
        self._wall = wall
        self._asked: list[int] = []
        self._lock = threading.Lock()
        self._taken: dict[int, Taken] = {}
        self._roster: list[AgentRow] = []
        self._roster_at = -float("inf")

    def observe(self, moment: Moment) -> None:
        """See `actor.Observer`; while no viewer is connected this looks at two variables."""
        if self._asked:
            self._collect()
        if not self.is_watched:
            return
        if self._clock() - self._roster_at >= ROSTER_INTERVAL_S:
            self._call_the_roll()
        self._asked = [env for env in self.credits.due() if env < self._actor.vector.num_envs]
        for env in self._asked:
            self._scene.wanted[env] = True

    def take(self) -> tuple[list[Taken], list[AgentRow]]:
        """What there is to send; the newest picture of each agent."""
        with self._lock:
            taken, self._taken = list(self._taken.values()), {}
            roster, self._roster = self._roster, []
        return taken, roster

    def _collect(self) -> None:
        taken = {env: self._picture_of(env) for env in self._asked}
        self._scene.wanted[self._asked] = False
        self._asked = []
        with self._lock:
            self._taken.update(taken)
        self.has_news.set()

    def _picture_of(self, env: int) -> Taken:
        row = row_of(self._actor.standing(env))
        return Taken(row=row, picture=self._scene.pictures[env].copy(), at=self._wall())

    def _call_the_roll(self) -> None:
        self._roster_at = self._clock()
        roster = [row_of(self._actor.standing(env)) for env in range(self._actor.vector.num_envs)]
        with self._lock:
            self._roster = roster
        self.has_news.set()


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
