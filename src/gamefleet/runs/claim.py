"""Claims: at most one process writes to a run folder.

Job: give each start of a run a number, and refuse a start while another process holds the folder. Place in the data
flow: `folder` claims before anything is written; every file that matters is renamed only after `Claim.fence`. Left
out: what is written.

No lock of the file system is used, because none works on all the shared folders that users have. Instead:

- A claim is the file `attempts/attempt-NNN.json`, created once: of two processes that want the same number one fails.
  The highest number holds the folder; nobody ever deletes or reuses a number.
- It names host, boot, process namespace, process id and the process's start time. On the same machine that says
  exactly whether the holder lives. From another machine only the heartbeat does: the holder touches its file, and
  the file server's own clock judges its age.
- Whoever finds the holder dead creates the next number. Should the old holder wake up after all (a laptop that
  slept), its fence sees the higher number and stops it before it replaces anything.
- A job of a chain takes the folder over from an earlier job of the same chain at once, however alive that one looks:
  the order of `leg`s says who is right, and the fence stops the other.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from gamefleet.errors import RunFolderError
from gamefleet.files import TEMPORARY_PREFIX, create_once, explained, write_json
from gamefleet.runs.leg import Leg
from gamefleet.runs.paths import RunPaths

HEARTBEAT_INTERVAL_S = 20.0
STALE_AFTER_S = 180.0
"""Longer than NFS clients may show an old modification time (60 s by default) plus several heartbeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """One process on one machine, told apart from every other.

    Args:
        host: Host name, for people.
        machine: Boot id and process namespace: within one, process ids mean the same.
        pid: Process id.
        started: The process's start time as the kernel tells it, since process ids are reused.
    """

    host: str
    machine: str
    pid: int
    started: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def this_process() -> Holder:
    """The calling process."""
    pid = os.getpid()
    return Holder(host=socket.gethostname(), machine=_machine(), pid=pid, started=_start_time(pid) or "")


def _machine() -> str:
    if sys.platform != "linux":
        return f"{socket.gethostname()} booted {psutil.boot_time():.0f}"
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {os.readlink('/proc/self/ns/pid')}"


def _start_time(pid: int) -> str | None:
    """When a process started, None when there is no living process of that id."""
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


class Claim:
    """A held run folder; the heartbeat runs in a thread until `release`.

    Args:
        paths: The run folder.
        number: The attempt's number.
        content: What the claim file says.
        leg: The chain's leg that this process belongs to, None outside of a chain.
    """

    def __init__(self, paths: RunPaths, number: int, content: Mapping[str, Any], *, leg: Leg | None = None) -> None:
        self.number = number
        self.leg = leg
        self._paths = paths
        self._content = dict(content)
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="run-heartbeat", daemon=True)
        self._thread.start()

    def fence(self) -> None:
        """Fail when another process, or a later leg, took the folder over; see `files.Fence`.

        Raises:
            RunFolderError: This process may no longer write here.
        """
        if self.leg is not None:
            self.leg.fence()
        attempts = self._paths.found_attempts()
        if not attempts or attempts[-1][0] != self.number:
            raise RunFolderError(
                f"Attempt {self.number} no longer holds this run",
                where=self._paths.root,
                remedy="Another process took it over while this one gave no sign of life; this one stops.",
            )

    def follow(self, paths: RunPaths) -> None:
        """Go on holding a run folder that this process has just renamed to `paths`."""
        self._paths = paths

    def release(self, **ending: Any) -> None:
        """Say in the claim that this attempt ended, and how; a claim that was taken over is left alone."""
        self._released.set()
        self._thread.join()
        write_json(
            self._paths.attempt(self.number),
            {**self._content, "ended_at": time.time(), **ending},
            fence=self.fence,
        )

    def _beat(self) -> None:
        while not self._released.wait(HEARTBEAT_INTERVAL_S):
            try:
                os.utime(self._paths.attempt(self.number))
            except OSError:
                continue  # a file server that is away for a moment; the fence decides before anything is replaced


def claim(paths: RunPaths, details: Mapping[str, Any], *, leg: Leg | None = None) -> Claim:
    """Claim the run folder for this process.

    Args:
        paths: The run folder; it exists.
        details: What else the claim file says, JSON values.
        leg: The chain's leg that this process belongs to; it outranks claims of earlier legs.

    Raises:
        RunFolderError: Another process or a later leg holds the folder, or it is not writable.
    """
    with explained(paths.attempts):
        paths.attempts.mkdir(exist_ok=True)
    content = {"holder": asdict(this_process()), **details, "leg": None if leg is None else leg.as_json()}
    while True:
        latest = paths.found_attempts()
        _refuse_unless_free(paths, latest, leg)
        if leg is not None:
            leg.fence()  # after the look at the claims: a later leg claims only after it made its own folder
        number = latest[-1][0] + 1 if latest else 1
        content |= {"number": number, "started_at": time.time()}
        if create_once(paths.attempt(number), content):
            return Claim(paths, number, content, leg=leg)
        if leg is None:
            raise RunFolderError(
                "Another process claimed this run at the same moment", where=paths.root, remedy=ANOTHER_NAME
            )
        # Perhaps an earlier leg that does not know yet that it is over: look again who it was.


ANOTHER_NAME = "Give this run another name with --run NAME."


def refuse_if_held(paths: RunPaths, *, leg: Leg | None = None) -> None:
    """Fail while a process that lives, or may live, holds the folder.

    Args:
        paths: The run folder.
        leg: Claims of earlier legs of its chain do not count.

    Raises:
        RunFolderError: Names the holder and what to do.
    """
    _refuse_unless_free(paths, paths.found_attempts(), leg)


def _refuse_unless_free(paths: RunPaths, attempts: list[tuple[int, Path]], leg: Leg | None) -> None:
    if leg is not None and attempts and leg.supersedes(read_claim(attempts[-1][1]).get("leg")):
        return
    reason = _holder_alive(attempts)
    if reason:
        raise RunFolderError(
            f"This run is in use by {reason}", where=paths.root, remedy=f"Wait until it ends or stop it. {ANOTHER_NAME}"
        )


def holder_alive(paths: RunPaths) -> str:
    """Who holds the folder, as far as can be told.

    Returns:
        A text such as `process 12 on node3`; empty when nobody holds it.
    """
    return _holder_alive(paths.found_attempts())


def _holder_alive(attempts: list[tuple[int, Path]]) -> str:
    if not attempts:
        return ""
    path = attempts[-1][1]
    content = read_claim(path)
    if "ended_at" in content:
        return ""
    if "holder" in content:
        holder = Holder(**content["holder"])
        if holder.machine == _machine():
            return str(holder) if _start_time(holder.pid) == holder.started else ""
    else:
        holder = None  # the claimer died between creating the file and filling it, or is doing so right now
    age_s = _age_s(path)
    if age_s > STALE_AFTER_S:
        return ""
    return f"{holder or 'an unknown process'} (last sign of life {age_s:.0f} s ago; free after {STALE_AFTER_S:.0f} s)"


def read_claim(path: Path) -> dict[str, Any]:
    """The content of a claim file; empty when it is not (yet) readable."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _age_s(path: Path) -> float:
    """Seconds since a file was touched, by the clock of the machine that stores it."""
    probe = path.with_name(f"{TEMPORARY_PREFIX}clock-{secrets.token_hex(6)}")
    try:
        probe.touch()
        return probe.stat().st_mtime - path.stat().st_mtime
    except OSError:
        return time.time() - path.stat().st_mtime  # a folder that may only be read
    finally:
        with suppress(OSError):
            probe.unlink()
