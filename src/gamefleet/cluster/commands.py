"""Commands of a scheduler, run with a time-out.

Job: run one command and hand its words over. Place in the data flow: the lowest layer under `slurm` and `detect`. Left
out: what the words mean.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from gamefleet.cluster.jobs import without_job
from gamefleet.errors import MissingDependencyError, SchedulerSilentError

TIMEOUT_S = 30.0
"""SLURM's commands give up on a controller that is down after 9 seconds (measured); busy ones take longer to answer."""

KILL_PATIENCE_S = 2.0
"""A killed process that waits for a dead file server does not end; this command then goes on without it."""

PREFERENCES = ("SQUEUE_", "SACCT_", "SINFO_", "SCANCEL_", "SCONTROL_", "SACCTMGR_")
"""A user's own habits: `SQUEUE_PARTITION` would hide jobs that are there, `SCANCEL_INTERACTIVE` waits for a key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What a command left.

    Args:
        status: Its exit status; negative when a signal ended it.
        out: Standard output.
        err: Standard error.
    """

    status: int
    out: str
    err: str


class Runner(Protocol):
    """Runs a command; tests may put a scripted one in its place."""

    def __call__(self, words: Sequence[str], *, timeout_s: float = TIMEOUT_S) -> Finished:
        """Run it to its end.

        Raises:
            MissingDependencyError: There is no such program.
            SchedulerSilentError: It did not end in time, and was killed.
        """
        ...


@dataclass(frozen=True, slots=True)
class CommandRunner:
    """Runs real commands.

    Args:
        environment: Of this process; what belongs to the job around it is left out.
    """

    environment: Mapping[str, str]

    def __call__(self, words: Sequence[str], *, timeout_s: float = TIMEOUT_S) -> Finished:
        """See `Runner`."""
        try:
            process = subprocess.Popen(
                words,
                env=clean(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,  # a time-out then ends a wrapper script together with what it started
            )
        except (FileNotFoundError, PermissionError) as error:
            raise MissingDependencyError(
                "A program of SLURM is not there",
                value=words[0],
                where="PATH",
                remedy="Run this on a login node of the cluster, or choose --executor local or tmux.",
            ) from error
        return finish(process, words, timeout_s)


def finish(process: subprocess.Popen[str], words: Sequence[str], timeout_s: float) -> Finished:
    """Wait for a process, and kill it when it takes too long.

    Raises:
        SchedulerSilentError: It did.
    """
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired as expired:
        kill(process)
        raise SchedulerSilentError(
            f"{words[0]} did not answer within {timeout_s:g} seconds",
            value=" ".join(words),
            remedy="Nothing is concluded from it; it is asked again later. `scontrol ping` shows whether SLURM is up.",
        ) from expired
    return Finished(status=process.returncode, out=out, err=err)


def kill(process: subprocess.Popen[str]) -> None:
    """End a process and its children, and go on even if they cannot end."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(KILL_PATIENCE_S)
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def clean(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables for SLURM's commands: nothing of the job around, no habits, times as seconds, messages in English.

    `LC_ALL` itself is not set: jobs inherit these variables, and would lose their character encoding.
    """
    kept = {name: value for name, value in without_job(environment).items() if not name.startswith(PREFERENCES)}
    language = kept.pop("LC_ALL", "")
    if language:
        kept["LANG"] = kept["LC_CTYPE"] = language
    return {**kept, "LC_MESSAGES": "C", "SLURM_TIME_FORMAT": "%s"}
