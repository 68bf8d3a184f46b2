"""Where skills start and what plans repair: whatever a skill needs is there, also what it only uses up."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from tests.unit.topologies.orchard_cases import JAM, PICK, compile_quickly, facts_of, task_of

from gamefleet.errors import ConfigError
from gamefleet.skills.training import PlanStep, TrainingTask
from gamefleet.testing.orchard import WORLD
from gamefleet.topologies.skill_trainer.goal import plan_arrays
from gamefleet.topologies.skill_trainer.settings import parse_settings
from gamefleet.weights.experts import Expert, ExpertStore

USES = replace(JAM, requires={})
"""As a model may write it: what is used up is said once."""

SETTINGS = {"width": 16, "rollout_steps": 4, "minibatches": 2, "pool_states": 16, "least_states": 8}


def small(folder: Path, plan: tuple[PlanStep, ...] = (), **settings: Any) -> TrainingTask:
    task = task_of(USES if plan else PICK, folder, plan, **SETTINGS, **settings)
    return replace(task, num_envs=8, total_timesteps=1000)


def test_what_a_skill_only_uses_up_must_be_there_before_it_and_is_brought_by_who_gains_it() -> None:
    arrays = plan_arrays([PICK, USES], {}, WORLD, 8)

    fruit = WORLD.column("fruit")
    assert arrays["needs"][1, fruit] == 1.0
    assert arrays["providers"][1, fruit] == 0
    assert not np.isfinite(arrays["needs"][0]).any()
    assert not np.isfinite(arrays["needs"][2:]).any()


def test_episodes_begin_only_where_there_is_what_the_skill_uses_up(
    tmp_path: Path, require_module: Callable[[str, str], None]
) -> None:
    require_module("jax", "make craftax")
    compile_quickly()
    import jax

    from gamefleet.topologies.skill_trainer.loop import open_training
    from gamefleet.topologies.skill_trainer.parts import make_programs, settings_of
    from gamefleet.topologies.skill_trainer.starts import frontier_arrays

    task = small(tmp_path)
    programs = make_programs(WORLD, settings_of(task)[1])
    training = open_training(WORLD, task, programs)
    params = {name: np.asarray(array) for name, array in training.state.params.items()}
    ExpertStore(tmp_path / "graph").merge(Expert(facts=facts_of(task, 0), params=params))
    step = PlanStep(name=PICK.name, index=0, skill=PICK, folder=tmp_path / "graph/skills/0_Pick_Fruit")
    ends = programs.generate(jax.random.key(0), 100)
    is_left = np.arange(100) % 20 > 0
    save_file(frontier_arrays(training.parts, ends._replace(fruit=2 * is_left)), step.folder / "frontier.safetensors")

    begins = open_training(WORLD, small(tmp_path, (step,)), programs).source(0, 95)

    assert len(begins.fruit) == is_left.sum()
    assert (np.asarray(begins.fruit) == 2).all()


def test_more_states_cannot_be_replaced_than_there_are() -> None:
    with pytest.raises(ConfigError, match=r"Of 8 states 16 cannot be replaced.*--set pool_states.*refreshed_states=8"):
        parse_settings({"pool_states": 8}, 16)
    assert parse_settings({"pool_states": 8, "refreshed_states": 8}, 16)[0].pool_states == 8
