"""A graph whose global mixture was damaged: what can come back does, everything else is named, nobody drops out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.topologies.graph_cases import QUICK, JobsHere, schedule

from gamefleet.topologies.job_graph.paths import GraphPaths
from gamefleet.topologies.job_graph.start import GraphRun, run_graph
from gamefleet.weights.experts import ExpertStore


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A graph of three skills."""
    root = tmp_path_factory.mktemp("finished") / "graph"
    schedule(root, JobsHere(root))
    return root


@pytest.fixture
def graph(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "graph"))


def go_on(root: Path) -> list[str]:
    """What a scheduler says that finds nothing to train."""
    lines: list[str] = []
    run_graph(GraphRun(root=root, asked={**QUICK, "executor": "local"}, environment={}, say=lines.append))
    return lines


def events(root: Path, kind: str) -> list[dict[str, object]]:
    found = [json.loads(line) for line in GraphPaths(root).events.read_text().splitlines()]
    return [event for event in found if event["kind"] == kind]


@pytest.mark.parametrize("damaged", [(3,), (1, 2, 3)])
def test_the_generation_after_a_damaged_one_has_every_completed_skill(graph: Path, damaged: tuple[int, ...]) -> None:
    files = [graph / f"checkpoints/global-{number:09d}.json" for number in damaged]
    for file in files:
        file.write_text("{}")

    schedule(graph, JobsHere(graph), asked={"max_nodes": 4})

    assert sorted(ExpertStore(graph).latest().experts) == [0, 1, 2, 3]
    shown = json.loads((graph / "checkpoints/global_latest.json").read_text())["experts"]
    assert [one["facts"]["index"] for one in shown] == [0, 1, 2, 3]
    assert {event["where"] for event in events(graph, "experts_damaged")} == {str(file) for file in files}
    assert ExpertStore(graph).damage() == ()


def test_a_generation_that_is_damaged_while_skills_train_loses_nobody_either(graph: Path) -> None:
    file = graph / "checkpoints/global-000000003.json"

    class Damaging(JobsHere):
        def submit(self, request: object) -> str:
            file.write_text("")
            return JobsHere.submit(self, request)  # type: ignore[arg-type]

    schedule(graph, Damaging(graph), asked={"max_nodes": 4})

    assert sorted(ExpertStore(graph).latest().experts) == [0, 1, 2, 3]
    assert [event["where"] for event in events(graph, "experts_damaged")] == [str(file)]


def test_people_read_what_was_damaged_and_what_came_back(graph: Path) -> None:
    file = graph / "checkpoints/global-000000003.json"
    file.write_text("{}")

    said = go_on(graph)

    assert [line for line in said if line.startswith("damaged: ") and str(file) in line]
    assert "experts that joined the global mixture again: 2" in said
    assert [event["joined"] for event in events(graph, "experts_mended")] == [[2]]
    assert not [line for line in go_on(graph) if "damaged" in line or "again" in line], "it is mended"


def test_a_completed_skill_whose_expert_is_gone_is_named(graph: Path) -> None:
    (graph / "checkpoints/global-000000003.json").write_text("{}")
    shutil.rmtree(graph / "skills/2_Make_Wood_Pickaxe/expert_2_policy")

    said = go_on(graph)

    lost = "The global mixture has nothing of expert 2 of the completed skill 'Make_Wood_Pickaxe'"
    assert [line for line in said if lost in line]
    assert sorted(ExpertStore(graph).latest().experts) == [0, 1]


def test_a_listed_expert_that_is_damaged_is_named(graph: Path) -> None:
    folder = graph / "skills/1_Place_Table/expert_1_policy"
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes()[:300])

    said = go_on(graph)

    assert len([line for line in said if line.startswith("damaged: ") and "expert_1_policy/attempt_1" in line]) == 1
