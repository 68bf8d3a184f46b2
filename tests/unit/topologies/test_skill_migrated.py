"""A skill builds on what an older program learned, whose networks are deeper and wider than those that are trained."""

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.topologies.orchard_cases import JAM, PICK, compile_quickly, ignore, never, publish, task_of

from gamefleet.files import read_json
from gamefleet.skills.skill import Skill
from gamefleet.skills.training import PlanStep, TrainingOutcome, TrainingTask
from gamefleet.testing.orchard import WORLD
from gamefleet.topologies.job_graph.migrate import migrate_graph
from gamefleet.topologies.skill_trainer.trainer import JaxSkillTrainer
from gamefleet.weights.experts import ExpertStore

pytestmark = pytest.mark.long

MORE = Skill(
    name="More_Jam",
    requires={"jam": 1.0},
    consumes={"fruit": 1.0},
    gain={"jam": 2.0},
    reward="gained(jam)",
    success="jam >= 2",
    max_steps=30,
)


@pytest.fixture(autouse=True)
def _jax_is_there(require_module: Callable[[str, str], None]) -> None:
    require_module("jax", "make craftax")
    compile_quickly()


def trained(trainer: JaxSkillTrainer, task: TrainingTask) -> TrainingOutcome:
    outcome = trainer.train(task, ignore, never)
    assert outcome is not None
    assert outcome.is_success, outcome.reason
    return outcome


def chain(params: Mapping[str, Any], head: str, is_deep: bool) -> dict[str, Any]:
    """One half of a network as the older program wrote it; a third layer hardly bends what goes through it."""
    width = len(params["body/0/b"])
    middle = [(np.eye(width, dtype=np.float32) / 50, np.zeros(width, np.float32))] if is_deep else []
    second = params["body/1/w"] * (50 if is_deep else 1)
    dense = [(params["body/0/w"], params["body/0/b"]), *middle, (second, params["body/1/b"])]
    dense.append((params[f"{head}/w"], params[f"{head}/b"]))
    return {f"layers_{2 * place}": {"kernel": kernel, "bias": bias} for place, (kernel, bias) in enumerate(dense)}


def older_run(file: Path, outcomes: Mapping[str, TrainingOutcome]) -> None:
    """Write what the older program would have left; the first skill's networks are deeper than the others'."""
    networks, skills = {}, {}
    for index, (title, outcome) in enumerate(outcomes.items()):
        for half, head in (("actor", "policy"), ("critic", "value")):
            networks[f"{half}_networks_{index}"] = chain(outcome.expert, head, is_deep=index == 0)
        skills[title] = {"expert_idx": index, "total_frames": outcome.frames, "dependencies": [*skills][:index]}
    file.write_bytes(pickle.dumps({"skills": skills, "params": networks}))


def test_a_skill_that_builds_on_migrated_networks_of_other_sizes_is_trained_to_the_end(tmp_path: Path) -> None:
    trainer, old = JaxSkillTrainer(world=WORLD), tmp_path / "old"
    picked = trained(trainer, task_of(PICK, old))
    made = trained(trainer, task_of(JAM, old, (publish(old, task_of(PICK, old), picked),)))
    older_run(tmp_path / "checkpoint.pkl", {"Pick Fruit": picked, "Make Jam": made})
    graph = tmp_path / "graph"

    migrate_graph(tmp_path / "checkpoint.pkl", graph, {"env_name": WORLD.name})
    steps = tuple(
        PlanStep(
            name=node["skill_name"],
            index=node["index"],
            skill=Skill.from_json(node["skill"]),
            folder=graph / "skills" / f"{node['index']}_{node['skill_name']}",
        )
        for node in read_json(graph / "scheduler_state.json")["skills"]
    )
    more = trained(trainer, task_of(MORE, graph, steps))

    shapes = [
        {name: array.shape for name, array in ExpertStore(graph).load(index).params.items()} for index in range(2)
    ]
    assert [shape["policy/w"] for shape in shapes] == [(32, 5), (32, 5)]
    assert ["body/2/w" in shape for shape in shapes] == [True, False]
    assert more.expert["policy/w"].shape == (16, 5), "what is trained is of the usual size"
    assert more.reached > 100
