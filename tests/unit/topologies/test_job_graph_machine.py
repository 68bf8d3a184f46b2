"""Which GPUs jobs may have, under which names, and that the scheduler's own process has none."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from gamefleet.cluster.graph.advance import advance
from gamefleet.cluster.graph.events import Accepted, Begun
from gamefleet.cluster.graph.state import GraphState, SkillJob
from gamefleet.topologies.job_graph.executor import exports
from gamefleet.topologies.job_graph.machine import find_gpus, gpus_left_to_jobs, parse_gpus, this_machine, visible
from gamefleet.topologies.job_graph.settings import GraphSettings

UUIDS = ("GPU-8932f937-d72c", "GPU-11e5b4a0-0f3c", "GPU-11e5ffff-77aa")
LISTED = "".join(f"{number}, {uuid}, {24576 + number}\n" for number, uuid in enumerate(UUIDS))


def size_gb(number: int) -> float:
    return (24576 + number) * 2**20 / 1e9


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """Variables of a machine with three GPUs."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\ncat <<END\n" + LISTED + "END\n")
    program.chmod(0o755)
    return {"PATH": f"{tmp_path}:{os.environ['PATH']}"}


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ("2", [2]),
        ("2,0", [2, 0]),
        (" 1 , 2 ", [1, 2]),
        (UUIDS[1], [1]),
        ("GPU-8932,2", [0, 2]),
        ("GPU-11e5", []),
        ("0,7,1", [0]),
        ("0,-1,1", [0]),
        ("-1", []),
        ("", []),
        ("MIG-1234", []),
    ],
)
def test_only_gpus_that_the_user_lets_programs_see_are_counted_and_under_the_users_words(
    wanted: str, numbers: list[int], machine: dict[str, str]
) -> None:
    found = find_gpus({**machine, "CUDA_VISIBLE_DEVICES": wanted})

    assert [gpu.gb for gpu in found] == [size_gb(number) for number in numbers]
    assert [gpu.name for gpu in found] == [word.strip() for word in wanted.split(",")][: len(numbers)]


def test_without_a_wish_all_are_counted_by_names_that_mean_the_same_to_every_program(machine: dict[str, str]) -> None:
    here = this_machine(machine)

    assert here.gpus_gb == tuple(map(size_gb, range(3)))
    assert here.gpu_names == UUIDS


def test_what_is_no_answer_is_no_gpu() -> None:
    assert parse_gpus("No devices were found\n0, GPU-1, [N/A]\n\n") == ()
    assert visible((), "0") == ()
    assert find_gpus({"PATH": "/nowhere"}) == ()


def test_a_job_is_told_its_gpu_as_the_user_calls_it(machine: dict[str, str]) -> None:
    here = this_machine({**machine, "CUDA_VISIBLE_DEVICES": "2,1"})
    limits = GraphSettings(max_parallel_skills=2).limits(here.gpus_gb, 2, here.gpu_names)
    state, _ = advance(GraphState(id="x"), Begun(limits=limits), 1.0)
    for number, name in enumerate(("A", "B"), start=1):
        state, _ = advance(state, Accepted(number=number, skill_name=name, skill={}), 2.0)

    told = [exports(GraphSettings(), GraphState.from_json(state.to_json()), node)[0] for node in state.skills]

    assert told == ["export CUDA_VISIBLE_DEVICES=2", "export CUDA_VISIBLE_DEVICES=1"]


def test_a_job_that_an_earlier_scheduler_placed_on_a_gpu_that_is_gone_is_told_nothing() -> None:
    limits = GraphSettings().limits((24.0,), 2, ("GPU-1",))
    state, _ = advance(GraphState(id="x"), Begun(limits=limits), 1.0)
    state, _ = advance(state, Accepted(number=1, skill_name="A", skill={}), 2.0)
    (node,) = state.skills
    job = SkillJob(attempt=1, leg=1, asked_at=1.0, gpu=3)

    assert exports(GraphSettings(), state, node)[0] == "export CUDA_VISIBLE_DEVICES=GPU-1"
    assert exports(GraphSettings(), state, msgspec.structs.replace(node, jobs=(job,))) == ()


def test_the_schedulers_process_is_kept_off_gpus_and_its_jobs_are_not() -> None:
    for before in ({"HOME": "/h"}, {"HOME": "/h", "JAX_PLATFORMS": "cuda,cpu"}):
        environment = dict(before)
        with gpus_left_to_jobs(environment) as for_jobs:
            assert environment["JAX_PLATFORMS"] == "cpu"
            assert for_jobs == before
        assert environment == before
