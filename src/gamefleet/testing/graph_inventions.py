"""What a simulated skill graph is like: its skills, its scheduler's settings, what goes wrong.

Job: draw them from a history's random numbers. Place in the data flow: `graph_history` draws, `graph_world` acts
accordingly. Left out: what happens then.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from gamefleet.cluster.graph.state import Limits, Needs


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphFaults:
    """What goes wrong, as probabilities per call, job or proposal.

    Args:
        killed: The scheduler dies at a step of handling one event.
        silent: An executor does not answer.
        lost_answer: A job is made, and the answer is lost; the job can be seen only some time later.
        refused: A submission is refused for now.
        refused_for_good: A submission is refused for ever.
        dies: A job is cut short.
        unnoticed: Nothing tells the scheduler that a job has ended.
        merge_fails: The store cannot be written.
        damaged: A finished job left an unusable expert.
        rejected: A proposal is refused by the verification.
        no_proposal: The proposer does not answer.
        nonsense: A proposal passes the verification that the graph must refuse.
    """

    killed: float = 0.0
    silent: float = 0.0
    lost_answer: float = 0.0
    refused: float = 0.0
    refused_for_good: float = 0.0
    dies: float = 0.0
    unnoticed: float = 0.0
    merge_fails: float = 0.0
    damaged: float = 0.0
    rejected: float = 0.0
    no_proposal: float = 0.0
    nonsense: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """What is true of a skill, and nobody knows before it is trained.

    Args:
        name: Of the skill.
        dependencies: What it builds on.
        needed_s: Training that it takes.
        learns: Probability that an attempt succeeds.
        deadly: Probability that a job of it crashes.
    """

    name: str
    dependencies: tuple[str, ...]
    needed_s: int
    learns: float
    deadly: float = 0.0


def invent_limits(chance: random.Random) -> Limits:
    """Settings of a run."""
    return Limits(
        max_parallel_skills=chance.choice([1, 2, 3]),
        max_nodes=chance.randint(1, 6),
        max_retries=chance.choice([0, 1, 2]),
        max_waiting_skills=chance.choice([1, 1, 3]),
        max_rejections=6,
        skill_time_limit_s=chance.choice([0.0, 0.0, 1200.0]),
        gpus_gb=chance.choice([(), (), (24.0,), (16.0, 40.0)]),
        needs=Needs(gpu_memory_gb=chance.choice([0.0, 10.0, 20.0])),
    )


def invent_faults(chance: random.Random) -> GraphFaults:
    """What goes wrong in a history; in some nothing does."""
    often = chance.choice([0.0, 0.02, 0.1])
    return GraphFaults(
        killed=chance.choice([0.0, 0.01, 0.05]),
        silent=often,
        lost_answer=often,
        refused=often,
        refused_for_good=often / 10,
        dies=chance.choice([0.0, 0.1, 0.4]),
        unnoticed=chance.choice([0.0, 0.3]),
        merge_fails=often,
        damaged=often / 4,
        rejected=chance.choice([0.0, 0.2]),
        no_proposal=chance.choice([0.0, 0.1]),
        nonsense=chance.choice([0.0, 0.1]),
    )


def invent_skills(chance: random.Random, wanted: int) -> Iterator[Secret]:
    """As many skills as are wanted or more, each with dependencies among those before."""
    names: list[str] = []
    for number in range(chance.choice([wanted, 2 * wanted + 1])):
        below = chance.sample(names, min(len(names), chance.choice([0, 1, 1, 2])))
        is_hopeless = chance.random() < 0.1
        names.append(f"skill_{number}")
        yield Secret(
            name=names[-1],
            dependencies=tuple(below),
            needed_s=chance.randint(1, 1500),
            learns=0.0 if is_hopeless else chance.choice([1.0, 1.0, 0.7]),
            deadly=chance.choice([0.0, 0.3, 1.0]) if chance.random() < 0.2 else 0.0,
        )
