"""A job of a skill graph: what mirrors its metrics can never end it."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from gamefleet.cli.skills_train import trackers
from gamefleet.skills.skill import Skill
from gamefleet.skills.training import TrainingTask
from gamefleet.testing.crafting import WORLD
from gamefleet.topologies.job_graph.paths import GraphPaths
from gamefleet.topologies.job_graph.tasks import JobTask


def job_task(folder: Path) -> JobTask:
    task = TrainingTask(
        skill=Skill(name="A", gain={"wood": 1.0}, reward="gained(wood)", success="wood >= 1", max_steps=9),
        index=0,
        attempt=1,
        seed=1,
        plan=(),
        total_timesteps=1000,
        num_envs=4,
        folder=folder,
    )
    return JobTask(task=task, leg=1, env_name=WORLD.name, time_limit_s=0.0, wandb_project="skills")


def no_login(**settings: Any) -> None:
    raise ConnectionError("api_key not configured (no-tty)")


@pytest.mark.parametrize("is_installed", [True, False])
def test_a_mirror_that_cannot_be_had_is_said_once_and_the_job_goes_on(
    is_installed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wandb = ModuleType("wandb")
    vars(wandb)["init"] = no_login
    monkeypatch.setitem(sys.modules, "wandb", wandb if is_installed else None)  # type: ignore[arg-type] # hides it

    with caplog.at_level(logging.WARNING):
        mirrors = trackers(GraphPaths(tmp_path), job_task(tmp_path))
        mirrors.write(1, {"loss": 1.0})
        mirrors.close()

    (warning,) = caplog.messages
    assert ("no-tty" if is_installed else "wandb is not installed") in warning
