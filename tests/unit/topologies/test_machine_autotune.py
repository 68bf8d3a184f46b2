"""Autotune from detection to choice, measured for real with a toy game."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gamefleet.cluster.autotune import recommend
from gamefleet.cluster.hardware import Accelerator, Hardware
from gamefleet.cluster.machine_profile import load_profile
from gamefleet.cluster.measurements import GIB
from gamefleet.testing.toys import corridor
from gamefleet.topologies.autotune import choose, look, machine_with, needs_of, planned_points, tune
from gamefleet.topologies.config import RunConfig, make_config
from gamefleet.topologies.machine_bench import QUICK, find_accelerators, play_points

BRIEF = replace(
    QUICK, random_s=0.05, policy_s=0.05, inference_s=0.01, updates=1, inference_batches=(1, 4), plays_end_s=0.0
)


@pytest.fixture
def config() -> RunConfig:
    return make_config(
        corridor.PACKAGE,
        {
            "network": {"hidden_size": 8, "head_size": 8},
            "learner": {"batch_size": 2},
            "replay": {"capacity_steps": 5_000, "unroll": 5, "burn_in": 2},
        },
    )


def test_a_real_benchmark_measures_games_actions_and_learning(config: RunConfig) -> None:
    lines: list[str] = []
    profile = tune("box", corridor.PACKAGE, config, effort=BRIEF, tell=lines.append)

    measured = profile.measurements
    assert measured.game == corridor.PACKAGE.name
    play = measured.plays[0]
    assert play.random_steps_per_s > 0
    assert play.policy_steps_per_s > 0
    assert play.worker_bytes > 1 << 20
    assert [timing.batch for timing in measured.inference if timing.device == "cpu"] == [1, 4]
    assert [timing.batch for timing in measured.updates if timing.device == "cpu"] == [1, 2]
    assert measured.learner_bytes > 1 << 20
    assert profile.recommendation.num_envs >= profile.recommendation.num_workers >= 1
    assert any("choosing actions" in line for line in lines)
    assert any("playing" in line for line in lines)


def test_no_further_point_is_begun_when_the_time_is_over(config: RunConfig) -> None:
    assert len(tune("box", corridor.PACKAGE, config, effort=BRIEF).measurements.plays) == 1


def test_nothing_is_forked_so_macos_is_no_special_case(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise AssertionError("forked")

    monkeypatch.setattr(os, "fork", refuse)
    assert tune("box", corridor.PACKAGE, config, effort=BRIEF).measurements.plays


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="this machine has what is simulated")
def test_an_apple_gpu_that_fails_is_named_and_not_used(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    profile = tune("box", corridor.PACKAGE, config, effort=BRIEF)

    assert profile.hardware.has("mps")
    assert "failed" in profile.measurements.missing["mps"]
    assert profile.recommendation.device == "cpu"
    assert "the accelerator failed" in profile.recommendation.reasons[2].reason


def test_what_is_not_there_has_a_reason() -> None:
    accelerators, missing = find_accelerators()
    assert {accelerator.device for accelerator in accelerators} | set(missing) == {"cuda", "mps"}
    assert all(missing.values())


def test_the_machine_is_seen_through_control_groups_and_slurm(tmp_path: Path) -> None:
    group = tmp_path / "sys/fs/cgroup/job"
    group.mkdir(parents=True)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/job\n")
    (group / "cpu.max").write_text("100000 100000\n")
    (group / "memory.max").write_text(f"{GIB // 2}\n")

    hardware = machine_with((), {}, {"SLURM_MEM_PER_NODE": "900"}, tmp_path).hardware
    assert hardware.granted_cpus == 1
    assert hardware.granted_ram_bytes == GIB // 2
    assert hardware.granted_ram_source == "the control group"


def test_needs_come_from_the_games_shapes_and_the_settings(config: RunConfig) -> None:
    needs = needs_of(corridor.PACKAGE, config)
    assert needs.capacity_steps == 5_000
    assert needs.batch_size == 2
    assert 0 < needs.slot_bytes < 500
    assert needs.steps_per_env == 5_000 // 8


def test_points_begin_with_what_the_cores_suggest_and_never_exceed_the_memory() -> None:
    assert play_points(4, 10, is_full=False) == [(4, 4), (8, 4), (2, 2), (4, 2)]
    assert play_points(1, 29, is_full=False) == [(1, 1), (2, 1), (4, 1)]
    assert play_points(6, 3, is_full=False) == [(3, 3), (1, 1), (2, 1)]
    assert (8, 1) not in play_points(8, 100, is_full=True)
    assert (1, 1) in play_points(8, 100, is_full=True)


def test_a_dry_run_knows_its_points(config: RunConfig) -> None:
    assert planned_points(look(), needs_of(corridor.PACKAGE, config), is_full=False)


def test_auto_without_a_profile_follows_the_rule_and_says_so(config: RunConfig, tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    choice = choose("box", corridor.PACKAGE, config, measure=False, environ=environ)

    assert choice.num_envs >= choice.num_workers >= 1
    assert choice.device in ("cpu", "cuda", "mps")
    assert choice.batch_size == 2
    assert "without measurements" in choice.reasons[-1]
    assert list(tmp_path.iterdir()) == []


def test_measuring_saves_a_profile_that_auto_then_follows(config: RunConfig, tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    measured = choose("box", corridor.PACKAGE, config, measure=True, environ=environ, effort=BRIEF)
    again = choose("box", corridor.PACKAGE, config, measure=False, environ=environ)

    saved = load_profile("box", environ)
    assert saved is not None
    assert measured.source == "measured now"
    assert again.source.startswith("measured on")
    assert (again.num_envs, again.num_workers) == (measured.num_envs, measured.num_workers)


def test_a_mac_is_advised_without_having_one(config: RunConfig) -> None:
    air = Hardware(
        system="Darwin",
        machine="arm64",
        cpus=8,
        granted_cpus=8,
        ram_bytes=8 * GIB,
        performance_cores=4,
        efficiency_cores=4,
        accelerators=(Accelerator(device="mps", name="Apple GPU"),),
    )
    assert recommend(air, needs_of(corridor.PACKAGE, config)).num_workers == 4
