"""The world around a simulated skill graph: jobs that train, die and are forgotten, a store, a proposer.

Job: behave like executors, trainers and the store of experts towards the scheduler of a skill graph, and fail on
purpose. Place in the data flow: `graph_history` lets the real decisions live in it. Left out: real processes and files,
which the wiring's own tests use.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from gamefleet.cluster.graph.events import (
    Accepted,
    Event,
    Exhausted,
    JobMissing,
    JobSilent,
    Merge,
    Merged,
    MergeFailed,
    ProposalFailed,
    Rejected,
    Submit,
    SubmitRefused,
    Submitted,
)
from gamefleet.cluster.graph.failures import Remains, Report, classify
from gamefleet.cluster.jobs import Ending
from gamefleet.testing.graph_inventions import GraphFaults, Secret
from gamefleet.testing.scripted_slurm import World

THRESHOLD = 0.9
SAVE_S = 60
"""A checkpoint is saved so often; a second of training is a frame."""


OWN_DEATHS: list[tuple[Ending, int | None]] = [("failed", 1), ("out_of_memory", 7), ("failed", 2)]
DEATHS: list[tuple[Ending, int | None]] = [
    ("failed", 137),
    ("unknown", None),
    ("timeout", None),
    ("preempted", None),
    ("node_fail", None),
    ("cancelled", None),
]
"""How a job ends by its own fault, and otherwise, with its exit code."""


@dataclass(slots=True, kw_only=True)
class SimulatedJob:
    """One job.

    Args:
        id: The executor's.
        skill: Whose.
        attempt: Of the skill.
        leg: Of the skill.
        visible_at: The executor shows it from then on.
        how: It ended; None while it has not.
        exit_code: Of its command.
        is_training: Whether it works right now.
        is_at_fault: Whether it ended by its own doing, so that nothing is to be gained by going on.
    """

    id: str
    skill: str
    attempt: int
    leg: int
    visible_at: float
    how: Ending | None = None
    exit_code: int | None = None
    is_training: bool = False
    is_at_fault: bool = False


@dataclass(slots=True, kw_only=True)
class GraphWorld:
    """Everything outside of the scheduler.

    Args:
        world: Time and chance.
        secrets: Skill -> what is true of it.
        faults: What goes wrong.
        notice: Called with a job that has ended, when something tells the scheduler.
    """

    world: World
    secrets: dict[str, Secret]
    faults: GraphFaults
    notice: Callable[[SimulatedJob], None]
    jobs: dict[str, SimulatedJob] = field(default_factory=dict)
    saved: dict[tuple[str, int], int] = field(default_factory=dict)
    worked: dict[tuple[str, int], int] = field(default_factory=dict)
    lost: dict[tuple[str, int], int] = field(default_factory=dict)
    results: dict[tuple[str, int], bool] = field(default_factory=dict)
    damaged: set[tuple[str, int]] = field(default_factory=set)
    experts: dict[str, int] = field(default_factory=dict)
    begun: set[tuple[str, int]] = field(default_factory=set)

    def hand_over(self, command: Submit, attempt: int) -> Event:
        """Make a job or look for it; what the scheduler hears of it."""
        name, leg, faults = command.skill_name, command.leg, self.faults
        if self.world.chance(faults.silent):
            return JobSilent(skill_name=name, leg=leg)
        if command.may_exist:
            job = self.find(name, leg)
            missing = JobMissing(skill_name=name, leg=leg)
            return missing if job is None else Submitted(skill_name=name, leg=leg, job=job.id)
        for chance, is_temporary in ((faults.refused, True), (faults.refused_for_good, False)):
            if self.world.chance(chance):
                return SubmitRefused(skill_name=name, leg=leg, reason="no", is_temporary=is_temporary)
        is_lost = self.world.chance(faults.lost_answer)
        job = self.submit(name, attempt, leg, is_late=is_lost)
        return JobSilent(skill_name=name, leg=leg) if is_lost else Submitted(skill_name=name, leg=leg, job=job.id)

    def merge(self, command: Merge) -> Event:
        """Publish an expert; again is as once."""
        name, attempt = command.skill_name, command.attempt
        if self.world.chance(self.faults.merge_fails):
            return MergeFailed(skill_name=name, attempt=attempt, reason="full", is_damaged=False)
        if (name, attempt) in self.damaged:
            return MergeFailed(skill_name=name, attempt=attempt, reason="damaged", is_damaged=True)
        assert self.results[name, attempt], f"{name} is merged without a success"
        assert self.experts.setdefault(name, attempt) == attempt, f"two experts of {name}"
        return Merged(skill_name=name, attempt=attempt, generation=len(self.experts))

    def submit(self, skill: str, attempt: int, leg: int, *, is_late: bool = False) -> SimulatedJob:
        """Make a job; one whose answer was lost may be seen only later."""
        delay = self.world.random.uniform(0, 60) if is_late else 0.0
        job = SimulatedJob(
            id=str(len(self.jobs) + 1), skill=skill, attempt=attempt, leg=leg, visible_at=self.world.now + delay
        )
        self.jobs[job.id] = job
        self.world.after(self.world.random.uniform(0, 100), partial(self.begin, job))
        return job

    def find(self, skill: str, leg: int) -> SimulatedJob | None:
        """The job of a leg, if the executor shows one; the one that works where there are two."""
        found = [job for job in self.jobs.values() if (job.skill, job.leg) == (skill, leg)]
        found = [job for job in found if job.visible_at <= self.world.now]
        return max(found, key=lambda job: (job.is_training, job.how is None, job.how != "completed"), default=None)

    def begin(self, job: SimulatedJob) -> None:
        """A job starts; of two jobs of a leg one does."""
        if job.how is not None:
            return
        if (job.skill, job.leg) in self.begun:
            self.end(job, "completed", 0)
            return
        self.begun.add((job.skill, job.leg))
        self.check_beginning(job)
        job.is_training = True
        secret = self.secrets[job.skill]
        left = secret.needed_s - self.saved.get((job.skill, job.attempt), 0)
        random = self.world.random
        if self.world.chance(self.faults.dies) or (secret.deadly and self.world.chance(secret.deadly)):
            after = random.randrange(0, max(left, 1))
            self.world.after(after, partial(self.die, job, after))
        else:
            self.world.after(left, partial(self.complete, job, left))

    def check_beginning(self, job: SimulatedJob) -> None:
        """Nothing is trained twice, and nothing before what it builds on."""
        others = [one.id for one in self.jobs.values() if one.is_training and one.skill == job.skill]
        assert not others, f"{job} begins while {others} work on the same skill"
        assert job.skill not in self.experts, f"{job} trains what is merged"
        key = (job.skill, job.attempt)
        assert not self.results.get(key) or key in self.damaged, f"{job} trains again what has succeeded"
        cut_short = [
            one.id
            for one in self.jobs.values()
            if (one.skill, one.attempt) == (job.skill, job.attempt - 1) and not self.may_be_given_up(one)
        ]
        assert len(cut_short) < self.jobs_of(job.skill, job.attempt - 1), f"{job} gives up what {cut_short} saved"
        missing = [name for name in self.secrets[job.skill].dependencies if name not in self.experts]
        assert not missing, f"{job} begins without {missing}"

    def jobs_of(self, skill: str, attempt: int) -> int:
        """How many jobs an attempt had; one more before the first, which nobody gives up."""
        return sum((one.skill, one.attempt) == (skill, attempt) for one in self.jobs.values()) + (attempt < 1)

    def may_be_given_up(self, job: SimulatedJob) -> bool:
        """Whether an attempt may end with this job: a scheduler that died cannot tell who cancelled it, and why."""
        return job.is_at_fault or job.how == "cancelled" or (job.skill, job.attempt) in self.results

    def work(self, job: SimulatedJob, seconds: int, saved: int) -> None:
        """Account for what a job trained and saved."""
        key = (job.skill, job.attempt)
        self.worked[key] = self.worked.get(key, 0) + seconds
        self.lost[key] = self.lost.get(key, 0) + seconds - saved
        self.saved[key] = self.saved.get(key, 0) + saved

    def die(self, job: SimulatedJob, after: int) -> None:
        """A job is cut short: by its own fault, by somebody, or by its machine."""
        if not job.is_training:
            return
        is_own = self.world.chance(self.secrets[job.skill].deadly)
        job.is_at_fault = is_own
        how, code = self.world.random.choice(OWN_DEATHS if is_own else DEATHS)
        polite = how in ("timeout", "preempted")
        self.work(job, after, after if polite else after // SAVE_S * SAVE_S)
        self.end(job, how, code)

    def complete(self, job: SimulatedJob, seconds: int) -> None:
        """A job comes to its end, and leaves a result."""
        if not job.is_training:
            return
        self.work(job, seconds, seconds)
        key = (job.skill, job.attempt)
        self.results[key] = self.world.chance(self.secrets[job.skill].learns)
        if self.results[key] and self.world.chance(self.faults.damaged):
            self.damaged.add(key)
        self.end(job, "completed", 0)

    def cancel(self, job: SimulatedJob) -> None:
        """Somebody wants a job to end; it saves."""
        if job.how is None and not self.world.chance(self.faults.silent):
            self.work(job, 0, 0)
            self.end(job, "cancelled", None)

    def end(self, job: SimulatedJob, how: Ending, code: int | None) -> None:
        """A job has ended."""
        job.how, job.exit_code, job.is_training = how, code, False
        if not self.world.chance(self.faults.unnoticed):
            self.world.after(0.1, partial(self.notice, job))

    def report(self, job: SimulatedJob) -> Report:
        """What is read of a job that has ended: its result decides, whatever the executor says."""
        key = (job.skill, job.attempt)
        frames = self.saved.get(key, 0)
        if key not in self.results:
            return classify(Remains(how=job.how, exit_code=job.exit_code, frames=frames), THRESHOLD)
        successes = 250 if self.results[key] else 100
        result = {
            "status": "succeeded" if self.results[key] else "did_not_learn",
            "successes": successes,
            "episodes": 256,
            "lower_bound": successes / 256 - 0.04,
            "frames": frames,
        }
        return classify(Remains(how=job.how, exit_code=job.exit_code, result=result, frames=frames), THRESHOLD)


def answer_of(outside: GraphWorld, known: set[str], number: int) -> Event:
    """What a proposer says to a graph of these skills."""
    faults, chance = outside.faults, outside.world.chance
    left = [one for one in outside.secrets.values() if one.name not in known]
    fitting = [one for one in left if known.issuperset(one.dependencies)]
    if chance(faults.no_proposal):
        return ProposalFailed(number=number, reason="429", is_lasting=chance(0.05))
    if chance(faults.rejected):
        return Rejected(number=number, skill_name="bad", reasons=("its reward is constant",))
    if chance(faults.nonsense) and left:
        odd = outside.world.random.choice([("nobody",), (left[0].name,), (*known, *known)])
        return Accepted(number=number, skill_name=left[0].name if odd else "", dependencies=odd)
    if not fitting:
        return Exhausted(number=number)
    return Accepted(number=number, skill_name=fitting[0].name, dependencies=fitting[0].dependencies)
