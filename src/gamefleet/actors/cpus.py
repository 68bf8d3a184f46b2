"""How many CPUs this process may really use.

Job: cap the number of workers, because a container or a batch job often owns 2 of the machine's 64 cores. Place in the
data flow: asked once when a vector is made. Left out: memory.

Source: cgroup v1 `cpu.cfs_quota_us` and v2 `cpu.max` as in the Linux kernel's admin guide; Gymnasium issue 1641 (more
workers than cores makes every step slower).
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

LEAST_IN_BATCH = 128
"""Games of a batch game below which another process costs more than it brings: array operations on few rows are mostly
overhead (100 card games in two processes were measured to be slower than in this one, 256 about equal)."""


def choose_workers(asked: int | Literal["auto"], *, num_envs: int, cpus: int, is_batched: bool = False) -> int:
    """Number of worker processes.

    Args:
        asked: `auto`, 0 (play in this process) or a number, of which more than `cpus` or `num_envs` make no sense.
        num_envs: Number of games.
        cpus: See `usable_cpus`.
        is_batched: Whether the games of a process are moved together; `auto` then gives each process enough of them.
    """
    if asked == "auto" and is_batched:
        return min(cpus, num_envs // LEAST_IN_BATCH)
    return min(cpus if asked == "auto" else asked, num_envs, cpus)


def usable_cpus(environ: Mapping[str, str] = os.environ, root: Path = Path("/")) -> int:
    """CPUs that this process may use: the least of affinity, cgroup quota and SLURM's promise; at least 1.

    Args:
        environ: Environment variables.
        root: Where `/proc` and `/sys` are.
    """
    limits = [float(affinity_cpus()), cgroup_cpus(root), slurm_cpus(environ)]
    return max(1, math.floor(min(limits)))


def affinity_cpus() -> int:
    """CPUs that the scheduler may put this process on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def slurm_cpus(environ: Mapping[str, str]) -> float:
    """What SLURM promised to each task, infinite outside of jobs; clusters without cgroups do not enforce it."""
    text = environ.get("SLURM_CPUS_PER_TASK", "")
    return float(text) if text.isdigit() and int(text) > 0 else math.inf


def cgroup_cpus(root: Path) -> float:
    """The tightest quota of this process's control groups and their ancestors, in CPUs; infinite without one."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return math.inf
    least = math.inf
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            least = min(least, _least_quota(root / "sys/fs/cgroup", path, _quota_of_version_2))
        elif "cpu" in controllers.split(","):
            for mount in (controllers, "cpu"):
                least = min(least, _least_quota(root / "sys/fs/cgroup" / mount, path, _quota_of_version_1))
    return least


def _least_quota(mount: Path, path: str, read: Callable[[Path], float]) -> float:
    # Inside a container the path may be the host's: then only the mount's own files are there, and they are ours.
    inner = mount / path.lstrip("/")
    return min(read(folder) for folder in (inner, *inner.parents) if folder == mount or mount in folder.parents)


def _quota_of_version_2(folder: Path) -> float:
    try:
        quota, period = (folder / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return math.inf
    return math.inf if quota == "max" else int(quota) / int(period)


def _quota_of_version_1(folder: Path) -> float:
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text())
        period = int((folder / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return math.inf
    return quota / period if quota > 0 else math.inf
