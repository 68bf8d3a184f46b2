"""The spool: what jobs without a scheduler leave on disk.

Job: names and records of jobs that run on this machine, and the truth about a job whose runner is gone. Place in the
data flow: `executor` and `tmux` write jobs here, `job` runs them, all of them read. Left out: processes
(`processes`), and what a job does.

    SPOOL/
    └─ 00000007/             made by mkdir, so that of several submitters one gets the number; only its owner may look
       ├─ job.json           what was asked for; a folder without it is no job
       ├─ environment.json   variables, where the runner cannot inherit them; deleted once read
       ├─ runner.json        the process that runs it, or that nobody ever will; written once
       ├─ started.json       when the command began, and when its time is up
       ├─ ending             the command ended or must end; processes may still be there
       ├─ cancel.json        somebody wants the job to end
       ├─ signal-0001.json   somebody wants the command to get a signal
       ├─ end.json           how it ended; written once
       └─ script.sh  runner.log

A spool belongs to one machine: about
jobs that run on another one this one cannot say anything, and does not.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from gamefleet.cluster.jobs import EndedJob, Ending, JobRequest
from gamefleet.cluster.local.processes import Process, fate_of, sweep
from gamefleet.errors import RunFolderError, SchedulerSilentError
from gamefleet.files import create_once, explained, read_json

START_GRACE_S = 120.0
"""A runner that has not reported by then never gets the job; Python may start slowly from a file server."""

NUMBER = re.compile(r"\d{8,}")


@dataclass(frozen=True, slots=True)
class JobFolder:
    """The names of one job.

    Args:
        root: Its folder, absolute.
    """

    root: Path

    @property
    def id(self) -> str:
        """The job's id."""
        return str(int(self.root.name))

    @property
    def job(self) -> Path:
        """What was asked for."""
        return self.root / "job.json"

    @property
    def environment(self) -> Path:
        """Variables for a runner that cannot inherit them."""
        return self.root / "environment.json"

    @property
    def session(self) -> Path:
        """The tmux session that it was started in, if it was."""
        return self.root / "session.json"

    @property
    def runner(self) -> Path:
        """The process that runs it."""
        return self.root / "runner.json"

    @property
    def started(self) -> Path:
        """When the command began."""
        return self.root / "started.json"

    @property
    def ending(self) -> Path:
        """Made when the job begins to end."""
        return self.root / "ending"

    @property
    def cancel(self) -> Path:
        """Made by whoever wants the job to end."""
        return self.root / "cancel.json"

    @property
    def end(self) -> Path:
        """How it ended."""
        return self.root / "end.json"

    @property
    def script(self) -> Path:
        """What bash runs."""
        return self.root / "script.sh"

    @property
    def log(self) -> Path:
        """What the runner itself has to say."""
        return self.root / "runner.log"

    def signal(self, number: int) -> Path:
        """The request for a signal with this number, from 1."""
        return self.root / f"signal-{number:04d}.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """What was asked for.

    Args:
        request: The job.
        submitted_at: Seconds since 1970.
        kill_wait_s: Seconds between SIGTERM and SIGKILL.
    """

    request: JobRequest
    submitted_at: float
    kill_wait_s: float

    def to_json(self) -> dict[str, Any]:
        """For the job's file."""
        content: dict[str, Any] = msgspec.to_builtins(self, enc_hook=str)
        return content

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> JobRecord:
        """From the job's file."""
        return msgspec.convert(content, cls, dec_hook=lambda kind, value: kind(value))


def job_folder(spool: Path, job: str) -> JobFolder | None:
    """The job with this id; None where there is none."""
    folder = JobFolder(spool / f"{int(job):08d}") if job.isdigit() else None
    return folder if folder is not None and folder.job.is_file() else None


def job_folders(spool: Path) -> Iterator[JobFolder]:
    """Every job, oldest first."""
    for number in numbers(spool):
        folder = job_folder(spool, str(number))
        if folder is not None:
            yield folder


def numbers(spool: Path) -> list[int]:
    """Every number that was given out, smallest first."""
    try:
        return sorted(int(name) for name in os.listdir(spool) if NUMBER.fullmatch(name))
    except FileNotFoundError:
        return []


def allocate(spool: Path) -> JobFolder:
    """Take the next number; of several processes that want the same, one gets it and the others the ones after."""
    with explained(spool):
        spool.mkdir(parents=True, exist_ok=True)
    number = max(numbers(spool), default=0)
    while True:
        number += 1
        folder = JobFolder(spool / f"{number:08d}")
        with explained(folder.root), suppress(FileExistsError):
            folder.root.mkdir(mode=0o700)  # variables lie in it for a moment, and may be secret
            return folder


def read_facts(path: Path) -> dict[str, Any]:
    """A record, or nothing where there is none (yet).

    Raises:
        RunFolderError: It is there and damaged.
    """
    try:
        return read_json(path)
    except FileNotFoundError:
        return {}
    except ValueError as error:
        remedy = "Restore it, or move the job's folder away: then nothing is known of the job."
        raise RunFolderError("A record of a job is damaged", where=path, remedy=remedy) from error


def read_job(job: JobFolder) -> JobRecord:
    """What was asked for."""
    return JobRecord.from_json(read_facts(job.job))


def read_end(job: JobFolder) -> EndedJob | None:
    """How a job ended, if that was written down."""
    content = read_facts(job.end)
    return EndedJob(**content) if content else None


def write_end(job: JobFolder, how: Ending, *, exit_code: int | None = None, ended: float | None = None) -> EndedJob:
    """Write down how a job ended, unless that was done before.

    Returns:
        What counts.
    """
    runner, started = read_facts(job.runner), read_facts(job.started)
    found = EndedJob(
        id=job.id,
        name=read_job(job).request.name,
        how=how,
        exit_code=exit_code,
        started=started.get("started"),
        ended=ended,
        node=str(runner.get("host", "")),
    )
    with suppress(RunFolderError):  # a full disk or somebody else's folder: it is true all the same
        create_once(job.end, asdict(found))
    return read_end(job) or found


def settle(job: JobFolder, *, now: float) -> EndedJob | None:
    """How a job ended; None while it has not.

    A job whose runner is gone has ended: what is left of it is killed first, then that is written down.

    Args:
        job: Which.
        now: Seconds since 1970.

    Raises:
        SchedulerSilentError: It runs on a machine that cannot be seen from here.
    """
    ended = read_end(job)
    if ended is not None:
        return ended
    runner = read_facts(job.runner)
    if not runner:
        is_late = now - read_job(job).submitted_at > START_GRACE_S
        return write_end(job, "failed") if is_late and abandon(job) else None
    if runner.get("abandoned"):
        return write_end(job, "failed")
    fate = fate_of(Process(**runner))
    if fate == "elsewhere":
        raise unseen(job, runner["host"])
    if fate == "lives" or not sweep(job.root):
        return None
    return write_end(job, "node_fail" if fate == "rebooted" else "unknown")


def unseen(job: JobFolder, host: str) -> SchedulerSilentError:
    """The error for a job on another machine."""
    return SchedulerSilentError(
        f"Job {job.id} was started on another machine, which cannot be seen from here",
        value=host,
        where=job.root,
        remedy=f"Ask on {host}. If that machine is gone for good, delete {job.job}: the job is then forgotten.",
    )


def abandon(job: JobFolder) -> bool:
    """Decide that nobody will run a job any more; False when a runner has it."""
    with suppress(RunFolderError):
        return create_once(job.runner, {"abandoned": True, "at": time.time()})
    return False
