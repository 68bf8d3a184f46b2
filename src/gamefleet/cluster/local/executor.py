"""Jobs as plain processes on this machine: what SLURM would run, without SLURM and without a daemon.

Job: the `Executor` for a laptop, a workstation, a server without a scheduler. Place in the data flow: chains submit
here; each job is carried by a runner (`job`) of its own, and its folder in the spool (`spool`) is all that
the two share. Left out: sharing the machine. `cpus` is told to the job and otherwise not enforced; `memory`, `gpus`,
`gres`, `partition`, `account`, `qos` and `options` have no effect; jobs that wait for nothing start at once, in any
number.

Submissions return when the runner has the job or surely never will, so the answer cannot be lost.
"""

from __future__ import annotations

import os
import shutil
import signal as signals
import subprocess
import sys
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from gamefleet.cluster.jobs import EndedJob, Job, JobRequest, JobState, without_job
from gamefleet.cluster.local.processes import MARK
from gamefleet.cluster.local.spool import (
    JobFolder,
    JobRecord,
    abandon,
    allocate,
    job_folder,
    job_folders,
    read_facts,
    read_job,
    settle,
    write_end,
)
from gamefleet.errors import ClusterError, MissingDependencyError, SubmitRefusedError, nearest
from gamefleet.files import create_once, write_json

KILL_WAIT_S = 30.0
"""Seconds between SIGTERM and SIGKILL, SLURM's default."""

ANSWER_S = 60.0
"""How long a submission waits for the runner."""

OF_ONE_JOB = (MARK, "GAMEFLEET_SCRIPT_STARTED")
"""Variables of ours that belong to one job and must not reach the next."""


class Launcher(Protocol):
    """How a job's runner is started."""

    def start(self, job: JobFolder, name: str, environment: Mapping[str, str]) -> None:
        """Start it.

        Args:
            job: Its folder.
            name: Of the job, for people.
            environment: The job's variables, but for those that the runner adds.

        Raises:
            SubmitRefusedError: It could not be started.
        """
        ...


class LocalExecutor:
    """Runs jobs on this machine; see `jobs.Executor`.

    Args:
        spool: Folder of the jobs, made when missing. It belongs to one machine; job ids count up within it and are
            never given out twice.
        environment: Variables for the jobs; None takes those of this process. Those of a job around are left out.
        kill_wait_s: Seconds between SIGTERM and SIGKILL, at a cancel and at the time limit.
        launcher: How runners are started; None starts them in the background.
    """

    def __init__(
        self,
        spool: Path,
        *,
        environment: Mapping[str, str] | None = None,
        kill_wait_s: float = KILL_WAIT_S,
        launcher: Launcher | None = None,
    ) -> None:
        self._spool = spool.absolute()
        self._environment = environment
        self._kill_wait_s = kill_wait_s
        self._launcher: Launcher = launcher or Background()

    def submit(self, request: JobRequest) -> str:
        """Hand a job over; see `jobs.Executor.submit`. The time limit counts in seconds.

        Raises:
            SubmitRefusedError: Its time limit is not positive, or its runner did not start.
            MissingDependencyError: There is no bash.
            RunFolderError: The spool is not writable; `StorageFullError` when the disk is full.
        """
        check(request)
        job = allocate(self._spool)
        record = JobRecord(request=request, submitted_at=time.time(), kill_wait_s=self._kill_wait_s)
        write_json(job.job, record.to_json())
        environment = os.environ if self._environment is None else self._environment
        try:
            self._launcher.start(job, request.name, clean(environment))
            await_runner(job)
        except (SubmitRefusedError, MissingDependencyError):
            if abandon(job) or not job.runner.exists():
                write_end(job, "failed", ended=time.time())
                raise
        return job.id

    def queue(self) -> list[Job]:
        """All jobs of this spool that have not ended, oldest first; see `jobs.Executor.queue`.

        Raises:
            SchedulerSilentError: One of them was started on another machine.
        """
        now = time.time()
        found = (living(job) for job in job_folders(self._spool) if settle(job, now=now) is None)
        return [job for job in found if job is not None]

    def ended(self, ids: Collection[str] = (), *, names: Collection[str] = ()) -> Mapping[str, EndedJob]:
        """What is known of jobs that have ended, by id; see `jobs.Executor.ended`.

        Raises:
            SchedulerSilentError: One of those asked for was started on another machine.
        """
        asked = {job.id: job for one in ids if (job := job_folder(self._spool, one)) is not None}
        if names:
            named = (job for job in job_folders(self._spool) if read_job(job).request.name in names)
            asked.update({job.id: job for job in named})
        now = time.time()
        return {id: end for id, job in asked.items() if (end := settle(job, now=now)) is not None}

    def cancel(self, ids: Collection[str], *, signal: str = "") -> None:
        """End jobs, or send the commands of those that run a signal; see `jobs.Executor.cancel`.

        The runner is asked through its folder and follows within a second; this call does not wait for it.

        Raises:
            ClusterError: There is no such signal.
        """
        number = signal_number(signal) if signal else 0
        for one in ids:
            job = job_folder(self._spool, one)
            if job is None or job.end.exists():
                continue
            if number:
                ask_for_signal(job, number)
            else:
                create_once(job.cancel, {"at": time.time()})


class Background:
    """Starts runners as processes of their own session, whose parent is not this process."""

    def start(self, job: JobFolder, name: str, environment: Mapping[str, str]) -> None:
        """Start it; see `Launcher.start`. Returns when it has the job."""
        with open(job.log, "ab") as log, suppress(subprocess.SubprocessError):
            # The process that is waited for leaves the runner behind, which so never becomes this process's zombie.
            subprocess.run(
                [*runner_command(job), "--detach"],
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                timeout=ANSWER_S,
                check=True,
            )
            return
        raise no_runner(job)


def runner_command(job: JobFolder) -> list[str]:
    """The command line of a job's runner."""
    return [sys.executable, "-P", "-m", "gamefleet.cluster.local.job", str(job.root)]


def no_runner(job: JobFolder) -> SubmitRefusedError:
    """The error for a runner that did not start, with its own words."""
    with suppress(OSError):
        said = job.log.read_text(errors="replace").strip()[-500:]
        return SubmitRefusedError(
            "The job's runner did not start",
            is_temporary=True,
            value=said or None,
            where=job.log,
            remedy="Look at what it says there; the job does not exist and can be submitted again.",
        )
    return SubmitRefusedError("The job's runner did not start", is_temporary=True, where=job.root)


def await_runner(job: JobFolder) -> None:
    """Wait until a runner has the job.

    Raises:
        SubmitRefusedError: None took it in time.
    """
    deadline = time.monotonic() + ANSWER_S
    while not job.runner.exists():
        if time.monotonic() > deadline:
            raise no_runner(job)
        time.sleep(0.02)


def check(request: JobRequest) -> None:
    """Refuse a job that could never run.

    Raises:
        SubmitRefusedError: Its time limit is not positive.
        MissingDependencyError: There is no bash.
    """
    if request.resources.time_limit_s <= 0:
        raise SubmitRefusedError(
            "A job needs a time limit",
            is_temporary=False,
            value=request.resources.time_limit_s,
            where=request.name,
            remedy="Give it more than 0 seconds.",
        )
    if shutil.which("bash") is None:
        raise MissingDependencyError("bash is not installed", remedy="Install it; jobs are started through it.")


def clean(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables for a job: without those of the job around it."""
    return {name: value for name, value in without_job(environment).items() if name not in OF_ONE_JOB}


def living(job: JobFolder) -> Job | None:
    """A job that had not ended a moment ago; None when it has since."""
    request = read_job(job).request
    runner, started = read_facts(job.runner), read_facts(job.started)
    is_ending = job.ending.exists()
    if job.end.exists():  # asked last: what was read above is then of a job that had not ended
        return None
    node = str(runner.get("host", ""))
    if not started:
        reason = "Dependency" if request.after else "Starting"
        return Job(id=job.id, name=request.name, state="pending", reason=reason, node="")
    state: JobState = "ending" if is_ending else "running"
    return Job(id=job.id, name=request.name, state=state, node=node, **started)


def signal_number(name: str) -> int:
    """The number of a signal.

    Args:
        name: As in `USR1`.

    Raises:
        ClusterError: There is none of this name.
    """
    known = {one.name.removeprefix("SIG"): one.value for one in signals.Signals}
    if name not in known:
        raise ClusterError("There is no such signal", value=name, remedy=nearest(name, known))
    return known[name]


def ask_for_signal(job: JobFolder, number: int) -> None:
    """Leave word for the runner; each request is a file of its own, so that none is lost."""
    request = 1
    while not create_once(job.signal(request), {"number": number, "at": time.time()}):
        request += 1
