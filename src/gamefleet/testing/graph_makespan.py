"""How long a graph of skills takes under its real scheduler, in virtual time.

Job: drive `cluster.graph` through a graph whose skills are all known from the start, each of which takes a time of its
own; and graphs to do that with. Place in the data flow: tests and the benchmark of the scheduler measure with it. Left
out: faults, which `graph_history` has.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

from gamefleet.cluster.graph.advance import advance
from gamefleet.cluster.graph.events import Accepted, Begun, Command, JobEnded, Merge, Merged, Submit, Submitted
from gamefleet.cluster.graph.failures import Report
from gamefleet.cluster.graph.state import GraphState, Limits

Graph = Mapping[str, Sequence[str]]
"""Skill -> what it builds on; each skill stands behind its own."""

CLASSIC: Graph = {
    "collect_wood": [],
    "eat_cow": [],
    "collect_sapling": [],
    "collect_drink": [],
    "defeat_zombie": [],
    "wake_up": [],
    "place_table": ["collect_wood"],
    "place_plant": ["collect_sapling"],
    "eat_plant": ["place_plant"],
    "make_wood_pickaxe": ["place_table"],
    "make_wood_sword": ["place_table"],
    "collect_stone": ["make_wood_pickaxe"],
    "collect_coal": ["make_wood_pickaxe"],
    "defeat_skeleton": ["make_wood_pickaxe"],
    "place_stone": ["collect_stone"],
    "place_furnace": ["collect_stone"],
    "make_stone_pickaxe": ["collect_stone"],
    "make_stone_sword": ["collect_stone"],
    "collect_iron": ["make_stone_pickaxe"],
    "make_iron_pickaxe": ["place_table", "place_furnace", "collect_iron", "collect_coal"],
    "make_iron_sword": ["place_table", "place_furnace", "collect_iron", "collect_coal"],
    "collect_diamond": ["make_iron_pickaxe"],
}
"""Source: the prerequisites in the game's code."""


def invented(rng: random.Random, num_skills: int, width: int, share: float) -> Graph:
    """A random graph.

    Args:
        rng: Decides everything.
        num_skills: Skills of the graph.
        width: A skill builds on some of so many before it.
        share: How likely on each of them.
    """
    names = [f"skill_{number}" for number in range(num_skills)]
    return {
        name: [below for below in names[max(0, number - width) : number] if rng.random() < share]
        for number, name in enumerate(names)
    }


def scheduled_s(graph: Graph, seconds: Mapping[str, float], thought: Mapping[str, float], slots: int) -> float:
    """Time to the end under the real scheduler.

    Args:
        graph: Skill -> what it builds on.
        seconds: How long each takes.
        thought: How long each is thought to take.
        slots: Jobs at one time.

    Returns:
        In the unit of `seconds`.

    Raises:
        AssertionError: The run does not end.
    """
    now = 0.0
    working: list[tuple[float, str]] = []
    limits = Limits(max_parallel_skills=slots, max_nodes=len(graph), max_waiting_skills=len(graph) + 1)
    state = GraphState(id="benchmark")

    def tell(event: Begun | Accepted | JobEnded | Submitted | Merged) -> list[Command]:
        nonlocal state
        state, commands = advance(state, event, now)
        for command in commands:
            if isinstance(command, Submit):
                heapq.heappush(working, (now + seconds[command.skill_name], command.skill_name))
                tell(Submitted(skill_name=command.skill_name, leg=1, job="1"))
            elif isinstance(command, Merge):
                tell(Merged(skill_name=command.skill_name, attempt=1, generation=1))
        return commands

    tell(Begun(limits=replace(limits, max_parallel_skills=0)))
    for event in known(graph, thought):  # while no slot is there: nothing starts before all are known
        tell(event)
    tell(Begun(limits=limits))
    while working:
        now, name = heapq.heappop(working)
        tell(JobEnded(skill_name=name, leg=1, report=Report(kind="succeeded")))
    assert state.outcome, "the run did not end"
    return now


def known(graph: Graph, thought: Mapping[str, float]) -> list[Accepted]:
    """Every skill, accepted in the graph's order."""
    return [
        Accepted(number=number, skill_name=name, dependencies=tuple(below), estimate_s=thought[name])
        for number, (name, below) in enumerate(graph.items(), start=1)
    ]
