"""What one watcher sees: of each agent the newest picture, at its own pace.

Job: hold what a watcher has not taken yet, one picture per agent. Place in the data flow: `hub` -> here -> a browser's
socket, a window, a test. Left out: where pictures come from.

A watcher that is slow misses pictures; it delays neither the players nor other watchers.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from gamefleet.transport.frames import Frame

MOST_WATCHED = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A picture as a watcher gets it.

    Args:
        id: The agent.
        frame: The picture.
    """

    id: str
    frame: Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a watcher wants to see.

    Args:
        agents: Their ids, or `best`.
        top_k: Of the best.
        frames_per_s: Of each.
    """

    agents: tuple[str, ...] | Literal["best"] = "best"
    top_k: int = 2
    frames_per_s: float = 15.0


class Subscription:
    """One watcher's view; safe to use from any thread.

    Args:
        changed: Shared with the hub; held while anything here changes.
        best: Gives the ids of the k best.
        clock: In seconds.
    """

    def __init__(
        self,
        changed: threading.Condition,
        best: Callable[[int], Sequence[str]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._changed = changed
        self._best = best
        self._clock = clock
        self._wish = Wish()
        self._waiting: dict[str, Frame] = {}
        self._taken_at: dict[str, float] = {}
        self.is_closed = False

    def wish(self, wish: Wish) -> None:
        """See other agents from now on."""
        with self._changed:
            self._wish = wish
            self._waiting = {agent: frame for agent, frame in self._waiting.items() if agent in self.agents}
            self._taken_at = {}
            self._changed.notify_all()

    @property
    def agents(self) -> tuple[str, ...]:
        """Ids of those who are watched now."""
        with self._changed:
            wish = self._wish
            return tuple(self._best(wish.top_k)) if wish.agents == "best" else wish.agents[:MOST_WATCHED]

    def demand(self) -> dict[str, float]:
        """Agent -> pictures per second that this watcher is ready to take; not those of which it has one to take."""
        with self._changed:
            ready = [] if self.is_closed else [agent for agent in self.agents if agent not in self._waiting]
            return dict.fromkeys(ready, self._wish.frames_per_s)

    def put(self, agent: str, frame: Frame) -> None:
        """A picture came; the one before, if it still waits, is forgotten."""
        with self._changed:
            if not self.is_closed and agent in self.agents:
                self._waiting[agent] = frame
                self._changed.notify_all()

    def take(self, busy: Collection[str] = ()) -> list[Shown]:
        """The newest pictures, no more of an agent than was wished for; never waits.

        Args:
            busy: Agents of which none is wanted just now.
        """
        with self._changed:
            now = self._clock()
            # A little early is on time: pictures come with a jitter of their own.
            pause_s = 0.8 / self._wish.frames_per_s
            due = [agent for agent in self._waiting if now - self._taken_at.get(agent, -1e9) >= pause_s]
            ready = [agent for agent in due if agent not in busy]
            shown = [Shown(id=agent, frame=self._waiting.pop(agent)) for agent in ready]
            self._taken_at.update(dict.fromkeys(ready, now))
            if shown:
                self._changed.notify_all()  # there is room for more
            return shown

    def next(self, timeout_s: float) -> list[Shown]:
        """As `take`, but waits until there is something, or so many seconds."""
        end = self._clock() + timeout_s
        with self._changed:
            while not (shown := self.take()) and not self.is_closed:
                left = end - self._clock()
                if left <= 0:
                    break
                # Something may wait only for its time.
                self._changed.wait(min(left, 0.02) if self._waiting else left)
            return shown

    def close(self) -> None:
        """Watch no more."""
        with self._changed:
            self.is_closed = True
            self._waiting.clear()
            self._changed.notify_all()
