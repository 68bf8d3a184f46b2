"""The processes of jobs that run on this machine: which live, and which belong to a job.

Job: tell a process from every other, also after a reboot, and find and kill what a job started, however far it went
from its parent. Place in the data flow: below `spool` and `job`. Left out: files of the spool.

A process is told by its id, its start time, the boot and the process namespace. That it belongs to a job is told by a
variable which it inherited. *Why not the process group:* a job's processes may well lead groups and sessions of their
own. *Why not the parents:* the successor that a job submits descends from it and must outlive it.
"""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

MARK = "GAMEFLEET_LOCAL_JOB"
"""Variable that every process of a job inherits: the job's folder."""

SWEEP_S = 5.0
"""How long killed processes are waited for."""

Fate = Literal["lives", "gone", "rebooted", "elsewhere"]
"""Of a process: it lives here, lived here, lived here before a reboot, or is on a machine that cannot be seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process, told apart from every other.

    Args:
        host: Host name.
        boot: Which boot of that machine.
        namespace: Within one, process ids mean the same.
        pid: Process id.
        started: The process's start time as the kernel tells it, since process ids are reused.
    """

    host: str
    boot: str
    namespace: str
    pid: int
    started: str


def this_process() -> Process:
    """The calling process."""
    boot, namespace = _machine()
    pid = os.getpid()
    return Process(
        host=socket.gethostname(), boot=boot, namespace=namespace, pid=pid, started=_start_time(pid) or "unknown"
    )


def _machine() -> tuple[str, str]:
    """Boot and process namespace."""
    if sys.platform != "linux":
        return f"{psutil.boot_time():.0f}", ""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip(), os.readlink("/proc/self/ns/pid")


def _start_time(pid: int) -> str | None:
    """When a process started; None when there is no living process of that id."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        if sys.platform != "linux":
            return f"{process.create_time():.1f}"
        # Ticks since boot: unlike a wall-clock time it cannot shift when the clock is set.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return None


def fate_of(process: Process) -> Fate:
    """What became of a process."""
    boot, namespace = _machine()
    if process.host != socket.gethostname():
        return "elsewhere"
    if process.boot != boot:
        return "rebooted"
    if process.namespace != namespace:
        return "elsewhere"
    return "lives" if _start_time(process.pid) == process.started else "gone"


def members(folder: Path, *, session: int = 0) -> list[psutil.Process]:
    """Every living process of a job, but its runner.

    Args:
        folder: The job's; its processes carry it in their environment.
        session: Also those of the session with this number, which the command leads; 0 for none. It catches
            processes that overwrote or cleared their environment.
    """
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            is_member = process.environ().get(MARK) == str(folder)
            is_member = is_member or (session > 0 and os.getsid(process.pid) == session)
            if is_member and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def sweep(folder: Path) -> bool:
    """Kill what a dead runner left behind; returns whether nothing is left."""
    left = members(folder)
    for process in left:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(left, timeout=SWEEP_S)
    return not members(folder) if left else True
