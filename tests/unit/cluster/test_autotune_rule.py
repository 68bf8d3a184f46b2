"""The rule of `autotune`: typical machines, tight machines, and what measurements change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamefleet.cluster.autotune import choose_batch, recommend
from gamefleet.cluster.hardware import Accelerator, Hardware
from gamefleet.cluster.measurements import GIB, MIB, Measurements, Needs, Play, Timing
from gamefleet.cluster.room import bytes_per_env, find_limits, planned_bytes, usable_cores

APPLE = (Accelerator(device="mps", name="Apple GPU"),)
CUDA = (Accelerator(device="cuda", name="a card", memory_bytes=12 * GIB),)


def mac(*, fast: int, slow: int, ram_gb: int) -> Hardware:
    return Hardware(
        system="Darwin",
        machine="arm64",
        cpus=fast + slow,
        granted_cpus=fast + slow,
        ram_bytes=ram_gb * GIB,
        performance_cores=fast,
        efficiency_cores=slow,
        accelerators=APPLE,
    )


def linux(cpus: int, ram_gb: float, *, granted: int = 0, accelerators: tuple[Accelerator, ...] = ()) -> Hardware:
    return Hardware(
        system="Linux",
        machine="x86_64",
        cpus=cpus,
        granted_cpus=granted or cpus,
        ram_bytes=int(ram_gb * GIB),
        accelerators=accelerators,
    )


def play(envs: int, workers: int, rate: float, worker_mb: int = 66) -> Play:
    return Play(
        num_envs=envs,
        num_workers=workers,
        random_steps_per_s=2 * rate,
        policy_steps_per_s=rate,
        worker_bytes=worker_mb * MIB,
    )


@pytest.mark.parametrize(
    ("name", "hardware", "least", "most"),
    [
        ("MacBook Air M1, 8 GB", mac(fast=4, slow=4, ram_gb=8), 2, 3),
        ("MacBook Pro M1, 16 GB", mac(fast=4, slow=4, ram_gb=16), 4, 6),
        ("the same, kinds of cores not known", replace(linux(8, 16), accelerators=APPLE), 4, 6),
        ("MacBook Pro M2, 32 GB, 10 cores", mac(fast=6, slow=4, ram_gb=32), 6, 8),
        ("MacBook Pro M2, 32 GB, 12 cores", mac(fast=8, slow=4, ram_gb=32), 6, 8),
        ("desktop with a GPU, 8 cores", linux(8, 16, accelerators=CUDA), 8, 16),
        ("desktop with a GPU, 12 cores", linux(12, 32, accelerators=CUDA), 8, 16),
        ("desktop with a GPU, 16 cores", linux(16, 64, accelerators=CUDA), 8, 16),
    ],
)
def test_typical_machines_get_what_the_guide_says(name: str, hardware: Hardware, least: int, most: int) -> None:
    assert least <= recommend(hardware, Needs()).num_envs <= most, name


def test_the_small_laptop_is_limited_by_memory_and_the_larger_ones_by_cores() -> None:
    small = find_limits(mac(fast=4, slow=4, ram_gb=8), Needs())
    large = find_limits(mac(fast=4, slow=4, ram_gb=16), Needs())
    assert small.max_envs < small.max_workers
    assert large.max_envs > large.max_workers


def test_each_choice_has_a_reason() -> None:
    advice = recommend(mac(fast=4, slow=4, ram_gb=8), Needs())
    names = [chosen.name for chosen in advice.reasons]
    assert names == ["workers", "environments", "device", "learning device", "batch size", "replay steps"]
    assert all(chosen.reason for chosen in advice.reasons)
    environments = advice.reasons[1].reason
    assert "half of the 4.0 GB that 8.0 GB RAM leave above 4.0 GB for the system" in environments


def test_a_container_keeps_what_it_was_granted_while_the_machine_keeps_a_core() -> None:
    assert usable_cores(linux(64, 256, granted=8))[0] == 8
    assert usable_cores(linux(8, 16))[0] == 7
    assert usable_cores(linux(1, 16))[0] == 0
    assert recommend(linux(1, 16), Needs()).num_workers == 1


def test_memory_of_a_job_is_planned_below_its_limit() -> None:
    job = replace(linux(64, 256), granted_ram_bytes=10 * GIB, granted_ram_source="the SLURM job")
    planned, reason = planned_bytes(job)
    assert planned == 8 * GIB
    assert reason == "80% of the 10.0 GB of the SLURM job"


def test_memory_that_others_hold_now_is_not_planned() -> None:
    busy = replace(linux(16, 64), free_ram_bytes=2 * GIB)
    assert recommend(busy, Needs()).num_envs < recommend(linux(16, 64), Needs()).num_envs


def test_a_machine_without_memory_plays_one_game_and_is_warned() -> None:
    advice = recommend(linux(8, 4), Needs())
    assert advice.num_envs == 1
    assert "expect swapping" in advice.reasons[1].reason


@given(
    cpus=st.integers(1, 256),
    granted=st.integers(1, 256),
    ram_gb=st.floats(0.5, 1024),
    env_mb=st.integers(1, 4000),
    has_gpu=st.booleans(),
)
def test_nothing_that_is_planned_exceeds_the_memory(
    cpus: int, granted: int, ram_gb: float, env_mb: int, has_gpu: bool
) -> None:
    hardware = linux(cpus, ram_gb, granted=min(cpus, granted), accelerators=CUDA if has_gpu else ())
    needs = Needs(env_bytes=env_mb * MIB)
    advice = recommend(hardware, needs)
    assert 1 <= advice.num_workers <= advice.num_envs
    if advice.num_envs > 1:
        used = needs.learner_bytes + advice.num_envs * bytes_per_env(needs)
        assert used <= planned_bytes(hardware)[0]
        total = advice.num_envs * needs.env_bytes + advice.capacity_steps * needs.slot_bytes + needs.learner_bytes
        assert total <= planned_bytes(hardware)[0]


def test_the_fewest_games_near_the_best_measured_rate_are_taken() -> None:
    plays = (play(4, 4, 700.0), play(8, 4, 980.0), play(16, 4, 1000.0))
    advice = recommend(linux(6, 32), Needs(), Measurements(game="toy", plays=plays))
    assert (advice.num_envs, advice.num_workers) == (8, 4)
    assert advice.reasons[1].reason == "980 steps/s measured; 16 reach only 1,000"


def test_games_that_measured_large_are_fewer() -> None:
    plays = (play(4, 4, 700.0, worker_mb=2000), play(8, 4, 980.0, worker_mb=2000))
    advice = recommend(linux(6, 16), Needs(), Measurements(game="toy", plays=plays))
    assert advice.num_envs == 2


def test_a_fast_measurement_that_does_not_fit_is_not_followed() -> None:
    plays = (play(2, 2, 100.0), play(64, 2, 9000.0))
    advice = recommend(linux(4, 8), Needs(), Measurements(game="toy", plays=plays))
    assert advice.num_envs == 2


@pytest.mark.parametrize(("gpu_s", "expected"), [(0.002, "mps"), (0.0095, "cpu"), (0.02, "cpu")])
def test_an_accelerator_is_used_where_it_is_clearly_faster(gpu_s: float, expected: str) -> None:
    timings = (Timing(device="cpu", batch=4, seconds=0.01), Timing(device="mps", batch=4, seconds=gpu_s))
    advice = recommend(mac(fast=4, slow=4, ram_gb=16), Needs(), Measurements(game="toy", inference=timings))
    assert advice.device == expected
    assert "per call on mps" in advice.reasons[2].reason


def test_unmeasured_a_cuda_card_is_taken_and_an_apple_gpu_is_not() -> None:
    assert recommend(linux(8, 32, accelerators=CUDA), Needs()).device == "cuda"
    assert recommend(mac(fast=4, slow=4, ram_gb=16), Needs()).device == "cpu"


def test_an_accelerator_that_failed_is_not_taken() -> None:
    timings = (Timing(device="cpu", batch=4, seconds=0.01),)
    measured = Measurements(game="toy", inference=timings, missing={"cuda": "choosing actions failed: out of memory"})
    advice = recommend(linux(8, 32, accelerators=CUDA), Needs(), measured)
    assert advice.device == "cpu"
    assert "failed" in advice.reasons[2].reason


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ({16: 0.4, 32: 0.8}, 32),
        ({8: 1.0, 16: 2.0, 32: 4.0}, 16),
        ({32: 0.010, 64: 0.012}, 64),
        ({32: 0.010, 64: 0.019}, 32),
        ({16: 0.4}, 32),
        ({}, 32),
    ],
)
def test_the_batch_follows_how_long_an_update_takes(seconds: dict[int, float], expected: int) -> None:
    timings = [Timing(device="cpu", batch=batch, seconds=value) for batch, value in seconds.items()]
    assert choose_batch(32, timings).value == expected


def test_the_replay_shrinks_with_the_memory() -> None:
    small, large = recommend(linux(8, 8), Needs()), recommend(linux(8, 32), Needs())
    assert small.capacity_steps < large.capacity_steps == Needs().capacity_steps


def test_the_guides_page_says_what_the_rule_gives(repository: Path) -> None:
    page = (repository / "docs/guides/autotune.md").read_text()

    def envs(hardware: Hardware) -> int:
        return recommend(hardware, Needs()).num_envs

    macs = [mac(fast=6, slow=4, ram_gb=32), mac(fast=8, slow=4, ram_gb=32)]
    desktops = [linux(cores, 16, accelerators=CUDA) for cores in range(8, 17)]
    for row in (
        f"| MacBook Air M1, 8 GB | {envs(mac(fast=4, slow=4, ram_gb=8))} | memory |",
        f"| MacBook Pro M1, 16 GB | {envs(mac(fast=4, slow=4, ram_gb=16))} | cores |",
        f"| MacBook Pro M2, 32 GB (10 or 12 cores) | {envs(macs[0])} or {envs(macs[1])} | cores |",
        f"16 GB or more | {min(map(envs, desktops))} to {max(map(envs, desktops))} | cores |",
    ):
        assert row in page, row
