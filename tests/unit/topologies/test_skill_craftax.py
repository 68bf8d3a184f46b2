"""Training a skill in the game itself: cut, gone on with, evaluated, and built on."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from tests.unit.topologies.orchard_cases import compile_quickly, ignore, never, stop_after

from gamefleet.games.craftax.worlds import skill_world
from gamefleet.skills.skill import Skill
from gamefleet.skills.training import PlanStep, Progress, TrainingTask
from gamefleet.topologies.job_graph.training import expert_of
from gamefleet.topologies.skill_trainer.trainer import JaxSkillTrainer
from gamefleet.weights.experts import ExpertStore

WORLD = skill_world("Craftax-Classic-Symbolic-v1")

SETTINGS = {
    "rollout_steps": 8,
    "updates_per_call": 2,
    "epochs": 1,
    "minibatches": 2,
    "width": 16,
    "pool_states": 16,
    "least_states": 1,
    "frontier_states": 1,
}

THIRST = Skill(
    name="Get_Thirsty",
    gain={"health": 1.0},
    reward="before(drink) - drink",
    success="drink <= 8",
    max_steps=40,
)
"""Whoever lives gets there, whatever it has learned."""

LATER = dataclasses.replace(THIRST, name="Get_Thirstier", success="drink <= 7")


def task_of(skill: Skill, folder: Path, plan: tuple[PlanStep, ...] = ()) -> TrainingTask:
    return TrainingTask(
        skill=skill,
        index=len(plan),
        attempt=1,
        seed=5,
        plan=plan,
        total_timesteps=1024,
        num_envs=16,
        folder=folder,
        threshold=0.5,
        episodes=16,
        settings=SETTINGS,
    )


@pytest.mark.long
def test_a_skill_of_the_game_is_cut_and_goes_on_to_the_same_bytes_and_others_start_where_it_ended(
    tmp_path: Path, require_module: Callable[[str, str], None]
) -> None:
    require_module("craftax", "make craftax")
    compile_quickly()
    trainer = JaxSkillTrainer(world=WORLD, environment={"GAMEFLEET_JAX_CACHE": str(tmp_path / "cache")})
    whole = trainer.train(task_of(THIRST, tmp_path / "whole"), ignore, never)
    cut = task_of(THIRST, tmp_path / "cut")
    assert trainer.train(cut, ignore, stop_after(2)) is None
    outcome = trainer.train(cut, ignore, never)

    assert whole is not None
    assert outcome is not None
    assert outcome.frames == 1024
    assert outcome.is_success
    assert 8 < outcome.successes <= outcome.reached == 16
    for name, arrays in (("expert", whole.expert), ("frontier", whole.frontier)):
        again = getattr(outcome, name)
        assert again.keys() == arrays.keys()
        assert all(np.array_equal(again[key], arrays[key]) for key in arrays), name

    ExpertStore(tmp_path / "graph").merge(expert_of(cut, WORLD.name, outcome, WORLD))
    step = PlanStep(name=THIRST.name, index=0, skill=THIRST, folder=tmp_path / "graph/skills/0_Get_Thirsty")
    save_file(dict(outcome.frontier), step.folder / "frontier.safetensors")
    seen: list[Progress] = []
    later = trainer.train(task_of(LATER, tmp_path / "later", (step,)), seen.append, never)

    assert later is not None
    assert seen[-1].success_rate > 0, "nobody gets so thirsty within an episode that begins in a fresh world"
    assert later.reached > 0
    assert later.frontier["played"].tolist() == [0, 1]
