"""Saved game states with their provenance.

Job: what curricula start episodes from. Place in the data flow: the actor saves where a curriculum asks for it, the
curriculum keeps and chooses. Left out: which states are worth saving (`archive`, `quests`) and files (checkpoints carry
`export_state`).

Saving costs a Game Boy as much as 32 steps and restoring as much as 11, so states are saved at milestones only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from gamefleet.actors.steps import Restart

COMPRESSION_LEVEL = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedState:
    """One saved state and how it came to be.

    Args:
        name: Unique in the run, `milestone#number`; the origin of episodes that start here.
        milestone: The furthest milestone of those just reached.
        env: The game that was saved.
        parent: Origin of the episode that got here: `start` or another state's name.
        total_steps: The run's steps when it was saved.
        episode_steps: Steps since the episode's start.
        path_steps: Steps since the game's beginning, those of all parents included.
        cell: The game's cell there.
        progress: The game's progress there.
        milestones: bool `[milestone]`, all milestones reached on the way.
        packed: The game's state, compressed.
    """

    name: str
    milestone: str
    env: int
    parent: str
    total_steps: int
    episode_steps: int
    path_steps: int
    cell: int
    progress: float
    milestones: NDArray[np.bool_]
    packed: bytes

    def restart(self, seed: int) -> Restart:
        """Start a fresh episode here."""
        return Restart(seed=seed, state=unpack(self.packed), origin=self.name, path_steps=self.path_steps)

    def export_state(self) -> dict[str, Any]:
        """As JSON values, arrays and bytes."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {**values, "cell": str(self.cell), "milestones": self.milestones.copy()}


def import_saved(state: Mapping[str, Any]) -> SavedState:
    """The saved state that `SavedState.export_state` wrote."""
    return SavedState(**{**state, "cell": int(state["cell"]), "milestones": np.array(state["milestones"], np.bool_)})


def pack(state: bytes) -> bytes:
    """Compress a game state; a Game Boy's shrinks about 70-fold."""
    return zstandard.ZstdCompressor(level=COMPRESSION_LEVEL).compress(state)


def unpack(packed: bytes) -> bytes:
    """The inverse of `pack`."""
    return zstandard.ZstdDecompressor().decompress(packed)


class Shelf:
    """Saved states by key, in the order in which they came, with a cap.

    Args:
        max_states: The caller drops one before it adds more.
    """

    def __init__(self, max_states: int) -> None:
        self.max_states = max_states
        self._states: dict[str, SavedState] = {}

    def __len__(self) -> int:
        return len(self._states)

    def __contains__(self, key: str) -> bool:
        return key in self._states

    def __getitem__(self, key: str) -> SavedState:
        return self._states[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._states)

    @property
    def is_full(self) -> bool:
        """Whether a new key needs another one to go."""
        return len(self._states) >= self.max_states

    def put(self, key: str, state: SavedState) -> None:
        """Keep a state; an older one of the same key is replaced in its place."""
        self._states[key] = state

    def drop(self, key: str) -> None:
        """Forget a state."""
        del self._states[key]

    def export_state(self) -> dict[str, Any]:
        """As nested JSON values, arrays and bytes; the order is kept by numbers, because JSON may be key-sorted."""
        pairs = enumerate(self._states.items())
        return {str(number): {"key": key, "state": state.export_state()} for number, (key, state) in pairs}

    def import_state(self, state: Mapping[str, Any]) -> None:
        """Continue exactly from `export_state`."""
        ordered = [state[number] for number in sorted(state, key=int)]
        self._states = {entry["key"]: import_saved(entry["state"]) for entry in ordered}
