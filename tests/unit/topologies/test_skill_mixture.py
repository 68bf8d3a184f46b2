"""A skill is evaluated by the plan, or by a gate that learned from it; one network can be made of the whole plan."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from tests.unit.topologies.orchard_cases import JAM, PICK, compile_quickly, ignore, never, publish, stop_after, task_of

from gamefleet.cluster.graph.events import Merge, Merged
from gamefleet.cluster.graph.state import Node
from gamefleet.errors import ConfigError
from gamefleet.runs.deadline import Deadline
from gamefleet.skills.training import PlanStep, TrainingOutcome, TrainingTask
from gamefleet.testing.orchard import WORLD
from gamefleet.topologies.job_graph.merging import merge
from gamefleet.topologies.job_graph.paths import GraphPaths
from gamefleet.topologies.job_graph.tasks import JobTask
from gamefleet.topologies.job_graph.training import Leg, run_leg
from gamefleet.topologies.skill_trainer.trainer import JaxSkillTrainer
from gamefleet.weights.experts import read_expert

pytestmark = pytest.mark.long

BOTH: dict[str, Any] = {"routing": "gate", "distils": True}


@pytest.fixture(autouse=True)
def _jax_is_there(require_module: Callable[[str, str], None]) -> None:
    require_module("jax", "make craftax")


@pytest.fixture(scope="module")
def trainer() -> JaxSkillTrainer:
    """One for all tests: it compiles once."""
    pytest.importorskip("jax")
    compile_quickly()
    return JaxSkillTrainer(world=WORLD)


def trained(trainer: JaxSkillTrainer, task: TrainingTask) -> TrainingOutcome:
    outcome = trainer.train(task, ignore, never)
    assert outcome is not None
    return outcome


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory, trainer: JaxSkillTrainer) -> Path:
    """A graph in which fruit can be picked."""
    folder = tmp_path_factory.mktemp("graph")
    task = task_of(PICK, folder, **BOTH)
    outcome = trained(trainer, task)
    assert outcome.networks == {}  # it builds on nothing: there is nothing to choose from
    publish(folder, task, outcome)
    return folder


@pytest.fixture(scope="module")
def picking(graph: Path) -> PlanStep:
    return PlanStep(name=PICK.name, index=0, skill=PICK, folder=graph / "skills" / "0_Pick_Fruit")


@pytest.fixture(scope="module")
def gated(trainer: JaxSkillTrainer, graph: Path, picking: PlanStep) -> TrainingOutcome:
    return trained(trainer, task_of(JAM, graph / "gated", (picking,), **BOTH))


def arrays_equal(first: Any, second: Any) -> bool:
    return set(first) == set(second) and all(np.array_equal(first[name], second[name]) for name in first)


def test_a_gate_that_learned_from_the_plan_decides_and_the_plan_stands_beside_it(gated: TrainingOutcome) -> None:
    statistics = gated.statistics
    assert gated.is_success
    assert statistics["routing"] == "gate"
    assert statistics["evaluation"]["successes"] == statistics["gate"]["successes"] == gated.successes
    assert statistics["gate"]["agreement"] > 0.9
    assert statistics["plan"]["lower_bound"] >= 0.9
    gate = gated.networks["gate"]
    assert gate["experts"].tolist() == [0, 1]
    assert gate["gate/w"].shape == (23, 2)
    # More fruit speaks for making jam, as the plan has it; the fruit is the last but one of what is seen.
    assert gate["gate/w"][-2, 1] > gate["gate/w"][-2, 0]


def test_one_network_of_the_same_form_plays_the_whole_plan(gated: TrainingOutcome) -> None:
    student, worth = gated.networks["distilled"], gated.statistics["distilled"]
    assert {name: array.shape for name, array in student.items()} == {
        name: array.shape for name, array in gated.expert.items()
    }
    assert worth["started"] >= gated.started
    assert worth["success_rate"] == round(worth["successes"] / worth["reached"], 4)
    # How well it plays decides nothing; it is only said.
    assert 0 < worth["success_rate"] <= 1


def test_settings_change_what_is_played_and_not_what_is_trained(
    trainer: JaxSkillTrainer, graph: Path, picking: PlanStep, gated: TrainingOutcome
) -> None:
    plain = trained(trainer, task_of(JAM, graph / "plain", (picking,)))
    assert plain.networks == {}
    assert set(plain.statistics) == {"evaluation", "evaluations", "confirmation"} & set(plain.statistics)
    assert plain.statistics["evaluation"] == gated.statistics["plan"]
    assert plain.frames == gated.frames
    assert arrays_equal(plain.expert, gated.expert)
    assert arrays_equal(plain.frontier, gated.frontier)


def test_a_run_that_is_cut_and_goes_on_teaches_the_same(
    trainer: JaxSkillTrainer, graph: Path, picking: PlanStep, gated: TrainingOutcome
) -> None:
    task = task_of(JAM, graph / "cut", (picking,), **BOTH)
    legs, outcome = 0, None
    while outcome is None:
        legs += 1
        outcome = trainer.train(task, ignore, stop_after(3))

    assert legs > 2
    for name in ("gate", "distilled"):
        assert arrays_equal(outcome.networks[name], gated.networks[name])
    assert outcome.statistics == gated.statistics


def test_worlds_that_a_gate_loses_on_the_way_count_as_failures(gated: TrainingOutcome) -> None:
    from gamefleet.topologies.skill_trainer.mixture import with_lost
    from gamefleet.topologies.skill_trainer.play import Evaluation

    plan = Evaluation(successes=95, reached=98, started=100, deaths=0, failed_in={}, mean_steps=1.0, ends=())
    lost = dataclasses.replace(plan, successes=40, reached=40)
    assert with_lost(lost, plan).reached == 98
    assert with_lost(dataclasses.replace(lost, started=200), plan).reached == 196
    assert with_lost(dataclasses.replace(lost, reached=99), plan).reached == 99


@pytest.mark.parametrize("settings", [{"routing": "gait"}, {"distils": "yes"}])
def test_choices_that_do_not_exist_are_refused(
    trainer: JaxSkillTrainer, tmp_path: Path, settings: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match=r"gate|Expected `bool`"):
        trained(trainer, task_of(PICK, tmp_path, **settings))


def test_a_job_leaves_what_was_taught_and_merging_keeps_it_with_the_skill(
    graph: Path, picking: PlanStep, gated: TrainingOutcome
) -> None:
    paths = GraphPaths(graph)
    training = paths.training(1, JAM.name)
    world = dataclasses.replace(WORLD, make_trainer=lambda: Taught(gated))
    task = dataclasses.replace(task_of(JAM, graph, (picking,), **BOTH), folder=training.root)
    job = JobTask(task=task, leg=1, env_name=WORLD.name, time_limit_s=0.0)
    leg = Leg(
        paths=training,
        task=job,
        deadline=Deadline(max_runtime_s=None, job_end=None),
        tell=lambda line: None,
        record=lambda step, values: None,
    )
    assert run_leg(leg, world, {}).startswith("succeeded")
    node = Node(skill_name=JAM.name, index=1, skill=JAM.as_json())
    assert isinstance(merge(paths, node, Merge(skill_name=JAM.name, attempt=1), lambda: None), Merged)

    folder = paths.skill(1, JAM.name)
    named = json.loads((folder / "result.json").read_text())["networks"]
    assert named == {"gate": "gate.safetensors", "distilled": "distilled.safetensors"}
    assert arrays_equal(load_file(folder / named["gate"]), gated.networks["gate"])
    assert arrays_equal(read_expert(folder / named["distilled"]).params, gated.networks["distilled"])


@dataclasses.dataclass
class Taught:
    """A world's own trainer that has finished already."""

    outcome: TrainingOutcome

    def train(self, task: TrainingTask, report: Any, should_stop: Any) -> TrainingOutcome:
        return self.outcome
