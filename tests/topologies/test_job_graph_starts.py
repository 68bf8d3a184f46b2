"""How a scheduler of skills starts: what it counts, and what it opens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.topologies.graph_cases import WORLD_NAME
from typer.testing import CliRunner

from gamefleet.cli.main import app
from gamefleet.cluster.graph import advance
from gamefleet.cluster.graph_events import Accepted, Begun
from gamefleet.cluster.graph_state import GraphState, Limits, Needs
from gamefleet.topologies import job_graph_machine
from gamefleet.topologies.job_graph import GraphLoop
from gamefleet.topologies.job_graph_executor import exports
from gamefleet.topologies.job_graph_settings import GraphSettings

SLURM = ("--env_name", WORLD_NAME, "--proposer", "catalogue", "--executor", "slurm", "--gpus", "1", "--cpus", "512")


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[Limits]:
    """Limits of schedulers, none of which does anything."""
    found: list[Limits] = []

    def run(self: GraphLoop, should_stop: Callable[[], str]) -> str:
        found.append(self.limits)
        return ""

    monkeypatch.setattr(GraphLoop, "run", run)
    monkeypatch.setattr(job_graph_machine, "gpu_sizes_gb", lambda environment: (24.0,))
    return found


def test_a_graph_on_slurm_is_gone_on_with_without_counting_the_login_node(begun: list[Limits], tmp_path: Path) -> None:
    words = ["skills", "run", "--graph-path", str(tmp_path)]

    first = CliRunner().invoke(app, [*words, *SLURM])
    again = CliRunner().invoke(app, words)

    assert (first.exit_code, again.exit_code) == (0, 0), (first.exception, again.exception)
    assert [(limits.cpus, limits.gpus_gb) for limits in begun] == [(0, ()), (0, ())]


def test_a_graph_on_this_machine_counts_it_each_time(begun: list[Limits], tmp_path: Path) -> None:
    words = ["skills", "run", "--graph-path", str(tmp_path)]

    CliRunner().invoke(app, [*words, *SLURM, "--executor", "local", "--cpus", "1"])
    CliRunner().invoke(app, words)

    assert [limits.gpus_gb for limits in begun] == [(24.0,), (24.0,)]


def test_jobs_of_slurm_are_told_nothing_about_gpus() -> None:
    limits = Limits(gpus_gb=(24.0,), needs=Needs(gpu_memory_gb=12.0))
    state, _ = advance(GraphState(id="abc"), Begun(limits=limits), 1.0)
    state, _ = advance(state, Accepted(number=1, skill_name="Collect_Wood", skill={}), 2.0)
    (node,) = state.skills

    assert node.jobs[-1].gpu == 0
    assert exports(GraphSettings(executor="slurm"), state, node) == ()
