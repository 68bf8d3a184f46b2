"""What a training is made of.

Job: the compiled programs of a world, made once for a process, and the fixed facts of one training. Place in the data
flow: the loop makes them; evaluation and starts use them. Left out: what changes while training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gamefleet.learners.ppo import Ppo, make_ppo
from gamefleet.learners.ppo_plan import Plan, Played, Recorder, make_player, make_recorder
from gamefleet.learners.ppo_rollout import Goal, World
from gamefleet.learners.ppo_settings import PpoSettings
from gamefleet.skills.program_jax import run_program
from gamefleet.skills.training import TrainingTask
from gamefleet.skills.world import SkillWorld
from gamefleet.topologies.skill_trainer.goal import stack_programs
from gamefleet.topologies.skill_trainer.settings import SkillTrainingSettings, read_settings

GROUP = 16
"""Worlds that are made together."""

RECORDED_STEPS = 32
"""Steps of played plans that are recorded together; memory grows with them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The fixed parts of one training.

    Args:
        world: Where the skill is trained.
        task: What is trained.
        settings: Beside PPO.
        compiled: The compiled world.
        ppo: The trainer.
        player: Plays plans.
        recorder: Plays plans and says who acted.
        generate: `(key, num) -> states`, compiled.
        place: `(pool, states, int32 row) -> pool`, compiled: overwrites rows.
        goal: The skill as arguments of the trainer.
        experts: Networks of the skills that it builds on, in the order of the plan.
    """

    world: SkillWorld
    task: TrainingTask
    settings: SkillTrainingSettings
    compiled: Any
    ppo: Ppo
    player: Callable[[Any, Plan, Any], Played]
    recorder: Recorder
    generate: Callable[[Any, int], Any]
    place: Callable[[Any, Any, Any], Any]
    goal: Goal
    experts: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """What is compiled for a world and can train any of its skills.

    Args:
        compiled: The world's functions.
        ppo: The trainer.
        player: Plays plans.
        recorder: Plays plans and says who acted.
        generate: Makes worlds.
        place: Overwrites rows of a pool.
    """

    compiled: Any
    ppo: Ppo
    player: Callable[[Any, Plan, Any], Played]
    recorder: Recorder
    generate: Callable[[Any, int], Any]
    place: Callable[[Any, Any, Any], Any]


def make_programs(world: SkillWorld, settings: PpoSettings) -> Programs:
    """The programs of a world; compiled when they are first called."""
    if world.jax_world is None:
        raise AssertionError("asked for by make_skill_trainer")
    compiled = world.jax_world()
    seen = World(
        step=compiled.step,
        observe=compiled.observe,
        features=compiled.features,
        begin=compiled.begin,
        num_actions=compiled.num_actions,
        observation_size=compiled.observation_size,
    )
    return Programs(
        compiled=compiled,
        ppo=make_ppo(seen, settings, run_program),
        player=make_player(seen, run_program),
        recorder=make_recorder(seen, run_program, RECORDED_STEPS),
        generate=_in_groups(jax.jit(lambda key: compiled.generate(key, GROUP))),
        place=jax.jit(_place, donate_argnums=0),
    )


def make_parts(
    world: SkillWorld, task: TrainingTask, programs: Programs, experts: tuple[Mapping[str, Any], ...]
) -> Parts:
    """The parts of training one skill."""
    settings, _ = settings_of(task)
    skill = task.skill
    return Parts(
        world=world,
        task=task,
        settings=settings,
        compiled=programs.compiled,
        ppo=programs.ppo,
        player=programs.player,
        recorder=programs.recorder,
        generate=programs.generate,
        place=programs.place,
        goal=jax.tree.map(
            jnp.asarray,
            Goal(
                programs=stack_programs([skill.reward, skill.success], world),
                max_steps=np.int32(skill.max_steps),
            ),
        ),
        experts=experts,
    )


def settings_of(task: TrainingTask) -> tuple[SkillTrainingSettings, PpoSettings]:
    """The settings of a task on this machine."""
    return read_settings(task, is_cpu=jax.default_backend() == "cpu")


def _in_groups(generate: Callable[[Any], Any]) -> Callable[[Any, int], Any]:
    """Any number of worlds from a program that makes `GROUP`: compiled once, and faster than all at the same time."""

    def make(key: Any, num: int) -> Any:
        keys = jax.random.split(key, -(-num // GROUP))
        groups = [generate(each) for each in keys]
        return jax.tree.map(lambda *leaves: jnp.concatenate(leaves)[:num], *groups)

    return make


def _place(pool: Any, states: Any, row: Any) -> Any:
    def overwrite(old: Any, rows: Any) -> Any:
        return jax.lax.dynamic_update_slice_in_dim(old, jnp.asarray(rows, old.dtype), row, 0)

    return jax.tree.map(overwrite, pool, states)
