"""One game out of a batch of one.

Job: let a game that is played in batches be played alone, for tools, tests and people. Place in the data flow: where a
`Game` is asked for. Left out: speed; whoever plays many games asks for a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.base import GameSpec, Step
from gamefleet.games.batch import BatchGame, StepRows, empty_rows

B = TypeVar("B", bound=BatchGame)


class SingleGame(Generic[B]):
    """A `Game` over a `BatchGame` with one row. It has a `frame` when the batch has one.

    Args:
        spec: Of the game.
        make: `(rows) -> batch`.
    """

    def __init__(self, spec: GameSpec, make: Callable[[StepRows], B]) -> None:
        self.spec = spec
        self._rows = empty_rows(spec, 1)
        self.batch = make(self._rows)
        self._env = np.zeros(1, np.int64)
        draw: Callable[[int], NDArray[np.uint8]] | None = getattr(self.batch, "frame", None)
        if draw is not None:
            self.frame: Callable[[], NDArray[np.uint8]] = lambda: draw(0)

    def reset(self, seed: int) -> Step:
        """See `Game`."""
        self.batch.reset(self._env, [seed])
        return self.step_now()

    def step(self, action: int) -> Step:
        """See `Game`."""
        self.batch.step(self._env, np.array([action], np.int16))
        return self.step_now()

    def save_state(self) -> bytes:
        """See `Game`."""
        return self.batch.save_states([0])[0]

    def restore_state(self, state: bytes, *, new_episode: bool) -> Step:
        """See `Game`."""
        self.batch.restore_states([0], [state], [new_episode])
        return self.step_now()

    def step_now(self) -> Step:
        """The present step; its arrays are views that the next one overwrites."""
        rows = self._rows
        return Step(
            obs={name: array[0] for name, array in rows.obs.items()},
            terms=rows.terms[0],
            terminated=bool(rows.terminated[0]),
            truncated=bool(rows.truncated[0]),
            milestones=rows.milestones[0],
            cell=int(rows.cell[0]),
            progress=float(rows.progress[0]),
        )
