"""Fleets of counting runs on a real SLURM, watched while they live and checked when they have ended.

Other tests here start theirs with `Watched`; the tests below show that the checker sees what it is there for.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from tests.cluster.counting_run import WRITER, expected_sum

from gamefleet.cli.fleet_start import begin
from gamefleet.cluster.account import LegAccount, read_legs
from gamefleet.cluster.fleet import ChainFacts, Fleet, FleetFacts
from gamefleet.cluster.fleet_paths import ChainPaths, FleetPaths
from gamefleet.cluster.jobs import Job, Resources
from gamefleet.cluster.leg import LEG_VARIABLE
from gamefleet.cluster.records import read_record
from gamefleet.cluster.stopping import Patience, stop
from gamefleet.errors import ClusterError
from gamefleet.files import create_once
from gamefleet.games import DEFAULT_GAME, open_game
from gamefleet.runs.checkpoint_reading import checkpoints_in_order, open_checkpoint
from gamefleet.runs.events import read_events
from gamefleet.runs.paths import RunPaths
from gamefleet.testing.local_slurm import LocalSlurm
from gamefleet.topologies.config import ask, make_config
from gamefleet.topologies.fleet import COMMAND, FleetRequest
from gamefleet.topologies.fleet_runs import fleet_of, open_fleet

PAYLOAD = Path(__file__).with_name("counting_run.py")
SMALL = Resources(time_limit_s=7200, cpus=1, gpus=0, signal_s=60)

QUICK_LEG = """
import logging, os, sys
from pathlib import Path
from gamefleet.cluster.leg import Timing, run_leg
from gamefleet.topologies.fleet_runs import open_fleet

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
timing = Timing(tick_s=2.0, predecessor_s=6.0)
fleet, member, submission = open_fleet(Path(sys.argv[1]), os.environ), sys.argv[2], int(sys.argv[3])
print(run_leg(fleet, member, submission, environment=os.environ, timing=timing), flush=True)
"""
"""What `gamefleet fleet leg` does, with less patience: a look at the fleet every 2 s, 6 s for the job before."""


@dataclass(slots=True)
class Sampler:
    """Asks for all jobs a few times a second, and remembers what was wrong.

    Args:
        slurm: Whom.
        prefix: How the names of the fleet's jobs begin.
        cap: So many may run at once.
        may_double: Whether a test puts a second waiting job of one chain there itself.
    """

    slurm: LocalSlurm
    prefix: str
    cap: int
    may_double: bool = False
    wrong: list[str] = field(default_factory=list)
    most: int = 0
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.3):
            try:
                listed = self.slurm.run("squeue", "-h", "-r", "-t", "all", "-o", "%i|%T|%E|%j")
            except (ClusterError, subprocess.TimeoutExpired):
                continue  # no controller at the moment
            self.look([line.split("|", 3) for line in listed.splitlines()])

    def look(self, jobs: list[list[str]]) -> None:
        """Judge one moment."""
        mine = [job for job in jobs if job[3].startswith(self.prefix)]
        running = [job for job, state, _, _ in mine if state == "RUNNING"]
        self.most = max(self.most, len(running))
        if len(running) > self.cap:
            self.wrong.append(f"{len(running)} jobs run at once, more than {self.cap}: {running}")
        waiting = Counter((name.rpartition(".")[0], parent) for _, state, parent, name in mine if state == "PENDING")
        doubles = {chain: count for chain, count in waiting.items() if count > 1}
        if doubles and not self.may_double:
            self.wrong.append(f"more than one successor waits: {doubles}")


@dataclass(slots=True, kw_only=True)
class Watched:
    """A fleet of counting runs on a real SLURM, from its start to its check.

    Args:
        slurm: Where.
        folder: Of the runs.
        total: Steps of each chain.
        options: Further words for the payload.
        chains: How many.
        max_jobs: The fleet's cap.
        resources: Of each job.
        is_quick: With legs that wait less; see `QUICK_LEG`.
        notify: As of `--notify`.
        may_double: See `Sampler`.
        programs: Folder of programs that stand before SLURM's own, in this process and in jobs; None for none.
    """

    slurm: LocalSlurm
    folder: Path
    total: int = 40
    options: tuple[str, ...] = ()
    chains: int = 1
    max_jobs: int = 4
    resources: Resources = SMALL
    is_quick: bool = False
    notify: str = ""
    may_double: bool = False
    programs: Path | None = None
    fleet: Fleet = field(init=False)
    sampler: Sampler = field(init=False)

    def __post_init__(self) -> None:
        paths = FleetPaths(self.folder / "counted")
        members = [(f"m{index}", self.run_folder(index)) for index in range(self.chains)]
        command = (sys.executable, str(PAYLOAD))
        facts = FleetFacts(
            name=paths.root.name,
            id=f"{time.time_ns() % 0xFFFFF:x}",
            executor="slurm",
            chains=tuple(
                ChainFacts(member=name, run_folder=run, command=(*command, run, str(self.total), *self.options))
                for name, run in members
            ),
            resources=self.resources,
            max_jobs=self.max_jobs,
            leg_command=(sys.executable, "-c", QUICK_LEG) if self.is_quick else (*COMMAND, "fleet", "leg"),
            work_folder=str(self.folder),
            created_at=time.time(),
            notify=self.notify,
        )
        self.fleet = fleet_of(paths, facts, self.environment)
        self.sampler = Sampler(self.slurm, facts.job_prefix, self.max_jobs, self.may_double)

    @property
    def environment(self) -> dict[str, str]:
        """For commands of ours."""
        environment = self.slurm.environment
        before = {"PATH": f"{self.programs}:{environment['PATH']}"} if self.programs else {}
        return {**environment, **before}

    def run_folder(self, index: int) -> str:
        return str(self.folder / ("counted" if self.chains == 1 else f"counted-m{index}"))

    def __enter__(self) -> Watched:
        self.sampler.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sampler.end()
        if error is not None:
            error.add_note(self.story())
        create_once(self.fleet.paths.stop, {"by": "the end of the test"})  # what is left does not go on by itself

    # ---- commands

    def start(self) -> None:
        """`gamefleet fleet start`, with the payload in the place of training."""
        begin(self.fleet, request_of(self.fleet.paths))

    def stop(self, *, now: bool = False) -> None:
        """`gamefleet fleet stop`."""
        stop(self.fleet, now=now, patience=Patience(wait_s=300, poll_s=0.2), say=print)

    def gamefleet(self, *words: str) -> str:
        """A command of ours, as a user calls it."""
        where = ["--run", self.fleet.facts.name, "--runs-folder", str(self.folder)]
        done = subprocess.run(
            [*COMMAND, "fleet", *words, *where], env=self.environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def status(self) -> list[dict[str, Any]]:
        """What `status --json` says of each chain; moves on what can be moved on."""
        found: list[dict[str, Any]] = json.loads(self.gamefleet("status", "--json"))["chains"]
        return found

    # ---- what is there

    def chain(self, member: str = "m0") -> ChainPaths:
        return self.fleet.paths.chain(member)

    def run(self, member: str = "m0") -> RunPaths:
        return RunPaths(self.fleet.facts.chain(member).run_path)

    def jobs(self) -> list[Job]:
        """The fleet's jobs that have not ended."""
        return [job for job in self.fleet.executor.queue() if job.name.startswith(self.fleet.facts.job_prefix)]

    def legs(self, member: str = "m0") -> list[LegAccount]:
        return read_legs(self.chain(member))

    def mark(self, kind: str, member: str = "m0") -> dict[str, Any]:
        return read_record(self.chain(member).mark(kind))

    def accepted(self, number: int, member: str = "m0") -> str:
        """The job that counts for a submission; empty while there is none."""
        return str(read_record(self.chain(member).accepted(number)).get("job", ""))

    def saved_in(self, leg: int, member: str = "m0") -> list[int]:
        """Steps of the checkpoints that a leg's attempt wrote, so far."""
        attempts = {row["attempt"] for row in attempts_of(self.run(member)) if row.get("leg") == leg}
        return [step for attempt, step, _ in saves_of(self.run(member)) if attempt in attempts]

    def is_done(self) -> bool:
        return all(self.chain(chain.member).mark("done").exists() for chain in self.fleet.facts.chains)

    def output(self, job: str, kind: str = "out") -> str:
        path = self.fleet.paths.logs / f"slurm-{job}.{kind}"
        return path.read_text() if path.exists() else ""

    def story(self) -> str:
        """All there is to know when a test fails."""
        root = self.fleet.paths.root
        files = sorted(path for path in root.rglob("*.json") if "checkpoints" not in path.parts)
        logs = sorted(self.fleet.paths.logs.glob("slurm-*"))
        parts = [f"{path.relative_to(root)}: {path.read_text().strip()}" for path in [*files, *logs]]
        return "\n".join([*parts, self.slurm.run("squeue", "-t", "all", "-o", "%i %T %j %r %E")])

    # ---- the check

    def check(self) -> None:
        """Nothing lost, nothing skipped, one writer, one job per submission, one successor, the cap kept."""
        wrong = list(self.sampler.wrong)
        for chain in self.fleet.facts.chains:
            paths = self.chain(chain.member)
            wrong += [f"{chain.member}: {text}" for text in wrong_with_run(self.run(chain.member))]
            wrong += [f"{chain.member}: {text}" for text in wrong_with_chain(paths)]
        assert wrong == [], self.story()


def request_of(paths: FleetPaths) -> FleetRequest:
    """For `begin`, which keeps the settings; counting has none."""
    flags = {"run.name": paths.root.name, "run.runs_folder": str(paths.root.parent)}
    asked = ask(file=None, assignments=[], flags=flags)
    config = make_config(open_game(DEFAULT_GAME), asked)
    return FleetRequest(
        game=DEFAULT_GAME, asked=asked, config=config, num_chains=1, executor="slurm", resources=SMALL, max_jobs=1
    )


def attempts_of(run: RunPaths) -> list[dict[str, Any]]:
    """The events at which attempts began."""
    return [row for row in read_events(run.events(WRITER)).rows if row["kind"] == "attempt_started"]


def saves_of(run: RunPaths) -> list[tuple[int, int, float]]:
    """(attempt, step, when) of every checkpoint, in the order in which they were written."""
    found = []
    for folder in checkpoints_in_order(run):
        manifest = json.loads((folder / "MANIFEST.json").read_text())
        manifest = manifest.get("content", manifest)
        found.append((int(manifest["attempt"]), int(manifest["step"]), float(manifest["saved_at"])))
    return sorted(found, key=lambda save: save[2])


def wrong_with_run(run: RunPaths) -> list[str]:
    """What in a run folder shows that something was lost, skipped, or written by two."""
    saves, attempts = saves_of(run), attempts_of(run)
    wrong = []
    if saves != sorted(saves):
        wrong.append(f"saves by two at once: {saves}")
    rows = [(row["attempt"], row["time"]) for row in read_events(run.events(WRITER)).rows]
    if rows != sorted(rows):
        wrong.append(f"events of two at once: {rows}")
    legs = [row["leg"] for row in attempts]
    if any(one >= other for one, other in itertools.pairwise(legs)):
        wrong.append(f"an attempt of an older leg began later: {legs}")
    for row in attempts:
        before = [step for attempt, step, _ in saves if attempt < row["attempt"]]
        if row["resumed_step"] != (before[-1] if before else -1):
            wrong.append(f"attempt {row['attempt']} goes on at {row['resumed_step']}, saved were {before[-3:]}")
    for folder in checkpoints_in_order(run)[-1:]:
        checkpoint = open_checkpoint(folder)
        total = int(checkpoint.part("model")["sum"][0])
        if total != expected_sum(checkpoint.step):
            wrong.append(f"the sum of {checkpoint.step} steps is {total}")
    return wrong


def wrong_with_chain(chain: ChainPaths) -> list[str]:
    """What in a chain's records shows a second job for one submission or a leg that was not to be."""
    wrong = []
    legs, submissions = read_legs(chain), chain.numbers(chain.submissions, ".json")
    if [leg.number for leg in legs] != list(range(1, len(legs) + 1)):
        wrong.append(f"legs {[leg.number for leg in legs]}")
    if submissions != list(range(1, len(submissions) + 1)):
        wrong.append(f"submissions {submissions}")
    accepted = {number: read_record(chain.accepted(number)).get("job", "") for number in submissions}
    without = [number for number in submissions[:-1] if not accepted[number]]
    if without:
        wrong.append(f"submissions without a job that counts: {without}")
    jobs = [job for job in accepted.values() if job]
    if len(set(jobs)) != len(jobs):
        wrong.append(f"one job counts twice: {accepted}")
    wrong += [f"leg {leg.number} by job {leg.job}" for leg in legs if accepted.get(leg.submission) != leg.job]
    return wrong


# ---- tests of the checker itself


@pytest.fixture
def carried(tmp_path: Path) -> Callable[..., RunPaths]:
    """Call with a leg's number: that leg of a run counts for a moment."""
    run = RunPaths(tmp_path / "run")

    def count(leg: int, *options: str) -> RunPaths:
        folder = tmp_path / "legs" / f"{leg:04d}"
        folder.mkdir(parents=True)
        words = [sys.executable, str(PAYLOAD), str(run.root), "1000", "--step-s", "0.01", *options]
        subprocess.run(words, env={**os.environ, LEG_VARIABLE: str(folder)}, check=True)
        return run

    return count


def rewrite_events(run: RunPaths, change: Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
    path = run.events(WRITER)
    rows = [change(json.loads(line)) for line in path.read_text().splitlines()]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def test_the_checker_is_content_with_two_legs_of_which_one_goes_on_where_the_other_saved(
    carried: Callable[..., RunPaths],
) -> None:
    carried(1, "--max-runtime-s", "1.0")
    run = carried(2, "--max-runtime-s", "1.0")

    assert len(attempts_of(run)) == 2
    assert attempts_of(run)[1]["resumed_step"] > 0
    assert wrong_with_run(run) == []


def test_the_checker_sees_a_leg_that_began_from_an_older_checkpoint_and_one_that_came_too_late(
    carried: Callable[..., RunPaths],
) -> None:
    carried(1, "--max-runtime-s", "0.2")
    run = carried(2, "--max-runtime-s", "0.2")

    rewrite_events(run, lambda row: {**row, "resumed_step": 5} if row.get("leg") == 2 else row)
    assert "goes on at 5" in wrong_with_run(run)[0]
    rewrite_events(run, lambda row: {**row, "leg": 1} if row.get("leg") == 2 else row)
    assert "older leg" in wrong_with_run(run)[0]


def test_the_checker_sees_a_second_writer(carried: Callable[..., RunPaths]) -> None:
    run = carried(1, "--max-runtime-s", "0.3")
    manifest = checkpoints_in_order(run)[0] / "MANIFEST.json"

    manifest.write_text(manifest.read_text().replace('"attempt": 1', '"attempt": 2'))

    assert any("two at once" in text for text in wrong_with_run(run))


def test_the_checker_sees_a_job_that_worked_without_being_the_one_that_counts(tmp_path: Path) -> None:
    chain = ChainPaths(tmp_path / "m0")
    for path, content in (
        (chain.submission(1), {}),
        (chain.accepted(1), {"job": "7"}),
        (chain.leg(1) / "leg.json", {"job": "8", "submission": 1}),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))

    assert wrong_with_chain(chain) == ["leg 1 by job 8"]


def test_the_sampler_sees_jobs_above_the_cap_and_a_second_successor(slurm: LocalSlurm) -> None:
    sampler = Sampler(slurm, "f.1.", 1)

    working, waiting = ["1", "RUNNING", "(null)", "f.1.m0.1"], ["2", "PENDING", "afterany:1(unfulfilled)", "f.1.m0.2"]
    sampler.look([working, waiting, ["3", "RUNNING", "(null)", "somebody else's"]])
    assert sampler.wrong == []
    sampler.look([working, ["4", "RUNNING", "(null)", "f.1.m1.1"]])
    sampler.look([waiting, ["5", "PENDING", *waiting[2:]]])
    assert len(sampler.wrong) == 2


if __name__ == "__main__":
    found = open_fleet(Path(sys.argv[1]), os.environ)
    begin(found, request_of(found.paths))
