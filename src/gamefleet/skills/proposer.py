"""Who proposes skills: the question, the answer, and what every proposer promises.

Job: one question (`ProposalContext`) and one answer (`Proposal`) for the embedded catalogue, a recorded conversation
and a language model alike; and what must never reach a trainer or a terminal. Place in the data flow: scheduler ->
`Proposer.propose` -> verification -> scheduler. Left out: the proposers themselves (`catalogue`, `replayed`, `client`),
which one is taken (`proposer_choice`), and asking again after a refusal, which is the scheduler's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from gamefleet.errors import PeerAwayError, PeerError
from gamefleet.skills.skill import MAX_DEPENDENCIES, Skill
from gamefleet.skills.world import SkillWorld

KEY_VARIABLES = ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID")
"""Environment variables that only the proposer may see."""


class ModelRefusedError(PeerError):
    """The model's server will not answer, however often it is asked: a wrong key, no such model, a bad request."""


class ModelAwayError(PeerAwayError):
    """The model's server did not answer within the tries that were granted; another time it may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSkill:
    """A skill that the graph has accepted.

    Args:
        skill: The skill.
        index: Its global index.
        status: As in `scheduler_state.json`.
        statistics: Of its training, as the trainer reported it; empty before.
        dependencies: Names of the skills that it builds on directly.
    """

    skill: Skill
    index: int
    status: str
    statistics: Mapping[str, Any] = field(default_factory=dict)
    dependencies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A proposal that was refused before training.

    Args:
        skill: What was proposed, as JSON; empty where the answer was no skill at all.
        reasons: Why it was refused, one sentence each.
    """

    skill: Mapping[str, Any]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A skill that was trained in vain.

    Args:
        skill: The skill.
        reason: Why it counts as failed, one sentence.
        statistics: Of its training: success rate, frames, what else the trainer reported.
    """

    skill: Skill
    reason: str
    statistics: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalContext:
    """All that a proposer is told; equal contexts get equal proposals from the catalogue.

    Args:
        world: Where the skills are trained.
        known: Skills of the graph in the order of their index, whatever became of them.
        rejections: Proposals that were refused and may not be repeated, oldest first.
        failures: Skills that were trained in vain, oldest first.
        max_dependencies: How many skills a skill may directly build on.
        wanted: How many more skills the graph has room for, this one included.
        allows_python: Whether reward and success may be Python.
        taken_names: Names beside those of `known` that no skill may have.
    """

    world: SkillWorld
    known: tuple[KnownSkill, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    failures: tuple[Failure, ...] = ()
    max_dependencies: int = 8
    wanted: int = 1
    allows_python: bool = False
    taken_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What an answer took.

    Args:
        tokens_in: Tokens of the questions.
        tokens_out: Tokens of the answers.
        cost: In US dollars; None where the price of the model is not known.
        requests: How many requests reached the model; 0 for an answer from the cache.
        is_estimated: Whether the server did not say how many tokens it counted, so that they were estimated.
    """

    tokens_in: int = 0
    tokens_out: int = 0
    cost: float | None = 0.0
    requests: int = 0
    is_estimated: bool = False

    def __add__(self, other: Usage) -> Usage:
        cost = None if self.cost is None or other.cost is None else self.cost + other.cost
        return Usage(
            tokens_in=self.tokens_in + other.tokens_in,
            tokens_out=self.tokens_out + other.tokens_out,
            cost=cost,
            requests=self.requests + other.requests,
            is_estimated=self.is_estimated or other.is_estimated,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """An answer.

    Args:
        skill: What to train next, read by `Skill.from_json`; None where there is none.
        text: For people: why this one, or why none. One line of printable characters.
        usage: What it took.
        is_exhausted: Whether asking again is in vain until something in the graph changes.
        max_dependencies: How many skills the proposer lets it directly build on, which the question may have more of.
    """

    skill: Skill | None
    text: str
    usage: Usage = field(default_factory=Usage)
    is_exhausted: bool = False
    max_dependencies: int = MAX_DEPENDENCIES


class Proposer(Protocol):
    """Proposes one skill at a time."""

    def propose(self, context: ProposalContext) -> Proposal:
        """Propose the next skill.

        Args:
            context: What there is, what was refused, and what failed.

        Returns:
            A skill that was neither proposed nor refused before, or none and why.

        Raises:
            ModelRefusedError: Nobody will ever answer with these settings.
            ModelAwayError: Nobody answered now.
        """
        ...


def without_keys(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment for trainers and other programs that have no business with the model's server."""
    return {name: value for name, value in environment.items() if name not in KEY_VARIABLES}


def plain(text: str, limit: int = 300) -> str:
    """What a stranger wrote, fit for a terminal: one line, printable characters only, at most `limit` of them."""
    line = " ".join(text.split())
    kept = "".join(letter if letter.isprintable() else "?" for letter in line)
    return kept if len(kept) <= limit else f"{kept[: limit - 3]}..."
