"""What was played lately, for people: one episode as the game describes it, and how the last episodes went.

Job: keep the newest observations of all games, of which one is described now and then, and the results of the last
episodes. Place in the data flow: an observer of the actor -> `snapshot`, which writes what `tell` returns. Left out:
what an episode looks like (a game's panel).

Observations are kept only when a panel of the game wants to describe them. They cost no copy: the slots of a moment are
kept as they are.
"""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from gamefleet.actors.actor import Actor, Moment
from gamefleet.experience.types import Slots
from gamefleet.games import GAMES, open_game
from gamefleet.games.base import Observation
from gamefleet.topologies.config import RunConfig

KEPT_EPISODES = 1000
KEPT_BYTES = 16 << 20
"""Of observations, over all games."""

MOST_KEPT_STEPS = 512
MOST_BARS = 64
"""A distribution with more values than this is told in so many steps of equal width."""

Describe = Callable[[Sequence[Observation]], Any]


def describers(config: RunConfig) -> Mapping[str, Describe]:
    """How the panels of a run's game describe an episode, by the panels' names."""
    if config.game_name not in GAMES:
        return {}  # a game of nobody's, such as a test's
    panels = open_game(config.game_name).panels
    return {panel.name: partial(panel.describe, config.game) for panel in panels if panel.describe is not None}


class RecentPlay:
    """See the module's docstring.

    Args:
        actor: Whose games are described.
        describers: See the function of that name.
        wall: Clock in seconds since 1970.
    """

    def __init__(
        self, actor: Actor, describers: Mapping[str, Describe], *, wall: Callable[[], float] = time.time
    ) -> None:
        self._actor = actor
        self._describers = describers
        self._wall = wall
        self._slots: deque[Slots] = deque(maxlen=_kept_steps(actor) if describers else 0)
        self._results: deque[tuple[float, float]] = deque(maxlen=KEPT_EPISODES)

    def observe(self, moment: Moment) -> None:
        """See `actor.Observer`."""
        self._slots.append(moment.slots)
        self._results.extend((episode.total_return, episode.progress) for episode in moment.episodes)

    def tell(self) -> dict[str, Any]:
        """What was played lately, as JSON values."""
        told: dict[str, Any] = {
            "step": self._actor.total_steps,
            "time": self._wall(),
            "episodes": self._distributions(),
        }
        if self._slots:
            env = self._chosen()
            episode = self._episode(env)
            told["environment"] = env
            told["panels"] = {name: describe(episode) for name, describe in self._describers.items()}
        return told

    def _distributions(self) -> dict[str, Any]:
        returns = distribution([total for total, _ in self._results])
        progress = distribution([progress for _, progress in self._results])
        return {"count": len(self._results), "return": returns, "progress": progress}

    def _chosen(self) -> int:
        """A game that has just ended, because people like to see how it ends; otherwise the one that is furthest."""
        ended = np.flatnonzero(self._slots[-1].is_last)
        if len(ended):
            return int(ended[self._actor.total_steps % len(ended)])
        standings = [self._actor.standing(env) for env in range(self._actor.vector.num_envs)]
        return max(range(len(standings)), key=lambda env: (standings[env].progress, standings[env].total_return))

    def _episode(self, env: int) -> list[Observation]:
        """The observations of the episode that a game's newest slot belongs to, oldest first."""
        found: list[Observation] = []
        for slots in reversed(self._slots):
            if found and slots.is_last[env]:
                break  # the end of the episode before
            found.append({name: array[env] for name, array in slots.obs.items()})
            if slots.is_first[env]:
                break
        return found[::-1]


def _kept_steps(actor: Actor) -> int:
    spec = actor.vector.spec
    size = actor.vector.num_envs * sum(array.num_bytes for array in spec.observations)
    return max(1, min(MOST_KEPT_STEPS, spec.max_episode_steps + 1, KEPT_BYTES // max(1, size)))


def distribution(values: Sequence[float]) -> dict[str, Any]:
    """Numbers as counts, in JSON values; what is no finite number is left out.

    Returns:
        `mean`, and `bars`: `[low, high, count]`, lowest first. Where there are few different values low and high are
        equal, and each value has a bar of its own; where there are many, all bars are equally wide.
    """
    values = [value for value in values if math.isfinite(value)]
    if not values:
        return {"mean": None, "bars": []}
    mean = sum(values) / len(values)
    counts = Counter(values)
    if len(counts) <= MOST_BARS:
        return {"mean": mean, "bars": [[value, value, counts[value]] for value in sorted(counts)]}
    low, high = min(values), max(values)
    width = (high - low) / MOST_BARS
    places = Counter(min(int((value - low) / width), MOST_BARS - 1) for value in values)
    bars = [[low + place * width, low + (place + 1) * width, places[place]] for place in range(MOST_BARS)]
    return {"mean": mean, "bars": bars}
