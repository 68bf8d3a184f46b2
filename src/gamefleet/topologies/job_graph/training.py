"""One job of a skill graph: train a skill for one leg, and leave a result that decides.

Job: claim the leg, train or go on, report, and write expert, end states and result so that whoever comes later finds
all of it or nothing. Place in the data flow: `gamefleet skills train` runs it as a job of any executor; the scheduler
reads the result. Left out: how skills are trained (the world's trainer), and what the scheduler makes of it.

- The first act is the claim of the leg: of two jobs for the same leg one works, and an older leg that wakes up again is
  fenced off from the result.
- The result is written last. A job that dies before has no result and is followed by one that goes on from the
  trainer's checkpoint; a job that dies after has succeeded.
- Files of an earlier attempt are set aside, not deleted.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from safetensors.numpy import save

from gamefleet.cluster.graph.failures import DAMAGED_DEPENDENCY
from gamefleet.errors import RunFolderError
from gamefleet.files import create_once, make_folder, read_json, write_bytes, write_json
from gamefleet.runs.deadline import Deadline, job_end
from gamefleet.skills.training import Progress, TrainingOutcome, TrainingTask, lower_bound
from gamefleet.skills.world import SkillWorld
from gamefleet.topologies.job_graph.damage import FRONTIER_SHA256, find_damage
from gamefleet.topologies.job_graph.metrics import values_of
from gamefleet.topologies.job_graph.paths import TrainingPaths
from gamefleet.topologies.job_graph.tasks import JobTask
from gamefleet.topologies.skill_trainer.trainer import make_skill_trainer
from gamefleet.weights.experts import Expert, ExpertFacts, write_expert

log = logging.getLogger(__name__)

DEFAULT_NUM_ENVS = 64
"""Where neither the user nor the world's own trainer says how many."""

REPORT_S = 1.0
"""Progress is written down no more often."""

OF_ALL_ATTEMPTS = ("tasks", "legs", "output", "training.log")
"""What stays where it is when another attempt begins."""


@dataclass(slots=True, kw_only=True)
class Leg:
    """A job at work.

    Args:
        paths: Of the training.
        task: What it has to do.
        deadline: Says when it must end.
        tell: Gets one line for people, every now and then.
        record: Gets step and values, for metrics.
        clock: In seconds.
    """

    paths: TrainingPaths
    task: JobTask
    deadline: Deadline
    tell: Callable[[str], None]
    record: Callable[[int, Mapping[str, float]], None]
    clock: Callable[[], float] = time.monotonic
    progress: Progress | None = None
    reason: str = ""
    _reported_at: float = field(default=float("-inf"))

    def fence(self) -> None:
        """Fail when a later leg has taken the training over; see `files.Fence`.

        Raises:
            RunFolderError: This job may no longer write here.
        """
        newest = self.paths.newest_leg()
        if newest > self.task.leg:
            raise RunFolderError(f"Leg {newest} has taken this training over", where=self.paths.root)

    def report(self, progress: Progress) -> None:
        """Write down how training goes."""
        self.progress = progress
        now = self.clock()
        if now - self._reported_at < REPORT_S:
            return
        self._reported_at = now
        content = {"attempt": self.task.task.attempt, "leg": self.task.leg, **progress_json(progress)}
        write_json(self.paths.progress, content, fence=self.fence)
        self.record(progress.frames, values_of(progress))
        self.tell(
            f"{progress.frames:,} frames, {progress.seconds:.0f} s: success {progress.success_rate:.1%} "
            f"of the last episodes, return {progress.return_mean:.2f}"
        )

    def should_stop(self) -> bool:
        """Whether to save and end; says why in `reason`."""
        limit, spent = self.task.time_limit_s, self.progress.seconds if self.progress else 0.0
        if limit and spent >= limit:
            self.reason = f"it has trained for {spent:.0f} s, {limit:.0f} s are allowed"
        elif self.paths.newest_leg() != self.task.leg:  # or none at all: the skill is completed, its folder is gone
            self.reason = "a later job has taken over"
        else:
            reason = self.deadline.reason()
            self.reason = "it was asked to save and end" if reason.startswith("signal") else reason
        return bool(self.reason)

    @property
    def is_over_time(self) -> bool:
        """Whether the attempt has used up its time."""
        limit = self.task.time_limit_s
        return bool(limit and self.progress and self.progress.seconds >= limit)


def run_leg(leg: Leg, world: SkillWorld, environment: Mapping[str, str]) -> str:
    """Do one job's work.

    Args:
        leg: The job.
        world: Where the skill is trained.
        environment: Variables of the process.

    Returns:
        One line about how it ended.

    Raises:
        RunFolderError: A later leg took over, or nothing can be written.
        GamefleetError: What the trainer cannot go on with.
    """
    if not claim(leg.paths, leg.task, environment):
        return f"leg {leg.task.leg} is another job's; this one has nothing to do"
    found = earlier_result(leg.paths, leg.task)
    if found:
        return f"attempt {leg.task.task.attempt} has ended before: {found}"
    set_earlier_attempts_aside(leg.paths, leg.task.task.attempt)
    task = leg.task.task
    leg.tell(f"{task.skill.name}: attempt {task.attempt}, leg {leg.task.leg}, seed {task.seed}")
    if leg.task.stays:
        leg.tell(f"the attempt began with {leg.task.stays}; what is asked for now holds from the next attempt on")
    damage = find_damage(task)
    if damage is not None:  # another skill's fault, and for the scheduler to know
        write_result(leg, {"status": DAMAGED_DEPENDENCY, "damaged_skill": damage.skill, "reason": damage.reason})
        return f"{DAMAGED_DEPENDENCY}: {damage.reason}"
    trainer = make_skill_trainer(world, environment)
    with leg.deadline.listening():
        outcome = trainer.train(with_envs(task, world), leg.report, leg.should_stop)
    leg.fence()
    return stopped(leg) if outcome is None else finished(leg, outcome, world)


def claim(paths: TrainingPaths, task: JobTask, environment: Mapping[str, str]) -> bool:
    """Take the leg; False when another job has it, or a later leg is there."""
    make_folder(paths.legs)
    job = {"job": environment.get("SLURM_JOB_ID", ""), "pid": os.getpid(), "at": time.time()}
    return paths.newest_leg() < task.leg and create_once(paths.leg(task.leg), job)


def earlier_result(paths: TrainingPaths, task: JobTask) -> str:
    """How this attempt ended for good in an earlier job, if it did."""
    try:
        found = read_json(paths.result)
    except (FileNotFoundError, ValueError):
        return ""
    is_final = found.get("attempt") == task.task.attempt and found.get("status") in ("succeeded", "did_not_learn")
    return str(found["status"]) if is_final else ""


def set_earlier_attempts_aside(paths: TrainingPaths, attempt: int) -> None:
    """Move what earlier attempts left into folders of their own, so that this one starts afresh."""
    marker = paths.root / "attempt.json"
    try:
        before = int(read_json(marker)["attempt"])
    except (FileNotFoundError, ValueError, KeyError):
        before = attempt
    if before < attempt:
        aside = paths.root / f"attempt-{before}"
        make_folder(aside)
        for path in paths.root.iterdir():
            is_kept = path.name in OF_ALL_ATTEMPTS or path == paths.module or path == marker
            if not is_kept and not path.name.startswith("attempt-"):
                os.replace(path, aside / path.name)
    write_json(marker, {"attempt": attempt})  # last: a job that dies in between goes on moving


def with_envs(task: TrainingTask, world: SkillWorld) -> TrainingTask:
    """The task with a number of environments that the world's own trainer can take as it is."""
    if world.make_trainer is None:
        return task
    return replace(task, num_envs=max((task.num_envs or DEFAULT_NUM_ENVS) >> task.halvings, 1), halvings=0)


def stopped(leg: Leg) -> str:
    """Say that training is to go on in another job, or that its time is over."""
    status = "time_limit" if leg.is_over_time else "stopped"
    progress = {} if leg.progress is None else progress_json(leg.progress)
    write_result(leg, {**progress, "status": status, "reason": leg.reason})
    return f"{status}: {leg.reason}"


def finished(leg: Leg, outcome: TrainingOutcome, world: SkillWorld) -> str:
    """Leave what came out; the result last."""
    task = leg.task.task
    if outcome.is_success:
        states = save(dict(outcome.frontier))
        write_bytes(leg.paths.frontier, states, fence=leg.fence)
        write_networks(leg, outcome, world)
        write_expert(leg.paths.expert, expert_of(task, leg.task.env_name, outcome, world), fence=leg.fence)
    status = "succeeded" if outcome.is_success else "did_not_learn"
    bound = lower_bound(outcome.successes, outcome.episodes)
    rate = outcome.successes / outcome.episodes if outcome.episodes else 0.0
    content = {
        "status": status,
        "reason": outcome.reason,
        "successes": outcome.successes,
        "episodes": outcome.episodes,
        "reached": outcome.reached,
        "started": outcome.started,
        "success_rate": rate,
        "lower_bound": bound,
        "frames": outcome.frames,
        "seconds": outcome.seconds,
        "seed": task.seed,
        "statistics": dict(outcome.statistics),
    }
    if outcome.is_success:
        content[FRONTIER_SHA256] = hashlib.sha256(states).hexdigest()
    if outcome.is_success and outcome.networks:
        content["networks"] = {name: leg.paths.network(name).name for name in sorted(outcome.networks)}
    write_result(leg, content)
    return f"{status}: {outcome.successes} of {outcome.episodes} episodes ({bound:.1%} at least), {outcome.reason}"


def write_networks(leg: Leg, outcome: TrainingOutcome, world: SkillWorld) -> None:
    """Leave what was taught beside the expert; one that plays alone has the form of an expert's file."""
    for name, arrays in outcome.networks.items():
        path = leg.paths.network(name)
        if name == "distilled":
            alone = replace(outcome, expert=arrays)
            write_expert(path, expert_of(leg.task.task, leg.task.env_name, alone, world), fence=leg.fence)
        else:
            write_bytes(path, save(dict(arrays)), fence=leg.fence)


def write_result(leg: Leg, content: Mapping[str, Any]) -> None:
    """Write the file that decides."""
    task = leg.task.task
    head = {"skill_name": task.skill.name, "index": task.index, "attempt": task.attempt, "leg": leg.task.leg}
    write_json(leg.paths.result, {**head, **content}, fence=leg.fence)


def expert_of(task: TrainingTask, env_name: str, outcome: TrainingOutcome, world: SkillWorld) -> Expert:
    """The expert of a success, with what must be known about it."""
    params = dict(outcome.expert)
    facts = ExpertFacts(
        skill=task.skill.name,
        index=task.index,
        attempt=task.attempt,
        env_name=env_name,
        feature_hash=world.feature_hash(),
        observation_size=int(params["body/0/w"].shape[0]) if "body/0/w" in params else len(world.features),
        num_actions=len(world.actions),
        frames=outcome.frames,
        seed=task.seed,
    )
    return Expert(facts=facts, params=params)


def progress_json(progress: Progress) -> dict[str, Any]:
    """Progress as plain values."""
    return {
        "frames": progress.frames,
        "success_rate": progress.success_rate,
        "episodes": progress.episodes,
        "seconds": progress.seconds,
    }


def deadline_of(environment: Mapping[str, str]) -> Deadline:
    """When a job must end, by the scheduler around it."""
    return Deadline(max_runtime_s=None, job_end=job_end(environment))
