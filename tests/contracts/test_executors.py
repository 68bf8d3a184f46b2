"""Every executor runs jobs in the same way, so that a chain need not know which one carries it.

A further one joins by adding a function to `EXECUTORS` that makes it; it gets pytest's request, so that it can ask for
a fixture, and a folder of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest
from tests.waiting import until

from gamefleet.cluster.jobs import EndedJob, Executor, Job, JobRequest, Resources
from gamefleet.cluster.local.executor import LocalExecutor
from gamefleet.cluster.tmux import TmuxExecutor


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """An executor and what tests must know of it.

    Args:
        executor: Ends processes that ignore SIGTERM within seconds.
        limit_s: The shortest time limit that it keeps.
        signal_s: A time before the limit at which it can send SIGUSR1.
        close: Takes away what the executor started besides jobs.
    """

    executor: Executor
    limit_s: int = 4
    signal_s: int = 2
    close: Callable[[], object] = lambda: None


def local(request: pytest.FixtureRequest, folder: Path) -> Kind:
    return Kind(executor=LocalExecutor(folder / "spool", kill_wait_s=1.0))


def tmux(request: pytest.FixtureRequest, folder: Path) -> Kind:
    program = request.getfixturevalue("require_program")("tmux", "install tmux")
    request.getfixturevalue("require_module")("libtmux", "pip install gamefleet[tmux]")
    sockets = tempfile.mkdtemp()  # tmux leaves sockets behind; tmp_path may be too long for one
    request.getfixturevalue("monkeypatch").setenv("TMUX_TMPDIR", sockets)

    def close() -> None:
        # The server ends by itself with its last session, perhaps while it is asked to.
        subprocess.run([program, "-L", "test", "kill-server"], capture_output=True, timeout=300, check=False)
        shutil.rmtree(sockets)

    return Kind(executor=TmuxExecutor(folder / "spool", socket_name="test", kill_wait_s=1.0), close=close)


EXECUTORS: dict[str, Callable[[pytest.FixtureRequest, Path], Kind]] = {"local": local, "tmux": tmux}


@pytest.fixture(params=EXECUTORS)
def kind(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kind]:
    # As inside a job that was submitted with a limit of memory per CPU.
    monkeypatch.setenv("SLURM_MEM_PER_CPU", "100")
    monkeypatch.setenv("FROM_OUTSIDE", "kept")
    made = EXECUTORS[request.param](request, tmp_path)
    yield made
    made.executor.cancel([job.id for job in made.executor.queue()])
    until(lambda: not made.executor.queue(), "all jobs have ended")
    made.close()


@pytest.fixture
def executor(kind: Kind) -> Executor:
    return kind.executor


@pytest.fixture
def request_for(kind: Kind, tmp_path: Path) -> Callable[..., JobRequest]:
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


RequestFor = Callable[..., JobRequest]


def end_of(executor: Executor, job: str) -> EndedJob:
    until(lambda: job in executor.ended([job]), f"job {job} has ended")
    return executor.ended([job])[job]


def listed(executor: Executor, job: str) -> Job | None:
    return next((found for found in executor.queue() if found.id == job), None)


def output(folder: Path, job: str, kind: str = "out") -> str:
    path = folder / "logs" / f"slurm-{job}.{kind}"
    return path.read_text() if path.exists() else ""


REPORTING = """
import pathlib, signal, subprocess, sys, time
def report(number, frame):
    print("got", signal.Signals(number).name, flush=True)
    if number == signal.SIGTERM:
        sys.exit(0)
signal.signal(signal.SIGUSR1, report)
signal.signal(signal.SIGTERM, report)
print("listening", flush=True)
while True:
    time.sleep(0.1)
"""
"""Says which signals it gets; ends at SIGTERM."""

STUBBORN = """
import os, pathlib, signal, subprocess, sys, time
for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
if len(sys.argv) > 1:
    child = subprocess.Popen([sys.executable, "-c", sys.argv[1], sys.argv[1]][:3], start_new_session=True)
    print("pids", os.getpid(), child.pid, flush=True)
while True:
    time.sleep(0.1)
"""
"""Ignores what is polite, and so does its child, which leads a session of its own."""


def pids_of(folder: Path, job: str) -> list[int]:
    until(lambda: "pids" in output(folder, job), "the command says which processes it has")
    return [int(word) for word in output(folder, job).split() if word.isdigit()]


def lives(pid: int) -> bool:
    """Whether there is such a process; one that init has not cleared away yet is none."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_job_runs_its_setup_lines_and_its_command(
    executor: Executor, request_for: RequestFor, tmp_path: Path
) -> None:
    program = "import os, sys; print(os.getcwd(), os.environ['FRUIT']); print('complaint', file=sys.stderr)"
    job = executor.submit(request_for("plain", program, setup=["FRUIT='two words'", "export FRUIT"]))

    end = end_of(executor, job)

    assert (end.id, end.how, end.exit_code) == (job, "completed", 0)
    assert output(tmp_path, job) == f"{tmp_path} two words\n"
    assert output(tmp_path, job, "err") == "complaint\n"
    assert end.started is not None
    assert end.ended is not None
    assert end.started <= end.ended


def test_arguments_reach_the_command_as_they_are(executor: Executor, request_for: RequestFor, tmp_path: Path) -> None:
    words = ["a b", "$HOME", "it's", 'a "b"', "*", "", "line\nbreak"]
    command = [sys.executable, "-c", "import sys; print(sys.argv[1:])", *words]
    job = executor.submit(request_for("words", command=command))

    end_of(executor, job)

    assert output(tmp_path, job) == f"{words}\n"


def test_a_command_that_fails_makes_a_failed_job(executor: Executor, request_for: RequestFor) -> None:
    end = end_of(executor, executor.submit(request_for("failing", "raise SystemExit(3)")))

    assert (end.how, end.exit_code) == ("failed", 3)


def test_output_is_appended(executor: Executor, request_for: RequestFor, tmp_path: Path) -> None:
    first = executor.submit(request_for("first", "print('once')"))
    end_of(executor, first)
    following = str(int(first) + 1)
    (tmp_path / "logs" / f"slurm-{following}.out").write_text("was there\n")

    second = executor.submit(request_for("second", "print('more')"))
    end_of(executor, second)

    assert second == following
    assert output(tmp_path, second) == "was there\nmore\n"


def test_a_job_knows_its_id_its_end_and_its_cpus_and_nothing_of_the_job_around(
    executor: Executor, request_for: RequestFor, tmp_path: Path
) -> None:
    names = ["SLURM_JOB_ID", "SLURM_CPUS_PER_TASK", "SLURM_MEM_PER_CPU", "FROM_OUTSIDE"]
    program = f"import os; print(*[os.environ.get(name) for name in {names}])"
    request = request_for("environment", program)
    job = executor.submit(replace(request, resources=replace(request.resources, cpus=2)))

    end_of(executor, job)

    assert output(tmp_path, job).split() == [job, "2", "None", "kept"]


@pytest.mark.parametrize("how", ["completed", "failed", "cancelled"])
def test_a_successor_starts_once_the_job_before_has_ended(
    executor: Executor, request_for: RequestFor, tmp_path: Path, how: str
) -> None:
    waiting = "import pathlib, time\nwhile not pathlib.Path('go').exists(): time.sleep(0.05)\n"
    first = executor.submit(request_for("first", waiting + ("raise SystemExit(1)" if how == "failed" else "")))
    second = executor.submit(request_for("second", "print('ran')", after=first))
    until(lambda: (job := listed(executor, first)) and job.state == "running", "the first runs")

    waits = listed(executor, second)
    assert waits is not None
    assert (waits.state, waits.waits_for_parent) == ("pending", True)

    if how == "cancelled":
        executor.cancel([first])
    else:
        (tmp_path / "go").touch()
    ends = end_of(executor, first), end_of(executor, second)

    assert [end.how for end in ends] == [how, "completed"]
    assert output(tmp_path, second) == "ran\n"
    assert ends[0].ended is not None
    assert ends[1].started is not None
    assert ends[0].ended <= ends[1].started


def test_a_successor_of_a_job_that_has_ended_already_starts(executor: Executor, request_for: RequestFor) -> None:
    first = executor.submit(request_for("first"))
    end_of(executor, first)

    assert end_of(executor, executor.submit(request_for("second", after=first))).how == "completed"


def test_several_submitters_at_once_get_different_ids_and_each_job_runs_once(
    executor: Executor, request_for: RequestFor, tmp_path: Path
) -> None:
    requests = [request_for(f"job-{number}", f"print({number})") for number in range(6)]
    with ThreadPoolExecutor(len(requests)) as threads:
        jobs = list(threads.map(executor.submit, requests))

    for job in jobs:
        end_of(executor, job)
    assert len(set(jobs)) == len(requests)
    assert [output(tmp_path, job) for job in jobs] == [f"{number}\n" for number in range(len(requests))]


def test_a_name_may_be_used_twice_and_finds_both(executor: Executor, request_for: RequestFor) -> None:
    jobs = [executor.submit(request_for("twice.1", "import time; time.sleep(0.5)")) for _ in range(2)]
    other = executor.submit(request_for("other"))
    for job in (*jobs, other):
        end_of(executor, job)

    assert set(executor.ended(names=["twice.1"])) == set(jobs)


def test_a_running_job_is_listed_with_its_times_and_an_ended_one_is_not(
    executor: Executor, request_for: RequestFor, tmp_path: Path
) -> None:
    job = executor.submit(request_for("listed.7", REPORTING))
    until(lambda: "listening" in output(tmp_path, job), "the command listens")

    found = listed(executor, job)
    assert found is not None
    assert (found.name, found.state) == ("listed.7", "running")
    assert found.started is not None
    assert found.ends is not None
    assert found.ends - found.started == pytest.approx(600)
    assert executor.ended([job]) == {}

    executor.cancel([job])
    end_of(executor, job)
    assert listed(executor, job) is None


def test_a_signal_reaches_the_command_only(executor: Executor, request_for: RequestFor, tmp_path: Path) -> None:
    # The child would die of the signal, and its parent would report that.
    program = REPORTING.replace(
        'print("listening", flush=True)',
        "child = subprocess.Popen([sys.executable, '-c', 'import signal, time;"
        'signal.signal(signal.SIGUSR1, signal.SIG_DFL); print("listening", flush=True); time.sleep(600)\'])',
    ).replace("time.sleep(0.1)", "time.sleep(0.1)\n    if child.poll() is not None: print('the child died')")
    job = executor.submit(request_for("signalled", program))
    until(lambda: "listening" in output(tmp_path, job), "the child listens")

    executor.cancel([job], signal="USR1")
    until(lambda: "got" in output(tmp_path, job), "the command got the signal")
    executor.cancel([job])
    end_of(executor, job)

    assert output(tmp_path, job).splitlines()[:3] == ["listening", "got SIGUSR1", "got SIGTERM"]


def test_a_signal_before_the_command_listens_does_no_harm(
    executor: Executor, request_for: RequestFor, tmp_path: Path
) -> None:
    setup = ["echo setting up", "while ! test -e go; do sleep 0.1; done"]
    job = executor.submit(request_for("early", "print('ran')", setup=setup))
    until(lambda: "setting up" in output(tmp_path, job), "the setup lines run")

    executor.cancel([job], signal="USR1")
    time.sleep(0.5)
    (tmp_path / "go").touch()

    assert end_of(executor, job).how == "completed"
    assert output(tmp_path, job) == "setting up\nran\n"


def test_a_job_whose_warning_is_due_at_its_start_is_not_killed_by_it(
    kind: Kind, request_for: RequestFor, tmp_path: Path
) -> None:
    request = request_for("warned", "import time; time.sleep(1); print('ran')")
    limits = replace(request.resources, time_limit_s=kind.limit_s, signal_s=kind.limit_s + 1)
    job = kind.executor.submit(replace(request, setup=["sleep 0.3"], resources=limits))

    assert end_of(kind.executor, job).how == "completed"
    assert output(tmp_path, job) == "ran\n"


def test_the_command_is_warned_before_the_limit_and_ended_at_it(
    kind: Kind, request_for: RequestFor, tmp_path: Path
) -> None:
    request = request_for("limited", REPORTING)
    limits = replace(request.resources, time_limit_s=kind.limit_s, signal_s=kind.signal_s)
    job = kind.executor.submit(replace(request, resources=limits))

    end = end_of(kind.executor, job)

    assert end.how == "timeout"
    assert output(tmp_path, job).splitlines() == ["listening", "got SIGUSR1", "got SIGTERM"]


def test_at_the_limit_every_process_of_a_job_ends_however_stubborn(
    kind: Kind, request_for: RequestFor, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", STUBBORN, STUBBORN]
    request = request_for("stubborn", command=command)
    limits = replace(request.resources, time_limit_s=kind.limit_s, signal_s=kind.signal_s)
    job = kind.executor.submit(replace(request, resources=limits))
    pids = pids_of(tmp_path, job)

    assert end_of(kind.executor, job).how == "timeout"
    assert len(pids) == 2
    assert [pid for pid in pids if lives(pid)] == []


def test_a_cancel_ends_every_process_of_a_job_however_stubborn(
    executor: Executor, request_for: RequestFor, tmp_path: Path
) -> None:
    job = executor.submit(request_for("stubborn", command=[sys.executable, "-c", STUBBORN, STUBBORN]))
    pids = pids_of(tmp_path, job)

    executor.cancel([job])

    assert end_of(executor, job).how == "cancelled"
    assert len(pids) == 2
    assert [pid for pid in pids if lives(pid)] == []


def test_a_job_that_is_cancelled_while_it_waits_never_runs(
    executor: Executor, request_for: RequestFor, tmp_path: Path
) -> None:
    first = executor.submit(request_for("first", REPORTING))
    second = executor.submit(request_for("second", "print('ran')", after=first))
    third = executor.submit(request_for("third", "print('ran')", after=second))

    executor.cancel([second])

    assert end_of(executor, second).how == "cancelled"
    assert end_of(executor, third).how == "completed"
    assert (output(tmp_path, second), output(tmp_path, third)) == ("", "ran\n")
    assert listed(executor, first) is not None


def test_jobs_that_have_ended_or_never_were_can_be_cancelled(executor: Executor, request_for: RequestFor) -> None:
    job = executor.submit(request_for("done"))
    end_of(executor, job)

    executor.cancel([job, "987654"])
    executor.cancel([job], signal="USR1")

    assert end_of(executor, job).how == "completed"


def test_nothing_is_known_of_a_job_that_never_was(executor: Executor) -> None:
    assert executor.ended(["987654"], names=["nobody"]) == {}
    assert [job for job in executor.queue() if job.id == "987654"] == []


def test_a_process_that_submits_may_end(executor: Executor, request_for: RequestFor, tmp_path: Path) -> None:
    # What is submitted belongs to the executor, not to the process that did it.
    before = {child.pid for child in psutil.Process(os.getpid()).children(recursive=True)}
    job = executor.submit(request_for("free", REPORTING))
    until(lambda: "listening" in output(tmp_path, job), "the command listens")

    assert {child.pid for child in psutil.Process(os.getpid()).children(recursive=True)} <= before
