"""Jobs on SLURM.

Job: submit, ask and cancel with SLURM's own commands. Place in the data flow: chains use it as an `Executor`. Left out:
the text of questions and answers (`text`, `script`, `words`), what a site offers (`detect`).

A command that fails is read carefully: "no such job" is an answer, "cannot contact the controller" is none, and nothing
of the second kind may look like the first.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from gamefleet.cluster.commands import CommandRunner, Finished, Runner
from gamefleet.cluster.jobs import EndedJob, Job, JobRequest
from gamefleet.cluster.slurm.script import batch_script, parse_submitted, submit_words
from gamefleet.cluster.slurm.text import (
    ACCOUNTING_FORMAT,
    QUEUE_FORMAT,
    parse_accounting,
    parse_ended_queue,
    parse_queue,
    seconds,
)
from gamefleet.cluster.slurm.words import read_refusal
from gamefleet.errors import ClusterError, MissingDependencyError, SchedulerSilentError, SubmitRefusedError
from gamefleet.files import explained, write_bytes

JOB_VARIABLE = "SLURM_JOB_ID"
JOB_END_VARIABLE = "SLURM_JOB_END_TIME"

WINDOW_DAYS = 30
"""How far back accounting is searched for a name; its own default is today."""

NO_ACCOUNTING = re.compile(r"accounting storage is disabled", re.IGNORECASE)

ALREADY_OVER = re.compile(
    r"Invalid job id|already completing|Job/step already|Job is pending execution|No active job|Job not running",
    re.IGNORECASE,
)
"""What scancel says of jobs that cannot get a signal: they have ended, or not begun."""


class SlurmExecutor:
    """Jobs on the SLURM that this machine's commands speak to.

    Args:
        script_folder: Batch scripts are kept there, one per job name, as they were submitted.
        environment: Of this process; jobs inherit it, without what belongs to a job around this process.
        run: Runs commands; by default real ones in `environment`.
        clock: In seconds; measures the age of answers.
        reuse_s: An answer to `queue` may be given again for this long. Only for displays: a decision about a job that
            another process submitted meanwhile needs a fresh answer.
    """

    def __init__(
        self,
        *,
        script_folder: Path,
        environment: Mapping[str, str],
        run: Runner | None = None,
        clock: Callable[[], float] = time.monotonic,
        reuse_s: float = 0.0,
    ) -> None:
        self._script_folder = script_folder
        self._run = run or CommandRunner(environment)
        self._clock = clock
        self._reuse_s = reuse_s
        self._asked_at = float("-inf")
        self._jobs: list[Job] = []

    def submit(self, request: JobRequest) -> str:
        """Hand a job over; see `Executor.submit`."""
        script = self._script_folder / f"{file_name(request.name)}.sh"
        for folder in (self._script_folder, request.log_folder):
            with explained(folder):
                folder.mkdir(parents=True, exist_ok=True)
        write_bytes(script, batch_script(request).encode())
        self._forget()
        done = self._run(submit_words(script, after=request.after))
        job = parse_submitted(done.out) if done.status == 0 else ""
        if not job:
            raise refused(request, done, script)
        return job

    def queue(self) -> list[Job]:
        """All of this user's jobs that have not ended, by one squeue; see `Executor.queue`."""
        if self._clock() - self._asked_at >= self._reuse_s:
            asked_at = self._clock()
            self._jobs = parse_queue(self._squeue())
            self._asked_at = asked_at
        return list(self._jobs)

    def ended(self, ids: Collection[str] = (), *, names: Collection[str] = ()) -> Mapping[str, EndedJob]:
        """What accounting knows, and for the rest what the controller still remembers; see `Executor.ended`.

        The controller is asked too because accounting lags, may be absent, and does not list by time what never became
        eligible to start.
        """
        if not ids and not names:
            return {}
        failure: SchedulerSilentError | None = None
        try:
            found = self._accounted(ids, names)
        except SchedulerSilentError as error:
            found, failure = {}, error
        if knows(found, ids, names):
            return found
        remembered = parse_ended_queue(self._squeue("-t", "all"))
        found = {**{job.id: job for job in remembered.values() if job.id in ids or job.name in names}, **found}
        if failure is not None and not knows(found, ids, names):
            raise failure
        return found

    def cancel(self, ids: Collection[str], *, signal: str = "") -> None:
        """End jobs or send them a signal; see `Executor.cancel`."""
        self._forget()
        if signal:  # scancel tries for a minute to signal a job that waits
            ids = {job.id for job in self.queue() if job.id in ids and job.state != "pending"}
        if not ids:
            return
        # Without --batch the signal goes to the job's steps, of which a batch script has none.
        how = [f"--signal={signal}", "--batch"] if signal else []
        done = self._run(["scancel", *how, *sorted(ids)])
        complaints = [line for line in done.err.splitlines() if line.strip() and not ALREADY_OVER.search(line)]
        if done.status and (complaints or not done.err.strip()):
            raise unanswered("scancel", done)

    def _forget(self) -> None:
        self._asked_at = float("-inf")

    def _squeue(self, *options: str) -> str:
        words = ["squeue", "-h", "-r", "-o", QUEUE_FORMAT, *options]
        done = self._run([*words, "--me"])
        if done.status and "unrecognized option" in done.err:  # before SLURM 20.02
            done = self._run([*words, "-u", str(os.getuid())])
        if done.status:
            raise unanswered("squeue", done)
        return done.out

    def _accounted(self, ids: Iterable[str], names: Iterable[str]) -> dict[str, EndedJob]:
        # By id without a window of time: with one, jobs that were cancelled while they waited are left out.
        since = (datetime.now() - timedelta(days=WINDOW_DAYS)).strftime("%Y-%m-%d")
        questions = [["-j", ",".join(sorted(ids))], ["--name", ",".join(sorted(names)), "--starttime", since]]
        found: dict[str, EndedJob] = {}
        for question in questions:
            if question[1]:
                found.update(self._sacct(question))
        return found

    def _sacct(self, question: list[str]) -> dict[str, EndedJob]:
        try:
            # Until tomorrow: where the controller's clock is ahead of this machine's, new jobs would be left out.
            done = self._run(["sacct", "-X", "-n", "-P", "-o", ACCOUNTING_FORMAT, "--endtime", "now+1days", *question])
        except MissingDependencyError:
            return {}
        if done.status and NO_ACCOUNTING.search(done.err + done.out):
            return {}
        if done.status:
            raise unanswered("sacct", done)
        return parse_accounting(done.out)


def knows(found: Mapping[str, EndedJob], ids: Collection[str], names: Collection[str]) -> bool:
    """Whether every job that was asked for is there."""
    return set(ids) <= set(found) and set(names) <= {job.name for job in found.values()}


def file_name(name: str) -> str:
    """A job's name as a file name."""
    return re.sub(r"[^\w.-]+", "_", name).lstrip(".") or "job"


def refused(request: JobRequest, done: Finished, script: Path) -> ClusterError:
    """The error about a submission that gave no job id."""
    said = done.err if done.err.strip() else done.out
    refusal = read_refusal(said)
    if refusal.kind == "silent":
        return SchedulerSilentError(
            f"No answer about job {request.name}: {refusal.reason}", where=script, remedy=refusal.remedy
        )
    return SubmitRefusedError(
        f"SLURM refused job {request.name}: {refusal.reason}",
        is_temporary=refusal.kind == "temporary",
        where=script,
        remedy=refusal.remedy,
    )


def unanswered(program: str, done: Finished) -> SchedulerSilentError:
    """The error about a question that was not answered."""
    said = " ".join((done.err or done.out).split()) or f"exit status {done.status}"
    return SchedulerSilentError(
        f"{program} could not be answered: {said}",
        remedy="Nothing is concluded from it; it is asked again later. `scontrol ping` shows whether SLURM is up.",
    )


def job_end(environment: Mapping[str, str], run: Runner | None = None) -> float | None:
    """When the job around this process reaches its time limit.

    Args:
        environment: Of this process. `SLURM_JOB_END_TIME` is set since SLURM 23.02; before, squeue is asked once.
        run: Runs commands; by default real ones in `environment`.

    Returns:
        Seconds since 1970; None outside of a job, and when it cannot be learned.
    """
    known = seconds(environment.get(JOB_END_VARIABLE, ""))
    job = environment.get(JOB_VARIABLE, "")
    if known is not None or not job:
        return known
    try:
        done = (run or CommandRunner(environment))(["squeue", "-h", "-j", job, "-o", "%e"])
    except (ClusterError, MissingDependencyError):
        return None
    return seconds(done.out.strip())
