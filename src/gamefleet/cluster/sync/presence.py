"""Who syncs a copy, and whether it works.

Job: a small file beside the copy that its one syncing process keeps fresh. Place in the data flow: `cli.sync` holds a
`Presence` while it syncs; `gamefleet actors` asks `sync_state` whether contributions get anywhere. Left out: syncing.

The copy is on the machine's own disk; the file's time and this machine's clock can be compared.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from gamefleet.cluster.sync.rsync import SyncError
from gamefleet.errors import RunFolderError
from gamefleet.files import TEMPORARY_PREFIX, create_once, read_json, write_json

FILE_NAME = ".sync.json"
FORMAT = 1
BEAT_S = 5.0
STALE_S = 30.0
"""After this time without a beat its process is dead, or stopped for good."""

PUSHING = ("push", "bidirectional")
TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncState:
    """How the sync of a copy is doing.

    Args:
        mode: `pull`, `push` or `bidirectional`.
        remote: `[USER@]HOST:DIR`.
        interval_s: 0 for a sync that was asked for once.
        is_running: Whether its process lives.
        pulled_at: When a pull last went through, in seconds since 1970; 0 for never.
        pushed_at: The same of a push.
        fault: Why the last cycle failed; empty when it did not.
    """

    mode: str
    remote: str
    interval_s: float
    is_running: bool
    pulled_at: float
    pushed_at: float
    fault: str

    @property
    def delivers(self) -> bool:
        """Whether what is written into the copy now will get to the shared folder."""
        return self.is_running and self.mode in PUSHING and self.interval_s > 0 and not self.fault


def sync_state(local: Path, *, now: float | None = None) -> SyncState | None:
    """How the sync of a copy is doing; None when nothing ever synced it, or its file cannot be read.

    Args:
        local: The copy.
        now: Seconds since 1970; None for the clock.
    """
    path = local / FILE_NAME
    with suppress(OSError, ValueError, TypeError):
        facts = read_json(path)
        return SyncState(
            mode=str(facts.get("mode", "")),
            remote=str(facts.get("remote", "")),
            interval_s=float(facts.get("interval_s", 0)),
            is_running=is_live(facts, path, time.time() if now is None else now),
            pulled_at=float(facts.get("pulled_at", 0)),
            pushed_at=float(facts.get("pushed_at", 0)),
            fault=str(facts.get("fault", "")),
        )
    return None


def is_live(facts: Mapping[str, Any], path: Path, now: float) -> bool:
    """Whether the process that wrote `facts` still syncs.

    Raises:
        OSError: The file has gone.
    """
    if "nonce" not in facts or facts.get("is_ended") or abs(now - path.stat().st_mtime) > STALE_S:
        return False
    return facts.get("host") != os.uname().nodename or is_alive(facts.get("pid"))


def is_alive(pid: object) -> bool:
    """Whether there is such a process on this machine."""
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class Presence:
    """This process is the one that syncs a copy, while the block lasts.

    Args:
        local: The copy.
        facts: `mode`, `remote`, `interval_s`.
        clock: Seconds since 1970.
    """

    def __init__(self, local: Path, facts: Mapping[str, Any], *, clock: Callable[[], float] = time.time) -> None:
        self._path = local / FILE_NAME
        self._clock = clock
        self._facts: dict[str, Any] = {
            **facts,
            "format": FORMAT,
            "nonce": secrets.token_hex(8),
            "pid": os.getpid(),
            "host": os.uname().nodename,
        }
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._beats = threading.Thread(target=self._beat, name="sync-presence", daemon=True)

    def __enter__(self) -> Presence:
        for _ in range(TRIES):
            if create_once(self._path, self._facts):
                self._beats.start()
                return self
            self._take_over()
        raise self._busy("another process")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._beats.join()
        with suppress(RunFolderError, SyncError):
            self.update(is_ended=True)

    def update(self, **changes: Any) -> None:
        """Write what changed.

        Raises:
            SyncError: Another process syncs this copy now.
        """
        with self._lock:
            self.check()
            self._facts.update(changes)
            with suppress(RunFolderError):  # a full disk is the business of the sync itself
                write_json(self._path, self._facts)

    def check(self) -> None:
        """Fail when another process took over, which it may when this one was stopped for a while.

        Raises:
            SyncError: It did.
        """
        with suppress(OSError, ValueError):
            facts = read_json(self._path)
            if facts.get("nonce") != self._facts["nonce"]:
                raise self._busy(f"process {facts.get('pid')} on {facts.get('host')}")

    def _take_over(self) -> None:
        """Put a dead process's file aside, and keep what it knew.

        Raises:
            SyncError: It is not dead.
        """
        with suppress(FileNotFoundError):
            facts = self._read()
            if is_live(facts, self._path, self._clock()):
                raise self._busy(f"process {facts.get('pid')} on {facts.get('host')}")
            aside = self._path.with_name(f"{TEMPORARY_PREFIX}{FILE_NAME}-{self._facts['nonce']}")
            os.rename(self._path, aside)
            taken = read_or_empty(aside)
            if taken.get("nonce") != facts.get("nonce"):  # somebody else was faster: give the fresh file back
                with suppress(FileExistsError):
                    os.link(aside, self._path)
            else:
                self._facts |= {name: facts[name] for name in ("pulled_at", "pushed_at") if name in facts}
            aside.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any]:
        return read_or_empty(self._path)

    def _busy(self, who: str) -> SyncError:
        remedy = "One sync of a copy is enough: end the other one (`gamefleet sync service uninstall`), or let it work."
        return SyncError("taken", f"This folder is synced by {who}", where=self._path.parent, remedy=remedy)

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_S):
            with self._lock, suppress(OSError):
                if read_or_empty(self._path).get("nonce") == self._facts["nonce"]:
                    os.utime(self._path)


def read_or_empty(path: Path) -> dict[str, Any]:
    """A file's JSON object; empty when it is damaged.

    Raises:
        FileNotFoundError: There is no such file.
    """
    try:
        return read_json(path)
    except ValueError:
        return {}
