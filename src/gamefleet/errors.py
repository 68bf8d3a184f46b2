"""The exception tree: every error a user can meet says what failed, with which value, where, and what to do next.

Job: one place that defines errors and how they read. Place in the data flow: a leaf; every package may import it.
Left out: how errors are shown (`cli` prints them in one paragraph and exits with `exit_code`) and logged (`runs`).

    GamefleetError
    ├─ ConfigError              a setting is unknown, malformed or contradicts another (exit 2)
    ├─ MissingDependencyError   an optional package, ROM or system program is not there (exit 3)
    │  └─ RomError              a Game Boy ROM is missing, unreadable or not one we know
    ├─ RunFolderError           the run folder cannot be used: busy, unwritable, of a newer version (exit 4)
    │  └─ StorageFullError      the disk or the quota is full; nothing was replaced
    ├─ CheckpointError          a checkpoint cannot be used (exit 5)
    │  ├─ CorruptCheckpointError    a file is missing, truncated or fails its checksum
    │  └─ IncompatibleError         weights, experience or peers of another game version, spec, reward or architecture
    ├─ WorkerError              a worker process crashed or hung (exit 6)
    ├─ DeviceMemoryError        the accelerator ran out of memory (exit 7)
    ├─ ClusterError             jobs cannot be submitted, asked for or stopped (exit 8)
    │  ├─ SubmitRefusedError        the scheduler said no: `is_temporary` tells whether waiting helps
    │  └─ SchedulerSilentError      the scheduler did not answer: nothing is known, so nothing may be concluded
    └─ PeerError                the program at the other end of a link cannot be worked with (exit 9)
       ├─ PeerAwayError             it is away, and this process may not wait any longer
       └─ PeerWentBackError         it has gone back further than the link can repeat
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class GamefleetError(Exception):
    """An error that a user can act on.

    Args:
        what: What failed, one sentence without a full stop.
        value: The value that was refused, shown with `repr`; leave out when there is none.
        where: File, run, host, job or setting, as a user would look for it.
        remedy: What to do next, one or two sentences.
    """

    exit_code = 1

    def __init__(self, what: str, *, value: object = None, where: object = None, remedy: str = "") -> None:
        self.what = what
        self.value = value
        self.where = where
        self.remedy = remedy
        super().__init__(self._paragraph())

    def _paragraph(self) -> str:
        parts = [self.what]
        if self.value is not None:
            parts.append(f": {self.value!r}")
        if self.where is not None:
            parts.append(f" ({self.where})")
        parts.append(".")
        if self.remedy:
            parts.append(f" {self.remedy}")
        return "".join(parts)


class ConfigError(GamefleetError):
    """A setting is unknown, has a bad value, or contradicts another."""

    exit_code = 2


class MissingDependencyError(GamefleetError):
    """An optional Python package, a ROM or a system program that this command needs is not there."""

    exit_code = 3


class RomError(MissingDependencyError):
    """A Game Boy ROM is missing, unreadable, or not one that this version knows."""


class RunFolderError(GamefleetError):
    """A run folder cannot be used: another process holds it, it is not writable, or a newer version wrote it."""

    exit_code = 4


class StorageFullError(RunFolderError):
    """The disk or quota is full; the file that was being written did not replace anything."""


class CheckpointError(GamefleetError):
    """A checkpoint cannot be used."""

    exit_code = 5


class CorruptCheckpointError(CheckpointError):
    """A file of a checkpoint is missing, truncated or fails its checksum."""


class IncompatibleError(CheckpointError):
    """Weights, experience or a peer belong to another game version, observation spec, reward or architecture."""


class WorkerError(GamefleetError):
    """A worker process crashed, hung, or answered nonsense more often than it may."""

    exit_code = 6


class DeviceMemoryError(GamefleetError):
    """The accelerator ran out of memory."""

    exit_code = 7


class ClusterError(GamefleetError):
    """Jobs cannot be submitted, asked for or stopped."""

    exit_code = 8


class SubmitRefusedError(ClusterError):
    """The scheduler refused a job.

    Args:
        what: As in `GamefleetError`.
        is_temporary: Whether the same job may be accepted later (a limit on the number of jobs, a closed partition).
        details: `value`, `where` and `remedy` of `GamefleetError`.
    """

    def __init__(self, what: str, *, is_temporary: bool, **details: Any) -> None:
        super().__init__(what, **details)
        self.is_temporary = is_temporary


class SchedulerSilentError(ClusterError):
    """The scheduler did not answer in time, or could not be reached; a submitted job may or may not exist."""


class PeerError(GamefleetError):
    """The program at the other end of a link cannot be worked with; what it said is in the message."""

    exit_code = 9


class PeerAwayError(PeerError):
    """The other end is away, and this process may not wait any longer."""


class PeerWentBackError(PeerError):
    """The other end has gone back to an older moment than the link can repeat from."""


def nearest(value: str, choices: Iterable[str]) -> str:
    """Say which choices exist and which one was probably meant, for the remedy of an error.

    Args:
        value: What the user wrote.
        choices: Every name that would have been accepted.

    Returns:
        A sentence such as `Did you mean 'archive'? Choices: archive, none, swarm.`
    """
    ordered = sorted(choices)
    listed = f"Choices: {', '.join(ordered)}."
    match = difflib.get_close_matches(value, ordered, n=1)
    return f"Did you mean {match[0]!r}? {listed}" if match else listed
