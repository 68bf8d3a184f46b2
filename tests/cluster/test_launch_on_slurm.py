"""Launches on a real SLURM with four nodes: ranks that meet, a lost node, limits, cancels."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.counting_run import WRITER
from tests.cluster.test_fleet_checker import attempts_of, saves_of
from tests.waiting import until

from gamefleet.cli.launch_plan import LaunchRequest, begin, facts_of, resources_of
from gamefleet.cli.launch_training import Training
from gamefleet.cli.main import make_app
from gamefleet.cli.train_options import RecordedFlags
from gamefleet.cluster.account import LegAccount, read_legs
from gamefleet.cluster.budget import with_limit
from gamefleet.cluster.fleet import Fleet
from gamefleet.cluster.fleet_paths import FleetPaths
from gamefleet.cluster.jobs import Job
from gamefleet.cluster.launch_resources import LaunchSize
from gamefleet.cluster.spread import spread
from gamefleet.cluster.stopping import Patience, stop
from gamefleet.errors import ConfigError
from gamefleet.runs.checkpoint_reading import checkpoints_in_order, step_of
from gamefleet.runs.events import read_events
from gamefleet.runs.paths import RunPaths
from gamefleet.testing.local_slurm import LocalSlurm
from gamefleet.topologies.fleet_runs import fleet_of, open_fleet

PAYLOAD = Path(__file__).with_name("ranks_run.py")


@dataclass(frozen=True, slots=True)
class Launched:
    """A launch; with a request, one that is still to be started."""

    fleet: Fleet
    request: LaunchRequest | None = None

    @property
    def run(self) -> RunPaths:
        return RunPaths(self.fleet.paths.root)

    def start(self) -> None:
        assert self.request is not None
        begin(self.request, self.fleet)

    def jobs(self) -> list[Job]:
        return [job for job in self.fleet.executor.queue() if job.name.startswith(self.fleet.facts.job_prefix)]

    def legs(self) -> list[LegAccount]:
        return read_legs(self.fleet.paths.chain("m0"))

    def saves(self) -> list[int]:
        return [step for _, step, _ in saves_of(self.run)] if self.run.events_folder.exists() else []

    def mark(self, kind: str) -> str:
        path = self.fleet.paths.chain("m0").mark(kind)
        return str(json.loads(path.read_text())["reason"]) if path.exists() else ""

    def output(self, leg: int) -> str:
        """What ranks and chain said, by the link where the launch was called."""
        jobs = {one.number: one.job for one in self.legs()}
        path = Path(self.fleet.facts.work_folder) / f"slurm-{jobs.get(leg, '')}.out"
        return path.read_text() if path.exists() else ""

    def ranks_of(self, leg: int) -> list[str]:
        """Nodes of the ranks that have begun."""
        return re.findall(r"^rank \d+ of \d+ on (\w+)", self.output(leg), re.MULTILINE)

    def is_learning(self, attempt: int) -> bool:
        """Whether an attempt of real training has made a step."""
        rows = read_events(self.run.events(WRITER)).rows if self.run.events_folder.exists() else []
        return any(row["kind"] == "training_began" and row["attempt"] == attempt for row in rows)

    def is_counting(self, leg: int) -> bool:
        """Whether rank 0 of a leg has taken the run up."""
        rows = attempts_of(self.run) if self.run.events_folder.exists() else []
        return any(row.get("leg") == leg for row in rows)


@pytest.fixture
def launched_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Launched]:
    """Call with what `gamefleet launch` is told: the chain, ready to start, with counting ranks as its command."""
    monkeypatch.chdir(tmp_path)

    def make(slurm: LocalSlurm, total: int, *options: str, limit_s: int = 3600, **size: Any) -> Launched:
        monkeypatch.setenv("SLURM_CONF", slurm.environment["SLURM_CONF"])
        wanted = {"nodes": 2, "gpus_per_node": 2, "time_s": 7200.0, "cpus": 1, "memory_gb": 1, **size}
        request = LaunchRequest(
            training=Training(game="showdown", config=None, assignments=(), flags=RecordedFlags()),
            run="counted",
            runs_folder=Path("runs"),
            is_resumed=False,
            size=LaunchSize(**wanted),
            executor="slurm",
            profile=None,
        )
        found, setup, _ = resources_of(request, is_dry_run=False)
        resources = with_limit(found, limit_s)
        paths = FleetPaths(tmp_path / "runs" / "counted")
        facts = facts_of(request, paths, resources, setup)
        command = spread((sys.executable, str(PAYLOAD), str(paths.root), str(total), *options), resources)
        chain = replace(facts.chains[0], command=command)
        environment = {**slurm.environment, "GLOO_SOCKET_IFNAME": "lo"}
        return Launched(fleet_of(paths, replace(facts, chains=(chain,)), environment), request)

    return make


@pytest.fixture
def launched(slurm: LocalSlurm, launched_on: Callable[..., Launched]) -> Callable[..., Launched]:
    """The same on the instance that goes by the true clock."""
    return partial(launched_on, slurm)


@pytest.mark.long
def test_ranks_on_all_nodes_meet_and_what_the_guide_looks_at_is_where_people_stand(
    launched: Callable[..., Launched], tmp_path: Path
) -> None:
    launch = launched(20, "--step-s", "0.02")
    launch.start()
    until(lambda: launch.mark("done"), "all steps are done")

    until(lambda: launch.jobs() == [], "no successor is left")
    assert launch.saves()[-1] == 20
    assert (tmp_path / "checkpoints_4gpu" / "step-000000020").is_dir()
    output = launch.output(1)
    assert [f"rank {rank} of 4 on n{1 + rank // 2}" in output for rank in range(4)] == [True] * 4
    assert "GPUs 0,1" in output
    assert "finished with exit code 0" in output, "one file holds what ranks and chain say"


@pytest.mark.long
def test_real_training_goes_on_after_a_cancel_and_after_a_stop_on_another_number_of_ranks(
    slurm: LocalSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLURM_CONF", slurm.environment["SLURM_CONF"])
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    words = "--mock-data --batch-size-per-gpu 64 --set network.size=tiny --set data.workers=0 --cpus 1 --memory 1"
    make_app()(args=["launch", "2", "1", "1", "--run", "real", *words.split()], standalone_mode=False)
    launch = Launched(open_fleet(tmp_path / "runs" / "real", slurm.environment))

    until(lambda: len(launch.jobs()) == 2 and launch.is_learning(1), "the first leg learns")
    slurm.run("scancel", launch.legs()[0].job)
    until(lambda: "resuming" in launch.output(2), "the second leg takes the run up")
    saved = checkpoints_in_order(launch.run)
    assert len(saved) == 1, "SLURM's SIGTERM reached the ranks, and they had the time to save"
    assert f"at step {step_of(saved[0])} with 2 ranks" in launch.output(2)

    until(lambda: launch.is_learning(2), "the second leg learns")
    stop(launch.fleet, now=False, patience=Patience(wait_s=300, poll_s=0.2), say=print)

    assert len(checkpoints_in_order(launch.run)) == 2, "a stop asks srun in the way that lets the ranks save"
    assert [leg.outcome for leg in launch.legs()] == ["saved", "saved"]
    assert len(list((tmp_path / "checkpoints_2gpu").glob("step-*"))) == 2

    step = step_of(checkpoints_in_order(launch.run)[-1])
    make_app()(args=["launch", "3", "1", "1", "--resume", "--cpus", "1", "--memory", "1"], standalone_mode=False)
    again = Launched(open_fleet(tmp_path / "runs" / "real", slurm.environment))
    until(lambda: again.is_learning(3), "three ranks learn from two rows per step")
    assert f"at step {step} with 3 ranks" in again.output(3)
    assert "128 decisions per step = 3 ranks x up to 64 of up to 64; 1 of them without work" in again.output(3)
    stop(again.fleet, now=True, patience=Patience(wait_s=300, poll_s=0.2), say=print)


@pytest.mark.long
def test_a_node_that_is_lost_takes_the_job_along_and_the_next_one_goes_on_elsewhere(
    launched: Callable[..., Launched], slurm: LocalSlurm
) -> None:
    launch = launched(100_000, "--step-s", "0.05", nodes=2, gpus_per_node=1)
    launch.start()
    until(lambda: launch.saves() and len(launch.jobs()) == 2, "the first leg has saved, its successor waits")
    slurm.kill_node("n2")
    try:
        until(lambda: launch.is_counting(2), "the second leg counts")
        second = attempts_of(launch.run)[1]
        assert second["resumed_step"] >= 5
        until(lambda: launch.saves()[-1] > second["resumed_step"], "it gets on")
        assert "n2" not in launch.ranks_of(2)
        stop(launch.fleet, now=False, patience=Patience(wait_s=300, poll_s=0.2), say=print)
    finally:
        slurm.start_node("n2")
        until(
            lambda: "n2" in slurm.run("sinfo", "-h", "-t", "idle,mixed,alloc", "-N", "-o", "%N").split(), "n2 is back"
        )


@pytest.mark.long
def test_at_the_time_limit_all_ranks_save_and_the_chain_carries_the_run_on(
    fast_slurm: LocalSlurm, launched_on: Callable[..., Launched]
) -> None:
    # Tenfold, the limit is 48 s away; on a busy machine a start alone takes half of that.
    ranks = {"nodes": 2, "gpus_per_node": 1, "limit_s": 480}
    launch = launched_on(fast_slurm, 100_000, "--step-s", "0.02", "--save-every", "1000000", **ranks)
    launch.start()
    until(lambda: len(launch.saves()) > 0, "the limit of 8 minutes makes the ranks save")
    until(lambda: len(attempts_of(launch.run)) > 1, "a later leg counts")

    assert attempts_of(launch.run)[1]["resumed_step"] == launch.saves()[0] > 0
    stop(launch.fleet, now=True, patience=Patience(wait_s=300, poll_s=0.2), say=print)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ({"partition": "gpu-larg"}, "There is no such partition"),
        ({"nodes": 9}, "No open partition has 9 node"),
        ({"gpus_per_node": 5}, "No open partition has 2 node"),
    ],
)
def test_what_the_cluster_does_not_have_is_refused_before_anything_is_written(
    size: dict[str, object], message: str, launched: Callable[..., Launched], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        launched(10, **size)
    assert list(tmp_path.iterdir()) == []
