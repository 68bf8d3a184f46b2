"""What a skill graph makes of news about its jobs and merges.

Job: the reactions of `graph.advance` to executors and to the store of experts. Place in the data flow: pure functions
from state and event to state and commands. Left out: which skill starts (`advance`), and which are proposed
(`proposals`).
"""

from __future__ import annotations

import dataclasses

from msgspec.structs import replace

from gamefleet.cluster.graph.events import (
    Cancel,
    Command,
    JobEnded,
    JobMissing,
    JobSilent,
    Merge,
    Merged,
    MergeFailed,
    Submit,
    SubmitRefused,
    Submitted,
)
from gamefleet.cluster.graph.failures import (
    DAMAGED_DEPENDENCY,
    DAMAGED_FILES,
    GOES_ON,
    SUCCEEDED,
    Report,
    budget,
    pause_after,
)
from gamefleet.cluster.graph.state import AT_WORK, Failure, GraphState, Needs, Node, SkillJob

Step = tuple[GraphState, list[Command]]

LOST_AFTER_S = 90.0
"""A job whose submission got no answer is looked for this long before it is handed over again."""

LOOK_AGAIN_S = 30.0
"""Between two looks for it."""

REFUSED_AGAIN_S = 60.0
"""A job that was refused for now is handed over again after this time."""

CANCEL_AGAIN_S = 120.0
"""A job that was asked to end and has not is told to after this time."""

MORE_MEMORY = 1.5
"""A skill that ran out of a GPU's memory asks for so much more the next time."""


def with_node(state: GraphState, node: Node) -> GraphState:
    """The state with one node exchanged."""
    skills = state.skills
    return replace(state, skills=(*skills[: node.index], node, *skills[node.index + 1 :]))


def with_job(node: Node, job: SkillJob) -> Node:
    """The node with its newest job exchanged."""
    return replace(node, jobs=(*node.jobs[:-1], job))


def at_work(state: GraphState, skill_name: str, leg: int) -> tuple[Node, SkillJob] | None:
    """The node and its newest job, if an event about that leg still matters."""
    node = state.by_name.get(skill_name)
    if node is None or node.status not in AT_WORK or not node.jobs or node.jobs[-1].leg != leg:
        return None
    return node, node.jobs[-1]


def goes_on(node: Node) -> bool:
    """Whether the next job belongs to the same attempt as the one before."""
    return node.job is not None and node.job.how in GOES_ON


def submitted(state: GraphState, event: Submitted, now: float) -> Step:
    """A job exists."""
    found = at_work(state, event.skill_name, event.leg)
    if found is None:
        return state, []
    node, job = found
    node = replace(node, status="running", not_before=0.0)
    state = with_node(state, with_job(node, replace(job, id=event.job)))
    return end_jobs(state, now) if state.is_stopping else (state, [])


def refused(state: GraphState, event: SubmitRefused, now: float) -> Step:
    """A job does not exist: later perhaps, or never."""
    found = at_work(state, event.skill_name, event.leg)
    if found is None:
        return state, []
    node = found[0]
    node = replace(without_job(node), reason=event.reason)
    if event.is_temporary:
        node = replace(node, status="waiting", not_before=now + REFUSED_AGAIN_S)
    else:
        node = replace(node, status="failed", failure=Failure(kind="refused", reason=event.reason))
    return with_node(state, node), []


def without_job(node: Node) -> Node:
    """The node as if its newest job had never been: an attempt that was cut short before goes on in the next one."""
    jobs = node.jobs[:-1]
    return replace(node, jobs=jobs, attempts=jobs[-1].attempt if jobs else 0)


def silent(state: GraphState, event: JobSilent, now: float) -> Step:
    """A job may exist: it is looked for in a while."""
    found = at_work(state, event.skill_name, event.leg)
    if found is None or found[1].id:
        return state, []
    return with_node(state, replace(found[0], not_before=now + LOOK_AGAIN_S)), []


def missing(state: GraphState, event: JobMissing, now: float) -> Step:
    """No job was found: it is handed over again once it surely does not exist."""
    found = at_work(state, event.skill_name, event.leg)
    if found is None or found[1].id:
        return state, []
    node, job = found
    if not event.is_certain and now - job.asked_at < LOST_AFTER_S:
        return with_node(state, replace(node, not_before=now + LOOK_AGAIN_S)), []
    node = replace(node, not_before=0.0)
    if state.is_stopping:
        return with_node(state, replace(without_job(node), status="waiting")), []
    state = with_node(state, with_job(node, replace(job, asked_at=now, tries=job.tries + 1)))
    return state, [Submit(skill_name=node.skill_name, leg=job.leg)]


def ended(state: GraphState, event: JobEnded, now: float) -> Step:
    """A job has ended."""
    found = at_work(state, event.skill_name, event.leg)
    if found is None:
        return state, []
    node, job = found
    report = event.report
    if report.kind == DAMAGED_DEPENDENCY and report.result.get("damaged_skill") in state.by_name:
        return dependency_damaged(state, node, report, now)
    if report.kind != SUCCEEDED:
        return after_failure(state, node, report, now)
    done = replace(job, ended_at=now, how=SUCCEEDED, frames=report.frames)
    node = replace(node, status="merging", failure=None, reason="", result=report.result, not_before=0.0)
    state = with_node(state, with_job(node, done))
    return state, [Merge(skill_name=node.skill_name, attempt=node.attempts)]


def dependency_damaged(state: GraphState, node: Node, report: Report, now: float) -> Step:
    """The fault is another skill's: that one is no longer completed, and this one waits for it without a loss."""
    done = replace(node.jobs[-1], ended_at=now, how=report.kind, reason=report.reason)
    state = with_node(state, replace(with_job(node, done), status="waiting", reason="", not_before=0.0))
    damaged = state.by_name[str(report.result["damaged_skill"])]
    if damaged.status != "completed" or damaged.completed_at > done.asked_at:  # it was trained again meanwhile
        return state, []
    failure = Failure(kind=DAMAGED_FILES, reason=report.reason)
    remedy = f"Train it anew, under the same index: gamefleet skills retry {damaged.skill_name}"
    reason = f"{report.reason}. {remedy}"
    return with_node(state, replace(damaged, status="failed", failure=failure, reason=reason)), []


def after_failure(state: GraphState, node: Node, report: Report, now: float) -> Step:
    """Count a failure, and give the skill another job or up."""
    job = node.jobs[-1]
    kind = report.kind
    if job.unwanted == "time_limit" and kind in ("cancelled", "stopped"):  # else it had ended by itself before
        kind = "time_limit"
    reason = report.reason or kind
    before = max((one.frames for one in node.jobs if one.attempt == job.attempt), default=0)
    spent = dict(node.spent)
    if report.frames > before:  # what was cut short got somewhere
        spent = {name: count for name, count in spent.items() if name not in GOES_ON}
    if job.unwanted != "stop" or kind not in GOES_ON:
        spent[kind] = spent.get(kind, 0) + 1
    count = spent.get(kind, 0)
    is_over = count > budget(kind, state.limits.max_retries)
    pause = 0.0 if is_over or not count else pause_after(kind, count, state.limits.pause_s)
    done = replace(job, ended_at=now, how=kind, reason=reason, frames=max(before, report.frames))
    node = replace(
        with_job(node, done),
        status="failed" if is_over else "waiting",
        failure=Failure(kind=kind, reason=reason),
        reason=reason,
        spent=spent,
        not_before=now + pause if pause else 0.0,
        needs=more_memory(node, state) if kind == "out_of_memory" else node.needs,
        result=report.result or node.result,
    )
    return with_node(state, node), []


def more_memory(node: Node, state: GraphState) -> Needs | None:
    """What a skill asks for after it ran out of memory: more, up to a whole GPU."""
    needs = node.needs or state.limits.needs
    if not needs.gpu_memory_gb or not state.limits.gpus_gb:
        return node.needs
    return dataclasses.replace(needs, gpu_memory_gb=min(needs.gpu_memory_gb * MORE_MEMORY, max(state.limits.gpus_gb)))


def merged(state: GraphState, event: Merged, now: float) -> Step:
    """An expert is published: its skill is completed."""
    node = state.by_name.get(event.skill_name)
    if node is None or node.status != "merging" or node.attempts != event.attempt:
        return state, []
    done = replace(node, status="completed", generation=event.generation, completed_at=now, reason="", not_before=0.0)
    return with_node(state, done), []


def merge_failed(state: GraphState, event: MergeFailed, now: float) -> Step:
    """A whole expert is published later, however often that takes; a damaged one is trained again."""
    node = state.by_name.get(event.skill_name)
    if node is None or node.status != "merging" or node.attempts != event.attempt:
        return state, []
    if event.is_damaged:
        return after_failure(state, node, Report(kind="damaged", reason=event.reason, frames=0), now)
    pause = now + max(state.limits.pause_s, 1.0)
    return with_node(state, replace(node, reason=event.reason, not_before=pause)), []


def next_look(state: GraphState, node: Node) -> float:
    """When a skill at work has to be looked at, seconds since 1970."""
    job = node.jobs[-1]
    if job.unwanted:
        return job.cancel_asked_at + CANCEL_AGAIN_S
    limit = state.limits.skill_time_limit_s
    return job.asked_at + limit - (node.trained_s(job.asked_at)) if limit else float("inf")


def end_jobs(state: GraphState, now: float) -> Step:
    """Ask jobs to end that are over their time, or that a stop is for; tell those that do not."""
    commands: list[Command] = []
    for node in state.skills:
        if node.status != "running":
            continue
        job = node.jobs[-1]
        unwanted = job.unwanted or why_unwanted(state, node, now)
        if not unwanted or now < (job.cancel_asked_at and job.cancel_asked_at + CANCEL_AGAIN_S):
            continue
        is_polite = unwanted == "stop" and not job.cancel_asked_at
        command = Cancel(skill_name=node.skill_name, leg=job.leg, job=job.id, reason=unwanted, is_polite=is_polite)
        commands.append(command)
        state = with_node(state, with_job(node, replace(job, unwanted=unwanted, cancel_asked_at=now)))
    return state, commands


def why_unwanted(state: GraphState, node: Node, now: float) -> str:
    """Why a running job shall end; empty when it shall not."""
    if state.is_stopping:
        return "stop"
    limit = state.limits.skill_time_limit_s
    return "time_limit" if limit and node.trained_s(now) >= limit else ""
