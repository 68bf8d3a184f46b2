"""The quest curriculum: episodes start where the next stretch of the story can be learned.

Job: beliefs about success per quest and per quest and start state; Thompson sampling over the open quests. Place in the
data flow: see `curriculum`. Left out: the maths of beliefs (`beliefs`) and the story (the game's table of quests).

A quest is open at a state when its prerequisites' goals are reached there and its own is not. Every episode is an
attempt at each quest that is open at its start, and a success if it reaches the goal before it ends; episodes that are
cut by a curriculum or lost with a worker do not count. A start's belief begins at its quest's mean (partial pooling),
worth `POOLING` attempts, so that a new state need not be learned about from nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.actors.archive import SHORTER_PATH
from gamefleet.actors.beliefs import Beliefs
from gamefleet.actors.curriculum import Sight, Wishes, fresh_seed, from_beginning
from gamefleet.actors.saved import SavedState, Shelf
from gamefleet.actors.settings import CurriculumSettings
from gamefleet.actors.steps import START, Restart
from gamefleet.errors import ConfigError, nearest
from gamefleet.games.base import GameSpec, Quest

POOLING = 2.0
"""Attempts that a quest's mean is worth for one of its start states."""


class Story:
    """The quests in terms of milestone indices.

    Args:
        quests: The game's table.
        milestones: The spec's milestone names.

    Raises:
        ConfigError: A goal or prerequisite does not exist.
    """

    def __init__(self, quests: Sequence[Quest], milestones: Sequence[str]) -> None:
        goals = {quest.name: quest.goal for quest in quests}
        for quest in quests:
            _check_known(quest.goal, milestones, quest)
            for name in quest.requires:
                _check_known(name, goals, quest)
        self.names = tuple(goals)
        self.goal = np.array([milestones.index(quest.goal) for quest in quests])
        self._requires = np.zeros((len(quests), len(milestones)), np.bool_)
        for row, quest in enumerate(quests):
            self._requires[row, [milestones.index(goals[name]) for name in quest.requires]] = True
        self.gates = np.flatnonzero(self._requires.any(axis=0))

    def open_at(self, reached: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which quests are open, bool `[quest]`, given the milestones reached, bool `[milestone]`."""
        is_blocked = np.any(self._requires & ~reached, axis=1)
        is_open: NDArray[np.bool_] = ~is_blocked & ~reached[self.goal]
        return is_open


class QuestCurriculum:
    """See the module's docstring.

    Args:
        settings: `start_fraction`, `max_states`, `states_per_quest` and `memory_episodes`.
        spec: The game.
        quests: Its story.
        num_envs: Number of games.

    Raises:
        ConfigError: The game has no quests, or their table is wrong.
    """

    def __init__(self, settings: CurriculumSettings, *, spec: GameSpec, quests: Sequence[Quest], num_envs: int) -> None:
        if not quests:
            remedy = "Choose curriculum.kind none, swarm or archive."
            raise ConfigError("The game has no quests", value=spec.name, where="curriculum.kind", remedy=remedy)
        self._settings = settings
        self._milestones = spec.milestones
        self.story = Story(quests, spec.milestones)
        self._beliefs = Beliefs(settings.memory_episodes)
        self._shelf = Shelf(settings.max_states)
        self._at_start = np.zeros((num_envs, len(spec.milestones)), np.bool_)
        self._at_beginning = np.zeros(len(spec.milestones), np.bool_)

    def choose(self, env: int, rng: np.random.Generator) -> Restart:
        """See `Curriculum.choose`; first the quest, then one of the states at which it is open."""
        if rng.random() < self._settings.start_fraction:
            return from_beginning(rng)
        starts = self.starts()
        if not starts:
            return from_beginning(rng)
        names = list(starts)
        quest = names[self._beliefs.pick(names, rng)]
        mean = self._beliefs[quest].mean()
        pairs = [_pair(quest, start) for start in starts[quest]]
        start = starts[quest][self._beliefs.pick(pairs, rng, (POOLING * mean, POOLING * (1.0 - mean)))]
        return from_beginning(rng) if start == START else self._shelf[start].restart(fresh_seed(rng))

    def starts(self) -> dict[str, list[str]]:
        """The open quests and where each can be attempted: `start` or names of saved states."""
        places = [(START, self._at_beginning), *((name, self._shelf[name].milestones) for name in self._shelf)]
        found: dict[str, list[str]] = {}
        for name, reached in places:
            for quest in np.flatnonzero(self.story.open_at(reached)):
                found.setdefault(self.story.names[quest], []).append(name)
        return found

    def success(self, quest: str) -> float:
        """Expected success probability of a quest at present, for metrics."""
        return self._beliefs[quest].mean()

    def observe(self, sight: Sight) -> Wishes:
        """See `Curriculum.observe`."""
        for env in np.flatnonzero(sight.view.ended).tolist():
            self._settle(sight, env)
        for env in np.flatnonzero(sight.view.is_first).tolist():
            self._at_start[env] = sight.view.milestones[env]
            if sight.origins[env] == START:
                self._at_beginning[:] = sight.view.milestones[env]
        return Wishes(save=tuple(self._worth_saving(sight))) if sight.fresh.any() else Wishes()

    def keep(self, saved: SavedState) -> None:
        """See `Curriculum.keep`; a full shelf drops its longest way to the same milestone, or else its oldest state."""
        rivals = self._rivals(saved.milestone)
        if len(rivals) >= self._settings.states_per_quest:
            self._drop(max(rivals, key=lambda name: self._shelf[name].path_steps))
        elif self._shelf.is_full:
            self._drop(next(iter(self._shelf)))
        self._shelf.put(saved.name, saved)

    def export_state(self) -> dict[str, Any]:
        """See `Resumable.export_state`."""
        return {
            "beliefs": self._beliefs.export_state(),
            "shelf": self._shelf.export_state(),
            "at_start": self._at_start.copy(),
            "at_beginning": self._at_beginning.copy(),
        }

    def import_state(self, state: Mapping[str, Any]) -> None:
        """See `Resumable.import_state`."""
        self._beliefs.import_state(state["beliefs"])
        self._shelf.import_state(state["shelf"])
        self._at_start[...] = state["at_start"]
        self._at_beginning[...] = state["at_beginning"]

    def _settle(self, sight: Sight, env: int) -> None:
        origin = sight.origins[env]
        for quest in np.flatnonzero(self.story.open_at(self._at_start[env])):
            name, is_win = self.story.names[quest], bool(sight.view.milestones[env, self.story.goal[quest]])
            self._beliefs.add(name, is_win)
            if origin == START or origin in self._shelf:
                self._beliefs.add(_pair(name, origin), is_win)

    def _worth_saving(self, sight: Sight) -> Iterator[int]:
        taken: dict[str, int] = {}
        for env in np.flatnonzero(sight.fresh[:, self.story.gates].any(axis=1) & ~sight.view.ended).tolist():
            # The label that the actor will give: the furthest milestone of this step.
            milestone = self._milestones[np.flatnonzero(sight.fresh[env])[-1]]
            rivals = self._rivals(milestone)
            longest = max((self._shelf[name].path_steps for name in rivals), default=0)
            has_room = len(rivals) + taken.get(milestone, 0) < self._settings.states_per_quest
            if has_room or sight.path_steps[env] <= SHORTER_PATH * longest:
                taken[milestone] = taken.get(milestone, 0) + 1
                yield env

    def _rivals(self, milestone: str) -> list[str]:
        return [name for name in self._shelf if self._shelf[name].milestone == milestone]

    def _drop(self, name: str) -> None:
        self._shelf.drop(name)
        for quest in self.story.names:
            self._beliefs.forget(_pair(quest, name))


def _pair(quest: str, start: str) -> str:
    return f"{quest} @ {start}"


def _check_known(name: str, known: Sequence[str] | Mapping[str, str], quest: Quest) -> None:
    if name not in known:
        raise ConfigError("A quest names what is not there", value=name, where=quest.name, remedy=nearest(name, known))
