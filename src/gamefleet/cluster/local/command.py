"""The command of a job on this machine: its script, its variables, its start.

Job: start what a job runs as SLURM's batch script would, so that the command need not know the difference, and so that
it dies with its runner. Place in the data flow: below `job`. Left out: what happens while it runs.
"""

from __future__ import annotations

import ctypes
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping

from gamefleet.cluster.jobs import JobRequest
from gamefleet.cluster.local.output import Output
from gamefleet.cluster.local.processes import MARK
from gamefleet.cluster.local.spool import JobFolder, JobRecord

PR_SET_PDEATHSIG = 1
"""Number of the Linux call that asks for a signal when the parent dies. Source: the manual page prctl(2)."""


def variables(job: JobFolder, record: JobRecord, started: float) -> dict[str, str]:
    """What a job finds in its environment, so that it need not know who runs it."""
    resources = record.request.resources
    return {
        MARK: str(job.root),
        "SLURM_JOB_ID": job.id,
        "SLURM_JOB_NAME": record.request.name,
        "SLURM_JOB_START_TIME": str(int(started)),
        "SLURM_JOB_END_TIME": str(int(started + resources.time_limit_s)),
        "SLURM_CPUS_PER_TASK": str(resources.cpus),
        "GAMEFLEET_SCRIPT_STARTED": f"{started:.3f}",
    }


def script(request: JobRequest) -> str:
    """What bash runs.

    SIGUSR1 and SIGTERM are ignored until the command installs handlers of its own: what comes before would kill it.
    """
    return "\n".join(["trap '' USR1 TERM", *request.setup, f"exec {shlex.join(request.command)}", ""])


def start_command(
    job: JobFolder, request: JobRequest, environment: Mapping[str, str], output: Output
) -> subprocess.Popen[bytes]:
    """Start bash, which becomes the command, in a session of its own.

    Raises:
        OSError: The folder or bash is not there.
    """
    job.script.write_text(script(request))
    command = subprocess.Popen(
        ["bash", str(job.script)],
        cwd=request.work_folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=output.for_command[0],
        stderr=output.for_command[1],
        start_new_session=True,
        preexec_fn=before_exec(),
    )
    output.started()
    return command


def before_exec() -> Callable[[], None]:
    """What a child does between fork and exec: ignore what it could die of too early, and ask to die with this process.

    The signals are ignored from here on and not only from the script's first line, since one may come before that runs.
    """
    # Looked up before the fork: after it, little is safe.
    prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None
    runner = os.getpid()

    def prepare() -> None:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if prctl is not None:
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != runner:  # it died before the call
            os._exit(1)

    return prepare
