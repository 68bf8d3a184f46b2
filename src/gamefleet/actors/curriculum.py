"""Where training episodes start: the seam, and the simplest answer.

Job: the protocol between the actor and curricula, and `Beginning`. Place in the data flow: the actor shows every step
to the curriculum, asks it where finished games go, and saves the states that it wants. Left out: the other curricula
(`archive`, `quests`) and their choice by name (`curricula`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gamefleet.actors.saved import SavedState
from gamefleet.actors.steps import Restart, VectorStep

SEED_RANGE = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a curriculum is shown after each step.

    Args:
        view: The step.
        fresh: bool `[env, milestone]`, reached by this very step.
        origins: By env, where the episode started.
        path_steps: int64 `[env]`, steps since the game's beginning, those of all parents included.
    """

    view: VectorStep
    fresh: NDArray[np.bool_]
    origins: Sequence[str]
    path_steps: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a curriculum wants after a step.

    Args:
        save: Games whose state is to be saved now.
        interrupt: Games whose episode is to be cut (truncated) and restarted.
    """

    save: tuple[int, ...] = ()
    interrupt: tuple[int, ...] = ()


NOTHING = Wishes()


class Resumable(Protocol):
    """State that survives exactly."""

    def export_state(self) -> dict[str, Any]:
        """Everything that shapes the future, as nested JSON values, arrays and bytes."""
        ...

    def import_state(self, state: Mapping[str, Any]) -> None:
        """Continue exactly from `export_state`."""
        ...


class Curriculum(Resumable, Protocol):
    """Decides where training episodes start."""

    def choose(self, env: int, rng: np.random.Generator) -> Restart:
        """Where a game goes next."""
        ...

    def observe(self, sight: Sight) -> Wishes:
        """Look at a step and say what is wanted."""
        ...

    def keep(self, saved: SavedState) -> None:
        """Take a state that was wished for."""
        ...


class Beginning:
    """All episodes start at the game's beginning."""

    def choose(self, env: int, rng: np.random.Generator) -> Restart:
        """See `Curriculum.choose`."""
        return from_beginning(rng)

    def observe(self, sight: Sight) -> Wishes:
        """See `Curriculum.observe`."""
        return NOTHING

    def keep(self, saved: SavedState) -> None:
        """See `Curriculum.keep`; never called, because nothing is wished for."""

    def export_state(self) -> dict[str, Any]:
        """See `Resumable.export_state`."""
        return {}

    def import_state(self, state: Mapping[str, Any]) -> None:
        """See `Resumable.import_state`."""


def from_beginning(rng: np.random.Generator) -> Restart:
    """An episode at the game's beginning with a fresh seed."""
    return Restart(seed=fresh_seed(rng))


def fresh_seed(rng: np.random.Generator) -> int:
    """A seed for one episode."""
    return int(rng.integers(SEED_RANGE))
