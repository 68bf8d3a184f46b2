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
from statistics import mean, quantiles

from gamefleet.cluster.graph.order import lower_bound_s
from gamefleet.testing.graph_makespan import CLASSIC, Graph, invented, scheduled_s
from table import Row, report

GOAL = 1.02


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
