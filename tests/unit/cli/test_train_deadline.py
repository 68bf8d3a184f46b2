"""When `gamefleet train` must stop: what the user says, what the job's end says, and the usual limit without either."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from gamefleet.cli.train import deadline_of
from gamefleet.games import open_game
from gamefleet.topologies.config import RunConfig, make_config

HOUR_S = 3600.0


def settings(**run: object) -> RunConfig:
    return make_config(open_game("pokemon_red"), {"run": run})


def remaining_s(environment: Mapping[str, str], **run: object) -> float:
    return deadline_of(settings(**run), environment).remaining_s


def test_outside_of_a_job_there_is_no_limit() -> None:
    assert remaining_s({}) == float("inf")
    assert remaining_s({}, max_runtime_s=60.0) == pytest.approx(60, abs=5)


def test_the_end_that_the_job_states_is_used_without_asking() -> None:
    environment = {"SLURM_JOB_ID": "7", "SLURM_JOB_END_TIME": str(time.time() + 4 * HOUR_S), "PATH": "/nonexistent"}

    assert remaining_s(environment) == pytest.approx(4 * HOUR_S - 120, abs=5)
    assert remaining_s(environment, max_runtime_s=60.0) == pytest.approx(60, abs=5)


def test_a_scheduler_that_does_not_state_the_end_is_asked_once(tmp_path: Path) -> None:
    squeue = tmp_path / "squeue"
    squeue.write_text(f"#!/bin/sh\necho asked >> {tmp_path}/asked\necho {time.time() + HOUR_S:.0f}\n")
    squeue.chmod(0o755)

    deadline = deadline_of(settings(), {"SLURM_JOB_ID": "7", "PATH": f"{tmp_path}:/usr/bin:/bin"})

    assert deadline.remaining_s == pytest.approx(HOUR_S - 120, abs=5)
    assert (tmp_path / "asked").read_text() == "asked\n"


def test_in_a_job_whose_end_cannot_be_learned_the_usual_limit_holds() -> None:
    environment = {"SLURM_JOB_ID": "7", "PATH": "/nonexistent"}

    assert remaining_s(environment) == pytest.approx(13_500, abs=5)
    assert remaining_s(environment, max_runtime_s=60.0) == pytest.approx(60, abs=5)
