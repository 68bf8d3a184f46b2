"""What a chain knows, and what it can do: the facts and the commands of its decision.

Job: the types between the records, the decision and whoever carries it out. Place in the data flow: `store` makes
views, `chain` decides on them, `carrier` carries commands out. Left out: the decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gamefleet.cluster.jobs import EndedJob, Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One job of a chain, from the intention on.

    Args:
        number: From 1.
        name: The job's name, unique to this submission.
        asked_at: When it was (last) about to be handed over, seconds since 1970.
        after: The job behind which it was queued; empty for none.
        tries: How often it was handed over.
        job: The id that counts; empty while no answer is known.
        accepted_at: When the id was written down, seconds since 1970.
        outcome: Why it ended without a leg, if the job said so.
        refusal: Why the newest try was refused; empty when it was not.
    """

    number: int
    name: str
    asked_at: float
    after: str = ""
    tries: int = 1
    job: str = ""
    accepted_at: float = 0.0
    outcome: str = ""
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One job's part of a chain.

    Args:
        number: From 1; the fence.
        submission: Which job runs it; 0 when its process died before saying so.
        step: Step of the newest checkpoint when it began, -1 for none.
        has_ended: Whether it said that it ended; its job may still have a moment to live.
    """

    number: int
    submission: int
    step: int
    has_ended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainView:
    """What the folder says of one chain.

    Args:
        member: Its name.
        job_name: Name of its jobs without the submission's number.
        submissions: The newest ones, oldest first.
        legs: The newest ones, oldest first.
        step: Step of the run's newest checkpoint, -1 for none.
        counts_from: Submissions up to this number were forgiven by a later start.
        ending: `done`, `failed`, `held`, `stopped`, or empty while the chain shall go on.
        has_place: Whether it holds a place under the job cap.
        place_after: The job of another chain that had to end before this one's first could have that place.
    """

    member: str
    job_name: str
    submissions: tuple[Submission, ...] = ()
    legs: tuple[Leg, ...] = ()
    step: int = -1
    counts_from: int = 0
    ending: str = ""
    has_place: bool = False
    place_after: str = ""

    @property
    def last(self) -> Submission | None:
        """The newest submission."""
        return self.submissions[-1] if self.submissions else None

    def jobs(self, jobs: Iterable[Job]) -> list[Job]:
        """The chain's own among all jobs, by their names."""
        return [job for job in jobs if job.name.startswith(f"{self.job_name}.")]

    def legs_of(self, submission: int) -> tuple[Leg, ...]:
        """The legs that a submission's job ran; more than one when it was requeued."""
        return tuple(leg for leg in self.legs if leg.submission == submission)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the scheduler answered.

    Args:
        asked_at: When it was asked, seconds since 1970.
        jobs: All of the user's jobs that have not ended, by id.
        ended: What it still knows of ended ones that were asked for, by id; None when only this question failed.
    """

    asked_at: float
    jobs: Mapping[str, Job]
    ended: Mapping[str, EndedJob] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit:
    """Hand over the next job.

    Args:
        number: Of the submission.
        after: Job that must have ended first; empty for none.
        retry: 0, or how often the same submission was lost before.
    """

    number: int
    after: str = ""
    retry: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopt:
    """Write down the job of a submission whose answer was lost."""

    number: int
    job: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """End jobs that must not run."""

    jobs: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Give:
    """Mark the chain.

    Args:
        mark: `failed` or `held`.
        reason: For people.
    """

    mark: str
    reason: str


Command = Submit | Adopt | Cancel | Give
