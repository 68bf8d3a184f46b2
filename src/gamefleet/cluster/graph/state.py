"""What the scheduler of a skill graph knows: its nodes, its limits, its proposals, as one JSON value.

Job: the types of the graph's state. Place in the data flow: `advance` makes the next state of an event; the loop around
it writes each state to `scheduler_state.json` before it acts on it. Left out: what follows from a state (`advance`),
and what a skill is: its text is carried along, and read only for whether there is one.

What changes with every event is a `msgspec.Struct` instead of a dataclass: it is read and written as JSON, and one with
a value exchanged is made ten times as fast, which ten thousand simulated histories are made of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import msgspec

from gamefleet.errors import RunFolderError

VERSION = 1
"""Of the state's JSON form; a reader refuses a later one."""

Status = Literal["waiting", "ready", "launching", "running", "merging", "completed", "failed", "blocked"]
"""Of a skill.

`waiting`: for its dependencies, or for the end of a pause after a failure. `ready`: for a slot. `launching`: its job is
about to be handed over, and may exist. `running`: its job exists. `merging`: it has learned, its expert is being
published. `blocked`: a skill that it needs has failed or is blocked.
"""

UNKNOWN = "0"
"""Reward and success of a skill of which nobody knows them."""

AT_WORK: tuple[Status, ...] = ("launching", "running")
OVER: tuple[Status, ...] = ("completed", "failed", "blocked")


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What one skill's job takes of this machine.

    Args:
        cpus: Cores.
        gpu_memory_gb: On one GPU; 0 for none.
    """

    cpus: float = 1.0
    gpu_memory_gb: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Settings of the scheduler; a restart may change them.

    Args:
        max_parallel_skills: Jobs at one time.
        max_nodes: Skills to be had; one that failed or is blocked is replaced, at most this many times in all.
        max_retries: Further attempts at a skill after a failed one, for each kind of failure.
        max_waiting_skills: New skills are proposed while fewer than this many wait for dependencies.
        max_rejections: Proposals refused in a row after which no more are asked for.
        max_proposer_failures: Failures of the proposer in a row after which it is not asked again.
        skill_time_limit_s: Training time of one attempt, over all its jobs; 0 for none.
        pause_s: Before a crashed job's next attempt; doubles with each crash.
        cpus: Of this machine for jobs; 0 does not count them.
        gpus_gb: Memory of each GPU for jobs; empty does not count it.
        gpu_names: Of each GPU, as its jobs are told to use it.
        needs: Of a skill that does not say so itself.
    """

    max_parallel_skills: int = 3
    max_nodes: int = 40
    max_retries: int = 2
    max_waiting_skills: int = 1
    max_rejections: int = 10
    max_proposer_failures: int = 5
    skill_time_limit_s: float = 0.0
    pause_s: float = 15.0
    cpus: float = 0.0
    gpus_gb: tuple[float, ...] = ()
    gpu_names: tuple[str, ...] = ()
    needs: Needs = Needs()


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What went wrong last.

    Args:
        kind: A key of `failures.BUDGETS`, `refused`, or `damaged_files` of a skill that was completed before.
        reason: In words.
    """

    kind: str
    reason: str = ""


def is_trainable(skill: Mapping[str, Any]) -> bool:
    """Whether a skill's text says what is rewarded. That of one which an older run left may not: it keeps its number.

    No proposal comes without: the verification refuses rewards that are always the same.
    """
    return bool(skill.get("python")) or not skill.get("reward") == skill.get("success") == UNKNOWN


class SkillJob(msgspec.Struct, frozen=True, kw_only=True):
    """One job of a skill; an attempt takes several when jobs are cut short.

    Args:
        attempt: From 1; another attempt starts afresh, with another seed.
        leg: From 1 within the skill, over all attempts; another leg of an attempt goes on from its checkpoint.
        asked_at: When it was about to be handed over, seconds since 1970.
        tries: How often that was done.
        gpu: Number of its GPU; -1 for none.
        id: The executor's; empty while no answer is known.
        ended_at: Seconds since 1970; 0 while it has not.
        how: It ended: a kind of `failures`.
        reason: In words.
        frames: Trained within the attempt when it ended.
        unwanted: Why this scheduler wants it to end: `stop`, `time_limit`; empty for nothing.
        cancel_asked_at: When it was last asked to, seconds since 1970.
    """

    attempt: int
    leg: int
    asked_at: float
    tries: int = 1
    gpu: int = -1
    id: str = ""
    ended_at: float = 0.0
    how: str = ""
    reason: str = ""
    frames: int = 0
    unwanted: str = ""
    cancel_asked_at: float = 0.0


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted skill.

    Args:
        skill_name: Unique in the graph, for good.
        index: Order of acceptance, from 0; kept over retries.
        dependencies: Names of skills accepted before.
        skill: The skill's own text, unread here.
        status: See `Status`.
        attempts: Number of the newest attempt; 0 before the first.
        needs: None takes `Limits.needs`.
        estimate_s: How long training is thought to take; 0 when nobody said so.
        not_before: A pause ends then, seconds since 1970: after a failure, or before a job without an answer is looked
            for; 0 for none.
        jobs: All of them, oldest first.
        spent: Kind of failure -> how often it counted against its budget.
        failure: The newest one; None when there was none or it has been overcome.
        reason: Why it has this status, where that needs saying.
        result: What the evaluation of a success said, and what training took.
        generation: Of the merge that published its expert; 0 before.
        accepted_at: Seconds since 1970.
        completed_at: Seconds since 1970; 0 before.
    """

    skill_name: str
    index: int
    dependencies: tuple[str, ...] = ()
    skill: Mapping[str, Any] = {}
    status: Status = "waiting"
    attempts: int = 0
    needs: Needs | None = None
    estimate_s: float = 0.0
    not_before: float = 0.0
    jobs: tuple[SkillJob, ...] = ()
    spent: Mapping[str, int] = {}
    failure: Failure | None = None
    reason: str = ""
    result: Mapping[str, Any] = {}
    generation: int = 0
    accepted_at: float = 0.0
    completed_at: float = 0.0

    @property
    def is_trainable(self) -> bool:
        """Whether it can be trained; see the function of this name."""
        return is_trainable(self.skill)

    @property
    def job(self) -> SkillJob | None:
        """The newest job; None before the first."""
        return self.jobs[-1] if self.jobs else None

    def trained_s(self, now: float) -> float:
        """Seconds that the newest attempt's jobs have run, as far as this scheduler saw."""
        jobs = (job for job in self.jobs if job.attempt == self.attempts)
        return sum((job.ended_at or now) - job.asked_at for job in jobs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A proposal that was refused, kept for the next prompt.

    Args:
        number: Of the proposal.
        skill_name: As proposed.
        reasons: Why.
        at: Seconds since 1970.
        skill: As proposed, unread here.
    """

    number: int
    skill_name: str
    reasons: tuple[str, ...]
    at: float = 0.0
    skill: Mapping[str, Any] = field(default_factory=dict)


class Proposing(msgspec.Struct, frozen=True, kw_only=True):
    """Where generation stands.

    Args:
        number: Of the newest proposal that was asked for.
        is_asked: Whether its answer is awaited.
        over_when_asked: Skills that were over then: an answer that nothing is left may be out of date.
        not_before: A pause after a failure ends then, seconds since 1970.
        rejected_in_row: Refused since the last one that was accepted.
        failed_in_row: Times that the proposer did not answer.
        has_no_more: The proposer had nothing more to propose; it is asked again when a skill has ended.
        no_more_reason: Why, when it said so last; empty when it has proposed something since.
        ended: Why no more is asked for; empty while generation goes on.
    """

    number: int = 0
    is_asked: bool = False
    over_when_asked: int = 0
    not_before: float = 0.0
    rejected_in_row: int = 0
    failed_in_row: int = 0
    has_no_more: bool = False
    no_more_reason: str = ""
    ended: str = ""


class GraphState(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Everything; immutable.

    Args:
        id: Of the graph, part of its jobs' names.
        limits: Settings.
        skills: The nodes by index.
        proposing: Where generation stands.
        rejections: The newest refused proposals, oldest first.
        is_stopping: No new job is started; those at work are asked to save and end.
        outcome: Why the run has ended; empty while it goes on.
        version: See `VERSION`.
    """

    id: str
    limits: Limits = Limits()
    skills: tuple[Node, ...] = ()
    proposing: Proposing = Proposing()
    rejections: tuple[Rejection, ...] = ()
    is_stopping: bool = False
    outcome: str = ""
    version: int = VERSION

    @cached_property
    def by_name(self) -> dict[str, Node]:
        """The nodes by name."""
        return {node.skill_name: node for node in self.skills}

    @cached_property
    def num_over(self) -> int:
        """Skills for which nothing is done any more."""
        return sum(node.status in OVER for node in self.skills)

    def to_json(self) -> dict[str, Any]:
        """For `scheduler_state.json`."""
        content: dict[str, Any] = msgspec.to_builtins(self)
        return content

    @staticmethod
    def from_json(content: Mapping[str, Any], where: object = None) -> GraphState:
        """Read it back; keys that this version does not know, as a summary for people, are ignored.

        Raises:
            RunFolderError: A later version wrote it, or it is damaged.
        """
        version = content.get("version")
        if not isinstance(version, int) or not 1 <= version <= VERSION:
            raise RunFolderError(
                "This scheduler state cannot be read by this version",
                value=version,
                where=where,
                remedy=f"It reads versions up to {VERSION}. Use the gamefleet that wrote it, or another --graph-path.",
            )
        try:
            return msgspec.convert(content, GraphState)
        except msgspec.ValidationError as error:
            remedy = "Restore it from a copy, or move the folder away and start again."
            raise RunFolderError(f"The scheduler state is damaged: {error}", where=where, remedy=remedy) from error
