"""Training one skill, as types: what is asked for, how it goes, and what came out.

Job: the words between scheduler and trainers. Place in the data flow: the scheduler's job makes a `TrainingTask`, a
`SkillTrainer` answers with a `TrainingOutcome`. Left out: how it is trained (the trainer of the world) and where
results are put (`topologies`).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from gamefleet.skills.skill import Skill

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStep:
    """A skill that is trained and that another one builds on.

    Args:
        name: Its name.
        index: Its global index.
        skill: The skill itself.
        folder: `skills/<index>_<name>`, with its expert and its frontier states.
    """

    name: str
    index: int
    skill: Skill
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingTask:
    """One skill to train.

    Args:
        skill: What to train.
        index: Its global index.
        attempt: Which try this is, from 1.
        seed: Of every random stream of the attempt.
        plan: What it depends on, in topological order, without itself.
        total_timesteps: The most steps to train, over all environments.
        num_envs: Environments at the same time.
        folder: `training_runs/skill_<index>_<name>`: checkpoints and logs of this skill.
        threshold: Success rate that the lower confidence bound must reach.
        episodes: Evaluation episodes.
        settings: What else the trainer of the world understands.
        halvings: How often the number of environments is to be halved, because memory was too small for it before.
    """

    skill: Skill
    index: int
    attempt: int
    seed: int
    plan: tuple[PlanStep, ...]
    total_timesteps: int
    num_envs: int
    folder: Path
    threshold: float = 0.9
    episodes: int = 256
    settings: Mapping[str, Any] = field(default_factory=dict)
    halvings: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How training goes.

    Args:
        frames: Steps so far, over all environments.
        success_rate: Of the episodes that ended lately, in [0, 1].
        episodes: Episodes that ended so far.
        return_mean: Of the episodes that ended lately.
        seconds: Spent training so far, over all legs.
        losses: By name.
    """

    frames: int
    success_rate: float
    episodes: int
    return_mean: float
    seconds: float
    losses: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOutcome:
    """What came out of an attempt.

    Args:
        is_success: Whether the lower bound of the success rate reached the threshold.
        reason: Why it ended, one line.
        successes: Evaluation episodes in which the skill succeeded.
        episodes: Evaluation episodes in which it was its turn, as `reached`; the rate is `successes / episodes`.
        reached: Fresh worlds in which the plan got as far as this skill.
        started: Fresh worlds that were begun.
        frames: Steps trained.
        seconds: Spent training, over all legs.
        expert: The network, by parameter name.
        frontier: End states of successes, where skills that build on this one start.
        statistics: What else the next proposal should know.
        networks: What else was taught and is kept with the skill, arrays by parameter name: `gate` chooses among the
            experts of the plan, `distilled` is one network that plays as all of them.
    """

    is_success: bool
    reason: str
    successes: int
    episodes: int
    reached: int
    started: int
    frames: int
    seconds: float
    expert: Arrays
    frontier: Arrays
    statistics: Mapping[str, Any]
    networks: Mapping[str, Arrays] = field(default_factory=dict)


class SkillTrainer(Protocol):
    """Trains skills in one world."""

    def train(
        self, task: TrainingTask, report: Callable[[Progress], None], should_stop: Callable[[], bool]
    ) -> TrainingOutcome | None:
        """Train one skill, going on exactly where a checkpoint in `task.folder` left off.

        Args:
            task: What to train.
            report: Called every now and then.
            should_stop: Asked every now and then; whether to save a checkpoint and return.

        Returns:
            What came out; None when it was stopped, with a checkpoint in `task.folder` to go on from.
        """
        ...


def lower_bound(successes: int, episodes: int, confidence: float = 0.95) -> float:
    """The rate that is surpassed with this (one-sided) confidence, by Wilson's score interval; 0 without episodes.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    if episodes <= 0:
        return 0.0
    z = statistics.NormalDist().inv_cdf(confidence)
    rate = successes / episodes
    centre = rate + z * z / (2 * episodes)
    spread = z * math.sqrt(rate * (1 - rate) / episodes + z * z / (4 * episodes * episodes))
    return max(0.0, (centre - spread) / (1 + z * z / episodes))
