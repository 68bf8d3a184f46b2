"""What a run says of itself in its small files.

Job: read the manifest, the state, the settings and the newest claim, again when they change; write nothing, not even
to learn a file server's time. Place in the data flow: run folder -> sentence and alarms. Left out: what follows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from gamefleet.runs.claim import this_process
from gamefleet.runs.paths import RunPaths
from gamefleet.untrusted import NotPlainError, read_plain

LARGEST_FILE_BYTES = 4 << 20

Json = Mapping[str, Any]


@dataclass(slots=True)
class SmallFile:
    """A JSON object that is read again when its file changed.

    Args:
        content: Empty while there is none, or none that can be read.
        trouble: Why it cannot be read; empty when it can, or is missing.
    """

    content: dict[str, Any] = field(default_factory=dict)
    trouble: str = ""
    _key: tuple[Path, int, int, int] | None = None

    def look(self, path: Path) -> bool:
        """Read the file if it is another than before; returns whether it was."""
        try:
            facts = path.stat()
        except OSError as error:
            return self._missing(path, error)
        key = (path, facts.st_mtime_ns, facts.st_size, facts.st_ino)
        if key == self._key:
            return False
        self._key, self.trouble = key, ""
        try:
            content = json.loads(read_plain(path, max_bytes=LARGEST_FILE_BYTES))
        except (OSError, ValueError, RecursionError, NotPlainError) as error:
            self.trouble = f"{path.name} cannot be read: {error}"
            return True
        if isinstance(content, dict):
            self.content = content
        else:
            self.trouble = f"{path.name} holds something else than an object"
        return True

    def _missing(self, path: Path, error: OSError) -> bool:
        before = (self._key, self.trouble)
        self._key, self.content = None, {}
        is_absent = isinstance(error, FileNotFoundError | NotADirectoryError)
        self.trouble = "" if is_absent else f"{path.name} cannot be read: {error.strerror or error}"
        return before != (None, self.trouble)


@dataclass(slots=True)
class RunFacts:
    """The small files of one run.

    Args:
        paths: The run folder.
        attempt: Number of the newest claim, 0 without one.
        claim_age_s: Seconds since the newest claim was touched, by this machine's clock; None without one.
        is_dead: Whether the process of the newest claim is known to be gone: it was on this machine.
    """

    paths: RunPaths
    manifest: SmallFile = field(default_factory=SmallFile)
    state: SmallFile = field(default_factory=SmallFile)
    resolved: SmallFile = field(default_factory=SmallFile)
    claim: SmallFile = field(default_factory=SmallFile)
    attempt: int = 0
    claim_age_s: float | None = None
    is_dead: bool = False

    def look(self, now: float) -> bool:
        """Read what changed; returns whether anything did.

        Args:
            now: Seconds since 1970.
        """
        paths = self.paths
        changed = [
            self.manifest.look(paths.manifest),
            self.state.look(paths.state),
            self.resolved.look(paths.resolved),
            self._look_at_claim(now),
        ]
        return any(changed)

    def _look_at_claim(self, now: float) -> bool:
        attempts = []
        with suppress(OSError):
            attempts = self.paths.found_attempts()
        if not attempts:
            self.attempt, self.claim_age_s, self.is_dead = 0, None, False
            return False
        number, path = attempts[-1]
        is_other = number != self.attempt or self.claim.content == {}
        self.attempt = number
        with suppress(OSError):
            self.claim_age_s = max(0.0, now - path.stat().st_mtime)
        before = self.claim.content
        self.claim.look(path)  # its time changes with every heartbeat, its content seldom
        was_dead, self.is_dead = self.is_dead, is_gone(self.claim.content.get("holder"))
        return is_other or self.claim.content != before or self.is_dead != was_dead

    @property
    def holding(self) -> tuple[int, bool, bool]:
        """The newest attempt, and whether it ended or is gone; a chain's jobs come and go with it."""
        return self.attempt, "ended_at" in self.claim.content, self.is_dead

    @property
    def game(self) -> str:
        """The game's name, as the run says it."""
        return str(self.manifest.content.get("game", ""))[:100]

    @property
    def problems(self) -> list[str]:
        """What cannot be read."""
        files = (self.manifest, self.state, self.resolved, self.claim)
        return [file.trouble for file in files if file.trouble]

    def setting(self, section: str, name: str) -> Any:
        """A value of the resolved settings, None when it is not there."""
        values = self.resolved.content.get(section)
        return values.get(name) if isinstance(values, dict) else None


def is_gone(holder: Any) -> bool:
    """Whether a claim's process ran on this machine and is there no more."""
    if not isinstance(holder, dict) or holder.get("machine") != this_process().machine:
        return False
    pid = holder.get("pid")
    return isinstance(pid, int) and pid > 0 and not psutil.pid_exists(pid)
