"""How close to the best possible time does the scheduler of a skill graph come, beside first come, first served?

The scheduler is the real `cluster.graph`, driven in virtual time: every skill of a graph is known from the start, each
takes a time of its own (log-normal), which the scheduler knows only within a factor of two up or down. The measure is
the time to the end over max(critical path, all work / slots), which no schedule beats. Graphs: the 22 achievements of
Craftax-Classic with their prerequisites, and random ones. Goal: 1.02 on average.
"""

from __future__ import annotations

import argparse
import heapq
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import mean, quantiles

from gamefleet.cluster.graph import advance
from gamefleet.cluster.graph_events import Accepted, Begun, Command, JobEnded, Merge, Merged, Submit, Submitted
from gamefleet.cluster.graph_failures import Report
from gamefleet.cluster.graph_order import lower_bound_s
from gamefleet.cluster.graph_state import GraphState, Limits
from table import Row, report

Graph = Mapping[str, Sequence[str]]

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

GOAL = 1.02


def invented(rng: random.Random, num_skills: int, width: int, share: float) -> Graph:
    """A random graph: each skill builds on some of the `width` before it."""
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


def in_turn_s(graph: Graph, seconds: Mapping[str, float], slots: int) -> float:
    """Time to the end when the skill that became ready first starts first."""
    left = {name: len(below) for name, below in graph.items()}
    ready = [name for name, count in left.items() if not count]
    working: list[tuple[float, str]] = []
    now = 0.0
    while ready or working:
        while ready and len(working) < slots:
            name = ready.pop(0)
            heapq.heappush(working, (now + seconds[name], name))
        now, done = heapq.heappop(working)
        for name, below in graph.items():
            left[name] -= done in below
            if done in below and not left[name]:
                ready.append(name)
    return now


def measure(title: str, graphs: Sequence[Graph], slots: int, rng: random.Random) -> Row:
    """Ratios to the lower bound over some graphs, with other durations each."""
    ours, fifo = [], []
    for graph in graphs:
        seconds = {name: rng.lognormvariate(0.0, 1.0) for name in graph}
        thought = {name: value * 2 ** rng.uniform(-1, 1) for name, value in seconds.items()}
        bound = lower_bound_s(graph, seconds, slots)
        ours.append(scheduled_s(graph, seconds, thought, slots) / bound)
        fifo.append(in_turn_s(graph, seconds, slots) / bound)
    return {
        "graph": title,
        "slots": slots,
        f"critical path (goal {GOAL})": f"{mean(ours):.3f}",
        "its 95th percentile": f"{quantiles(ours, n=20)[-1]:.3f}",
        "first come, first served": f"{mean(fifo):.3f}",
        "its 95th percentile ": f"{quantiles(fifo, n=20)[-1]:.3f}",
    }


def main() -> None:
    """Schedule, print, and fail where the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/graph_makespan.md")
    parser.add_argument("--graphs", type=int, default=200, help="of each kind")
    arguments = parser.parse_args()
    rng = random.Random(0)
    rows = [measure("Craftax-Classic, 22", [CLASSIC] * arguments.graphs, slots, rng) for slots in (2, 3, 4, 8)]
    for size, width, share, slots in ((40, 12, 0.1, 3), (60, 12, 0.1, 4), (100, 20, 0.06, 8)):
        graphs = [invented(rng, size, width, share) for _ in range(arguments.graphs // 2)]
        rows.append(measure(f"random, {size}", graphs, slots, rng))
    question = "How close to the best possible time does the scheduler of a skill graph come?"
    report("graph_makespan", question, rows, arguments.write)
    average = mean(float(row[f"critical path (goal {GOAL})"]) for row in rows)
    print(f"\naverage {average:.4f}, goal {GOAL}")
    raise SystemExit(average > GOAL)


if __name__ == "__main__":
    main()
