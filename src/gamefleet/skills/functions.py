"""Reward and success as something that is asked, whether an expression or a Python skill in its sandbox.

Job: the few words by which checks and trainers on NumPy treat both alike, and where Python is taken at all. Place in
the data flow: `expression` and `sandbox_process` fit them; `verify_numbers` and trainers ask. Left out: compiled
trainers, which take programs only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gamefleet.errors import GamefleetError
from gamefleet.skills.world import SkillWorld, States


class PythonSkillError(GamefleetError):
    """A Python skill's module failed, hung, or answered nonsense; its process was ended."""


def trains_python(world: SkillWorld) -> bool:
    """Whether skills that are Python can be trained in a world: a compiled one takes programs only."""
    return world.make_trainer is not None


class Functions(Protocol):
    """Reward and success that are no expressions."""

    def evaluate(self, now: States, before: States) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(reward, success) of a batch of states, float32[num] each; raises `PythonSkillError`."""
        ...


class Evaluated(Protocol):
    """What an expression can do, as far as the checks need it."""

    def evaluate(self, xp: Any, now: Any, before: Any) -> Any:
        """float32[...]: the value in each state."""
        ...


@dataclass(frozen=True, slots=True)
class FunctionPart:
    """Reward (0) or success (1) of functions, in the place of an expression."""

    functions: Functions
    which: int

    def evaluate(self, xp: Any, now: Any, before: Any) -> Any:
        """float32[...]: the value in each state."""
        rows = (now.reshape(-1, now.shape[-1]), before.reshape(-1, now.shape[-1]))
        return self.functions.evaluate(*rows)[self.which].reshape(now.shape[:-1])
