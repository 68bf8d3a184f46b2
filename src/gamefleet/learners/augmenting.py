"""Showing the learner every window as one of the game's symmetries changes it.

Job: call a game's augmentation with random numbers that can be written down and taken back. Place in the data flow:
replay -> here -> `ValueLearner.update`. Left out: the symmetries themselves, which each game knows (`games.base`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.experience.types import SequenceBatch

Observations = Mapping[str, NDArray[Any]]
Actions = NDArray[np.int16]
Augmentation = Callable[[Observations, Actions, np.random.Generator], tuple[Observations, Actions]]
"""`games.base.Augmentation`: what was seen `[batch, time, ...]` and done `[batch, any]`, with -1 for nothing; each
row of both is changed by one symmetry that is drawn for it."""


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
        """The batch to learn from; the given one stays as it is."""
        if self._augmentation is None:
            return batch
        num_slots = batch.action.shape[1]
        # The action before a window's first slot lies outside of it, so previous actions must be changed as well.
        actions = np.concatenate([batch.action, batch.previous_action], axis=1)
        obs, actions = self._augmentation(batch.obs, actions, self._rng)
        return replace(batch, obs=obs, action=actions[:, :num_slots], previous_action=actions[:, num_slots:])

    @property
    def random_state(self) -> dict[str, Any]:
        """State of the random numbers, as JSON values; set it to take draws back or to continue another's."""
        return dict(self._rng.bit_generator.state)

    @random_state.setter
    def random_state(self, state: dict[str, Any]) -> None:
        self._rng.bit_generator.state = state
