"""A scripted scheduler in virtual time, for histories full of faults that no real one would show within a day.

Job: behave like SLURM towards an `Executor`'s caller, and fail on purpose: refuse, stay silent, lose answers, let other
processes in at the worst moment, kill the caller. Place in the data flow: tests of chains only; the real SLURM of
`local_slurm` is what everything else is tested on. Left out: nodes, priorities, output.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

from gamefleet.cluster.jobs import EndedJob, Ending, Job, JobRequest
from gamefleet.errors import SchedulerSilentError, SubmitRefusedError

BEGINNING = 1_000_000.0
"""When a history begins, seconds since 1970."""

FORGETS_AFTER_S = 300.0
"""Without accounting, ended jobs are known for so long (SLURM's MinJobAge)."""


class KilledError(BaseException):
    """The process that called was killed; nothing in it may catch this."""


class World:
    """Virtual time and what happens in it.

    Args:
        seed: Of the one random stream of a history.
    """

    def __init__(self, seed: int) -> None:
        self.now = BEGINNING
        self.random = random.Random(seed)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def at(self, time: float, event: Callable[[], None]) -> None:
        """Let something happen at a time."""
        self._count += 1
        heapq.heappush(self._events, (max(time, self.now), self._count, event))

    def after(self, seconds: float, event: Callable[[], None]) -> None:
        """Let something happen in so many seconds."""
        self.at(self.now + seconds, event)

    def run_until(self, time: float) -> None:
        """Let time pass; events may call this themselves, as a process that waits does."""
        while self._events and self._events[0][0] <= time:
            moment, _, event = heapq.heappop(self._events)
            self.now = max(self.now, moment)
            event()
        self.now = max(self.now, time)

    def chance(self, probability: float) -> bool:
        """Whether something of this probability happens."""
        return self.random.random() < probability


@dataclass(slots=True, kw_only=True)
class ScriptedJob:
    """One job.

    Args:
        id: Counts up.
        request: What was submitted.
        state: As the scheduler sees it.
        how: It ended.
        started: Of the newest start.
        ended: When it ended.
        restarts: How often it was requeued.
        is_alive: Whether its processes live: after a node was lost they may, although the job has ended.
        ignores_parent: It may start before its parent ended.
        eligible_at: It starts no sooner.
    """

    id: str
    request: JobRequest
    state: Literal["pending", "running", "ended"] = "pending"
    how: Ending = "unknown"
    started: float | None = None
    ended: float | None = None
    restarts: int = 0
    is_alive: bool = False
    ignores_parent: bool = False
    eligible_at: float = 0.0


@dataclass(slots=True, kw_only=True)
class Faults:
    """What goes wrong, as probabilities per call.

    Args:
        silent: A question or submission gets no answer and has no effect.
        lost_answer: A job is created, and the answer is lost.
        refused: A submission is refused for now.
        killed: The caller dies, before or after the call had its effect.
        interleaved: Other processes act while the call is under way.
        is_down: The scheduler answers nothing at all.
        has_accounting: Ended jobs are known for good.
    """

    silent: float = 0.0
    lost_answer: float = 0.0
    refused: float = 0.0
    killed: float = 0.0
    interleaved: float = 0.0
    is_down: bool = False
    has_accounting: bool = True


@dataclass(slots=True, kw_only=True)
class ScriptedSlurm:
    """The scheduler's own side.

    Args:
        world: Virtual time.
        faults: What goes wrong.
        begin: Called when a job starts.
        max_running: Cap that the scheduler enforces; None when it does not.
        bystanders: What may act while a call is under way.
    """

    world: World
    faults: Faults
    begin: Callable[[ScriptedJob], None]
    max_running: int | None = None
    bystanders: list[Callable[[], None]] = field(default_factory=list)
    jobs: dict[str, ScriptedJob] = field(default_factory=dict)
    _depth: int = 0

    def running(self) -> list[ScriptedJob]:
        """Jobs that run, by the scheduler's word."""
        return [job for job in self.jobs.values() if job.state == "running"]

    def create(self, request: JobRequest) -> ScriptedJob:
        """A new job, whoever made it."""
        job = ScriptedJob(id=str(len(self.jobs) + 1), request=request)
        job.eligible_at = self.world.now + self.world.random.expovariate(1 / 60.0)
        self.jobs[job.id] = job
        self.world.at(job.eligible_at, self.schedule)
        return job

    def schedule(self) -> None:
        """Start what can start, oldest first."""
        for job in list(self.jobs.values()):
            if self.max_running is not None and len(self.running()) >= self.max_running:
                self.world.after(300.0, self.schedule)
                return
            parent = self.jobs.get(job.request.after)
            waits = parent is not None and parent.state != "ended" and not job.ignores_parent
            if job.state == "pending" and not waits and job.eligible_at <= self.world.now:
                job.state, job.started, job.is_alive = "running", self.world.now, True
                self.begin(job)

    def end(self, job: ScriptedJob, how: Ending, *, is_alive: bool = False) -> None:
        """A job ends; with `is_alive` its processes do not."""
        if job.state != "ended":
            job.state, job.how, job.ended = "ended", how, self.world.now
            self.world.after(self.world.random.uniform(0.5, 30.0), self.schedule)
        job.is_alive = is_alive

    def requeue(self, job: ScriptedJob) -> None:
        """The same job, once more."""
        job.state, job.is_alive, job.restarts = "pending", False, job.restarts + 1
        job.eligible_at = self.world.now + 121.0
        self.world.at(job.eligible_at, self.schedule)

    def interrupt(self) -> None:
        """Let others act, in the middle of somebody's call."""
        if self._depth or not self.bystanders or not self.world.chance(self.faults.interleaved):
            return
        self._depth += 1
        try:
            self.world.random.choice(self.bystanders)()
        finally:
            self._depth -= 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedExecutor:
    """An `Executor` for one process of the history.

    Args:
        slurm: The scheduler.
        is_alive: Whether the calling process still lives.
    """

    slurm: ScriptedSlurm
    is_alive: Callable[[], bool]

    def _call(self) -> None:
        faults, world = self.slurm.faults, self.slurm.world
        self.slurm.interrupt()
        if not self.is_alive() or world.chance(faults.killed):
            raise KilledError
        if faults.is_down or world.chance(faults.silent):
            raise SchedulerSilentError("SLURM did not answer within 30 s")

    def _answer(self) -> None:
        self.slurm.interrupt()
        if not self.is_alive() or self.slurm.world.chance(self.slurm.faults.killed):
            raise KilledError

    def submit(self, request: JobRequest) -> str:
        """See `Executor.submit`."""
        self._call()
        if self.slurm.world.chance(self.slurm.faults.refused):
            raise SubmitRefusedError("QOSMaxSubmitJobPerUserLimit", is_temporary=True)
        job = self.slurm.create(request)
        self._answer()
        if self.slurm.world.chance(self.slurm.faults.lost_answer):
            raise SchedulerSilentError("the answer was lost")
        return job.id

    def queue(self) -> list[Job]:
        """See `Executor.queue`."""
        self._call()
        found = [described(job, self.slurm) for job in self.slurm.jobs.values() if job.state != "ended"]
        self._answer()
        return found

    def ended(self, ids: Collection[str] = (), *, names: Collection[str] = ()) -> Mapping[str, EndedJob]:
        """See `Executor.ended`."""
        self._call()
        found = {}
        for job in self.slurm.jobs.values():
            is_asked = job.state == "ended" and (job.id in ids or job.request.name in names)
            age = self.slurm.world.now - (job.ended or 0.0)
            if is_asked and (self.slurm.faults.has_accounting or age < FORGETS_AFTER_S):
                found[job.id] = EndedJob(id=job.id, name=job.request.name, how=job.how, started=job.started)
        self._answer()
        return found

    def cancel(self, ids: Collection[str], *, signal: str = "") -> None:
        """See `Executor.cancel`; only waiting jobs are cancelled in histories."""
        self._call()
        for job in (self.slurm.jobs[id] for id in ids):
            if not signal and job.state == "pending":
                self.slurm.end(job, "cancelled")


def described(job: ScriptedJob, slurm: ScriptedSlurm) -> Job:
    """A job as a queue shows it."""
    parent = slurm.jobs.get(job.request.after)
    waits = parent is not None and parent.state != "ended"
    reason = "" if job.state == "running" else "Dependency" if waits else "Priority"
    state: Literal["pending", "running"] = "running" if job.state == "running" else "pending"
    return Job(id=job.id, name=job.request.name, state=state, reason=reason, started=job.started)
