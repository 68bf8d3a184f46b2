"""Training one skill in a compiled world: the wiring of a world for skills, PPO and plans.

Job: `SkillTrainer` for every world that has a `jax_world`. Place in the data flow: a job of the skill graph makes one
and calls `train`; what comes out is published by the graph. Left out: the loop itself (`loop`), which is
imported when training begins, because it needs JAX.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gamefleet.errors import ConfigError, DeviceMemoryError
from gamefleet.skills.training import Progress, SkillTrainer, TrainingOutcome, TrainingTask
from gamefleet.skills.world import SkillWorld


@dataclass(frozen=True, slots=True, kw_only=True)
class JaxSkillTrainer:
    """Trains skills with PPO that is compiled together with their world.

    On a CPU a run that was cut and went on gives the same bytes as one that was not.

    Args:
        world: Where skills are trained; has a `jax_world`.
        environment: Variables of the process.
        clock: Seconds, for the account of time and for how often to save; results do not depend on it.
    """

    world: SkillWorld
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    clock: Callable[[], float] = time.monotonic
    _programs: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

    def train(
        self, task: TrainingTask, report: Callable[[Progress], None], should_stop: Callable[[], bool]
    ) -> TrainingOutcome | None:
        """Train one skill; as `SkillTrainer.train` says.

        Raises:
            ConfigError: The skill is written in Python, which cannot be compiled, or a setting does not exist.
            DeviceMemoryError: The device has too little memory left.
        """
        if task.skill.python:
            raise ConfigError(
                "A Python skill cannot be trained in a compiled world",
                value=task.skill.name,
                remedy="Write reward and success as expressions.",
            )
        import jax

        from gamefleet.models.jax_setup import prepare_jax
        from gamefleet.topologies.skill_trainer.loop import open_training, run_training
        from gamefleet.topologies.skill_trainer.parts import make_programs, settings_of
        from gamefleet.topologies.skill_trainer.saving import as_begun

        prepare_jax(self.environment)
        task = as_begun(task, is_cpu=jax.default_backend() == "cpu")
        _, settings = settings_of(task)
        if settings not in self._programs:
            # One compiled trainer for all skills: what differs between them are its arguments.
            self._programs[settings] = make_programs(self.world, settings)
        try:
            training = open_training(self.world, task, self._programs[settings])
            return run_training(training, report, should_stop, self.clock)
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
            raise DeviceMemoryError(
                f"Training {task.skill.name} needs more memory than the device has left",
                value=f"{settings.num_envs} environments",
                remedy="Train with fewer environments (--num_envs), or fewer skills at the same time.",
            ) from error


def make_skill_trainer(world: SkillWorld, environment: Mapping[str, str]) -> SkillTrainer:
    """The trainer of a world: its own where it has one.

    Args:
        world: Where skills are trained.
        environment: Variables of the process.

    Raises:
        ConfigError: The world has neither a trainer nor a compiled world.
    """
    if world.make_trainer is not None:
        return world.make_trainer()
    if world.jax_world is None:
        raise ConfigError(
            "Nobody can train in this world",
            value=world.name,
            remedy="Give the SkillWorld a make_trainer or a jax_world.",
        )
    return JaxSkillTrainer(world=world, environment=environment)
