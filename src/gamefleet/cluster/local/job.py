"""The runner of one job on this machine: `python -m gamefleet.cluster.local.job FOLDER`.

Job: wait for the job before, run the setup lines and the command as SLURM's batch script would, keep the time limit,
pass signals and cancels on, write down how it ended. Place in the data flow: started once per job by `executor`, or
inside a session by `tmux`; speaks to them through the job's folder only. Left out: limits on memory, CPUs and GPUs.

- The limit is kept by the wall clock, as SLURM does and as `SLURM_JOB_END_TIME` says it: SIGUSR1 to the command some
  seconds before, SIGTERM to every process of the job at the limit, SIGKILL after the wait.
- When the command ends, what it left running is ended in the same way. The job has ended when nothing is left.
- A runner that is killed takes the command with it: on Linux the kernel sends it SIGKILL (`PR_SET_PDEATHSIG`, which
  bash and what it executes keep, and which their children do not inherit). What is left, and everything elsewhere than
  on Linux, is killed by whoever next asks for the job (`spool.settle`), before the job counts as ended.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import FrameType

import psutil

from gamefleet.cluster.jobs import Ending, JobRequest
from gamefleet.cluster.local.command import start_command, variables
from gamefleet.cluster.local.output import Output
from gamefleet.cluster.local.processes import members, this_process
from gamefleet.cluster.local.spool import JobFolder, JobRecord, job_folder, read_facts, read_job, settle, write_end
from gamefleet.errors import SchedulerSilentError
from gamefleet.files import create_once, write_json

POLL_S = 0.2
"""How often the folder is looked at; also the longest time that a hand-over from job to job waits for nothing."""


class Wishes:
    """What others want of this job.

    Args:
        job: Its folder, where they leave word.
    """

    def __init__(self, job: JobFolder) -> None:
        self._job = job
        self._received: list[int] = []
        self._num_signals = 0

    def listen(self) -> None:
        """From now on signals to the runner are wishes too; they do nothing but to be remembered."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._remember)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self._received.append(number)

    def ending(self) -> Ending | None:
        """Why the job shall end, if it shall.

        A machine that shuts down sends SIGTERM to all. SIGINT and SIGHUP come from a person: at the keyboard, or by
        closing the session around the runner.
        """
        with suppress(OSError):  # a file server that is away for a moment
            if self._job.cancel.exists():
                return "cancelled"
        if not self._received:
            return None
        return "node_fail" if self._received[0] == signal.SIGTERM else "cancelled"

    def signals(self) -> list[int]:
        """Signals for the command that were asked for since the last time."""
        found = []
        with suppress(OSError):
            while content := read_facts(self._job.signal(self._num_signals + 1)):
                self._num_signals += 1
                found.append(int(content["number"]))
        return found


def run(job: JobFolder, *, is_shown: bool, announce: Callable[[], None]) -> int:
    """Run one job from here to its end.

    Args:
        job: Its folder.
        is_shown: Whether the output goes to this process's terminal, too.
        announce: Called when this process has the job.

    Returns:
        The exit code for this process.
    """
    record = read_job(job)
    wishes = Wishes(job)
    wishes.listen()
    if not create_once(job.runner, asdict(this_process())):
        return 1  # whoever submitted it gave up, and said so
    announce()
    os.chdir(job.root)
    environment = take_environment(job)
    unwanted = wait_for_parent(job, record.request.after, wishes)
    if unwanted:
        write_end(job, unwanted, ended=time.time())
        return 1
    with Output(record.request.log_folder, job.id, is_shown=is_shown) as output:
        how, code = carry_out(job, record, environment, wishes, output)
    write_end(job, how, exit_code=code, ended=time.time())
    return 0 if how == "completed" else 1


def take_environment(job: JobFolder) -> dict[str, str]:
    """The job's variables: left in a file where this process could not inherit them, else this process's own."""
    found = read_facts(job.environment)
    job.environment.unlink(missing_ok=True)
    return found or dict(os.environ)


def wait_for_parent(job: JobFolder, parent: str, wishes: Wishes) -> Ending | None:
    """Return when the job before has ended, however it did, or is not known.

    Returns:
        Why this job shall not begin; None when it shall.
    """
    while wishes.ending() is None and not has_ended(job.root.parent, parent):
        time.sleep(POLL_S)
    return wishes.ending()


def has_ended(spool: Path, job: str) -> bool:
    """Whether a job has ended for sure, or is not known."""
    folder = job_folder(spool, job)
    # One that runs where this machine cannot see it is waited for: that it ended will be written down.
    with suppress(SchedulerSilentError, OSError):
        return folder is None or settle(folder, now=time.time()) is not None
    return False


def carry_out(
    job: JobFolder, record: JobRecord, environment: Mapping[str, str], wishes: Wishes, output: Output
) -> tuple[Ending, int | None]:
    """Start the command, see it through, and clear up.

    Returns:
        How the job ended, and the command's exit code; a signal N counts as 128 + N, as in a shell.
    """
    started = time.time()
    ends = started + record.request.resources.time_limit_s
    write_json(job.started, {"started": started, "ends": ends})
    wishes.signals()  # those that came while the job waited are not for the command
    try:
        command = start_command(job, record.request, {**environment, **variables(job, record, started)}, output)
    except OSError as error:
        output.complain(f"gamefleet: the job could not be started: {error}")
        return "failed", None
    how = see_through(command, record.request, ends, wishes, output)
    job.ending.touch()
    clear_up(job, command, record.kill_wait_s, output)
    code = command.wait()
    return how or ("completed" if code == 0 else "failed"), code if code >= 0 else 128 - code


def see_through(
    command: subprocess.Popen[bytes], request: JobRequest, ends: float, wishes: Wishes, output: Output
) -> Ending | None:
    """Wait until the command has ended, which gives None, or the job must end, which gives the reason."""
    warning_due = ends - request.resources.signal_s if request.resources.signal_s > 0 else ends
    is_warned = False
    while command.poll() is None:
        now = time.time()
        unwanted = wishes.ending() or ("timeout" if now >= ends else None)
        if unwanted:
            return unwanted
        if now >= warning_due and not is_warned:
            command.send_signal(signal.SIGUSR1)
            is_warned = True
        for number in wishes.signals():
            command.send_signal(number)
        output.pump(POLL_S)
    return None


def clear_up(job: JobFolder, command: subprocess.Popen[bytes], kill_wait_s: float, output: Output) -> None:
    """End every process of the job: SIGTERM, later SIGKILL; returns when none is left."""
    kill_due = time.monotonic() + kill_wait_s
    left = job_processes(job, command)
    for process in left:
        send(process, signal.SIGTERM)
        send(process, signal.SIGCONT)  # one that was stopped would not hear it
    while left or command.poll() is None:
        output.pump(POLL_S)
        left = job_processes(job, command)
        if time.monotonic() >= kill_due:
            for process in left:
                send(process, signal.SIGKILL)
    output.drain()


def job_processes(job: JobFolder, command: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Every living process of the job."""
    # While a session has members its number is not given to another process, so one that exists means a session reused.
    is_reused = command.poll() is not None and psutil.pid_exists(command.pid)
    return members(job.root, session=0 if is_reused else command.pid)


def send(process: psutil.Process, number: int) -> None:
    """Send a signal to a process that may have ended."""
    with suppress(psutil.Error):
        process.send_signal(number)


def detach(job: JobFolder) -> int:
    """Run the job in a process of its own session; this one ends when that one has the job, or has failed to get it."""
    hear, say = os.pipe()
    if os.fork():
        os.close(say)
        return 0 if os.read(hear, 1) else 1
    os.setsid()
    os.close(hear)

    def announce() -> None:
        os.write(say, b"1")
        os.close(say)

    return run(job, is_shown=False, announce=announce)


def show(job: JobFolder) -> int:
    """Run the job in this process, with its output on the terminal; what goes wrong goes to the runner's log."""
    with open(job.log, "ab") as log:
        os.dup2(log.fileno(), sys.stderr.fileno())
    return run(job, is_shown=True, announce=lambda: None)


def main() -> int:
    """Parse and run."""
    parser = argparse.ArgumentParser(description="Run one job of a spool.")
    parser.add_argument("folder", type=Path, help="the job's folder")
    parser.add_argument("--detach", action="store_true", help="return when a process of its own runs the job")
    arguments = parser.parse_args()
    job = JobFolder(arguments.folder.absolute())
    return detach(job) if arguments.detach else show(job)


if __name__ == "__main__":
    sys.exit(main())
