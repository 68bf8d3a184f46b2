"""How a scheduler of skills starts: what it counts, and what it opens."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.topologies.graph_cases import WORLD_NAME, JobsHere, schedule, state_of
from typer.testing import CliRunner

from gamefleet.cli.main import make_app
from gamefleet.cluster.graph.advance import advance
from gamefleet.cluster.graph.events import Accepted, Begun
from gamefleet.cluster.graph.state import GraphState, Limits, Needs
from gamefleet.cluster.slurm.site import SiteFacts
from gamefleet.topologies.job_graph import cluster, machine
from gamefleet.topologies.job_graph.executor import exports
from gamefleet.topologies.job_graph.loop import GraphLoop
from gamefleet.topologies.job_graph.settings import GraphSettings

HERE = ("--env_name", WORLD_NAME, "--proposer", "catalogue", "--executor", "local")
SLURM = (*HERE[:-1], "slurm", "--gpus", "1", "--cpus", "512")


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[Limits]:
    """Limits of schedulers, none of which does anything."""
    found: list[Limits] = []

    def run(self: GraphLoop, should_stop: Callable[[], str]) -> str:
        found.append(self.limits)
        return ""

    monkeypatch.setattr(GraphLoop, "run", run)
    monkeypatch.setattr(cluster, "detect", lambda environment: SiteFacts())
    gpu = machine.Gpu(name="GPU-1", number="0", gb=24.0)
    monkeypatch.setattr(machine, "find_gpus", lambda environment: (gpu,))
    return found


def test_a_graph_on_slurm_is_gone_on_with_without_counting_the_login_node(begun: list[Limits], tmp_path: Path) -> None:
    words = ["skills", "run", "--graph-path", str(tmp_path)]

    first = CliRunner().invoke(make_app(), [*words, *SLURM])
    again = CliRunner().invoke(make_app(), words)

    assert (first.exit_code, again.exit_code) == (0, 0), (first.exception, again.exception)
    assert [(limits.cpus, limits.gpus_gb) for limits in begun] == [(0, ()), (0, ())]


def test_a_graph_on_this_machine_counts_it_each_time(begun: list[Limits], tmp_path: Path) -> None:
    words = ["skills", "run", "--graph-path", str(tmp_path)]

    CliRunner().invoke(make_app(), [*words, *HERE])
    CliRunner().invoke(make_app(), words)

    assert [limits.gpus_gb for limits in begun] == [(24.0,), (24.0,)]


def test_jobs_of_slurm_are_told_nothing_about_gpus() -> None:
    limits = Limits(gpus_gb=(24.0,), needs=Needs(gpu_memory_gb=12.0))
    state, _ = advance(GraphState(id="abc"), Begun(limits=limits), 1.0)
    state, _ = advance(state, Accepted(number=1, skill_name="Collect_Wood", skill={}), 2.0)
    (node,) = state.skills

    assert node.jobs[-1].gpu == 0
    assert exports(GraphSettings(executor="slurm"), state, node) == ()


def test_a_stop_needs_neither_the_key_nor_the_world_of_who_proposes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    schedule(tmp_path, JobsHere(tmp_path), asked={"max_nodes": 1})
    state = state_of(tmp_path)
    odd = {"proposer": "llm", "env_name": "no_such_module:WORLD", "resolver": "no_such_module:f", "executor": "local"}
    (tmp_path / "settings.json").write_text(json.dumps(odd))
    working = {**state["skills"][0], "status": "running", "generation": 0}
    asked = {**state["proposing"], "is_asked": True}
    unfinished = {**state, "skills": [working], "proposing": asked, "outcome": "", "proposer": "gpt-5"}
    (tmp_path / "scheduler_state.json").write_text(json.dumps(unfinished))

    done = CliRunner().invoke(make_app(), ["skills", "stop", "--graph-path", str(tmp_path)])

    assert done.exit_code == 0, done.exception
    assert "The run has ended: stopped; 1 " in done.output
    assert "proposer:" not in done.output
    assert state_of(tmp_path)["proposer"] == "gpt-5", "what an earlier scheduler told stays"
    assert not list((tmp_path / "requests").iterdir())
