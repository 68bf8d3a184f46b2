"""Histories of a fleet in virtual time: chains of jobs, users and faults, and what must hold at every moment.

Job: let the real chain code (records on disk, decisions, legs) live through days of faults within a fraction of a
second, and check it at every step. Place in the data flow: tests. Left out: training, which is a counter here, and the
scheduler, which is `scripted_slurm`.

What must hold, whatever happens:

- a submission has one job that counts, and no other job of it works;
- a leg saves only what goes on from the last save, and only while its fence holds;
- never more jobs of the fleet at work than the cap allows;
- when the faults end, every chain finishes; one whose jobs all fail is given up after few of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from gamefleet.cluster.carrier import move_on
from gamefleet.cluster.fleet import ChainFacts, Fleet, FleetFacts, RunProbe, write_facts
from gamefleet.cluster.fleet_paths import ChainPaths, FleetPaths
from gamefleet.cluster.jobs import Resources
from gamefleet.cluster.leg import Timing, begin_leg
from gamefleet.cluster.store import forgive
from gamefleet.testing.chain_work import FAULTY_S, HOUR_S, TIME_LIMIT_S, AtWork, Training, Work
from gamefleet.testing.scripted_slurm import (
    Faults,
    KilledError,
    ScriptedExecutor,
    ScriptedJob,
    ScriptedSlurm,
    World,
)

LEGS_OF_A_HOPELESS_CHAIN = 6
"""Three in a row are enough; a requeued or a cancelled job may bring one more."""

GIVE_UP_S = 60 * 24 * HOUR_S


@dataclass(slots=True)
class History:
    """One history.

    Args:
        folder: Where the fleet's records lie.
        seed: Decides everything.
    """

    folder: Path
    seed: int
    world: World = field(init=False)
    slurm: ScriptedSlurm = field(init=False)
    facts: FleetFacts = field(init=False)
    runs: dict[str, Training] = field(init=False)
    work: AtWork = field(init=False)
    begun: dict[str, dict[int, set[str]]] = field(default_factory=dict)
    processes: itertools.count[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.world = World(self.seed)
        random = self.world.random
        members = [f"m{index}" for index in range(random.choice([1, 1, 2, 3, 5]))]
        cap = random.choice([1, 2, 4])
        faults = Faults(
            silent=random.choice([0, 0.05, 0.3]),
            lost_answer=random.choice([0, 0.1, 0.5]),
            refused=random.choice([0, 0.2]),
            killed=random.choice([0, 0.02, 0.1]),
            interleaved=random.choice([0, 0.3]),
            has_accounting=random.random() < 0.6,
        )
        self.slurm = ScriptedSlurm(
            world=self.world, faults=faults, begin=self.begin, max_running=random.choice([None, cap])
        )
        self.slurm.bystanders.append(self.glance)
        self.runs = {
            member: Training(target=random.randint(20_000, 150_000), is_hopeless=random.random() < 0.1)
            for member in members
        }
        self.facts = FleetFacts(
            name="history",
            id="0",
            executor="slurm",
            chains=tuple(ChainFacts(member=member, run_folder=member, command=("train",)) for member in members),
            resources=Resources(),
            max_jobs=cap,
            leg_command=("leg",),
            work_folder=str(self.folder),
            created_at=self.world.now,
        )
        write_facts(FleetPaths(self.folder), self.facts)
        self.work = AtWork(world=self.world, slurm=self.slurm, runs=self.runs, max_jobs=cap)

    # ---- processes

    def fleet(self, is_alive: Callable[[], bool]) -> Fleet:
        """The fleet as one process on one machine sees it, with that machine's clock."""
        offset = self.world.random.uniform(-20.0, 20.0)
        return Fleet(
            paths=FleetPaths(self.folder),
            facts=self.facts,
            executor=ScriptedExecutor(slurm=self.slurm, is_alive=is_alive),
            probe=RunProbe(
                step=lambda run: self.runs[run.name].saved, is_finished=lambda run: self.runs[run.name].is_finished
            ),
            clock=lambda: self.world.now + offset,
            who=f"process {next(self.processes)}",
            never_starts=lambda reason: "",
        )

    def glance(self) -> None:
        """Somebody runs `status`."""
        with suppress(KilledError):
            move_on(self.fleet(lambda: True))

    def start(self) -> None:
        """Somebody runs `start`; nobody does that again and again for a run of which nothing can come."""
        fleet = self.fleet(lambda: True)
        for member, run in self.runs.items():
            if not (run.is_hopeless and list(fleet.paths.chain(member).root.glob("failed*.json"))):
                forgive(fleet.paths.chain(member))
        with suppress(KilledError):
            move_on(fleet, patience_s=0.0)

    def begin(self, job: ScriptedJob) -> None:
        """A job starts."""
        self.world.after(self.world.random.uniform(0.1, 2.0), partial(self.first_lines, job, job.restarts))
        if job.started is not None:
            self.world.at(job.started + TIME_LIMIT_S, partial(self.work.limit, job, job.restarts))

    def first_lines(self, job: ScriptedJob, restarts: int) -> None:
        """The job's process begins its leg."""

        def is_alive() -> bool:
            return job.is_alive and job.restarts == restarts

        def pause(seconds: float) -> None:
            self.world.run_until(self.world.now + seconds)
            self.work.show_life()
            if not is_alive():
                raise KilledError

        if not is_alive():
            return
        fleet = self.fleet(is_alive)
        *_, member, submission = job.request.command
        timing = Timing(predecessor_s=self.world.random.choice([120.0, 600.0]), pause=pause)
        environment = {"SLURM_JOB_ID": job.id}
        try:
            begun = begin_leg(fleet, member, int(submission), environment=environment, timing=timing)
        except KilledError:
            self.slurm.end(job, "failed") if is_alive() else None
            return
        if isinstance(begun, str):
            self.work.note(f"job {job.id} ends: {begun}")
            self.slurm.end(job, "completed")
            return
        self.check_beginning(job, member, int(submission))
        saved = self.runs[member].saved
        self.work.begin(Work(job, fleet, member, begun, max(saved, 0), saved, restarts))

    # ---- checks

    def check_beginning(self, job: ScriptedJob, member: str, submission: int) -> None:
        """One job counts for a submission."""
        jobs = self.begun.setdefault(member, {}).setdefault(submission, set())
        jobs.add(job.id)
        self.work.note(f"job {job.id} begins a leg of {member}, submission {submission}")
        assert len(jobs) == 1, f"submission {submission} of {member} was worked on by jobs {sorted(jobs)}"

    # ---- the whole

    def mend(self) -> None:
        """Faults end; from now on the user looks in every two hours, until all is done."""
        self.slurm.faults = Faults(has_accounting=self.slurm.faults.has_accounting)
        self.care()

    def care(self) -> None:
        """The user starts what has stopped."""
        if not self.is_done():
            self.start()
            self.world.after(2 * HOUR_S, self.care)

    def is_done(self) -> bool:
        """Whether every chain has finished and said so."""
        paths = FleetPaths(self.folder)
        return all(self.has_ended(paths.chain(name), run) for name, run in self.runs.items())

    def has_ended(self, chain: ChainPaths, run: Training) -> bool:
        """Whether a chain has finished, or was given up because nothing can come of it, after few jobs."""
        if not run.is_hopeless:
            return run.is_finished and chain.mark("done").exists()
        times_given_up = len(list(chain.root.glob("failed*.json")))
        legs = len(chain.numbers(chain.legs))
        begun_anew = len(list(chain.root.glob("*-*.json")))
        assert legs <= LEGS_OF_A_HOPELESS_CHAIN * (begun_anew + 1), f"{legs} legs of {chain.member} came to nothing"
        return times_given_up > 0

    def run(self) -> None:
        """Live through it.

        Raises:
            AssertionError: Something that must hold did not.
        """
        self.start()
        self.world.after(FAULTY_S, self.mend)
        give_up_at = self.world.now + GIVE_UP_S
        while not self.is_done() and self.world.now < give_up_at:
            self.world.run_until(self.world.now + 6 * HOUR_S)
        assert self.is_done(), f"not done after {GIVE_UP_S / 86400:.0f} days: {self.runs}"
