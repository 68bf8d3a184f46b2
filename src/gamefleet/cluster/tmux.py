"""Jobs in tmux sessions: as `local`, and a person can look on with `tmux attach -t NAME`.

Job: start a job's runner inside a tmux session that is named after the job. Place in the data flow: a `Launcher` for
`LocalExecutor`, and an `Executor` made of the two. Left out: everything else; the spool stays the source of truth.

Output goes to the job's log files and is copied to the session, which closes when the job has ended. Who closes the
session, or presses Ctrl-C in it, cancels the job.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gamefleet.cluster.jobs import EndedJob, Job, JobRequest
from gamefleet.cluster.local.executor import KILL_WAIT_S, LocalExecutor, clean, runner_command
from gamefleet.cluster.local.spool import JobFolder
from gamefleet.errors import MissingDependencyError, SubmitRefusedError
from gamefleet.files import write_json

if TYPE_CHECKING:
    import libtmux

TMUX_S = 10.0
"""Time-out of a call of tmux itself."""

TRIES, PAUSE_S = 4, 0.2
"""A server ends with its last session, and refuses what is asked of it meanwhile."""


class TmuxExecutor:
    """Runs jobs on this machine inside tmux sessions; see `jobs.Executor` and `LocalExecutor`.

    Args:
        spool: Folder of the jobs; may be that of a `LocalExecutor`.
        socket_name: Which tmux server, as in `tmux -L NAME`; empty takes the user's default one.
        environment: Variables for the jobs; None takes those of this process. They do not come from the tmux server.
        kill_wait_s: Seconds between SIGTERM and SIGKILL.

    Raises:
        MissingDependencyError: The library libtmux or the program tmux is not there.
    """

    def __init__(
        self,
        spool: Path,
        *,
        socket_name: str = "",
        environment: Mapping[str, str] | None = None,
        kill_wait_s: float = KILL_WAIT_S,
    ) -> None:
        launcher = Session(socket_name)
        self._jobs = LocalExecutor(spool, environment=environment, kill_wait_s=kill_wait_s, launcher=launcher)

    def submit(self, request: JobRequest) -> str:
        """Hand a job over; see `LocalExecutor.submit`."""
        return self._jobs.submit(request)

    def queue(self) -> list[Job]:
        """All jobs of this spool that have not ended; see `LocalExecutor.queue`."""
        return self._jobs.queue()

    def ended(self, ids: Collection[str] = (), *, names: Collection[str] = ()) -> Mapping[str, EndedJob]:
        """What is known of jobs that have ended; see `LocalExecutor.ended`."""
        return self._jobs.ended(ids, names=names)

    def cancel(self, ids: Collection[str], *, signal: str = "") -> None:
        """End jobs, or send them a signal; see `LocalExecutor.cancel`."""
        self._jobs.cancel(ids, signal=signal)


class Session:
    """Starts runners inside tmux sessions.

    Args:
        socket_name: Which tmux server; empty takes the default one.

    Raises:
        MissingDependencyError: The library libtmux or the program tmux is not there.
    """

    def __init__(self, socket_name: str) -> None:
        self._program = tmux_program()
        self._socket_name = socket_name
        self._server = tmux_server(socket_name)

    def start(self, job: JobFolder, name: str, environment: Mapping[str, str]) -> None:
        """Start it in a session of its own; see `Launcher.start`."""
        write_json(job.environment, environment)  # a session's variables are the server's, so a file carries the job's
        refusal = ""
        for _ in range(TRIES):
            refusal = self._try(job, name, environment)
            if not refusal:
                return
            time.sleep(PAUSE_S)
        job.environment.unlink(missing_ok=True)
        raise SubmitRefusedError(
            "tmux did not start a session",
            is_temporary=True,
            value=refusal,
            where=name,
            remedy="Try `tmux new-session -d`; without tmux, use the local executor.",
        )

    def _try(self, job: JobFolder, name: str, environment: Mapping[str, str]) -> str:
        """Start a session; what tmux has against it, empty for nothing. Of two sessions one would get the job."""
        from libtmux.exc import LibTmuxException

        try:
            is_ours = self._start_server(environment)
            title = session_name(name)
            if self._server.has_session(title):
                title = f"{title}-{job.id}"
            write_json(job.session, {"name": title})
            self._server.new_session(
                session_name=title,
                window_command=f"exec {shlex.join(runner_command(job))}",
                environment=search_path(environment) | withheld(environment),
            )
            if is_ours:
                self._server.cmd("set-option", "-g", "exit-empty", "on")
        except (LibTmuxException, OSError, subprocess.SubprocessError) as error:
            return str(error) or type(error).__name__
        return ""

    def _start_server(self, environment: Mapping[str, str]) -> bool:
        """Start the server unless it runs, without variables that the job is not to have.

        With those of a job around it would be ended with that job; a secret it would hand to every session.

        Returns:
            Whether it was started here; it then stays although it has no session yet.
        """
        if self._tmux(environment, "list-sessions") == 0:
            return False
        return self._tmux(environment, "start-server", ";", "set-option", "-g", "exit-empty", "off") == 0

    def _tmux(self, environment: Mapping[str, str], *words: str) -> int:
        """Call tmux with a time-out, which the library has not: a server that hangs is noticed here."""
        socket = ["-L", self._socket_name] if self._socket_name else []
        done = subprocess.run(
            [self._program, *socket, *words],
            env={name: value for name, value in clean(os.environ).items() if name not in withheld(environment)},
            check=False,
            timeout=TMUX_S,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        return done.returncode


def session_name(job: str) -> str:
    """The name of a job's session: tmux allows neither '.' nor ':', and reads some characters as patterns."""
    return re.sub(r"[^\w-]", "-", job)


def search_path(environment: Mapping[str, str]) -> dict[str, str]:
    """What the runner itself needs to find this package, before it reads the job's variables."""
    return {"PYTHONPATH": environment["PYTHONPATH"]} if environment.get("PYTHONPATH") else {}


def withheld(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables of this process that the job is not to have, emptied: a server that runs already may hold them.

    Those of tmux itself say where the server is, and stay.
    """
    names = clean(os.environ).keys() - environment.keys()
    return {name: "" for name in sorted(names) if not name.startswith("TMUX")}


def tmux_program() -> str:
    """Path of the program.

    Raises:
        MissingDependencyError: It is not there.
    """
    path = shutil.which("tmux")
    if path is None:
        raise MissingDependencyError(
            "The program tmux is not installed",
            remedy="Install it with the system's package manager (apt install tmux, brew install tmux), "
            "or use the local executor, which needs nothing.",
        )
    return path


def tmux_server(socket_name: str) -> libtmux.Server:
    """The tmux server; it need not run yet.

    Raises:
        MissingDependencyError: The library is not there.
    """
    try:
        import libtmux
    except ImportError as error:
        raise MissingDependencyError(
            "The library libtmux is not installed",
            remedy="Run `pip install gamefleet[tmux]`, or use the local executor, which needs nothing.",
        ) from error
    return libtmux.Server(socket_name=socket_name or None)
