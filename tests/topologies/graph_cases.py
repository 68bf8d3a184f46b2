"""Graphs of skills in tests: the toy crafting world, a scheduler that dies when it is told to, jobs within the test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gamefleet.cluster.jobs import EndedJob, Job, JobRequest
from gamefleet.runs.claim import Claim
from gamefleet.runs.deadline import Deadline
from gamefleet.runs.lines import LineWriter
from gamefleet.skills.catalogue import CatalogueProposer
from gamefleet.skills.proposer import Proposer
from gamefleet.testing.crafting import WORLD
from gamefleet.testing.scripted_slurm import KilledError
from gamefleet.topologies.job_graph.jobs import Jobs
from gamefleet.topologies.job_graph.loop import GraphLoop
from gamefleet.topologies.job_graph.news import News
from gamefleet.topologies.job_graph.paths import GraphPaths
from gamefleet.topologies.job_graph.proposals import Proposals
from gamefleet.topologies.job_graph.settings import GraphSettings, settings_for
from gamefleet.topologies.job_graph.start import restore, take
from gamefleet.topologies.job_graph.tasks import read_task
from gamefleet.topologies.job_graph.training import Leg, run_leg
from gamefleet.topologies.job_graph.wake import Waker

KEY = "of-the-proposer-alone"

WORLD_NAME = "gamefleet.testing.crafting:WORLD"

QUICK: dict[str, Any] = {
    "env_name": WORLD_NAME,
    "max_nodes": 3,
    "max_parallel_skills": 2,
    "proposer": "catalogue",
    "total_timesteps": 400_000,
    "retry_pause_s": 0.1,
    "scheduler_poll_interval": 1.0,
}


@dataclass(slots=True)
class JobsHere:
    """An executor whose jobs are done when `submit` returns; it outlives schedulers, as executors do."""

    root: Path
    jobs: dict[str, EndedJob] = field(default_factory=dict)
    trained: list[tuple[str, int]] = field(default_factory=list)
    before_result: Callable[[], None] = lambda: None

    def submit(self, request: JobRequest) -> str:
        words = list(request.command)
        name = words[words.index("train") + 1]
        index, leg = (int(words[words.index(option) + 1]) for option in ("--index", "--leg"))
        training = GraphPaths(self.root).training(index, name)
        task = read_task(GraphPaths(self.root), training, leg)
        work = Leg(
            paths=training,
            task=task,
            deadline=Deadline(max_runtime_s=None),
            tell=lambda line: None,
            record=lambda step, values: None,
        )
        self.trained.append((name, task.task.attempt))
        run_leg(work, WORLD, {})
        job = str(len(self.jobs) + 1)
        self.jobs[job] = EndedJob(id=job, how="completed", name=request.name, exit_code=0)
        return job

    def queue(self) -> list[Job]:
        return []

    def ended(self, ids: Collection[str] = (), *, names: Collection[str] = ()) -> Mapping[str, EndedJob]:
        return {id: job for id, job in self.jobs.items() if id in ids or job.name in names}

    def cancel(self, ids: Collection[str], *, signal: str = "") -> None:
        raise AssertionError("nothing here is cancelled")


@dataclass(slots=True)
class Fuse:
    """Lets a scheduler die at its n-th write; what it had written before is on disk, as after kill -9."""

    steps: int
    claim: Claim

    def __call__(self) -> None:
        self.claim.fence()
        self.steps -= 1
        if self.steps < 0:
            raise KilledError


def schedule(
    root: Path,
    executor: Any,
    *,
    dies_after: int = sys.maxsize,
    proposer: Proposer | None = None,
    asked: Mapping[str, Any] | None = None,
) -> str:
    """Run a scheduler in this process; returns why it ended.

    Raises:
        KilledError: It died at that step.
    """
    root.mkdir(exist_ok=True)
    paths = GraphPaths(root.absolute())
    settings = settings_for(paths, {**QUICK, **(asked or {})}).model_copy(update={"executor": "local"})
    with ExitStack() as stack:
        waker = Waker()
        stack.callback(waker.close)
        held = take(paths)
        stack.callback(held.release)
        lines = stack.enter_context(LineWriter(paths.events))
        loop = loop_of(paths, settings, executor, waker, Fuse(dies_after, held), lines, proposer)
        return loop.run(lambda: "")


def loop_of(
    paths: GraphPaths,
    settings: GraphSettings,
    executor: Any,
    waker: Waker,
    fence: Callable[[], None],
    lines: LineWriter,
    proposer: Proposer | None,
) -> GraphLoop:
    state, account = restore(paths, settings, proposer="test")
    return GraphLoop(
        paths=paths,
        state=state,
        limits=settings.limits(()),
        jobs=Jobs(paths=paths, settings=settings, executor=executor, features=WORLD.names),
        proposals=Proposals(world=WORLD, proposer=proposer or CatalogueProposer(), wake=waker.poke),
        account=account,
        waker=waker,
        news=News(lines=lines, say=lambda line: None, attempt=1),
        fence=fence,
        poll_s=1.0,
    )


def words(root: Path, *more: str) -> list[str]:
    """A command line of a scheduler on the toy world."""
    return [sys.executable, "-m", "gamefleet.cli.main", "skills", "run", "--graph-path", str(root), *more]


FIRST = (
    "--env_name", WORLD_NAME, "--max_nodes", "3", "--max_parallel_skills", "2", "--proposer", "catalogue",
    "--total_timesteps", "4e5", "--scheduler_poll_interval", "1", "--retry_pause", "0.1",
    "--set", "updates_per_checkpoint=1", "--no-use_wandb",
)  # fmt: skip


def start(root: Path, *more: str) -> subprocess.Popen[str]:
    """A scheduler in a process of its own."""
    environment = {**os.environ, "OPENAI_API_KEY": KEY}
    return subprocess.Popen(
        words(root, *more), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )


def state_of(root: Path) -> dict[str, Any]:
    """The state's file; empty before there is one."""
    path = root / "scheduler_state.json"
    content: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return content


def statuses(root: Path) -> dict[str, str]:
    return {skill["skill_name"]: skill["status"] for skill in state_of(root).get("skills", [])}
