"""The processes of a history that train: counters with a fence.

Job: what a leg does while it lives, and how it ends. Place in the data flow: `chain_history` lets legs begin,
`chain_faults` ends some of them. Left out: how a leg begins.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from gamefleet.cluster.carrier import move_on
from gamefleet.cluster.fleet import STEPS_NONE, Fleet
from gamefleet.cluster.leg import finish_leg, must_end
from gamefleet.cluster.store import ALIVE_FILE
from gamefleet.errors import GamefleetError
from gamefleet.testing.scripted_slurm import BEGINNING, KilledError, ScriptedJob, ScriptedSlurm, World

HOUR_S = 3600.0
TIME_LIMIT_S = 4 * HOUR_S
MARGIN_S = 200.0
TICK_S = 2400.0
FAULTY_S = 30 * HOUR_S
"""Faults happen for so long; after that everything must come to an end."""


@dataclass(slots=True)
class Training:
    """The run that a chain carries: a counter.

    Args:
        target: Finished at this step.
        saved: Step of the newest checkpoint.
        is_hopeless: Every job of it fails before it has saved.
    """

    target: int
    saved: int = STEPS_NONE
    is_hopeless: bool = False

    @property
    def is_finished(self) -> bool:
        """Whether all steps are saved."""
        return self.saved >= self.target


@dataclass(slots=True)
class Work:
    """What a leg's process has in memory.

    Args:
        job: Whose process.
        fleet: As that process sees it.
        member: The chain.
        leg: Its number.
        step: Played so far.
        base: Step of the last save that this process made or began from.
        restarts: Of the job when this process began.
    """

    job: ScriptedJob
    fleet: Fleet
    member: str
    leg: int
    step: int
    base: int
    restarts: int


@dataclass(slots=True, kw_only=True)
class AtWork:
    """All processes that train.

    Args:
        world: Virtual time.
        slurm: The scheduler.
        runs: What is trained, by chain.
        max_jobs: Allowed at once.
    """

    world: World
    slurm: ScriptedSlurm
    runs: dict[str, Training]
    max_jobs: int
    at_work: list[Work] = field(default_factory=list)
    happened: list[str] = field(default_factory=list)

    def begin(self, work: Work) -> None:
        """A leg begins to train."""
        self.at_work.append(work)
        self.check_cap()
        self.world.after(1.0, partial(self.tick, work))

    def of(self, job: ScriptedJob) -> list[Work]:
        """What a job's processes train."""
        return [work for work in self.at_work if work.job is job]

    def note(self, text: str) -> None:
        """For the message of a failure."""
        self.happened.append(f"{self.world.now:.0f} {text}")

    def is_working(self, work: Work) -> bool:
        """Whether the process of a leg still lives."""
        return work.job.is_alive and work.job.restarts == work.restarts and work in self.at_work

    def show_life(self) -> None:
        """Every living leg's heartbeat, in virtual time."""
        for work in filter(self.is_working, self.at_work):
            path = work.fleet.paths.chain(work.member).leg(work.leg) / ALIVE_FILE
            path.touch()
            os.utime(path, (self.world.now, self.world.now))

    def tick(self, work: Work) -> None:
        """Some minutes of a leg."""
        if not self.is_working(work):
            return
        with suppress(KilledError, GamefleetError):
            move_on(work.fleet)
        if not self.is_working(work):
            return
        if self.runs[work.member].is_hopeless:
            self.finish(work, 1)
            return
        if self.world.chance(0.01) and self.world.now < BEGINNING + FAULTY_S:
            self.finish(work, 1)
            return
        run = self.runs[work.member]
        work.step = min(work.step + self.world.random.randint(1000, 8000), run.target)
        started = work.job.started or 0.0
        is_near = self.world.now + TICK_S > started + TIME_LIMIT_S - MARGIN_S
        chain = work.fleet.paths.chain(work.member)
        if self.world.chance(0.5) or work.step >= run.target or is_near:
            if must_end(work.fleet, chain, work.leg):
                self.finish(work, 4)
                return
            self.save(work)
        if work.step >= run.target or is_near or must_end(work.fleet, chain, work.leg):
            self.finish(work, 0)
            return
        self.world.after(TICK_S, partial(self.tick, work))

    def save(self, work: Work) -> None:
        """Commit, as training does: the fence has just been asked."""
        run = self.runs[work.member]
        assert run.saved == work.base, f"leg {work.leg} saves on top of {run.saved}, but it began at {work.base}"
        run.saved = work.base = work.step

    def finish(self, work: Work, exit_code: int) -> None:
        """The training command ended."""
        chain = work.fleet.paths.chain(work.member)
        with suppress(KilledError):
            finish_leg(work.fleet, chain, work.leg, exit_code, signals=[])
        self.leave(work)
        self.slurm.end(work.job, "completed" if exit_code == 0 else "failed")

    def leave(self, work: Work) -> None:
        """The process is no more."""
        if work in self.at_work:
            self.at_work.remove(work)

    def limit(self, job: ScriptedJob, restarts: int) -> None:
        """The time limit: whatever still lives is killed."""
        if job.state == "running" and job.restarts == restarts:
            self.kill(job, "timeout")

    def kill(self, job: ScriptedJob, how: str, *, is_alive: bool = False) -> None:
        """A job ends from outside; with `is_alive` its processes go on, as on a node that was lost."""
        self.note(f"job {job.id} ends: {how}{', its processes go on' if is_alive else ''}")
        self.slurm.end(job, how, is_alive=is_alive)  # type: ignore[arg-type]  # one of the endings
        for work in [work for work in self.at_work if work.job is job and not is_alive]:
            self.leave(work)

    def check_cap(self) -> None:
        """No more jobs at work than allowed, and no two of one chain, as far as the scheduler knows."""
        known = [work for work in self.at_work if work.job.state == "running"]
        assert len(known) <= self.max_jobs, f"{len(known)} jobs at work, {self.max_jobs} allowed"
        members = [work.member for work in known]
        assert len(members) == len(set(members)), f"two jobs at work for one chain: {sorted(members)}"
