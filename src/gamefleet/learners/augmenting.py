"""Showing the learner every window as one of the game's symmetries changes it.

Job: call a game's augmentation with random numbers that can be written down and taken back. Place in the data flow:
replay -> here -> `ValueLearner.update`. Left out: the symmetries themselves, which each game knows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gamefleet.experience.types import SequenceBatch

Augmentation = Callable[[SequenceBatch, np.random.Generator], SequenceBatch]
"""Gives an equally true batch, changed by the game's symmetries; the given one stays as it is."""


class Augmenter:
    """Applies an augmentation, or nothing.

    Args:
        augmentation: Of the game; None leaves batches as they are.
        seed: Of its choices.
    """

    def __init__(self, augmentation: Augmentation | None, *, seed: int) -> None:
        self._augmentation = augmentation
        self._rng = np.random.Generator(np.random.PCG64(seed))

    def __call__(self, batch: SequenceBatch) -> SequenceBatch:
        """The batch to learn from."""
        return batch if self._augmentation is None else self._augmentation(batch, self._rng)

    @property
    def random_state(self) -> dict[str, Any]:
        """State of the random numbers, as JSON values; set it to take draws back or to continue another's."""
        return dict(self._rng.bit_generator.state)

    @random_state.setter
    def random_state(self, state: dict[str, Any]) -> None:
        self._rng.bit_generator.state = state
