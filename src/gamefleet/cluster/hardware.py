"""What this machine has, and how much of it this process was granted.

Job: cores, memory and accelerators as plain facts. Place in the data flow: read once by `gamefleet autotune` and by
actors that choose their own numbers; `autotune` decides with them. Left out: the CPU quota of control groups and SLURM,
which the caller passes in because `actors` already reads it, and asking for accelerators, which needs torch.

Source: control groups v1 `memory.limit_in_bytes` and v2 `memory.max`, `memory.high` as in the Linux kernel's admin
guide; `SLURM_MEM_PER_NODE` and `SLURM_MEM_PER_CPU`, in megabytes, as in sbatch(1).
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

SYSCTL_TIMEOUT_S = 5.0

NO_LIMIT_BYTES = 1 << 60
"""Version 1 of control groups writes "no limit" as a number near 2^63."""

Sysctl = Callable[[str], int]
"""A number that macOS knows by a name; 0 when it does not."""


class Memory(Protocol):
    """What `psutil.virtual_memory` returns, as far as it is read here."""

    @property
    def total(self) -> int:
        """Main memory in bytes."""
        ...

    @property
    def available(self) -> int:
        """What can be had now without swapping, in bytes."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """A processor for tensors besides the CPU.

    Args:
        device: As torch names it: `cuda` or `mps`.
        name: For people.
        memory_bytes: Its own memory; 0 where it shares the main memory.
    """

    device: str
    name: str
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """A machine, and what of it may be used.

    Args:
        system: `Linux` or `Darwin`.
        machine: Processor family, for example `x86_64` or `arm64`.
        cpus: CPUs of the whole machine.
        granted_cpus: What affinity, control groups and SLURM leave of them.
        ram_bytes: Main memory of the whole machine.
        performance_cores: Fast cores, where the system tells them from slow ones; 0 where it does not.
        efficiency_cores: Slow cores, likewise.
        granted_ram_bytes: Limit of a control group or job; None without one.
        granted_ram_source: Who set that limit, in words.
        free_ram_bytes: Memory that can be had now; None when not asked.
        accelerators: Processors for tensors that work here.
    """

    system: str
    machine: str
    cpus: int
    granted_cpus: int
    ram_bytes: int
    performance_cores: int = 0
    efficiency_cores: int = 0
    granted_ram_bytes: int | None = None
    granted_ram_source: str = ""
    free_ram_bytes: int | None = None
    accelerators: tuple[Accelerator, ...] = ()

    def has(self, device: str) -> bool:
        """Whether an accelerator of that kind works here."""
        return any(accelerator.device == device for accelerator in self.accelerators)


def detect_hardware(
    *,
    granted_cpus: int,
    accelerators: Sequence[Accelerator] = (),
    environ: Mapping[str, str] = os.environ,
    root: Path = Path("/"),
    system: str = "",
    cpus: int = 0,
    memory: Memory | None = None,
    sysctl: Sysctl | None = None,
) -> Hardware:
    """Look at this machine.

    Args:
        granted_cpus: CPUs that this process may use.
        accelerators: What torch found.
        environ: Environment variables.
        root: Where `/proc` and `/sys` are.
        system: Of this machine by default.
        cpus: Of this machine by default.
        memory: Of this machine by default.
        sysctl: Asks macOS; the program `sysctl` by default.
    """
    system = system or platform.system()
    ram = memory if memory is not None else psutil.virtual_memory()
    ask = (sysctl or run_sysctl) if system == "Darwin" else _knows_nothing
    limit, source = granted_memory(environ, root)
    return Hardware(
        system=system,
        machine=platform.machine(),
        cpus=cpus or os.cpu_count() or 1,
        granted_cpus=granted_cpus,
        ram_bytes=ram.total,
        performance_cores=ask("hw.perflevel0.physicalcpu"),
        efficiency_cores=ask("hw.perflevel1.physicalcpu"),
        granted_ram_bytes=limit if limit is not None and limit < ram.total else None,
        granted_ram_source=source if limit is not None and limit < ram.total else "",
        free_ram_bytes=ram.available,
        accelerators=tuple(accelerators),
    )


def run_sysctl(name: str) -> int:
    """Ask the program `sysctl`; 0 when it is missing, silent, or does not know the name (Intel Macs)."""
    try:
        done = subprocess.run(
            ["sysctl", "-n", name], capture_output=True, text=True, timeout=SYSCTL_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    words = done.stdout.strip()
    return int(words) if done.returncode == 0 and words.isdigit() else 0


def _knows_nothing(name: str) -> int:
    return 0


def granted_memory(environ: Mapping[str, str], root: Path) -> tuple[int | None, str]:
    """The tightest memory limit of this process and who set it; None and no words without one.

    Args:
        environ: Environment variables.
        root: Where `/proc` and `/sys` are.
    """
    limits = [(slurm_memory(environ), "the SLURM job"), (cgroup_memory(root), "the control group")]
    known = [(limit, source) for limit, source in limits if limit is not None]
    return min(known, default=(None, ""))


def slurm_memory(environ: Mapping[str, str]) -> int | None:
    """What SLURM promised to the job on this node, in bytes; clusters without control groups do not enforce it."""
    per_node = megabytes(environ.get("SLURM_MEM_PER_NODE", ""))
    if per_node is not None:
        return per_node
    per_cpu = megabytes(environ.get("SLURM_MEM_PER_CPU", ""))
    cpus = environ.get("SLURM_CPUS_ON_NODE") or environ.get("SLURM_CPUS_PER_TASK", "")
    return per_cpu * int(cpus) if per_cpu is not None and cpus.isdigit() and int(cpus) > 0 else None


def megabytes(text: str) -> int | None:
    """SLURM's amount of memory in bytes, megabytes unless a letter says otherwise; None for 0, which is "all of it"."""
    match = re.fullmatch(r"(\d+)([KMGT]?)", text.strip().upper())
    if match is None or int(match[1]) == 0:
        return None
    return int(match[1]) << {"K": 10, "": 20, "M": 20, "G": 30, "T": 40}[match[2]]


def cgroup_memory(root: Path) -> int | None:
    """The tightest limit of this process's control groups and their ancestors, in bytes; None without one."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    found: list[int] = []
    for line in lines:
        parts = line.split(":", 2)
        if len(parts) != 3:
            continue
        if not parts[1]:
            found += _limits(root / "sys/fs/cgroup", parts[2], ("memory.max", "memory.high"))
        elif "memory" in parts[1].split(","):
            found += _limits(root / "sys/fs/cgroup/memory", parts[2], ("memory.limit_in_bytes",))
    return min(found, default=None)


def _limits(mount: Path, path: str, names: Sequence[str]) -> list[int]:
    # Inside a container the path may be the host's: then only the mount's own files are there, and they are ours.
    inner = mount / path.lstrip("/")
    folders = [folder for folder in (inner, *inner.parents) if folder == mount or mount in folder.parents]
    values = [_limit(folder / name) for folder in folders for name in names]
    return [value for value in values if value is not None]


def _limit(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() and 0 < int(text) < NO_LIMIT_BYTES else None
