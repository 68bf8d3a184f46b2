"""Training skills in a compiled world: learning, starting where others ended, going on exactly, refusing."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.topologies.orchard_cases import JAM, PICK, compile_quickly, ignore, never, publish, stop_after, task_of

from gamefleet.errors import CheckpointError, ConfigError, CorruptCheckpointError, IncompatibleError
from gamefleet.files import read_json, write_json
from gamefleet.skills.skill import Skill
from gamefleet.skills.training import PlanStep, Progress
from gamefleet.testing.orchard import WORLD
from gamefleet.topologies.skill_trainer.trainer import JaxSkillTrainer, make_skill_trainer

EAT = Skill(
    name="Eat_All", requires={"fruit": 1.0}, gain={}, reward="-gained(fruit)", success="fruit <= 0", max_steps=20
)


@pytest.fixture(scope="module")
def trainer() -> JaxSkillTrainer:
    """One for all tests: it compiles once."""
    return JaxSkillTrainer(world=WORLD)


@pytest.fixture(autouse=True)
def jax_is_there(require_module: Callable[[str, str], None]) -> None:
    require_module("jax", "make craftax")
    compile_quickly()


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory, trainer: JaxSkillTrainer) -> Path:
    """A graph in which fruit can be picked."""
    pytest.importorskip("jax")
    folder = tmp_path_factory.mktemp("graph")
    task = task_of(PICK, folder)
    outcome = trainer.train(task, ignore, never)
    assert outcome is not None
    publish(folder, task, outcome)
    return folder


@pytest.fixture
def picking(graph: Path) -> PlanStep:
    return PlanStep(name=PICK.name, index=0, skill=PICK, folder=graph / "skills" / "0_Pick_Fruit")


def arrays_equal(first: Any, second: Any) -> bool:
    return set(first) == set(second) and all(np.array_equal(first[name], second[name]) for name in first)


def test_a_skill_is_learned_and_evaluated_in_worlds_that_nobody_trained_in(
    trainer: JaxSkillTrainer, tmp_path: Path
) -> None:
    seen: list[Progress] = []
    outcome = trainer.train(task_of(PICK, tmp_path), seen.append, never)

    assert outcome is not None
    assert outcome.is_success
    assert outcome.started == outcome.reached == outcome.episodes == 128
    assert outcome.successes >= 0.9 * 128
    assert seen[-1].frames == outcome.frames
    assert {"body/0/w", "policy/w", "value/b"} < set(outcome.expert)
    assert outcome.expert["body/0/w"].shape == (23, 16)


def test_end_states_are_alive_and_hold_what_the_skill_gains(graph: Path) -> None:
    from safetensors.numpy import load_file

    ends = load_file(graph / "skills" / "0_Pick_Fruit" / "frontier.safetensors")
    assert len(ends["fruit"]) >= 64
    assert (ends["fruit"] >= 2).all()
    assert (ends["place"] > 0).all()
    assert ends["played"].tolist() == [0]


def test_a_run_that_is_cut_and_goes_on_gives_the_same_bytes_as_one_that_is_not(
    trainer: JaxSkillTrainer, tmp_path: Path, picking: PlanStep
) -> None:
    whole = trainer.train(task_of(JAM, tmp_path / "whole", (picking,)), ignore, never)
    assert whole is not None
    cut = task_of(JAM, tmp_path / "cut", (picking,))
    legs = 0
    outcome = None
    while outcome is None:
        legs += 1
        outcome = trainer.train(cut, ignore, stop_after(3))

    assert legs > 2
    assert arrays_equal(whole.expert, outcome.expert)
    assert arrays_equal(whole.frontier, outcome.frontier)
    assert dataclasses.replace(whole, seconds=0, expert={}, frontier={}) == dataclasses.replace(
        outcome, seconds=0, expert={}, frontier={}
    )


def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_it_goes_on_to_the_same_end(
    trainer: JaxSkillTrainer, tmp_path: Path, picking: PlanStep
) -> None:
    whole = trainer.train(task_of(JAM, tmp_path / "whole", (picking,)), ignore, never)
    task = task_of(JAM, tmp_path / "hurt", (picking,))
    for calls in (2, 2):
        assert trainer.train(task, ignore, stop_after(calls)) is None
    folder = task.folder / "1_policies"
    newest = sorted(folder.glob("checkpoint-*.safetensors"))[-1]
    newest.write_bytes(newest.read_bytes()[:-1] + b"?")

    outcome = trainer.train(task, ignore, never)
    assert whole is not None
    assert outcome is not None
    assert arrays_equal(whole.expert, outcome.expert)
    assert (folder / f"damaged-{newest.name}").exists()


def test_a_checkpoint_of_another_training_is_refused(trainer: JaxSkillTrainer, tmp_path: Path) -> None:
    task = task_of(PICK, tmp_path)
    assert trainer.train(task, ignore, stop_after(1)) is None
    with pytest.raises(IncompatibleError, match="another training"):
        trainer.train(dataclasses.replace(task, seed=4), ignore, never)


def test_an_attempt_under_way_goes_on_as_it_began_whatever_is_asked_for_meanwhile(
    trainer: JaxSkillTrainer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    task = task_of(PICK, tmp_path)
    assert trainer.train(task, ignore, stop_after(1)) is None
    changed = dataclasses.replace(task, num_envs=32, settings={**task.settings, "width": 32})
    seen: list[Progress] = []

    with caplog.at_level("INFO"):
        assert trainer.train(changed, seen.append, stop_after(1)) is None
        assert trainer.train(dataclasses.replace(task, num_envs=0), seen.append, stop_after(1)) is None

    assert [progress.frames for progress in seen] == [2 * 16 * 8 * 4, 3 * 16 * 8 * 4]
    assert "was trained with num_envs 16 instead of 32, width 16 instead of 32" in caplog.text
    assert "was trained with num_envs 16 instead of 128" in caplog.text, "or on another machine"


def test_a_checkpoint_of_an_earlier_version_says_less_of_its_task_and_goes_on(
    trainer: JaxSkillTrainer, tmp_path: Path
) -> None:
    task = task_of(PICK, tmp_path)
    assert trainer.train(task, ignore, stop_after(1)) is None
    (manifest,) = (task.folder / "0_policies").glob("*.json")
    content = read_json(manifest)
    del content["counts"]["task"]["num_envs"], content["counts"]["task"]["halvings"]
    write_json(manifest, content)
    seen: list[Progress] = []

    assert trainer.train(task, seen.append, stop_after(1)) is None
    assert seen[0].frames == 2 * 16 * 8 * 4


def test_what_was_achieved_before_can_be_gained_again(
    trainer: JaxSkillTrainer, tmp_path: Path, picking: PlanStep
) -> None:
    # All end states of picking have the bit set; without clearing it nothing could be gained.
    again = Skill(
        name="Pick_Again", gain={"did_pick": 1.0}, reward="gained(did_pick)", success="did_pick", max_steps=20
    )
    outcome = trainer.train(task_of(again, tmp_path, (picking,)), ignore, never)

    assert outcome is not None
    assert outcome.is_success
    # Nobody succeeds by having succeeded before: picking takes at least one step from every start.
    assert outcome.statistics["evaluation"]["mean_steps"] >= 1
    assert outcome.frontier["done"][:, 0].all()


def test_success_is_what_is_held_at_the_end_and_not_what_was_gathered_on_the_way(
    trainer: JaxSkillTrainer, tmp_path: Path
) -> None:
    outcome = trainer.train(task_of(PICK, tmp_path), ignore, never)
    assert outcome is not None
    held = outcome.frontier["fruit"]
    assert held.min() >= 2


def test_a_skill_starts_from_states_that_hold_what_it_requires(
    trainer: JaxSkillTrainer, graph: Path, picking: PlanStep
) -> None:
    from gamefleet.topologies.skill_trainer.loop import open_training
    from gamefleet.topologies.skill_trainer.parts import make_programs, settings_of

    task = task_of(JAM, graph, (picking,))
    training = open_training(WORLD, task, make_programs(WORLD, settings_of(task)[1]))
    assert (np.asarray(training.pool.fruit) >= 1).all()
    assert not np.asarray(training.state.envs.states.done).any()


def test_when_no_end_state_will_do_the_plan_is_played_with_repairs(
    trainer: JaxSkillTrainer, tmp_path: Path, picking: PlanStep
) -> None:
    # Jam uses up fruit: who needs two fruits and a jar has to pick again after the jam was made. A few end states hold
    # two fruits by chance; who trained on those alone would only know the places where that happens.
    task = task_of(JAM, tmp_path, (picking,))
    made = trainer.train(task, ignore, never)
    assert made is not None
    jam = publish(tmp_path, task, made)
    both = Skill(
        name="Feast",
        requires={"fruit": 2.0, "jam": 1.0},
        gain={"jam": 2.0},
        reward="gained(jam)",
        success="jam >= 2",
        max_steps=30,
    )
    outcome = trainer.train(task_of(both, tmp_path, (picking, jam)), ignore, never)

    assert outcome is not None
    assert outcome.is_success
    assert outcome.reached > 100
    assert outcome.frontier["played"].tolist() == [0, 1, 2]


def test_a_skill_that_cannot_be_learned_ends_with_its_steps_and_says_so(
    trainer: JaxSkillTrainer, tmp_path: Path
) -> None:
    never_done = dataclasses.replace(PICK, success="fruit >= 6", reward="0")
    task = dataclasses.replace(task_of(never_done, tmp_path), total_timesteps=2_000)
    outcome = trainer.train(task, ignore, never)

    assert outcome is not None
    assert not outcome.is_success
    assert outcome.successes == 0
    assert "0 of 128 worlds are too few" in outcome.reason
    assert outcome.statistics["evaluation"]["failed_in"] == {"Pick_Fruit": 128}
    assert len(outcome.frontier["fruit"]) == 0


def test_a_plan_that_never_gets_there_is_named(trainer: JaxSkillTrainer, tmp_path: Path, picking: PlanStep) -> None:
    greedy = dataclasses.replace(JAM, requires={"jam": 3.0})
    with pytest.raises(CheckpointError, match="never led to a state in which Make_Jam could start"):
        trainer.train(task_of(greedy, tmp_path, (picking,)), ignore, never)


def test_damaged_end_states_are_named_and_missing_ones_are_played_for(
    trainer: JaxSkillTrainer, tmp_path: Path, graph: Path, picking: PlanStep
) -> None:
    import shutil

    folder = tmp_path / "skills" / "0_Pick_Fruit"
    shutil.copytree(picking.folder, folder)
    step = dataclasses.replace(picking, folder=folder)
    (folder / "frontier.safetensors").write_bytes(b"nonsense")
    with pytest.raises(CorruptCheckpointError, match="end states of Pick_Fruit are damaged"):
        trainer.train(task_of(JAM, tmp_path, (step,)), ignore, never)
    (folder / "frontier.safetensors").unlink()
    outcome = trainer.train(task_of(JAM, tmp_path, (step,)), ignore, never)
    assert outcome is not None
    assert outcome.is_success


def test_a_skill_in_python_is_refused(trainer: JaxSkillTrainer, tmp_path: Path) -> None:
    skill = dataclasses.replace(PICK, python="def reward(now, before): return 1.0")
    with pytest.raises(ConfigError, match="A Python skill cannot be trained in a compiled world"):
        trainer.train(task_of(skill, tmp_path), ignore, never)


def test_an_unknown_setting_is_refused_with_the_nearest_name(trainer: JaxSkillTrainer, tmp_path: Path) -> None:
    task = dataclasses.replace(task_of(PICK, tmp_path), settings={"learning_rat": 1.0})
    with pytest.raises(ConfigError, match="learning_rate"):
        trainer.train(task, ignore, never)


def test_a_world_without_any_way_to_train_is_refused() -> None:
    with pytest.raises(ConfigError, match="Nobody can train"):
        make_skill_trainer(dataclasses.replace(WORLD, jax_world=None), {})
