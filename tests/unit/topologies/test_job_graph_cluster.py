"""What jobs of a skill graph ask of SLURM: options, profile, shell and cluster together, down to the script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gamefleet.cli.main import make_app
from gamefleet.cluster.graph.advance import advance
from gamefleet.cluster.graph.events import Accepted, Begun
from gamefleet.cluster.graph.state import GraphState
from gamefleet.cluster.slurm.script import batch_script
from gamefleet.cluster.slurm.site import NodeKind, Partition, SiteFacts
from gamefleet.errors import ConfigError, MissingDependencyError
from gamefleet.topologies.job_graph import cluster
from gamefleet.topologies.job_graph.cluster import for_cluster
from gamefleet.topologies.job_graph.executor import request_for
from gamefleet.topologies.job_graph.paths import GraphPaths
from gamefleet.topologies.job_graph.settings import GraphSettings, settings_for

PROFILE = """
account = "lab"
qos = "normal"
memory = "8G"
gpu_memory_gb = 12
time_limit = "1:00:00"
setup = ["module load cuda"]
options = ["--constraint=a100"]
"""


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Variables of a user without habits, on a cluster with one partition."""
    node = NodeKind(partition="gpu", cpus=16, memory_mb=64_000, gres={"gpu": 2, "gpumem": 80 << 30}, count=4)
    facts = SiteFacts(partitions=(Partition(name="gpu", is_default=True, max_time_s=7200.0),), nodes=(node,))
    monkeypatch.setattr(cluster, "detect", lambda environment: facts)
    return {"HOME": str(tmp_path / "home")}


def script(folder: Path, settings: GraphSettings) -> list[str]:
    """The lines of a job's batch script."""
    state, _ = advance(GraphState(id="abc"), Begun(limits=settings.limits(())), 1.0)
    state, _ = advance(state, Accepted(number=1, skill_name="Collect_Wood", skill={}), 2.0)
    return batch_script(request_for(GraphPaths(folder), settings, state, state.skills[0])).splitlines()


def asked(**more: Any) -> GraphSettings:
    return GraphSettings(executor="slurm", **more)


def test_what_a_user_asks_for_is_in_the_script(tmp_path: Path, environment: dict[str, str]) -> None:
    more: dict[str, Any] = {"memory": "4G", "qos": "fast", "account": "lab", "gres": "gpumem:20G", "gpus": 1}
    wanted = asked(**more, cpus=2, time_limit_s=240, sbatch=("--exclude=n3", "--mail-type=FAIL"))

    lines = script(tmp_path, for_cluster(wanted, environment, print))

    assert {
        "#SBATCH --partition=gpu",
        "#SBATCH --account=lab",
        "#SBATCH --qos=fast",
        "#SBATCH --mem=4G",
        "#SBATCH --gpus=1",
        "#SBATCH --gres=gpumem:20G",
        "#SBATCH --cpus-per-task=2",
        "#SBATCH --signal=B:USR1@120",
        "#SBATCH --exclude=n3",
        "#SBATCH --mail-type=FAIL",
        "export XLA_PYTHON_CLIENT_PREALLOCATE=false",
    } <= set(lines)


def test_the_users_profile_and_shell_say_the_rest_and_none_of_it_is_kept(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    (tmp_path / "cluster.toml").write_text(PROFILE)
    settings = asked(profile=str(tmp_path / "cluster.toml"), gpus=1, qos="fast")

    said: list[str] = []
    chosen = for_cluster(settings, {**environment, "SBATCH_ACCOUNT": "other"}, said.append)

    assert said == ["note: one job may take 60 minutes, as the cluster profile says"]
    assert (chosen.account, chosen.qos, chosen.memory, chosen.gres) == ("other", "fast", "8G", "gpumem:12G")
    assert (chosen.time_limit_s, settings.time_limit_s) == (3600, 4 * 3600)
    lines = script(tmp_path, chosen)
    assert lines.index("module load cuda") < next(i for i, line in enumerate(lines) if line.startswith("exec "))
    assert "#SBATCH --constraint=a100" in lines


def test_a_job_on_this_machine_is_asked_for_nothing_of_slurms(tmp_path: Path) -> None:
    lines = script(tmp_path, GraphSettings(executor="local", memory="4G", qos="fast", setup=("module load cuda",)))

    assert not [line for line in lines if "--mem" in line or "--qos" in line or "module" in line]


def test_what_a_cluster_would_never_run_is_refused_at_the_start(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "cluster.toml").write_text("cpus = 4")
    for more, wrong in (
        ({"partition": "gpus"}, r"no such partition.*Did you mean .gpu"),
        ({"time_limit_s": 9000}, "would wait for ever"),
        ({"time_limit_s": 3600, "memory": "100G"}, "mem"),
        ({"time_limit_s": 3600, "cpus": 8, "profile": str(tmp_path / "cluster.toml")}, "allows cpus = 4"),
    ):
        with pytest.raises(ConfigError, match=wrong):
            for_cluster(asked(**more), environment, print)


def test_gpu_memory_is_asked_for_where_the_cluster_counts_it(environment: dict[str, str]) -> None:
    said: list[str] = []

    counted = for_cluster(asked(time_limit_s=600, gpus=1, gpu_memory_gb=9.5), environment, said.append)
    unknown = for_cluster(asked(time_limit_s=600, gpus=1, gres="vram:20G"), environment, said.append)

    assert counted.gres == "gpumem:10G"
    assert unknown.gres == ""
    assert [line for line in said if "vram:20G is not asked for" in line]


def test_a_machine_without_slurm_is_said_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    words = ["--env_name", "gamefleet.testing.crafting:WORLD", "--proposer", "catalogue", "--executor", "slurm"]

    done = CliRunner().invoke(make_app(), ["skills", "run", "--graph-path", str(tmp_path / "graph"), *words])

    assert isinstance(done.exception, MissingDependencyError)
    assert "--executor local" in str(done.exception)
    assert not (tmp_path / "graph").exists()


def test_what_was_asked_for_is_kept_for_the_next_start(
    tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[GraphSettings] = []
    from gamefleet.topologies.job_graph.loop import GraphLoop

    monkeypatch.setattr(GraphLoop, "run", lambda loop, should_stop: found.append(loop.jobs.settings) or "")
    monkeypatch.chdir(tmp_path)
    graph = tmp_path / "graph"
    (tmp_path / "mine.toml").write_text(PROFILE)
    words = ["skills", "run", "--graph-path", str(graph), "--env_name", "gamefleet.testing.crafting:WORLD"]
    slurm = ["--proposer", "catalogue", "--executor", "slurm", "--memory", "4", "--sbatch=--exclude=n3"]

    first = CliRunner().invoke(make_app(), [*words, *slurm, "--profile", "mine.toml"])
    again = CliRunner().invoke(make_app(), ["skills", "run", "--graph-path", str(graph)])

    assert (first.exit_code, again.exit_code) == (0, 0), (first.exception, again.exception)
    assert [(one.memory, one.account, one.sbatch) for one in found] == [
        ("4G", "lab", ("--constraint=a100", "--exclude=n3"))
    ] * 2
    kept = settings_for(GraphPaths(graph), {})
    assert (kept.memory, kept.account, kept.profile) == ("4G", "", str(tmp_path / "mine.toml"))


@pytest.mark.parametrize("words", [("--memory", "much"), ("--memory", "0"), ("--sbatch", "exclude=n3")])
def test_what_slurm_could_not_read_is_refused(words: tuple[str, str], tmp_path: Path) -> None:
    done = CliRunner().invoke(make_app(), ["skills", "run", "--graph-path", str(tmp_path), *words])

    assert done.exit_code == 2
