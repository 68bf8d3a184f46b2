"""What must hold of every step of a skill graph's scheduler, and at its end.

Job: the invariants of `graph_history`. Place in the data flow: called with states before and after each event. Left
out: what must hold of jobs, which `graph_world` checks where they begin.
"""

from __future__ import annotations

from collections.abc import Sequence

from gamefleet.cluster.graph.events import Command, Propose, Submit
from gamefleet.cluster.graph.failures import BUDGETS, GOES_ON
from gamefleet.cluster.graph.room import needs_of
from gamefleet.cluster.graph.state import AT_WORK, OVER, GraphState, Node
from gamefleet.testing.graph_world import GraphWorld

RETRIES_BY_PERSONS = 3
"""How often a history's person asks for a retry, each of which renews all budgets."""


def check_step(before: GraphState, after: GraphState, commands: Sequence[Command]) -> None:
    """What must hold of one step.

    Raises:
        AssertionError: It does not.
    """
    for old, now in zip(before.skills, after.skills, strict=False):
        same = (old.skill_name, old.index, old.dependencies) == (now.skill_name, now.index, now.dependencies)
        assert same, f"{old} became {now}"
        assert old.status != "completed" or now.status == "completed", f"{old.skill_name} is no longer completed"
    num_asked = sum(isinstance(command, Propose) for command in commands)
    assert num_asked <= 1, f"{num_asked} proposals at once"
    if after.is_stopping:
        begun = [command for command in commands if isinstance(command, Propose | Submit) and not may_exist(command)]
        assert not begun, f"{begun} while it stops"
    if num_asked and not before.proposing.is_asked:
        waiting = [node.skill_name for node in after.skills if node.status == "waiting" and not is_met(after, node)]
        assert len(waiting) < after.limits.max_waiting_skills, f"asked although {waiting} wait"
    if any(isinstance(command, Submit) for command in commands):
        check_room(after)


def may_exist(command: Propose | Submit) -> bool:
    """Whether a command only looks for a job."""
    return isinstance(command, Submit) and command.may_exist


def is_met(state: GraphState, node: Node) -> bool:
    """Whether all that a skill builds on is completed."""
    return all(state.by_name[name].status == "completed" for name in node.dependencies)


def check_room(state: GraphState) -> None:
    """Slots and memory are kept."""
    working = [node for node in state.skills if node.status in AT_WORK]
    assert len(working) <= state.limits.max_parallel_skills, f"{len(working)} at work"
    assert all(is_met(state, node) for node in working)
    for gpu, size in enumerate(state.limits.gpus_gb):
        taken = [needs_of(node, state.limits).gpu_memory_gb for node in working if node.jobs[-1].gpu == gpu]
        assert sum(taken) <= size, f"GPU {gpu} of {size} GB holds {taken}"


def check_end(state: GraphState, outside: GraphWorld) -> None:
    """What must hold when nothing more happens."""
    assert state.outcome, f"no end: {[(node.skill_name, node.status) for node in state.skills]}"
    for node in state.skills:
        assert node.status in OVER, f"{node.skill_name} is {node.status} at the end"
        below = [state.by_name[name].status for name in node.dependencies]
        assert (node.status == "blocked") == any(one in ("failed", "blocked") for one in below)
        assert (node.status == "completed") == (node.skill_name in outside.experts)
        failed = sum(job.how not in (*GOES_ON, "succeeded") for job in node.jobs)
        kinds = sum(budget is None for budget in BUDGETS.values())
        most = ((state.limits.max_retries + 1) * kinds + 2) * (RETRIES_BY_PERSONS + 1)
        assert failed <= most, f"{node.skill_name} failed {failed} times"
    for (skill, attempt), seconds in outside.worked.items():
        needed, lost = outside.secrets[skill].needed_s, outside.lost[skill, attempt]
        assert seconds <= needed + lost, f"{skill} attempt {attempt}: {seconds} s of {needed} s, {lost} s lost"
