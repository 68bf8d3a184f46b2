"""What the scheduler of a skill graph does next: one event in, the next state and commands out.

Job: decide which skill is asked for, started, merged, tried again, given up. Place in the data flow: the loop around it
(`topologies.job_graph`) writes the state down, then carries the commands out, and turns every answer into the next
event. Left out: files, clocks, executors, proposers, and everything about learning.

The rules:

- A state is written before its commands are carried out, and each command can be carried out again: a scheduler that
  died anywhere is followed by one that says `Begun` and does again what may not have been done.
- A skill starts when all skills that it builds on are merged; where one of them failed it is blocked, at once and all
  the way up, and never waits for what cannot come.
- The frontier is recomputed from the graph at each event: while a skill waits for dependencies no more are proposed.
- A completed skill whose files are found damaged has failed: all above it waits, nothing is proposed in their stead,
  and a retry trains it anew under its index.
- Only an evaluated success counts (`failures`). An attempt that was cut short goes on from its checkpoint; one
  that failed is repeated with another seed as often as its kind of failure is forgiven.
- Among ready skills the critical path goes first (`order`), and nothing overtakes what does not fit: it would
  never fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from gamefleet.cluster.graph import jobs, proposals
from gamefleet.cluster.graph.events import (
    Accepted,
    Begun,
    Command,
    Event,
    Exhausted,
    Finish,
    JobEnded,
    JobMissing,
    JobSilent,
    Merge,
    Merged,
    MergeFailed,
    ProposalFailed,
    Rejected,
    RetryAsked,
    StopAsked,
    Submit,
    SubmitRefused,
    Submitted,
    Ticked,
)
from gamefleet.cluster.graph.jobs import Step, with_node
from gamefleet.cluster.graph.order import by_priority
from gamefleet.cluster.graph.room import needs_of, never_fits, room_beside
from gamefleet.cluster.graph.state import AT_WORK, OVER, Failure, GraphState, Node, SkillJob, Status


def advance(state: GraphState, event: Event, now: float) -> tuple[GraphState, list[Command]]:
    """The next state, and what to do once it is written down.

    Args:
        state: The state before.
        event: What happened.
        now: Seconds since 1970.
    """
    before = state
    state, commands = REACTIONS[type(event)](state, event, now)
    if state.outcome:
        return state, []
    state = propagate(state, now)
    state, started = start_ready(state, now)
    if state.proposing.has_no_more and state.num_over != before.num_over:
        state = replace(state, proposing=replace(state.proposing, has_no_more=False))
    state, proposed = proposals.ask(state, now)
    commands = [*commands, *started, *proposed]
    outcome = ending(state)
    if outcome:
        return replace(state, outcome=outcome), [*commands, Finish(reason=outcome)]
    return state, commands


def next_wake(state: GraphState) -> float:
    """When something falls due without an event, seconds since 1970; infinite for never."""
    moments = [proposals.next_wake(state)]
    for node in state.skills:
        if node.not_before and node.status not in OVER:
            moments.append(node.not_before)
        if node.status in AT_WORK:
            moments.append(jobs.next_look(state, node))
    return min(moments)


def begin(state: GraphState, event: Begun, now: float) -> Step:
    """Take the graph over: what may not have been done is done again, where it is still wanted."""
    state = replace(
        state,
        limits=event.limits,
        proposing=proposals.begun(state.proposing),
        is_stopping=event.is_stopping,
        outcome="",
    )
    for name in event.retried:
        state, _ = retry(state, RetryAsked(skill_name=name), now)
    state, commands = jobs.end_jobs(state, now) if event.is_stopping else (state, [])
    for node in state.skills:
        if node.status == "merging":
            commands.append(Merge(skill_name=node.skill_name, attempt=node.attempts))
        elif node.status == "launching":
            state = with_node(state, replace(node, not_before=0.0))
            commands.append(Submit(skill_name=node.skill_name, leg=len(node.jobs), may_exist=True))
    return state, commands


def stop(state: GraphState, event: StopAsked, now: float) -> Step:
    """Start nothing more, and let those at work save and end."""
    return jobs.end_jobs(replace(state, is_stopping=True), now)


def retry(state: GraphState, event: RetryAsked, now: float) -> Step:
    """A failed skill, or whatever failed below a blocked one, gets all its retries again.

    Below a completed one something has failed where files were damaged.
    """
    wanted = {event.skill_name}
    for node in reversed(state.skills):
        if node.skill_name not in wanted:
            continue
        wanted |= set(node.dependencies)
        if node.status not in ("failed", "blocked") or not node.is_trainable:
            continue
        state = with_node(state, replace(node, status="waiting", spent={}, not_before=0.0, failure=None, reason=""))
    return replace(state, outcome=""), []


def propagate(state: GraphState, now: float) -> GraphState:
    """Statuses that follow from others; nodes stand behind their dependencies, so one pass is enough."""
    status: dict[str, Status] = {}
    for node in state.skills:
        found = node.status
        if found in ("waiting", "ready", "blocked"):
            found = follows(node, status, now)
            is_due = 0.0 < node.not_before <= now
            if found != node.status or is_due:
                pause = 0.0 if is_due else node.not_before
                changed = replace(node, status=found, reason=why(node, found, status), not_before=pause)
                state = with_node(state, changed)
        status[node.skill_name] = for_others(node, found, status)
    return state


def for_others(node: Node, found: Status, status: Mapping[str, Status]) -> Status:
    """The status that counts above: one that is completed cannot be played while files below it are damaged."""
    if found != "completed":
        return found
    below = [status[name] for name in node.dependencies]
    if any(one in ("failed", "blocked") for one in below):
        return "blocked"
    return found if all(one == "completed" for one in below) else "waiting"


def follows(node: Node, status: Mapping[str, Status], now: float) -> Status:
    """The status of a skill that is not at work, by those of its dependencies."""
    below = [status[name] for name in node.dependencies]
    if any(one in ("failed", "blocked") for one in below):
        return "blocked"
    is_due = node.not_before <= now and all(one == "completed" for one in below)
    return "ready" if is_due else "waiting"


def why(node: Node, found: Status, status: Mapping[str, Status]) -> str:
    """The reason of a status, for people."""
    if found != "blocked":
        return "" if node.status == "blocked" else node.reason
    names = [name for name in node.dependencies if status[name] in ("failed", "blocked")]
    return f"it needs {', '.join(f'{name} ({status[name]})' for name in names)}"


def start_ready(state: GraphState, now: float) -> Step:
    """Give free slots to ready skills, the most urgent first."""
    ready = [node for node in state.skills if node.status == "ready"]
    if not ready or state.is_stopping:
        return state, []
    commands: list[Command] = []
    room = room_beside(state.limits, filter(holds_a_place, state.skills))
    for node in by_priority(state, ready) if room.slots > 0 else ():
        needs = needs_of(node, state.limits)
        never = never_fits(needs, state.limits)
        if never:
            failure = Failure(kind="invalid", reason=never)
            state = with_node(state, replace(node, status="failed", failure=failure, reason=never))
            state = propagate(state, now)
            continue
        gpu = room.place(needs)
        if gpu is None:
            break
        room = room.without(needs, gpu)
        state = with_node(state, launching(node, gpu, now))
        commands.append(Submit(skill_name=node.skill_name, leg=len(node.jobs) + 1))
    return state, commands


def holds_a_place(node: Node) -> bool:
    """Whether nothing else may start in a skill's stead.

    So does one that is being merged, for that moment: what becomes ready by it may be more urgent than what is.
    """
    return node.status in AT_WORK or (node.status == "merging" and not node.not_before)


def launching(node: Node, gpu: int, now: float) -> Node:
    """A skill whose next job is about to be handed over."""
    attempt = node.attempts if jobs.goes_on(node) else node.attempts + 1
    job = SkillJob(attempt=attempt, leg=len(node.jobs) + 1, asked_at=now, gpu=gpu)
    return replace(node, status="launching", attempts=attempt, not_before=0.0, jobs=(*node.jobs, job))


def ending(state: GraphState) -> str:
    """Why the run has ended, in words; empty while something can still happen."""
    if state.is_stopping:
        is_idle = not any(node.status in (*AT_WORK, "merging") for node in state.skills)
        return f"stopped; {counts(state)}" if is_idle else ""
    if state.num_over < len(state.skills) or state.proposing.is_asked:
        return ""
    reason = proposals.why_no_more(state)
    return f"{counts(state)}; {reason}" if reason else ""


def counts(state: GraphState) -> str:
    """How many skills have which status, as `3 completed, 1 failed`."""
    found: dict[str, int] = {}
    for node in state.skills:
        found[node.status] = found.get(node.status, 0) + 1
    return ", ".join(f"{number} {status}" for status, number in found.items()) or "no skills"


def tick(state: GraphState, event: Ticked, now: float) -> Step:
    """Time has passed: look again for lost jobs, end what is over its time, try merges again."""
    commands: list[Command] = []
    for node in state.skills:
        if node.status == "merging" and 0.0 < node.not_before <= now:
            state = with_node(state, replace(node, not_before=0.0))
            commands.append(Merge(skill_name=node.skill_name, attempt=node.attempts))
        elif node.status == "launching" and 0.0 < node.not_before <= now:
            state = with_node(state, replace(node, not_before=0.0))
            commands.append(Submit(skill_name=node.skill_name, leg=len(node.jobs), may_exist=True))
    state, ended = jobs.end_jobs(state, now)
    return state, [*commands, *ended]


REACTIONS: Mapping[type[Any], Callable[[GraphState, Any, float], Step]] = {
    Begun: begin,
    Ticked: tick,
    RetryAsked: retry,
    StopAsked: stop,
    Accepted: proposals.accepted,
    Rejected: proposals.rejected,
    Exhausted: proposals.exhausted,
    ProposalFailed: proposals.failed,
    Submitted: jobs.submitted,
    SubmitRefused: jobs.refused,
    JobMissing: jobs.missing,
    JobSilent: jobs.silent,
    JobEnded: jobs.ended,
    Merged: jobs.merged,
    MergeFailed: jobs.merge_failed,
}
