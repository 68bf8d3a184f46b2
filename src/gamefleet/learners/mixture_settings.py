"""Settings of mixtures: what becomes of dependencies, and how gates and distilled networks are taught.

Job: name the choices and say what they mean. Place in the data flow: read by the wiring that trains a skill. Left out:
the doing (`mixture`, `mixture_gate`, `distil`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Dependencies = Literal["frozen", "tuned"]
"""`frozen`: a skill's own network begins fresh, and the experts of its dependencies only play. `tuned`: it begins as a
copy of its last dependency's expert and is trained on. The originals never change, so merges commute either way."""

Routing = Literal["plan", "gate"]
"""Who decides which expert acts: the plan, whose skills follow one another, or a learned gate that sees the observation
alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitSettings:
    """How a network is taught from recorded answers.

    Args:
        updates: Steps of the optimizer.
        batch_size: Rows of one step.
        learning_rate: Of Adam at the first step; it falls to zero.
        max_norm: A longer gradient is shortened to it.
        width: Of a hidden layer of a network that is made.
        held_out: Part of the rows that only measures.
        value_weight: What an error of the value counts beside one of the policy.
    """

    updates: int = 600
    batch_size: int = 256
    learning_rate: float = 2e-3
    max_norm: float = 1.0
    width: int = 128
    held_out: float = 0.1
    value_weight: float = 0.5
