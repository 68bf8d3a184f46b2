"""Asking for one more skill, in a thread of its own, and having it verified before anything trains.

Job: carry out `Propose`: build the question from the graph, ask, verify, and hand the answer to the loop. Place in the
data flow: one worker at a time beside the loop; nothing is shared with it but the question it starts with and the
answer it ends with. Left out: proposers and verification themselves (`skills`).
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

from gamefleet.cluster.graph.events import Accepted, Event, Exhausted, ProposalFailed, Rejected
from gamefleet.cluster.graph.state import GraphState, Node
from gamefleet.errors import PeerAwayError, PeerError
from gamefleet.skills.dependencies import Resolver, resolve_by_requirements
from gamefleet.skills.functions import trains_python
from gamefleet.skills.program import run_program
from gamefleet.skills.proposer import (
    Failure,
    KnownSkill,
    Proposal,
    ProposalContext,
    Proposer,
    Rejection,
    Usage,
    plain,
)
from gamefleet.skills.sandbox import Sandbox
from gamefleet.skills.skill import Skill
from gamefleet.skills.verify import Known, Limits, SampledStates, Verdict, sample_states, verify
from gamefleet.skills.verify_numbers import RunProgram
from gamefleet.skills.world import SkillWorld

GIVEN_UP = ("failed", "blocked")


@runtime_checkable
class Metered(Protocol):
    """A proposer that counts what it takes, whether or not an answer comes of it."""

    @property
    def spent(self) -> Usage:
        """What the run has taken so far."""
        ...

    def taken_since(self, before: Usage) -> Usage:
        """What was taken since `spent` was that."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one question.

    Args:
        event: For the scheduler.
        usage: What it took.
        text: For people.
        verdict: What the verification found; None where nothing was proposed.
    """

    event: Event
    usage: Usage = field(default_factory=Usage)
    text: str = ""
    verdict: Verdict | None = None


@dataclass(slots=True, kw_only=True)
class Proposals:
    """Proposals of one graph.

    Args:
        world: Where the skills are trained.
        proposer: Who is asked.
        wake: Called from the worker when an answer is there.
        resolver: Decides what a skill builds on.
        resolver_name: As the user wrote it; empty for the default.
        max_dependencies: How many skills one may directly build on.
        sandbox: Where skills that are Python are checked; without one they are refused.
    """

    world: SkillWorld
    proposer: Proposer
    wake: Callable[[], None]
    resolver: Resolver = resolve_by_requirements
    resolver_name: str = ""
    max_dependencies: int = 8
    sandbox: Sandbox | None = None
    _is_asking: bool = False
    _at_work: str = "the proposer"
    _answers: queue.SimpleQueue[Answer] = field(default_factory=queue.SimpleQueue)
    _states: SampledStates | None = None
    _run: RunProgram | None = None

    def ask(self, state: GraphState, number: int) -> None:
        """Begin to ask; `answer` has the rest."""
        assert not self._is_asking, "one proposal at a time"
        self._is_asking = True

        def work() -> None:
            # What nobody foresaw ends the thread with a traceback, and generation with this answer; it never hangs.
            answer: Answer | None = None
            meter = self.proposer if isinstance(self.proposer, Metered) else None
            before = Usage() if meter is None else meter.spent
            try:
                answer = self.consider(state, number)
            finally:
                answer = answer or self._broken(number)
                # What a question took that ended with an error is paid, too.
                self._answers.put(answer if meter is None else replace(answer, usage=meter.taken_since(before)))
                self.wake()

        # A daemon: a model that does not answer must not hold up a scheduler that was told to end.
        threading.Thread(target=work, name="proposer", daemon=True).start()

    def _broken(self, number: int) -> Answer:
        reason = f"{self._at_work} broke, see the output"
        return Answer(event=ProposalFailed(number=number, reason=reason, is_lasting=True))

    def answer(self) -> Answer | None:
        """The answer, once it is there; None before."""
        try:
            answer = self._answers.get_nowait()
        except queue.Empty:
            return None
        self._is_asking = False
        return answer

    def consider(self, state: GraphState, number: int) -> Answer:
        """Ask and verify."""
        self._at_work = "the proposer"
        try:
            allows_python = self.sandbox is not None and trains_python(self.world)
            asked = question(state, self.world, self.max_dependencies)
            proposal = self.proposer.propose(replace(asked, allows_python=allows_python))
        except PeerAwayError as error:
            return Answer(event=ProposalFailed(number=number, reason=plain(str(error))))
        except PeerError as error:
            return Answer(event=ProposalFailed(number=number, reason=plain(str(error)), is_lasting=True))
        if proposal.skill is None:
            return without_skill(proposal, number)
        limits = Limits(max_dependencies=min(self.max_dependencies, proposal.max_dependencies))
        found = self._verify(proposal.skill, known_to(state), limits)
        return judged(proposal, proposal.skill, found, number)

    def _verify(self, skill: Skill, known: Known, limits: Limits) -> Verdict:
        """Check a skill; states and compiled programs are made for the first one and serve all."""
        self._states = self._states or sample_states(self.world)
        self._run = self._run or runner_of(self.world)
        return verify(
            skill,
            self.world,
            known,
            states=self._states,
            resolver=self._resolve,
            run=self._run,
            limits=limits,
            sandbox=self.sandbox,
        )

    def _resolve(self, skill: Skill, known: Mapping[str, Skill], world: SkillWorld) -> Sequence[str]:
        """As the resolver says, which is a user's and is named when it breaks."""
        self._at_work = f"the resolver {self.resolver_name or 'of requirements'}"
        names = tuple(self.resolver(skill, known, world))
        self._at_work = "the verification"
        return names


def runner_of(world: SkillWorld) -> RunProgram:
    """What runs compiled expressions, as the trainer of a world will."""
    if world.jax_world is None or world.make_trainer is not None:
        return run_program
    from gamefleet.skills.program_jax import make_runner

    return make_runner()


def without_skill(proposal: Proposal, number: int) -> Answer:
    """An answer without a skill: there is none left, or the model talked nonsense."""
    if proposal.is_exhausted:
        exhausted = Exhausted(number=number, reason=plain(proposal.text))
        return Answer(event=exhausted, usage=proposal.usage, text=proposal.text)
    event = Rejected(number=number, skill_name="", reasons=(plain(proposal.text),))
    return Answer(event=event, usage=proposal.usage, text=proposal.text)


def judged(proposal: Proposal, skill: Skill, verdict: Verdict, number: int) -> Answer:
    """An answer with a skill, as the verification found it."""
    content = skill.as_json()
    event: Event = Rejected(number=number, skill_name=skill.name, reasons=verdict.reasons, skill=content)
    if verdict.accepted:
        event = Accepted(number=number, skill_name=skill.name, dependencies=verdict.dependencies, skill=content)
    return Answer(event=event, usage=proposal.usage, text=proposal.text, verdict=verdict)


def question(state: GraphState, world: SkillWorld, max_dependencies: int) -> ProposalContext:
    """All that a proposer is told."""
    alive = sum(node.status not in GIVEN_UP for node in state.skills)
    return ProposalContext(
        world=world,
        known=tuple(known_skill(node) for node in state.skills if node.is_trainable),
        taken_names=tuple(node.skill_name for node in state.skills if not node.is_trainable),
        rejections=tuple(Rejection(skill=one.skill, reasons=one.reasons) for one in state.rejections),
        failures=tuple(failure(node) for node in state.skills if node.status == "failed" and node.is_trainable),
        max_dependencies=max_dependencies,
        wanted=max(1, state.limits.max_nodes - alive),
    )


def known_skill(node: Node) -> KnownSkill:
    """A skill of the graph, as proposers see it."""
    return KnownSkill(
        skill=Skill.from_json(node.skill),
        index=node.index,
        status=node.status,
        statistics=dict(node.result),
        dependencies=node.dependencies,
    )


def failure(node: Node) -> Failure:
    """A skill that was trained in vain, as proposers see it."""
    reason = node.reason if node.failure is None else f"{node.failure.kind}: {node.failure.reason}"
    return Failure(skill=Skill.from_json(node.skill), reason=plain(reason), statistics=dict(node.result))


def known_to(state: GraphState) -> Known:
    """The graph that a new skill joins: what failed is not built on, and keeps its name."""
    usable = [node for node in state.skills if node.status not in GIVEN_UP]
    return Known(
        skills={node.skill_name: Skill.from_json(node.skill) for node in usable},
        dependencies={node.skill_name: node.dependencies for node in usable},
        taken_names=[node.skill_name for node in state.skills],
    )
