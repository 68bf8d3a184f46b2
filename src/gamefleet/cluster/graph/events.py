"""What happens to a skill graph, and what its scheduler wants done.

Job: the types that pass between the decision and the loop around it. Place in the data flow: the loop turns answers of
executors, proposers and merges into events, `graph.advance` turns each event into commands. Left out: both sides.

An event about a job names skill and leg: one that comes late, of a leg that no longer counts, changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gamefleet.cluster.graph.failures import Report
from gamefleet.cluster.graph.state import Limits, Needs


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A scheduler process takes the graph over, for the first time or again; its predecessor may have died anywhere.

    Args:
        limits: The settings from now on.
        is_stopping: Whether it is only there to let jobs save and end.
        retried: Failed skills that people want tried again.
    """

    limits: Limits
    is_stopping: bool = False
    retried: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """Time has passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A proposal passed the verification.

    Args:
        number: Of the proposal.
        skill_name: Of the skill.
        dependencies: Names of the skills that it builds on.
        skill: Its text.
        needs: What its job takes; None for the usual.
        estimate_s: How long training is thought to take; 0 when not known.
    """

    number: int
    skill_name: str
    dependencies: tuple[str, ...] = ()
    skill: Mapping[str, Any] = field(default_factory=dict)
    needs: Needs | None = None
    estimate_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A proposal did not pass; see `state.Rejection`."""

    number: int
    skill_name: str
    reasons: tuple[str, ...]
    skill: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhausted:
    """The proposer has nothing more to propose for now.

    Args:
        number: Of the proposal.
        reason: In words: nothing is left, or a cap is spent.
    """

    number: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalFailed:
    """The proposer did not answer.

    Args:
        number: Of the proposal.
        reason: In words.
        is_lasting: Whether asking again is pointless: a refused key, a spent budget.
    """

    number: int
    reason: str
    is_lasting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """A leg's job exists.

    Args:
        skill_name: Whose.
        leg: Which.
        job: The executor's id.
    """

    skill_name: str
    leg: int
    job: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitRefused:
    """The executor said no; the job does not exist.

    Args:
        skill_name: Whose.
        leg: Which.
        reason: In words.
        is_temporary: Whether waiting helps.
    """

    skill_name: str
    leg: int
    reason: str
    is_temporary: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JobMissing:
    """The executor answered, and knows no job of this leg.

    Args:
        skill_name: Whose.
        leg: Which.
        is_certain: Whether none can turn up later.
    """

    skill_name: str
    leg: int
    is_certain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSilent:
    """The executor did not answer: a leg's job may or may not exist."""

    skill_name: str
    leg: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEnded:
    """A leg's job has ended, and what it left was read.

    Args:
        skill_name: Whose.
        leg: Which.
        report: How it went.
    """

    skill_name: str
    leg: int
    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """A skill's expert is published.

    Args:
        skill_name: Whose.
        attempt: Which it comes from.
        generation: Of the global checkpoint that holds it.
    """

    skill_name: str
    attempt: int
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeFailed:
    """A skill's expert could not be published.

    Args:
        skill_name: Whose.
        attempt: Which it comes from.
        reason: In words.
        is_damaged: Whether the expert itself is unusable, so that trying again is pointless.
    """

    skill_name: str
    attempt: int
    reason: str
    is_damaged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryAsked:
    """A person wants a failed skill to be tried again."""

    skill_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAsked:
    """A person wants the run to save and end."""


Event = (
    Begun
    | Ticked
    | Accepted
    | Rejected
    | Exhausted
    | ProposalFailed
    | Submitted
    | SubmitRefused
    | JobMissing
    | JobSilent
    | JobEnded
    | Merged
    | MergeFailed
    | RetryAsked
    | StopAsked
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit:
    """Hand a leg's job over.

    Args:
        skill_name: Whose.
        leg: Which.
        may_exist: Whether it may have been handed over before: look for its name, and only say what was found.
    """

    skill_name: str
    leg: int
    may_exist: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """End a job.

    Args:
        skill_name: Whose.
        leg: Which.
        job: The executor's id.
        reason: For the log.
        is_polite: Whether it may save first.
    """

    skill_name: str
    leg: int
    job: str
    reason: str
    is_polite: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """Publish a skill's expert; doing it twice has the effect of once.

    Args:
        skill_name: Whose.
        attempt: Which it comes from.
    """

    skill_name: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Propose:
    """Ask for one more skill.

    Args:
        number: Of the proposal.
    """

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """The run has ended.

    Args:
        reason: In words.
    """

    reason: str


Command = Submit | Cancel | Merge | Propose | Finish
