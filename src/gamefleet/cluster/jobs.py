"""Jobs, and the one interface behind which they run: SLURM, tmux or plain processes.

Job: the types that chains and schedulers exchange. Place in the data flow: chains ask an `Executor`. Left out: how each
scheduler is spoken to (`slurm`, `local`), and what is submitted when (`chain`).

Three answers are kept apart everywhere: a job is there, a job has ended, and *the scheduler did not say*
(`SchedulerSilentError`). From the third nothing may be concluded.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

JobState = Literal["pending", "running", "ending"]
"""Of a job that has not ended; `ending` still has processes (SLURM: COMPLETING)."""

Ending = Literal["completed", "failed", "cancelled", "timeout", "node_fail", "preempted", "out_of_memory", "unknown"]
"""How a job ended, as far as the scheduler says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What one job may use.

    Args:
        partition: Empty takes the scheduler's default.
        account: Empty takes the user's default.
        qos: Empty takes the default.
        time_limit_s: Wall time, in seconds; SLURM counts whole minutes.
        cpus: Per task.
        gpus: Per node; 0 for none.
        gres: Further generic resources per node as SLURM writes them, for example `gpumem:20G`.
        memory: Per node as SLURM writes it, for example `16G`; empty takes the default.
        signal_s: Seconds before the limit at which the job gets SIGUSR1.
        options: Further options of `sbatch`, for example `--exclude=n3`.
        nodes: How many machines work together; the job's command starts on the first.
        tasks_per_node: Processes per node that the command may start with `srun`.
        exclusive: Whether no other job may run on these nodes.
    """

    partition: str = ""
    account: str = ""
    qos: str = ""
    time_limit_s: int = 4 * 3600
    cpus: int = 8
    gpus: int = 1
    gres: tuple[str, ...] = ()
    memory: str = ""
    signal_s: int = 180
    options: tuple[str, ...] = ()
    nodes: int = 1
    tasks_per_node: int = 1
    exclusive: bool = False

    @property
    def is_spread(self) -> bool:
        """Whether a job is more than one process of one machine."""
        return self.nodes > 1 or self.tasks_per_node > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """One job to be.

    Args:
        name: Unique; a job whose submission got no answer is found again by it.
        command: What runs, program first. It gets SIGUSR1 before the limit and SIGTERM at a cancel.
        setup: Shell lines before the command, for example `module load cuda`.
        resources: What it may use.
        work_folder: Where the command starts.
        log_folder: Output goes to `slurm-JOBID.out` and `slurm-JOBID.err` below, appended to.
        has_one_output: Errors go to `slurm-JOBID.out`, too, as sbatch has it where nothing is said.
        after: Job id; this job starts once that one has ended, however it ended. Empty for none.
        comment: For people who look at the queue.
    """

    name: str
    command: Sequence[str]
    resources: Resources
    work_folder: Path
    log_folder: Path
    setup: Sequence[str] = ()
    after: str = ""
    comment: str = ""
    has_one_output: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job that has not ended.

    Args:
        id: The scheduler's id.
        name: Of the request.
        state: See `JobState`.
        reason: Why it waits, in the scheduler's word, for example `Dependency`; empty when it does not.
        started: Seconds since 1970; for a pending job when it is expected to start; None when not known.
        ends: When its time limit is reached, seconds since 1970; None when not known.
        node: Where it runs.
    """

    id: str
    name: str
    state: JobState
    reason: str = ""
    started: float | None = None
    ends: float | None = None
    node: str = ""

    @property
    def waits_for_parent(self) -> bool:
        """Whether it cannot start before another job has ended, and so takes no place under a cap on running jobs."""
        return self.state == "pending" and self.reason.startswith("Dependency")


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedJob:
    """What the scheduler still knows of a job that ended.

    Args:
        id: The scheduler's id.
        name: Of the request; empty when not known.
        how: See `Ending`.
        exit_code: Of the batch script; None when not known.
        started: Seconds since 1970; None when it never started or is not known.
        ended: Seconds since 1970; None when not known.
        node: Where it ran.
    """

    id: str
    how: Ending
    name: str = ""
    exit_code: int | None = None
    started: float | None = None
    ended: float | None = None
    node: str = ""


class Executor(Protocol):
    """Where jobs run. Every call has a time-out; one that is not answered raises `SchedulerSilentError`."""

    def submit(self, request: JobRequest) -> str:
        """Hand a job over.

        Returns:
            Its id.

        Raises:
            SubmitRefusedError: The scheduler said no.
            SchedulerSilentError: No answer: the job may or may not exist; look for its name later.
        """
        ...

    def queue(self) -> list[Job]:
        """All of this user's jobs that have not ended, this program's and others.

        Raises:
            SchedulerSilentError: No answer.
        """
        ...

    def ended(self, ids: Collection[str] = (), *, names: Collection[str] = ()) -> Mapping[str, EndedJob]:
        """What is known of jobs that have ended, by id.

        Args:
            ids: Jobs asked for by id.
            names: Jobs asked for by name.

        Returns:
            Only those that the scheduler still knows; without accounting that may be none.

        Raises:
            SchedulerSilentError: No answer, which is not the same as not knowing a job.
        """
        ...

    def cancel(self, ids: Collection[str], *, signal: str = "") -> None:
        """End jobs, or send them a signal; jobs that have ended already are no error.

        Args:
            ids: Which.
            signal: `USR1` for a polite request to the command; empty ends the jobs (SIGTERM, later SIGKILL).

        Raises:
            SchedulerSilentError: No answer.
        """
        ...


JOB_VARIABLES = ("SLURM_", "SBATCH_", "SRUN_", "SALLOC_")


def without_job(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables for a process that speaks to SLURM: without those of the job around it, which count as options.

    A job with `--mem-per-cpu` could otherwise not submit one with `--mem`. `SLURM_CONF` says where SLURM is, and stays.
    """
    return {
        name: value for name, value in environment.items() if name == "SLURM_CONF" or not name.startswith(JOB_VARIABLES)
    }
