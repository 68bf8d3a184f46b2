"""An older, sequential run goes on as a graph of skills: what the world knows by name is built on, the rest is kept."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from tests.topologies.graph_cases import WORLD_NAME, JobsHere, schedule, state_of, statuses
from tests.unit.weights.test_migrate import chain
from typer.testing import CliRunner

from gamefleet.cli.main import make_app
from gamefleet.errors import ConfigError
from gamefleet.skills.skill import Skill
from gamefleet.testing.crafting import WORLD
from gamefleet.topologies.job_graph.migrate import nodes_of, target_of
from gamefleet.topologies.job_graph.paths import GraphPaths
from gamefleet.topologies.job_graph.proposals import question
from gamefleet.topologies.job_graph.settings import settings_for
from gamefleet.topologies.job_graph.start import restore
from gamefleet.weights.experts import ExpertStore
from gamefleet.weights.migrate import migrate


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A run of two skills that the world knows and one that it does not, with a number that nobody has."""
    sizes = {"inputs": len(WORLD.features)}
    networks = {f"actor_networks_{index}": chain(index, len(WORLD.actions), **sizes) for index in (0, 1, 3)}
    networks |= {f"critic_networks_{index}": chain(index, 1, **sizes) for index in (0, 1, 3)}
    skills = {
        "Collect Wood": {"expert_idx": 0, "total_frames": 5000},
        "Place Table": {"expert_idx": 1, "total_frames": 7000, "dependencies": ["Collect Wood"]},
        "Dance": {"expert_idx": 3, "total_frames": 9000},
    }
    folder = tmp_path / "older"
    folder.mkdir()
    (folder / "checkpoint.pkl").write_bytes(pickle.dumps({"skills": skills, "params": networks}))
    return folder


def test_migrated_skills_have_their_numbers_and_experts_and_can_be_extracted(older: Path, tmp_path: Path) -> None:
    graph, extracted = tmp_path / "graph", tmp_path / "experts"
    words = ["skills", "migrate", str(older / "checkpoint.pkl"), "--graph-path", str(graph), "--env_name", WORLD_NAME]

    done = CliRunner().invoke(make_app(), [*words, "--extract", str(extracted)])

    assert "3 experts are in" in done.output, done.output
    assert statuses(graph) == {
        "Collect_Wood": "completed",
        "Place_Table": "completed",
        "Unused_2": "failed",
        "Dance": "failed",
    }
    assert sorted(path.name for path in extracted.iterdir()) == [
        "0_Collect_Wood.safetensors",
        "1_Place_Table.safetensors",
        "3_Dance.safetensors",
    ]
    assert "LOCAL_TO_GLOBAL = {0: 0, 1: 1}" in (graph / "skills/1_Place_Table/1.py").read_text()
    assert CliRunner().invoke(make_app(), words).exit_code == 0, "again is as once"


def test_a_scheduler_goes_on_with_a_migrated_graph(older: Path, tmp_path: Path) -> None:
    graph = tmp_path / "graph"
    CliRunner().invoke(
        make_app(), ["skills", "migrate", str(older), "--graph-path", str(graph), "--env_name", WORLD_NAME]
    )

    outcome = schedule(graph, JobsHere(graph), asked={"max_nodes": 2})

    assert outcome == "2 completed, 2 failed; 2 skills were wanted"
    assert sorted(ExpertStore(graph).latest().experts) == [0, 1, 3]


def test_what_is_known_by_name_does_not_wait_for_what_is_not(tmp_path: Path) -> None:
    many = [f"Dance {number}" for number in range(18)]
    names = ["Collect Wood", *many, "Place Table"]
    networks = {
        f"{kind}_networks_{index}": chain(index, width, inputs=len(WORLD.features))
        for index in range(len(names))
        for kind, width in (("actor", len(WORLD.actions)), ("critic", 1))
    }
    skills = {name: {"expert_idx": index, "dependencies": names[:index]} for index, name in enumerate(names)}
    (tmp_path / "checkpoint.pkl").write_bytes(pickle.dumps({"skills": skills, "params": networks}))

    nodes = nodes_of(migrate(tmp_path / "checkpoint.pkl", tmp_path / "graph", target_of(WORLD)), WORLD, 0.0)

    assert nodes[-1].skill_name == "Place_Table"
    assert nodes[-1].dependencies == ("Collect_Wood",)
    assert all(Skill.from_json(node.skill) for node in nodes)


@pytest.mark.parametrize("title", ["\u200b\n" * 99, "\\" * 300, "'\"" * 300, "Dance " * 99])
def test_a_strange_title_gives_a_skill_that_can_be_read_again(title: str, tmp_path: Path) -> None:
    sizes = {"inputs": len(WORLD.features)}
    networks = {"actor_networks_0": chain(0, len(WORLD.actions), **sizes), "critic_networks_0": chain(0, 1, **sizes)}
    source = tmp_path / "old.pkl"
    source.write_bytes(pickle.dumps({"skills": {title: {"expert_idx": 0}}, "params": networks}))

    (node,) = nodes_of(migrate(source, tmp_path / "graph", target_of(WORLD)), WORLD, 0.0)

    assert Skill.from_json(node.skill).name == node.skill_name


def test_what_nobody_can_train_is_neither_retried_nor_told_of(older: Path, tmp_path: Path) -> None:
    graph = tmp_path / "graph"
    CliRunner().invoke(
        make_app(), ["skills", "migrate", str(older), "--graph-path", str(graph), "--env_name", WORLD_NAME]
    )

    for name, why in (("Dance", "what it was rewarded for is not known"), ("Unused_2", "no expert of this number")):
        refused = CliRunner().invoke(make_app(), ["skills", "retry", name, "--graph-path", str(graph)])
        assert isinstance(refused.exception, ConfigError)
        assert f"Nobody can train {name}: " in str(refused.exception)
        assert why in str(refused.exception)
    assert not (graph / "requests").exists()

    state, _ = restore(GraphPaths(graph), settings_for(GraphPaths(graph), {}), "test")
    asked = question(state, WORLD, max_dependencies=8)
    assert [one.skill.name for one in asked.known] == ["Collect_Wood", "Place_Table"]
    assert (asked.failures, asked.taken_names) == ((), ("Unused_2", "Dance"))


def test_a_graph_with_skills_of_its_own_is_not_migrated_into(older: Path, tmp_path: Path) -> None:
    graph = tmp_path / "graph"
    schedule(graph, JobsHere(graph), asked={"max_nodes": 1, "max_retries": 0, "total_timesteps": 100})
    before = state_of(graph)

    done = CliRunner().invoke(make_app(), ["skills", "migrate", str(older), "--graph-path", str(graph)])

    assert isinstance(done.exception, ConfigError)
    assert "skills of its own" in str(done.exception)
    assert state_of(graph) == before
