"""Which ready skill starts first: the one from which the longest way leads to the end of the graph.

Job: estimates, ranks, plans. Place in the data flow: `advance` orders what is ready by it; the trainer's plan and the
benchmark use the same functions. Left out: slots and memory (`room`).

Priority by critical path: a skill's rank is its own estimated time plus the largest rank of those that need it. Any
order that leaves no slot idle is within 2 - 1/slots of the best; this one stays close to it even where estimates are
wrong by a factor of two. Source: R. L. Graham, Bounds on multiprocessing timing anomalies, 1969; H. Topcuoglu et al.,
Performance-effective and low-complexity task scheduling (HEFT's upward rank), 2002.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from gamefleet.cluster.graph.state import OVER, GraphState, Node

FIRST_GUESS_S = 600.0
"""Of a skill while none has ended; only comparisons matter."""

DEEPER = 0.25
"""Each level above a skill's foundations is thought to take so much longer: its start states are rarer."""


def depths(nodes: Sequence[Node]) -> dict[str, int]:
    """Skill -> length of the longest way down from it; 0 without dependencies. Nodes come in order of acceptance."""
    found: dict[str, int] = {}
    for node in nodes:
        found[node.skill_name] = 1 + max((found[name] for name in node.dependencies), default=-1)
    return found


def estimates(nodes: Sequence[Node]) -> dict[str, float]:
    """Skill -> seconds that it is thought to take: as somebody said, or as the completed ones suggest."""
    level = depths(nodes)
    prior = {name: 1.0 + DEEPER * depth for name, depth in level.items()}
    known = [node.completed_at - node.jobs[0].asked_at for node in nodes if node.status == "completed" and node.jobs]
    scale = FIRST_GUESS_S
    if known:
        done = [prior[node.skill_name] for node in nodes if node.status == "completed" and node.jobs]
        scale = median(seconds / share for seconds, share in zip(known, done, strict=True)) or FIRST_GUESS_S
    return {node.skill_name: node.estimate_s or scale * prior[node.skill_name] for node in nodes}


def ranks(dependencies: Mapping[str, Iterable[str]], seconds: Mapping[str, float]) -> dict[str, float]:
    """Skill -> seconds from its start to the end of the graph along the longest way.

    Args:
        dependencies: Skill -> what it builds on; each skill stands behind its own.
        seconds: Skill -> how long it takes.
    """
    behind = dict.fromkeys(dependencies, 0.0)
    for name in reversed(list(dependencies)):
        rank = behind[name] + seconds[name]
        behind[name] = rank
        for needed in dependencies[name]:
            behind[needed] = max(behind[needed], rank)
    return behind


def by_priority(state: GraphState, ready: Sequence[Node]) -> list[Node]:
    """Ready skills, the most urgent first; equal ones in order of acceptance."""
    if len(ready) < 2:
        return list(ready)
    # What is over takes no more time: nothing is urgent for the sake of a skill that is blocked.
    todo = {node.skill_name: node.dependencies for node in state.skills if node.status not in OVER}
    left = {name: [needed for needed in dependencies if needed in todo] for name, dependencies in todo.items()}
    rank = ranks(left, estimates(state.skills))
    return sorted(ready, key=lambda node: (-rank[node.skill_name], node.index))


def lower_bound_s(dependencies: Mapping[str, Iterable[str]], seconds: Mapping[str, float], slots: int) -> float:
    """No schedule is shorter than the longest way through the graph, nor than all the work shared by all slots."""
    longest = max(ranks(dependencies, seconds).values(), default=0.0)
    return max(longest, sum(seconds.values()) / slots)


def plan(state: GraphState, skill_name: str) -> tuple[Node, ...]:
    """The skills that one builds on, directly or not, in order of acceptance, which is a topological one."""
    needed: set[str] = set()
    todo = list(state.by_name[skill_name].dependencies)
    while todo:
        name = todo.pop()
        if name not in needed:
            needed.add(name)
            todo.extend(state.by_name[name].dependencies)
    return tuple(node for node in state.skills if node.skill_name in needed)
