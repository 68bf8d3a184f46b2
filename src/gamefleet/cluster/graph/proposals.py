"""When a skill graph asks for one more skill, and what it makes of the answer.

Job: the frontier, and the budgets of proposals. Place in the data flow: below `advance`, pure. Left out: proposing and
verifying, which happen outside and come back as events.

The frontier is open while fewer than `Limits.max_waiting_skills` skills wait for dependencies. It is recomputed from
the graph each time, so that no completion opens it by itself, and a dependency that nobody knows refuses the proposal
instead of counting as met.
"""

from __future__ import annotations

from collections import Counter

from msgspec.structs import replace

from gamefleet.cluster.graph.events import Accepted, Command, Exhausted, ProposalFailed, Propose, Rejected
from gamefleet.cluster.graph.failures import DAMAGED_FILES
from gamefleet.cluster.graph.jobs import Step
from gamefleet.cluster.graph.state import GraphState, Node, Proposing, Rejection

KEPT_REJECTIONS = 20
"""So many of the newest are kept for prompts."""

PROPOSER_PAUSE_S = 10.0
"""After a failure of the proposer; doubles with each in a row."""


def ask(state: GraphState, now: float) -> tuple[GraphState, list[Command]]:
    """Ask for one more skill, if it is time; one proposal is under way at a time."""
    proposing = state.proposing
    if 0.0 < proposing.not_before <= now:
        proposing = replace(proposing, not_before=0.0)
        state = replace(state, proposing=proposing)
    if proposing.is_asked or proposing.not_before > now or why_no_more(state) or not is_open(state):
        return state, []
    proposing = replace(proposing, number=proposing.number + 1, is_asked=True, over_when_asked=state.num_over)
    return replace(state, proposing=proposing), [Propose(number=proposing.number)]


def begun(proposing: Proposing) -> Proposing:
    """Where generation stands for a new scheduler: a question whose answer was lost is asked again if it is open."""
    return Proposing(number=proposing.number - proposing.is_asked)


def is_open(state: GraphState) -> bool:
    """Whether the frontier is open: few enough skills wait for others."""
    completed = {node.skill_name for node in state.skills if node.status == "completed"}
    waiting = sum(node.status == "waiting" and not completed.issuperset(node.dependencies) for node in state.skills)
    return waiting < state.limits.max_waiting_skills


def why_no_more(state: GraphState) -> str:
    """Why no more skills are asked for, as the graph stands; empty while they are."""
    if state.is_stopping:
        return "the run is stopping"
    if state.proposing.ended:
        return state.proposing.ended
    lost = [node.skill_name for node in state.skills if is_lost(node)]
    if lost:  # an easier skill would not help: what blocks the others has been learned, and can be again
        return f"files of {', '.join(lost)} are damaged, see `gamefleet skills status`"
    wanted = state.limits.max_nodes
    if sum(node.status not in ("failed", "blocked") for node in state.skills) >= wanted:
        return f"{wanted} skills were wanted"
    if sum(node.is_trainable for node in state.skills) >= 2 * wanted:
        return f"{wanted} skills were wanted, and as many have been replaced"
    proposing = state.proposing
    return (proposing.no_more_reason or "the proposer knows no more") if proposing.has_no_more else ""


def is_lost(node: Node) -> bool:
    """Whether a skill was completed, and what it left was damaged later."""
    return node.status == "failed" and node.failure is not None and node.failure.kind == DAMAGED_FILES


def next_wake(state: GraphState) -> float:
    """When a pause of the proposer ends, seconds since 1970; infinite when there is none."""
    proposing = state.proposing
    return proposing.not_before if proposing.not_before and not proposing.is_asked else float("inf")


def is_answer(state: GraphState, number: int) -> bool:
    """Whether an answer is the one that is awaited."""
    return state.proposing.is_asked and state.proposing.number == number


def accepted(state: GraphState, event: Accepted, now: float) -> Step:
    """One more skill, unless the graph itself has something against it."""
    if not is_answer(state, event.number):
        return state, []
    reasons = objections(state, event)
    if reasons:
        refusal = Rejected(number=event.number, skill_name=event.skill_name, reasons=reasons, skill=event.skill)
        return rejected(state, refusal, now)
    node = Node(
        skill_name=event.skill_name,
        index=len(state.skills),
        dependencies=event.dependencies,
        skill=event.skill,
        needs=event.needs,
        estimate_s=event.estimate_s,
        accepted_at=now,
    )
    proposing = Proposing(number=state.proposing.number)
    return replace(state, skills=(*state.skills, node), proposing=proposing), []


def objections(state: GraphState, event: Accepted) -> tuple[str, ...]:
    """What the graph has against a skill; a cycle cannot arise, since dependencies are accepted first."""
    found = []
    if not event.skill_name or event.skill_name in state.by_name:
        found.append(f"the name {event.skill_name!r} is taken")
    for name, count in Counter(event.dependencies).items():
        node = state.by_name.get(name)
        if node is None:
            found.append(f"it depends on {name!r}, which is no skill of this graph")
        elif node.status in ("failed", "blocked"):
            found.append(f"it depends on {name}, which is {node.status}: take another way")
        if count > 1:
            found.append(f"it names its dependency {name} {count} times")
    return tuple(found)


def rejected(state: GraphState, event: Rejected, now: float) -> Step:
    """A proposal was refused: the next prompt says why, as often as the budget allows."""
    if not is_answer(state, event.number):
        return state, []
    in_row = state.proposing.rejected_in_row + 1
    limit = state.limits.max_rejections
    ended = f"{in_row} proposals in a row were refused" if in_row >= limit else ""
    proposing = replace(state.proposing, is_asked=False, rejected_in_row=in_row, failed_in_row=0, ended=ended)
    refusal = Rejection(
        number=event.number, skill_name=event.skill_name, reasons=event.reasons, skill=event.skill, at=now
    )
    rejections = (*state.rejections, refusal)[-KEPT_REJECTIONS:]
    return replace(state, proposing=proposing, rejections=rejections), []


def exhausted(state: GraphState, event: Exhausted, now: float) -> Step:
    """The proposer has no more, unless what it knew is out of date."""
    if not is_answer(state, event.number):
        return state, []
    is_true = state.proposing.over_when_asked == state.num_over
    reason = event.reason if is_true else ""
    proposing = replace(state.proposing, is_asked=False, has_no_more=is_true, no_more_reason=reason)
    return replace(state, proposing=proposing), []


def failed(state: GraphState, event: ProposalFailed, now: float) -> Step:
    """The proposer did not answer: it is asked again after a pause, a few times; what trains goes on meanwhile."""
    if not is_answer(state, event.number):
        return state, []
    in_row = state.proposing.failed_in_row + 1
    is_over = event.is_lasting or in_row >= state.limits.max_proposer_failures
    ended = f"the proposer failed: {event.reason}" if is_over else ""
    pause = now + PROPOSER_PAUSE_S * 2 ** (in_row - 1)
    proposing = replace(state.proposing, is_asked=False, failed_in_row=in_row, not_before=pause, ended=ended)
    return replace(state, proposing=proposing), []
