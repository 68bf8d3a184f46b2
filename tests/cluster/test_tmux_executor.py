"""Jobs in tmux sessions: a person can look on, and whatever happens to the session the spool tells the truth."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.waiting import until

from gamefleet.cluster.jobs import EndedJob, Executor, JobRequest, Resources
from gamefleet.cluster.local.executor import LocalExecutor
from gamefleet.cluster.tmux import TmuxExecutor, session_name
from gamefleet.errors import MissingDependencyError, SubmitRefusedError

SOCKET = "test"

TALKING = "import time\nprint('hello there', flush=True)\nwhile True: time.sleep(0.1)"

Tmux = Callable[..., str]
RequestFor = Callable[..., JobRequest]


@pytest.fixture(scope="module", autouse=True)
def installed(require_program: Callable[[str, str], str], require_module: Callable[[str, str], None]) -> None:
    require_program("tmux", "install tmux")
    require_module("libtmux", "pip install gamefleet[tmux]")


@pytest.fixture
def tmux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tmux]:
    """Call with the words of a tmux command for the test's own server: what it prints."""
    sockets = tempfile.mkdtemp()  # tmux leaves sockets behind; tmp_path may be too long for one
    monkeypatch.setenv("TMUX_TMPDIR", sockets)
    program = str(shutil.which("tmux"))

    def call(*words: str) -> str:
        command = [program, "-L", SOCKET, *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False).stdout.strip()

    yield call
    call("kill-server")
    shutil.rmtree(sockets)


@pytest.fixture
def executor(tmp_path: Path, tmux: Tmux) -> Iterator[TmuxExecutor]:
    made = TmuxExecutor(tmp_path / "spool", socket_name=SOCKET, kill_wait_s=1.0)
    yield made
    made.cancel([job.id for job in made.queue()])
    until(lambda: not made.queue(), "all jobs have ended")


@pytest.fixture
def request_for(tmp_path: Path) -> RequestFor:
    """Call with (name, program in Python): a job that runs it."""

    def make(name: str, program: str = "", **more: object) -> JobRequest:
        made = JobRequest(
            name=name,
            command=[sys.executable, "-c", program],
            resources=Resources(time_limit_s=600, signal_s=60, cpus=1, gpus=0),
            work_folder=tmp_path,
            log_folder=tmp_path / "logs",
        )
        return replace(made, **more)  # type: ignore[arg-type]

    return make


def output(folder: Path, job: str) -> str:
    path = folder / "logs" / f"slurm-{job}.out"
    return path.read_text() if path.exists() else ""


def end_of(executor: Executor, job: str) -> EndedJob:
    until(lambda: job in executor.ended([job]), f"job {job} has ended")
    return executor.ended([job])[job]


def test_a_person_can_look_on_in_a_session_named_after_the_job(
    executor: TmuxExecutor, request_for: RequestFor, tmux: Tmux, tmp_path: Path
) -> None:
    job = executor.submit(request_for("run.m0:3", TALKING))

    until(lambda: "hello there" in tmux("capture-pane", "-p", "-t", "=run-m0-3:"), "the session shows the output")
    until(lambda: output(tmp_path, job) == "hello there\n", "so does the log")
    executor.cancel([job])
    end_of(executor, job)
    until(lambda: "run-m0-3" not in tmux("list-sessions"), "the session closes with the job")


@pytest.mark.parametrize(
    ("job", "session"),
    [("red.m0.3", "red-m0-3"), ("a:b", "a-b"), ("plain_name-1", "plain_name-1"), ("what? *", "what---")],
)
def test_a_session_is_named_as_tmux_allows(job: str, session: str) -> None:
    assert session_name(job) == session


def test_two_jobs_of_one_name_have_a_session_each(executor: TmuxExecutor, request_for: RequestFor, tmux: Tmux) -> None:
    executor.submit(request_for("same", TALKING))
    second = executor.submit(request_for("same", TALKING))

    sessions = tmux("list-sessions", "-F", "#{session_name}").splitlines()

    assert sorted(sessions) == ["same", f"same-{second}"]


@pytest.mark.parametrize("how", ["the session is closed", "the server is killed", "Ctrl-C is pressed"])
def test_a_job_whose_session_goes_has_ended(
    executor: TmuxExecutor, request_for: RequestFor, tmux: Tmux, tmp_path: Path, how: str
) -> None:
    job = executor.submit(request_for("closed", TALKING))
    successor = executor.submit(request_for("waits", "print('ran')", after=job))
    until(lambda: output(tmp_path, job), "it talks")

    if how == "the session is closed":
        tmux("kill-session", "-t", "=closed")
    elif how == "the server is killed":
        os.kill(int(tmux("display-message", "-p", "#{pid}")), signal.SIGKILL)
    else:
        tmux("send-keys", "-t", "=closed:", "C-c")

    assert end_of(executor, job).how == "cancelled"
    # The server takes all sessions with it, so the successor was cancelled while it waited.
    expected = "cancelled" if how == "the server is killed" else "completed"
    assert end_of(executor, successor).how == expected


def test_a_terminal_that_hangs_holds_no_job_up(
    executor: TmuxExecutor, request_for: RequestFor, tmux: Tmux, tmp_path: Path
) -> None:
    program = (
        "import pathlib, time\nwhile not pathlib.Path('go').exists(): time.sleep(0.05)\n"
        "for _ in range(20_000): print('x' * 99)"
    )
    job = executor.submit(request_for("flood", program))
    server = int(tmux("display-message", "-p", "#{pid}"))
    os.kill(server, signal.SIGSTOP)
    try:
        (tmp_path / "go").touch()
        assert end_of(executor, job).how == "completed"
    finally:
        os.kill(server, signal.SIGCONT)

    assert len(output(tmp_path, job)) == 2_000_000


def test_a_jobs_variables_are_the_submitters_and_lie_in_no_file_afterwards(
    request_for: RequestFor, tmux: Tmux, tmp_path: Path
) -> None:
    tmux("new-session", "-d", "-s", "before", "-e", "SECRET=of the server", "sleep 600")
    spool = tmp_path / "spool"
    variables = {**os.environ, "SECRET": "of the submitter", "SLURM_JOB_ID": "77", "SLURM_MEM_PER_NODE": "1"}
    executor = TmuxExecutor(spool, socket_name=SOCKET, environment=variables)
    program = "import os; print(os.environ['SECRET'], os.environ['SLURM_JOB_ID'], 'SLURM_MEM_PER_NODE' in os.environ)"
    job = executor.submit(request_for("secret", program))

    end_of(executor, job)

    assert output(tmp_path, job) == f"of the submitter {job} False\n"
    kept = [path.name for path in spool.rglob("*") if path.is_file() and "of the submitter" in path.read_text()]
    assert kept == []
    until(lambda: tmux("list-sessions", "-F", "#{session_name}") == "before", "only the session from before is left")


@pytest.mark.parametrize("runs_already", [False, True])
def test_what_a_job_is_not_to_have_is_neither_in_its_server_nor_in_its_session(
    request_for: RequestFor, tmux: Tmux, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs_already: bool
) -> None:
    withheld_key = "key-of-this-process"
    monkeypatch.setenv("WITHHELD_KEY", withheld_key)
    if runs_already:
        tmux("new-session", "-d", "-s", "before", "sleep 600")
    variables = {name: value for name, value in os.environ.items() if name != "WITHHELD_KEY"}
    executor = TmuxExecutor(tmp_path / "spool", socket_name=SOCKET, environment=variables, kill_wait_s=1.0)
    job = executor.submit(request_for("talking", TALKING))
    until(lambda: output(tmp_path, job), "the job runs")

    holders = [path.parent.name for path in Path("/proc").glob("[0-9]*/environ") if holds(path, str(tmp_path))]
    leaking = [path.parent.name for path in Path("/proc").glob("[0-9]*/environ") if holds(path, withheld_key)]
    executor.cancel([job])
    end_of(executor, job)

    assert holders
    before = tmux("display-message", "-p", "-t", "=before:", "#{pid} #{pane_pid}").split() if runs_already else []
    assert set(leaking) - {str(os.getpid()), *before} == set()


def holds(path: Path, text: str) -> bool:
    """Whether a process of ours has a text among its variables or words."""
    try:
        return text.encode() in path.read_bytes() + (path.parent / "cmdline").read_bytes()
    except OSError:  # it has ended, or is not ours
        return False


def test_a_server_that_a_job_had_to_start_outlives_that_job(
    executor: TmuxExecutor, request_for: RequestFor, tmp_path: Path
) -> None:
    around = LocalExecutor(tmp_path / "around", kill_wait_s=1.0)
    program = f"""
import pathlib, sys
from gamefleet.cluster.jobs import JobRequest, Resources
from gamefleet.cluster.tmux import TmuxExecutor
folder = pathlib.Path({str(tmp_path)!r})
executor = TmuxExecutor(folder / "spool", socket_name={SOCKET!r}, kill_wait_s=1.0)
program = "import pathlib, time\\nwhile not pathlib.Path('go').exists(): time.sleep(0.05)"
executor.submit(JobRequest(name="inner", command=[sys.executable, "-c", program],
    resources=Resources(), work_folder=folder, log_folder=folder / "logs"))
"""
    outer = around.submit(request_for("outer", program, log_folder=tmp_path / "outer"))
    assert end_of(around, outer).how == "completed"

    assert [job.name for job in executor.queue()] == ["inner"]
    (tmp_path / "go").touch()
    assert end_of(executor, "1").how == "completed"


def test_a_server_ends_with_the_last_session_as_tmux_users_expect(
    executor: TmuxExecutor, request_for: RequestFor, tmux: Tmux
) -> None:
    job = executor.submit(request_for("last", TALKING))
    assert tmux("list-sessions")
    executor.cancel([job])

    end_of(executor, job)

    until(lambda: not tmux("list-sessions"), "the server is gone")


def test_without_the_program_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(MissingDependencyError, match=r"program tmux.*apt install tmux"):
        TmuxExecutor(tmp_path / "spool")


def test_without_the_library_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "libtmux", None)

    with pytest.raises(MissingDependencyError, match=r"libtmux.*pip install gamefleet\[tmux\]"):
        TmuxExecutor(tmp_path / "spool")


def test_a_tmux_that_refuses_is_a_refusal_and_leaves_no_variables_behind(
    request_for: RequestFor, tmux: Tmux, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "tmux"
    program.parent.mkdir()
    real = shutil.which("tmux")
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *new-session*) echo "no space for sockets" >&2; exit 1;; esac\nexec {real} "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    executor = TmuxExecutor(tmp_path / "spool", socket_name=SOCKET)

    with pytest.raises(SubmitRefusedError, match="no space for sockets"):
        executor.submit(request_for("refused"))

    assert executor.queue() == []
    assert list((tmp_path / "spool").rglob("environment.json")) == []
