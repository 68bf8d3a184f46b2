"""What a job of a skill is told over the legs of an attempt: what it began with, but less where memory was short."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cluster.graph_driver import Driver
from tests.unit.topologies.orchard_cases import PICK, task_of

from gamefleet.cluster.graph.state import Limits
from gamefleet.runs.deadline import Deadline
from gamefleet.skills.training import Progress, TrainingOutcome, TrainingTask
from gamefleet.testing.crafting import WORLD as CRAFTING
from gamefleet.testing.orchard import WORLD
from gamefleet.topologies.job_graph.paths import GraphPaths
from gamefleet.topologies.job_graph.settings import GraphSettings
from gamefleet.topologies.job_graph.tasks import JobTask, read_task, write_task
from gamefleet.topologies.job_graph.training import Leg, run_leg, with_envs
from gamefleet.topologies.skill_trainer.settings import read_settings


@pytest.fixture
def graph() -> Driver:
    driver = Driver(limits=Limits(pause_s=0.0, max_retries=9)).begin()
    driver.accept(PICK.name, skill=PICK.as_json())
    return driver


def task_after(graph: Driver, root: Path, kind: str, **settings: Any) -> JobTask:
    """The task of the job after one that ended so."""
    if kind:
        graph.end(PICK.name, kind, frames=100 * len(graph.node(PICK.name).jobs))
    return newest_task(graph, root, GraphSettings(**settings))


def newest_task(graph: Driver, root: Path, settings: GraphSettings) -> JobTask:
    paths, node = GraphPaths(root), graph.node(PICK.name)
    write_task(paths, settings, graph.state, node, WORLD.names)
    return read_task(paths, paths.training(node.index, node.skill_name), node.jobs[-1].leg)


def envs_of(job: JobTask, *, is_cpu: bool = True) -> int:
    return read_settings(job.task, is_cpu)[1].num_envs


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [128, 64, 32]),
        ({"num_envs": 48}, [48, 24, 12]),
        ({"trainer": {"num_envs": 256}}, [256, 128, 64]),
        ({"trainer": {"num_envs": 9, "rollout_steps": 8, "minibatches": 12}}, [9, 3, 3]),
    ],
)
def test_each_time_that_memory_was_short_halves_the_environments(
    graph: Driver, tmp_path: Path, settings: Mapping[str, Any], expected: list[int]
) -> None:
    jobs = [task_after(graph, tmp_path, kind, **settings) for kind in ("", "out_of_memory", "out_of_memory")]

    assert [envs_of(job) for job in jobs] == expected
    assert [job.task.attempt for job in jobs] == [1, 2, 3]


def test_a_gpus_many_environments_are_halved_too(graph: Driver, tmp_path: Path) -> None:
    job = task_after(graph, tmp_path, "out_of_memory")

    assert envs_of(job, is_cpu=False) == 512


def test_a_trainer_of_a_worlds_own_gets_the_halved_number(tmp_path: Path) -> None:
    task = replace(task_of(PICK, tmp_path), halvings=2)

    assert with_envs(replace(task, num_envs=0), CRAFTING).num_envs == 16
    assert with_envs(replace(task, num_envs=100), CRAFTING).num_envs == 25
    assert with_envs(replace(task, num_envs=1), CRAFTING).num_envs == 1


def test_an_attempt_keeps_what_it_began_with_and_the_next_one_has_what_is_asked_for(
    graph: Driver, tmp_path: Path
) -> None:
    first = task_after(graph, tmp_path, "", num_envs=16, trainer={"pool_states": 64})
    changed: dict[str, Any] = {"num_envs": 32, "trainer": {"pool_states": 64, "width": 32}, "total_timesteps": 7}

    second = task_after(graph, tmp_path, "stopped", **changed)
    third = task_after(graph, tmp_path, "interrupted", **changed)
    fourth = task_after(graph, tmp_path, "did_not_learn", **changed)

    assert (first.stays, fourth.stays) == ("", "")
    assert second.stays == third.stays == "num_envs 16 instead of 32, width unset instead of 32"
    assert [job.task.num_envs for job in (first, second, third, fourth)] == [16, 16, 16, 32]
    assert third.task.settings == {"pool_states": 64}
    assert fourth.task.settings == changed["trainer"]
    assert third.task.total_timesteps == 7, "it only says when to end"


class Idle:
    """A trainer that stops at once."""

    def train(
        self, task: TrainingTask, report: Callable[[Progress], None], should_stop: Callable[[], bool]
    ) -> TrainingOutcome | None:
        return None


def test_the_jobs_log_says_what_stays(graph: Driver, tmp_path: Path) -> None:
    task_after(graph, tmp_path, "", num_envs=16)
    job = task_after(graph, tmp_path, "stopped", num_envs=32)
    lines: list[str] = []
    leg = Leg(
        paths=GraphPaths(tmp_path).training(0, PICK.name),
        task=job,
        deadline=Deadline(max_runtime_s=None),
        tell=lines.append,
        record=lambda step, values: None,
    )

    run_leg(leg, replace(WORLD, make_trainer=Idle), {})

    assert lines[1].startswith("the attempt began with num_envs 16 instead of 32; ")
