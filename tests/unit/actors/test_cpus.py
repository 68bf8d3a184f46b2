"""How many CPUs may be used, from faked system files."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from gamefleet.actors.cpus import affinity_cpus, cgroup_cpus, choose_workers, slurm_cpus, usable_cpus


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_version_2_quota_is_found(tmp_path: Path) -> None:
    write(tmp_path, {"proc/self/cgroup": "0::/job/step\n", "sys/fs/cgroup/job/step/cpu.max": "250000 100000\n"})
    assert cgroup_cpus(tmp_path) == 2.5


def test_the_tightest_ancestor_counts(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/job/step\n",
        "sys/fs/cgroup/job/step/cpu.max": "max 100000\n",
        "sys/fs/cgroup/job/cpu.max": "150000 100000\n",
        "sys/fs/cgroup/cpu.max": "400000 100000\n",
    }
    assert cgroup_cpus(write(tmp_path, files)) == 1.5


def test_a_version_1_quota_is_found_and_minus_one_means_none(tmp_path: Path) -> None:
    base = "sys/fs/cgroup/cpu,cpuacct/box"
    files = {
        "proc/self/cgroup": "7:memory:/box\n3:cpu,cpuacct:/box\n",
        f"{base}/cpu.cfs_quota_us": "300000",
        f"{base}/cpu.cfs_period_us": "100000",
    }
    assert cgroup_cpus(write(tmp_path, files)) == 3.0
    write(tmp_path, {f"{base}/cpu.cfs_quota_us": "-1"})
    assert cgroup_cpus(tmp_path) == math.inf


def test_a_container_that_shows_the_hosts_path_still_finds_its_own_quota(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/host/path/unseen\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}
    assert cgroup_cpus(write(tmp_path, files)) == 2.0


def test_a_machine_without_control_groups_has_no_quota(tmp_path: Path) -> None:
    assert cgroup_cpus(tmp_path) == math.inf


@pytest.mark.parametrize(("text", "expected"), [("4", 4.0), ("", math.inf), ("0", math.inf), ("many", math.inf)])
def test_slurms_promise_is_read(text: str, expected: float) -> None:
    assert slurm_cpus({"SLURM_CPUS_PER_TASK": text}) == expected


def test_the_least_limit_wins_and_is_at_least_one(tmp_path: Path) -> None:
    assert usable_cpus({"SLURM_CPUS_PER_TASK": "1"}, tmp_path) == 1
    assert usable_cpus({}, tmp_path) == affinity_cpus()
    write(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"})
    assert usable_cpus({}, tmp_path) == 1


def test_workers_are_capped_by_cpus_and_games() -> None:
    assert choose_workers("auto", num_envs=8, cpus=4) == 4
    assert choose_workers("auto", num_envs=2, cpus=4) == 2
    assert choose_workers(16, num_envs=32, cpus=4) == 4
    assert choose_workers(0, num_envs=8, cpus=4) == 0


def test_games_that_move_together_are_spread_only_where_there_are_many() -> None:
    assert choose_workers("auto", num_envs=100, cpus=4, is_batched=True) == 0
    assert choose_workers("auto", num_envs=300, cpus=4, is_batched=True) == 2
    assert choose_workers(3, num_envs=100, cpus=4, is_batched=True) == 3
