"""What a machine has and what of it was granted, from faked system files and variables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from gamefleet.cluster.hardware import (
    Accelerator,
    cgroup_memory,
    detect_hardware,
    granted_memory,
    megabytes,
    run_sysctl,
    slurm_memory,
)

GIB = 1 << 30


@dataclass(frozen=True)
class Ram:
    total: int
    available: int


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_the_tightest_limit_of_version_2_and_its_ancestors_counts(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/job/step\n",
        "sys/fs/cgroup/job/step/memory.max": "max\n",
        "sys/fs/cgroup/job/memory.max": f"{8 * GIB}\n",
        "sys/fs/cgroup/job/memory.high": f"{6 * GIB}\n",
    }
    assert cgroup_memory(write(tmp_path, files)) == 6 * GIB


def test_a_version_1_limit_is_found_and_a_huge_number_means_none(tmp_path: Path) -> None:
    limit = "sys/fs/cgroup/memory/box/memory.limit_in_bytes"
    write(tmp_path, {"proc/self/cgroup": "7:memory:/box\n3:cpu,cpuacct:/box\n", limit: f"{3 * GIB}\n"})
    assert cgroup_memory(tmp_path) == 3 * GIB
    write(tmp_path, {limit: "9223372036854771712\n"})
    assert cgroup_memory(tmp_path) is None


def test_a_container_that_shows_the_hosts_path_still_finds_its_own_memory(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/host/unseen\n", "sys/fs/cgroup/memory.max": f"{2 * GIB}\n"}
    assert cgroup_memory(write(tmp_path, files)) == 2 * GIB


@pytest.mark.parametrize("text", [None, "", "nonsense\n", "0::/nowhere\n"])
def test_a_machine_without_readable_control_groups_has_no_memory_limit(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        write(tmp_path, {"proc/self/cgroup": text})
    assert cgroup_memory(tmp_path) is None


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"SLURM_MEM_PER_NODE": "16384"}, 16 * GIB),
        ({"SLURM_MEM_PER_NODE": "16G"}, 16 * GIB),
        ({"SLURM_MEM_PER_NODE": "0"}, None),
        ({"SLURM_MEM_PER_CPU": "2048", "SLURM_CPUS_ON_NODE": "8"}, 16 * GIB),
        ({"SLURM_MEM_PER_CPU": "1024", "SLURM_CPUS_PER_TASK": "4"}, 4 * GIB),
        ({"SLURM_MEM_PER_CPU": "1024"}, None),
        ({"SLURM_MEM_PER_NODE": "much"}, None),
        ({}, None),
    ],
)
def test_slurms_promise_of_memory_is_read(variables: dict[str, str], expected: int | None) -> None:
    assert slurm_memory(variables) == expected


def test_slurms_letters_are_powers_of_1024() -> None:
    assert [megabytes(text) for text in ("1K", "1M", "1", "1g", "1T")] == [1 << 10, 1 << 20, 1 << 20, 1 << 30, 1 << 40]


def test_the_tighter_of_job_and_control_group_wins_and_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": f"{4 * GIB}\n"})
    assert granted_memory({"SLURM_MEM_PER_NODE": "8192"}, tmp_path) == (4 * GIB, "the control group")
    assert granted_memory({"SLURM_MEM_PER_NODE": "2048"}, tmp_path) == (2 * GIB, "the SLURM job")
    assert granted_memory({}, tmp_path / "nowhere") == (None, "")


def test_a_limit_above_the_machines_memory_is_none(tmp_path: Path) -> None:
    hardware = detect_hardware(
        granted_cpus=2,
        environ={"SLURM_MEM_PER_NODE": "65536"},
        root=tmp_path,
        system="Linux",
        cpus=4,
        memory=Ram(total=8 * GIB, available=5 * GIB),
    )
    assert hardware.granted_ram_bytes is None
    assert hardware.granted_ram_source == ""
    assert (hardware.cpus, hardware.granted_cpus, hardware.free_ram_bytes) == (4, 2, 5 * GIB)


def test_a_mac_has_fast_and_slow_cores_an_apple_gpu_and_no_control_groups(tmp_path: Path) -> None:
    known = {"hw.perflevel0.physicalcpu": 4, "hw.perflevel1.physicalcpu": 4}
    hardware = detect_hardware(
        granted_cpus=8,
        accelerators=[Accelerator(device="mps", name="Apple GPU")],
        environ={},
        root=tmp_path,
        system="Darwin",
        cpus=8,
        memory=Ram(total=8 * GIB, available=3 * GIB),
        sysctl=lambda name: known.get(name, 0),
    )
    assert (hardware.performance_cores, hardware.efficiency_cores) == (4, 4)
    assert hardware.has("mps")
    assert not hardware.has("cuda")
    assert hardware.granted_ram_bytes is None


def test_linux_is_not_asked_for_kinds_of_cores(tmp_path: Path) -> None:
    hardware = detect_hardware(granted_cpus=1, environ={}, root=tmp_path, system="Linux", sysctl=lambda name: 7)
    assert (hardware.performance_cores, hardware.efficiency_cores) == (0, 0)


def test_a_number_that_sysctl_does_not_know_is_zero() -> None:
    assert run_sysctl("gamefleet.no.such.name") == 0
