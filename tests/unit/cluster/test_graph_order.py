"""The order in which skills start: how close to the shortest time it comes, and for whose sake a skill is urgent."""

from __future__ import annotations

import random
from statistics import mean

import pytest
from tests.unit.cluster.graph_driver import Driver

from gamefleet.cluster.graph.order import lower_bound_s
from gamefleet.cluster.graph.state import Limits
from gamefleet.testing.graph_makespan import CLASSIC, invented, scheduled_s

GOAL = 1.02
NUM_GRAPHS = 50


def ratio(seed: int) -> float:
    """Time to the end over what no schedule beats, of a graph with durations known only within a factor of two."""
    rng = random.Random(seed)
    size, width, share, slots = rng.choice([(22, 0, 0.0, 3), (40, 12, 0.1, 3), (60, 12, 0.1, 4), (100, 20, 0.06, 8)])
    graph = invented(rng, size, width, share) if width else CLASSIC
    seconds = {name: rng.lognormvariate(0.0, 1.0) for name in graph}
    thought = {name: value * 2 ** rng.uniform(-1, 1) for name, value in seconds.items()}
    return scheduled_s(graph, seconds, thought, slots) / lower_bound_s(graph, seconds, slots)


def test_on_average_a_graph_takes_hardly_longer_than_the_best_schedule_could() -> None:
    assert mean(map(ratio, range(NUM_GRAPHS))) <= GOAL


@pytest.mark.parametrize(("slots", "minutes"), [(1, 205.0), (3, 180.0), (2, 180.0)])
def test_the_guides_skills_of_different_length_take_as_long_as_the_longest(slots: int, minutes: float) -> None:
    takes = {"short": 10.0, "middle": 15.0, "long": 180.0}

    assert scheduled_s(dict.fromkeys(takes, ()), takes, takes, slots) == minutes


def test_nothing_is_urgent_for_the_sake_of_what_is_blocked() -> None:
    limits = Limits(max_parallel_skills=2, max_nodes=9, max_waiting_skills=9, max_retries=0)
    graph = Driver(limits=limits).begin()
    graph.accept("Hopeless", estimate_s=10.0)
    graph.accept("Busy", estimate_s=10.0)
    graph.accept("Below_Blocked", estimate_s=10.0)
    graph.accept("Blocked", "Hopeless", "Below_Blocked", estimate_s=1000.0)
    graph.accept("Below_Useful", estimate_s=10.0)
    graph.accept("Useful", "Below_Useful", estimate_s=100.0)
    assert graph.started == ["Hopeless", "Busy"]

    graph.end("Hopeless", "did_not_learn")

    assert graph.statuses()["Blocked"] == "blocked"
    assert graph.started[2:] == ["Below_Useful"]
