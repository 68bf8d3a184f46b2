"""Beliefs about success probabilities, and what they are worth exploring.

Job: discounted Beta posteriors and the score by which Thompson sampling picks. Place in the data flow: under `quests`.
Left out: what an attempt is.

A success probability p that drifts while the agent learns and forgets is believed to be Beta(a + w, b + l), where w and
l count successes and failures, an attempt k attempts ago counting d^k. With d = 2^(-1/memory) at most 1 / (1 - d)
attempts count, so no belief ever becomes certain and everything is tried again from time to time.

What is worth practising is what sometimes succeeds: the score of a sampled p is p (1 - p), the variance of the outcome,
which is 0 for what is mastered and for what is hopeless.

Source: Thompson 1933; Chapelle & Li 2011 (sampling a Beta posterior); Raj & Kalyani 2017, "Taming Non-stationary
Bandits" (discounted counts); Rutherford et al. 2024, "No Regrets" (learnability p (1 - p)); Florensa et al. 2018
(goals of intermediate difficulty).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(slots=True)
class Belief:
    """Discounted counts of one attempted thing.

    Args:
        wins: Successes.
        losses: Failures.
    """

    wins: float = 0.0
    losses: float = 0.0

    def add(self, is_win: bool, discount: float) -> None:
        """Count one attempt; all earlier ones fade by `discount`."""
        self.wins = self.wins * discount + float(is_win)
        self.losses = self.losses * discount + float(not is_win)

    def mean(self, prior: tuple[float, float] = (1.0, 1.0)) -> float:
        """Expected success probability, given the prior's two counts."""
        wins, losses = self.wins + prior[0], self.losses + prior[1]
        return wins / (wins + losses)

    def sample(self, rng: np.random.Generator, prior: tuple[float, float] = (1.0, 1.0)) -> float:
        """One success probability that may be the true one."""
        return float(rng.beta(self.wins + prior[0], self.losses + prior[1]))


class Beliefs:
    """Beliefs by name; unknown names are believed to be as their prior.

    Args:
        memory_attempts: Attempts after which an old attempt counts half.
    """

    def __init__(self, memory_attempts: float) -> None:
        self._discount = 0.5 ** (1.0 / memory_attempts)
        self._beliefs: dict[str, Belief] = {}

    def __getitem__(self, name: str) -> Belief:
        return self._beliefs.get(name, Belief())

    def add(self, name: str, is_win: bool) -> None:
        """Count one attempt."""
        self._beliefs.setdefault(name, Belief()).add(is_win, self._discount)

    def forget(self, name: str) -> None:
        """Drop what is believed about a name."""
        self._beliefs.pop(name, None)

    def pick(self, names: Sequence[str], rng: np.random.Generator, prior: tuple[float, float] = (1.0, 1.0)) -> int:
        """Thompson sampling: one sample each, and the position of the one most worth practising."""
        samples = [self[name].sample(rng, prior) for name in names]
        return int(np.argmax([learnability(sample) for sample in samples]))

    def export_state(self) -> dict[str, Any]:
        """All counts, as JSON values."""
        return {name: [belief.wins, belief.losses] for name, belief in self._beliefs.items()}

    def import_state(self, state: Mapping[str, Any]) -> None:
        """Continue exactly from `export_state`."""
        self._beliefs = {name: Belief(float(wins), float(losses)) for name, (wins, losses) in state.items()}


def learnability(success_probability: float) -> float:
    """How much an attempt can teach: p (1 - p)."""
    return success_probability * (1.0 - success_probability)
