"""Curricula that return to saved states: the swarm and Go-Explore's archive.

Job: `Swarm` (everybody jumps to the furthest milestone) and `Archive` (episodes start at rarely visited states). Place
in the data flow: see `curriculum`. Left out: quests, which look at success instead of visits (`quests`).

The swarm is the archive's greedy special case: one state, always the furthest.

Source: Ecoffet et al. 2021, "First return, then explore" (Go-Explore, policy-free return by restoring); swarming as in
the pokemonred_puffer project, where all environments reset to the newest milestone set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.actors.curriculum import NOTHING, Sight, Wishes, fresh_seed, from_beginning
from gamefleet.actors.saved import SavedState, Shelf
from gamefleet.actors.settings import CurriculumSettings
from gamefleet.actors.steps import Restart

SHORTER_PATH = 0.8
"""A state replaces an equal one when the way to it was at most this part as long: saving is not free."""

FURTHEST = "furthest"


class Swarm:
    """All games jump to the furthest milestone as soon as one of them reaches it.

    Args:
        settings: `start_fraction` of the episodes start at the beginning all the same.
    """

    def __init__(self, settings: CurriculumSettings) -> None:
        self._start_fraction = settings.start_fraction
        self._shelf = Shelf(max_states=1)

    def choose(self, env: int, rng: np.random.Generator) -> Restart:
        """See `Curriculum.choose`."""
        if rng.random() < self._start_fraction or FURTHEST not in self._shelf:
            return from_beginning(rng)
        return self._shelf[FURTHEST].restart(fresh_seed(rng))

    def observe(self, sight: Sight) -> Wishes:
        """See `Curriculum.observe`; the furthest game stays where it is, all others are cut short and follow."""
        candidates = np.flatnonzero(sight.fresh.any(axis=1) & ~sight.view.ended).tolist()
        if not candidates:
            return NOTHING
        best = max(candidates, key=lambda env: (self._rank(sight, env), -env))
        if FURTHEST in self._shelf and self._rank(sight, best) <= self._known_rank():
            return NOTHING
        others = tuple(env for env in range(len(sight.origins)) if env != best)
        return Wishes(save=(best,), interrupt=others)

    def keep(self, saved: SavedState) -> None:
        """See `Curriculum.keep`."""
        self._shelf.put(FURTHEST, saved)

    def export_state(self) -> dict[str, Any]:
        """See `Resumable.export_state`."""
        return {"shelf": self._shelf.export_state()}

    def import_state(self, state: Mapping[str, Any]) -> None:
        """See `Resumable.import_state`."""
        self._shelf.import_state(state["shelf"])

    def _rank(self, sight: Sight, env: int) -> tuple[int, float]:
        return int(sight.view.milestones[env].sum()), float(sight.view.progress[env])

    def _known_rank(self) -> tuple[int, float]:
        saved = self._shelf[FURTHEST]
        return int(saved.milestones.sum()), saved.progress


class Archive:
    """Episodes start at saved states, rarely visited ones more often: weight 1 / sqrt(visits + 1).

    A cell enters the archive when a game reaches a milestone in it; its state is replaced by one that is further, or
    that took a clearly shorter way.

    Args:
        settings: `start_fraction` and `max_states`.
        num_envs: Number of games.
    """

    def __init__(self, settings: CurriculumSettings, *, num_envs: int) -> None:
        self._start_fraction = settings.start_fraction
        self._shelf = Shelf(settings.max_states)
        self._visits: dict[str, int] = {}
        self._cells: NDArray[np.uint64] = np.zeros(num_envs, np.uint64)

    def choose(self, env: int, rng: np.random.Generator) -> Restart:
        """See `Curriculum.choose`."""
        if rng.random() < self._start_fraction or not len(self._shelf):
            return from_beginning(rng)
        keys = list(self._shelf)
        key = keys[int(rng.choice(len(keys), p=self.weights()))]
        self._visits[key] += 1
        return self._shelf[key].restart(fresh_seed(rng))

    def weights(self) -> NDArray[np.float64]:
        """Probability of each archived state, in the order in which they came."""
        visits = np.array([self._visits[key] for key in self._shelf], np.float64)
        weights = 1.0 / np.sqrt(visits + 1.0)
        shares: NDArray[np.float64] = weights / weights.sum()
        return shares

    def observe(self, sight: Sight) -> Wishes:
        """See `Curriculum.observe`."""
        cells = sight.view.cell
        for env in np.flatnonzero(cells != self._cells):
            key = _key(int(cells[env]))
            if key in self._visits:
                self._visits[key] += 1
        self._cells = cells.copy()
        candidates = np.flatnonzero(sight.fresh.any(axis=1) & ~sight.view.ended).tolist()
        wanted = {_key(int(cells[env])): env for env in reversed(candidates) if self._is_better(sight, env)}
        return Wishes(save=tuple(sorted(wanted.values())))

    def keep(self, saved: SavedState) -> None:
        """See `Curriculum.keep`; the most visited state goes when the archive is full."""
        key = _key(saved.cell)
        if key not in self._shelf and self._shelf.is_full:
            most_visited = max(self._shelf, key=lambda other: self._visits[other])
            self._shelf.drop(most_visited)
            del self._visits[most_visited]
        self._shelf.put(key, saved)
        self._visits.setdefault(key, 0)

    def export_state(self) -> dict[str, Any]:
        """See `Resumable.export_state`."""
        return {"shelf": self._shelf.export_state(), "visits": dict(self._visits), "cells": self._cells.copy()}

    def import_state(self, state: Mapping[str, Any]) -> None:
        """See `Resumable.import_state`."""
        self._shelf.import_state(state["shelf"])
        self._visits = {key: int(count) for key, count in state["visits"].items()}
        self._cells = np.array(state["cells"], np.uint64)

    def _is_better(self, sight: Sight, env: int) -> bool:
        key, progress = _key(int(sight.view.cell[env])), float(sight.view.progress[env])
        if key not in self._shelf:
            return True
        known = self._shelf[key]
        is_shorter = int(sight.path_steps[env]) <= SHORTER_PATH * known.path_steps
        return progress > known.progress or (progress == known.progress and is_shorter)


def _key(cell: int) -> str:
    return f"{cell:016x}"
