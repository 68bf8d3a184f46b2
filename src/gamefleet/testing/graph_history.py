"""Histories of a skill graph in virtual time: a scheduler that is killed anywhere, and what must hold at every moment.

Job: let the real decisions of `cluster.graph` live through days of faults within milliseconds, and check every step.
Place in the data flow: tests. Left out: the loop with real files and processes, which has tests of its own.

What must hold, whatever happens:

- one job at a time works on a skill, only when all it builds on is merged, and never on what has succeeded;
- what was saved is never trained again;
- never more at work than slots and memory allow; one proposal at a time, and none while the frontier is blocked;
- indices, names and dependencies are for good; an expert is merged once;
- when the faults end the run ends: every skill is completed, failed within its budgets, or blocked by one that failed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from gamefleet.cluster.graph.advance import advance, next_wake
from gamefleet.cluster.graph.events import (
    Begun,
    Cancel,
    Command,
    Event,
    JobEnded,
    Merge,
    Propose,
    RetryAsked,
    StopAsked,
    Submit,
    Ticked,
)
from gamefleet.cluster.graph.state import GraphState, Limits
from gamefleet.testing.graph_checks import RETRIES_BY_PERSONS, check_end, check_step
from gamefleet.testing.graph_inventions import GraphFaults, invent_faults, invent_limits, invent_skills
from gamefleet.testing.graph_world import GraphWorld, SimulatedJob, answer_of
from gamefleet.testing.scripted_slurm import BEGINNING, KilledError, World

FAULTY_S = 20_000.0
"""So long faults happen."""

GIVE_UP_S = 2_000_000.0
POLL_S = 1500.0


@dataclass(slots=True)
class GraphHistory:
    """One history.

    Args:
        seed: Decides everything.
    """

    seed: int
    world: World = field(init=False)
    outside: GraphWorld = field(init=False)
    limits: Limits = field(init=False)
    state: GraphState = field(init=False)
    written: GraphState = field(init=False)
    process: int = 0
    is_alive: bool = False
    is_over: bool = False
    retries: int = RETRIES_BY_PERSONS
    happened: list[tuple[float, object, object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.world = World(self.seed)
        self.limits = invent_limits(self.world.random)
        faults = invent_faults(self.world.random)
        secrets = {secret.name: secret for secret in invent_skills(self.world.random, self.limits.max_nodes)}
        self.outside = GraphWorld(world=self.world, secrets=secrets, faults=faults, notice=self.noticed)
        self.state = self.written = GraphState(id=f"{self.seed:06d}")

    # ---- the scheduler's process

    def begin(self, *, is_stopping: bool = False, retried: tuple[str, ...] = ()) -> None:
        """A scheduler process starts from what is written down, as its successor on another day would."""
        self.process += 1
        self.is_alive = True
        if self.world.chance(0.1):
            self.written = GraphState.from_json(self.written.to_json())
        self.state = self.written
        self.handle(Begun(limits=self.limits, is_stopping=is_stopping, retried=retried))
        self.look()

    def handle(self, event: Event) -> None:
        """One event: decide, write down, act; the process may die between any two steps."""
        process = self.process
        try:
            self.step(event)
        except KilledError:
            self.happened.append((self.world.now, "killed", ""))
            if self.process == process:
                self.is_alive = False
                self.world.after(self.world.random.uniform(1, 2000), self.revive)

    def step(self, event: Event) -> None:
        """The steps of one event."""
        before = self.state
        after, commands = advance(before, event, self.world.now)
        self.happened.append((self.world.now, event, commands))
        check_step(before, after, commands)
        self.may_die()
        self.state = self.written = after
        self.is_over = bool(after.outcome)
        for command in commands:
            self.may_die()
            for answer in self.carry_out(command):
                self.step(answer)

    def may_die(self) -> None:
        """Perhaps the process is killed here."""
        if self.world.chance(self.outside.faults.killed):
            raise KilledError

    def revive(self) -> None:
        """Somebody starts the scheduler again, perhaps with other settings."""
        if not self.is_alive:
            self.begin()

    def carry_out(self, command: Command) -> Iterator[Event]:
        """What comes back at once of a command."""
        if isinstance(command, Submit):
            answer = self.outside.hand_over(command, self.state.by_name[command.skill_name].attempts)
            self.may_die()
            yield answer
        elif isinstance(command, Merge):
            answer = self.outside.merge(command)
            self.may_die()
            yield answer
        elif isinstance(command, Propose):
            delay = self.world.random.uniform(1, 60)
            self.world.after(delay, partial(self.propose, command.number, self.process))
        elif isinstance(command, Cancel):
            self.outside.cancel(self.outside.jobs[command.job])

    def propose(self, number: int, process: int) -> None:
        """The proposer answers, if the process that asked still lives."""
        if process != self.process or not self.is_alive:
            return
        self.handle(answer_of(self.outside, set(self.state.by_name), number))

    def noticed(self, job: SimulatedJob) -> None:
        """Something tells the scheduler that a job has ended."""
        node = self.state.by_name.get(job.skill)
        if self.is_alive and node is not None and node.status == "running" and node.jobs[-1].id == job.id:
            self.handle(JobEnded(skill_name=job.skill, leg=job.leg, report=self.outside.report(job)))

    def look(self, process: int = 0) -> None:
        """The scheduler looks at everything, and then again in a while."""
        if not self.is_alive or process not in (0, self.process) or self.is_over:
            return
        for node in self.state.skills:
            if node.status == "running" and (job := self.outside.jobs[node.jobs[-1].id]).how is not None:
                self.noticed(job)
        self.handle(Ticked())
        if self.is_alive and not self.is_over:
            wake = min(next_wake(self.state), self.world.now + POLL_S)
            self.world.at(max(wake, self.world.now + 1), partial(self.look, self.process))

    # ---- the whole

    def meddle(self) -> None:
        """A person does what persons do."""
        if self.world.now > BEGINNING + FAULTY_S:
            return
        self.world.after(self.world.random.uniform(2000, 8000), self.meddle)
        failed = [node.skill_name for node in self.state.skills if node.status in ("failed", "blocked")]
        if not self.is_alive:
            self.start_otherwise(failed)
            return
        if failed and self.retries:
            self.retries -= 1
            self.handle(RetryAsked(skill_name=self.world.random.choice(failed)))
            self.look()
        elif self.world.chance(0.2):
            self.handle(StopAsked())
            self.world.after(self.world.random.uniform(10, 3000), self.begin)

    def start_otherwise(self, failed: list[str]) -> None:
        """Somebody finds the scheduler dead, and starts one that lets jobs save and end, or with a wish for a retry."""
        if failed and self.retries and self.world.chance(0.2):
            self.retries -= 1
            self.begin(retried=(self.world.random.choice(failed),))
        elif self.world.chance(0.2):
            self.begin(is_stopping=True)
            self.world.after(self.world.random.uniform(10, 3000), self.begin)

    def mend(self) -> None:
        """Faults end, and the scheduler runs."""
        self.outside.faults = GraphFaults()
        if not self.is_alive or self.state.is_stopping or self.is_over:
            self.begin()

    def run(self) -> None:
        """Live through it.

        Raises:
            AssertionError: Something that must hold did not.
        """
        self.begin()
        self.world.after(self.world.random.uniform(1000, 8000), self.meddle)
        self.world.at(self.world.now + FAULTY_S, self.mend)
        end = self.world.now + GIVE_UP_S
        mended = self.world.now + FAULTY_S + 1
        while self.world.now < mended or (not self.is_over and self.world.now < end):
            self.world.run_until(min(self.world.now + 10_000, end))
        check_end(self.state, self.outside)
