"""The running accounts of the episodes in progress.

Job: sum up what happens in each game until its episode ends. Place in the data flow: the actor adds every step and
takes an `EpisodeSummary` out when an episode ends. Left out: averages over episodes (metrics).

Axes: `env` (one game each), `term`, `milestone` as in the game's spec.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.actors.steps import START, Restart, VectorStep
from gamefleet.games.base import GameSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeSummary:
    """One episode in numbers.

    Args:
        env: The game.
        origin: Where it started: `start` or a saved state's name.
        outcome: `terminated`, `truncated`, `interrupted` (by the curriculum) or `lost` (with its worker).
        total_return: Sum of the rewards.
        num_steps: Length.
        terms: Sum of each reward term.
        milestones: Names of the milestones that it reached itself, in the order of the story.
        num_milestones: Milestones reached at its end, those of its start state included.
        progress: The game's progress at its end.
        num_cells: Different cells that it saw.
    """

    env: int
    origin: str
    outcome: str
    total_return: float
    num_steps: int
    terms: Mapping[str, float]
    milestones: tuple[str, ...]
    num_milestones: int
    progress: float
    num_cells: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How an episode in progress stands.

    Args:
        env: The game.
        origin: As in `EpisodeSummary`, like the following ones.
        total_return: So far.
        num_steps: So far.
        num_milestones: So far, those of its start state included.
        progress: At present.
    """

    env: int
    origin: str
    total_return: float
    num_steps: int
    num_milestones: int
    progress: float


class Accounts:
    """One account per game.

    Args:
        spec: The game.
        num_envs: Number of games.
    """

    def __init__(self, spec: GameSpec, num_envs: int) -> None:
        self._spec = spec
        self.origins = [START] * num_envs
        self.num_steps = np.zeros(num_envs, np.int64)
        self._first_path_steps = np.zeros(num_envs, np.int64)
        self._terms = np.zeros((num_envs, len(spec.reward_terms)), np.float64)
        self._at_start = np.zeros((num_envs, len(spec.milestones)), np.bool_)
        self._milestones = np.zeros((num_envs, len(spec.milestones)), np.bool_)
        self._progress = np.zeros(num_envs, np.float64)
        self._cell = np.zeros(num_envs, np.uint64)
        self._cells: list[set[int]] = [set() for _ in range(num_envs)]

    @property
    def path_steps(self) -> NDArray[np.int64]:
        """Steps of each game since the game's beginning, those before its start state included."""
        return self._first_path_steps + self.num_steps

    def begin(self, env: int, restart: Restart, view: VectorStep) -> None:
        """Open an account with the episode's first view."""
        self.origins[env] = restart.origin
        self.num_steps[env] = 0
        self._first_path_steps[env] = restart.path_steps
        self._terms[env] = 0.0
        self._at_start[env] = self._milestones[env] = view.milestones[env]
        self._progress[env] = view.progress[env]
        self._cell[env] = view.cell[env]
        self._cells[env] = {int(view.cell[env])}

    def add(self, view: VectorStep, stepped: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Add one step.

        Args:
            view: The step.
            stepped: bool `[env]`, games that moved.

        Returns:
            bool `[env, milestone]`, milestones that this step reached.
        """
        self.num_steps += stepped
        self._terms += np.where(stepped[:, None], view.terms, 0.0)
        fresh: NDArray[np.bool_] = view.milestones & ~self._milestones & stepped[:, None]
        self._milestones |= fresh
        np.copyto(self._progress, view.progress, where=stepped)
        moved = stepped & (view.cell != self._cell)
        for env in np.flatnonzero(moved):
            self._cells[env].add(int(view.cell[env]))
        np.copyto(self._cell, view.cell, where=moved)
        return fresh

    def standing(self, env: int) -> Standing:
        """How the episode in progress stands; much cheaper than `summary`."""
        return Standing(
            env=env,
            origin=self.origins[env],
            total_return=float(self._terms[env].sum()),
            num_steps=int(self.num_steps[env]),
            num_milestones=int(np.count_nonzero(self._milestones[env])),
            progress=float(self._progress[env]),
        )

    def summary(self, env: int, outcome: str) -> EpisodeSummary:
        """Close an account."""
        own = self._milestones[env] & ~self._at_start[env]
        return EpisodeSummary(
            env=env,
            origin=self.origins[env],
            outcome=outcome,
            total_return=float(self._terms[env].sum()),
            num_steps=int(self.num_steps[env]),
            terms=dict(zip(self._spec.reward_terms, self._terms[env].tolist(), strict=True)),
            milestones=tuple(self._spec.milestones[index] for index in np.flatnonzero(own)),
            num_milestones=int(self._milestones[env].sum()),
            progress=float(self._progress[env]),
            num_cells=len(self._cells[env]),
        )

    def export_state(self) -> dict[str, Any]:
        """Everything, as JSON values and arrays."""
        cells = {str(env): np.array(sorted(seen), np.uint64) for env, seen in enumerate(self._cells)}
        arrays = {name: getattr(self, name).copy() for name in _ARRAYS}
        return {"origins": list(self.origins), "cells": cells, **arrays}

    def import_state(self, state: Mapping[str, Any]) -> None:
        """Continue exactly from `export_state`."""
        self.origins = list(state["origins"])
        self._cells = [set(state["cells"][str(env)].tolist()) for env in range(len(self.origins))]
        for name in _ARRAYS:
            getattr(self, name)[...] = state[name]


_ARRAYS = ("num_steps", "_first_path_steps", "_terms", "_at_start", "_milestones", "_progress", "_cell")
