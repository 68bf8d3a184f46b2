"""A rank that dies or hangs ends all of them with its name, and the run goes on from its checkpoint."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.topologies.ddp_processes import start_ranks
from tests.waiting import PATIENCE_S, until

from gamefleet.runs.metrics import read_metrics
from gamefleet.runs.paths import RunPaths

pytestmark = pytest.mark.long

ENDLESS = {"total_steps": 1_000_000, "checkpoint_interval_steps": 10, "metrics_interval_steps": 5}


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def start(started: list[subprocess.Popen[str]], run: dict[str, Any], world: int) -> list[subprocess.Popen[str]]:
    ranks = start_ranks([run], world)
    started += ranks
    return ranks


def wait_for_checkpoint(paths: RunPaths, ranks: list[subprocess.Popen[str]]) -> None:
    until(lambda: paths.found_checkpoints() or any(rank.poll() is not None for rank in ranks), "a checkpoint")
    assert all(rank.poll() is None for rank in ranks), [rank.communicate()[1] for rank in ranks]


def test_a_killed_rank_ends_the_others_with_an_error_and_one_rank_goes_on_from_the_checkpoint(
    tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    paths = RunPaths(tmp_path / "run")
    named = {"name": "run", "runs_folder": str(tmp_path)}
    ranks = start(started, {"settings": {"run": {**named, **ENDLESS}}}, 2)
    wait_for_checkpoint(paths, ranks)

    ranks[1].kill()
    _, errors = ranks[0].communicate(timeout=PATIENCE_S)

    assert ranks[0].returncode == 6, errors
    assert "Another rank is gone: rank 0 of 2" in errors
    step = paths.found_checkpoints()[-1][0]
    again = {"settings": {"run": {**named, "total_steps": step + 5}}, "start": "resume"}
    (alone,) = start(started, again, 1)
    out, errors = alone.communicate(timeout=PATIENCE_S)
    assert json.loads(out)[1:3] == ["finished", step + 5], errors
    assert [row.step for row in read_metrics(paths.metrics("train")).rows][-1] == step + 5


def test_a_rank_that_hangs_is_named_by_the_others_which_end(
    tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    paths = RunPaths(tmp_path / "run")
    settings = {"run": {"name": "run", "runs_folder": str(tmp_path), **ENDLESS}, "trainer": {"hang_timeout_s": 25}}
    ranks = start(started, {"settings": settings}, 2)
    wait_for_checkpoint(paths, ranks)

    ranks[1].send_signal(signal.SIGSTOP)
    _, errors = ranks[0].communicate(timeout=PATIENCE_S)

    assert ranks[0].returncode == 6, errors
    assert "longer than trainer.hang_timeout_s = 25: rank 1 on" in errors
    assert "silent for" in errors
