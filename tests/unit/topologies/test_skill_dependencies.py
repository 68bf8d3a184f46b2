"""A skill's network begins fresh, or as a copy of its last dependency's expert, which itself never changes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from tests.unit.topologies.orchard_cases import compile_quickly, facts_of, task_of

from gamefleet.errors import ConfigError
from gamefleet.skills.skill import Skill
from gamefleet.skills.training import PlanStep, TrainingTask
from gamefleet.testing.orchard import WORLD
from gamefleet.weights.experts import Expert, ExpertStore

PICK, MORE = (
    Skill(name=name, gain={"fruit": 1.0}, reward="gained(fruit)", success="fruit >= 1", max_steps=20)
    for name in ("Pick_Fruit", "Pick_More")
)
SETTINGS = {"width": 16, "rollout_steps": 4, "minibatches": 2, "pool_states": 16, "least_states": 8}


@pytest.fixture(autouse=True)
def _jax_is_there(require_module: Callable[[str, str], None]) -> None:
    require_module("jax", "make craftax")
    compile_quickly()


def small(skill: Skill, folder: Path, plan: tuple[PlanStep, ...] = (), **settings: Any) -> TrainingTask:
    return replace(task_of(skill, folder, plan, **SETTINGS, **settings), num_envs=8, total_timesteps=1000)


def test_the_network_begins_where_the_setting_says(tmp_path: Path) -> None:
    from gamefleet.topologies.skill_trainer.loop import open_training
    from gamefleet.topologies.skill_trainer.parts import make_programs, settings_of
    from gamefleet.topologies.skill_trainer.starts import frontier_arrays

    task = small(PICK, tmp_path)
    programs = make_programs(WORLD, settings_of(task)[1])
    first = open_training(WORLD, task, programs)
    facts = facts_of(task, frames=0)
    learned = {name: np.asarray(array) + 0.25 for name, array in first.state.params.items()}
    store = ExpertStore(tmp_path / "graph")
    store.merge(Expert(facts=facts, params=learned))
    step = PlanStep(name=PICK.name, index=0, skill=PICK, folder=tmp_path / "graph/skills/0_Pick_Fruit")
    save_file(frontier_arrays(first.parts, first.pool), step.folder / "frontier.safetensors")

    begun = {
        choice: open_training(WORLD, small(MORE, tmp_path, (step,), dependencies=choice), programs).state.params
        for choice in ("frozen", "tuned")
    }

    assert all(np.array_equal(begun["tuned"][name], learned[name]) for name in learned)
    assert not np.array_equal(begun["frozen"]["body/0/w"], learned["body/0/w"])
    assert store.damage() == ()
    assert store.load(0).facts == facts
    with pytest.raises(ConfigError, match="Did you mean 'frozen'"):
        open_training(WORLD, small(MORE, tmp_path, (step,), dependencies="froze"), programs)
