"""Jobs on this machine: what is true of them when runners, submitters and machines die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import psutil
import pytest
from tests.waiting import PATIENCE_S, until

from gamefleet.cluster.jobs import EndedJob, JobRequest, Resources
from gamefleet.cluster.local.executor import LocalExecutor, runner_command
from gamefleet.cluster.local.processes import Process, this_process
from gamefleet.cluster.local.spool import START_GRACE_S, JobFolder, JobRecord, allocate, job_folder, numbers, settle
from gamefleet.errors import ClusterError, MissingDependencyError, SchedulerSilentError, SubmitRefusedError
from gamefleet.files import create_once, read_json, write_json

FAMILY = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
leave = "import os, time; os.fork() and os._exit(0); os.setsid(); "
subprocess.run([sys.executable, "-c", leave + "print('pids', os.getpid(), flush=True); time.sleep(600)"])
print("pids of the command", os.getpid(), flush=True)
time.sleep(600)
"""
"""A command with a child that left its parent, its group and its session."""


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def executor(spool: Path) -> Iterator[LocalExecutor]:
    made = LocalExecutor(spool, kill_wait_s=1.0)
    yield made
    for number in numbers(spool):
        made.cancel([str(number)])
    lasting = {job.id for job in jobs_of(spool) if job.runner.exists() and not job.end.exists()}
    until(lambda: lasting <= set(made.ended(lasting)), "all jobs have ended")


def jobs_of(spool: Path) -> list[JobFolder]:
    """Jobs with a runner on this machine."""
    found = [job for number in numbers(spool) if (job := job_folder(spool, str(number)))]
    return [job for job in found if not job.runner.exists() or read_json(job.runner).get("host") == this_process().host]


@pytest.fixture
def request_for(tmp_path: Path) -> Callable[..., JobRequest]:
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


def output(folder: Path, job: str, kind: str = "out") -> str:
    path = folder / "logs" / f"slurm-{job}.{kind}"
    return path.read_text() if path.exists() else ""


def end_of(executor: LocalExecutor, job: str) -> EndedJob:
    until(lambda: job in executor.ended([job]), f"job {job} has ended")
    return executor.ended([job])[job]


def family_of(folder: Path, job: str) -> list[int]:
    until(lambda: output(folder, job).count("pids") == 2, "the command and its child run")
    return [int(word) for word in output(folder, job).split() if word.isdigit()]


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def folder_of(spool: Path, job: str) -> JobFolder:
    found = job_folder(spool, job)
    assert found is not None
    return found


def runner_of(spool: Path, job: str) -> int:
    return int(read_json(folder_of(spool, job).runner)["pid"])


def left_behind(spool: Path, request: JobRequest, **runner: object) -> JobFolder:
    """A job as some process left it in the spool."""
    job = allocate(spool)
    write_json(job.job, JobRecord(request=request, submitted_at=time.time(), kill_wait_s=1.0).to_json())
    if runner:
        write_json(job.runner, {**asdict(this_process()), **runner})
    return job


def test_a_job_whose_runner_is_killed_has_ended_and_nothing_of_it_is_left(
    executor: LocalExecutor, request_for: RequestFor, spool: Path, tmp_path: Path
) -> None:
    job = executor.submit(request_for("orphan", FAMILY))
    family = family_of(tmp_path, job)

    os.kill(runner_of(spool, job), signal.SIGKILL)
    until(lambda: not executor.queue(), "the queue is empty")

    assert [pid for pid in family if lives(pid)] == []
    end = executor.ended([job])[job]
    assert (end.how, end.name, end.exit_code, end.ended) == ("unknown", "orphan", None, None)
    assert end.started is not None


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's signal at a parent's death is Linux's")
def test_the_command_dies_with_its_runner_though_nobody_looks(
    executor: LocalExecutor, request_for: RequestFor, spool: Path, tmp_path: Path
) -> None:
    job = executor.submit(request_for("orphan", FAMILY))
    family_of(tmp_path, job)
    command = int(output(tmp_path, job).partition("command")[2].split()[0])

    os.kill(runner_of(spool, job), signal.SIGKILL)

    until(lambda: not lives(command), "the command is gone")


def test_a_successor_starts_after_a_job_whose_runner_was_killed(
    executor: LocalExecutor, request_for: RequestFor, spool: Path, tmp_path: Path
) -> None:
    first = executor.submit(request_for("first", FAMILY))
    family = family_of(tmp_path, first)
    program = f"import os; print([pid for pid in {family} if os.path.exists(f'/proc/{{pid}}/cwd')])"
    second = executor.submit(request_for("second", program, after=first))

    os.kill(runner_of(spool, first), signal.SIGKILL)

    assert end_of(executor, second).how == "completed"
    assert output(tmp_path, second) == "[]\n", "the successor must find nothing of the job before it"


def test_a_waiting_job_whose_runner_is_killed_does_not_wait_for_ever(
    executor: LocalExecutor, request_for: RequestFor, spool: Path
) -> None:
    first = executor.submit(request_for("first", "import time; time.sleep(600)"))
    second = executor.submit(request_for("second", "print('ran')", after=first))

    os.kill(runner_of(spool, second), signal.SIGKILL)

    end = end_of(executor, second)
    assert (end.how, end.started) == ("unknown", None)
    assert [job.id for job in executor.queue()] == [first]


def test_a_runner_that_the_shutdown_of_the_machine_ends_ends_its_job_in_order(
    executor: LocalExecutor, request_for: RequestFor, spool: Path, tmp_path: Path
) -> None:
    job = executor.submit(request_for("shutdown", FAMILY))
    family = family_of(tmp_path, job)

    os.kill(runner_of(spool, job), signal.SIGTERM)

    end = end_of(executor, job)
    assert (end.how, end.exit_code) == ("node_fail", 128 + signal.SIGKILL)
    assert [pid for pid in family if lives(pid)] == []


def test_a_job_from_before_a_reboot_has_ended(executor: LocalExecutor, request_for: RequestFor, spool: Path) -> None:
    job = left_behind(spool, request_for("old"), boot="another boot", pid=os.getpid())

    assert executor.queue() == []
    assert executor.ended([job.id])[job.id].how == "node_fail"


def test_another_process_with_the_runners_id_is_not_the_runner(
    executor: LocalExecutor, request_for: RequestFor, spool: Path
) -> None:
    job = left_behind(spool, request_for("old"), started="0")

    assert executor.queue() == []
    assert executor.ended(names=["old"])[job.id].how == "unknown"


@pytest.mark.parametrize("elsewhere", [{"host": "n7.cluster.example.edu"}, {"namespace": "pid:[1]"}])
def test_of_jobs_on_another_machine_nothing_is_concluded(
    executor: LocalExecutor, request_for: RequestFor, spool: Path, elsewhere: dict[str, str]
) -> None:
    job = left_behind(spool, request_for("far"), **elsewhere)
    other = executor.submit(request_for("near"))
    assert end_of(executor, other).how == "completed"

    with pytest.raises(SchedulerSilentError, match="another machine"):
        executor.queue()
    with pytest.raises(SchedulerSilentError, match=str(job.job)):
        executor.ended([job.id])

    # As the error says: for a machine that is gone for good.
    job.job.unlink()
    assert executor.queue() == []
    assert executor.ended([job.id]) == {}
    assert int(executor.submit(request_for("next"))) > int(other)


def test_a_job_that_no_runner_takes_fails_and_a_runner_that_comes_late_leaves_it(
    executor: LocalExecutor, request_for: RequestFor, spool: Path, tmp_path: Path
) -> None:
    job = left_behind(spool, request_for("late", "print('ran')"))
    assert [(found.id, found.state) for found in executor.queue()] == [(job.id, "pending")]

    end = settle(job, now=time.time() + START_GRACE_S + 1)
    late = subprocess.run([*runner_command(job), "--detach"], timeout=PATIENCE_S, check=False)

    assert end is not None
    assert end.how == "failed"
    assert late.returncode != 0
    assert output(tmp_path, job.id) == ""
    assert executor.queue() == []


def test_a_runner_that_does_not_start_is_a_refusal_that_says_why(
    spool: Path, request_for: RequestFor, tmp_path: Path
) -> None:
    broken = LocalExecutor(spool, environment={**os.environ, "PYTHONHOME": str(tmp_path)})

    with pytest.raises(SubmitRefusedError, match=r"did not start.*encodings") as caught:
        broken.submit(request_for("broken"))

    assert caught.value.is_temporary
    assert broken.queue() == []
    assert [end.how for end in broken.ended(names=["broken"]).values()] == ["failed"]


def test_numbers_are_given_out_once_to_several_processes(spool: Path) -> None:
    program = (
        "import sys, pathlib; from gamefleet.cluster.local.spool import allocate\n"
        "for _ in range(50): print(allocate(pathlib.Path(sys.argv[1])).id)"
    )

    def take(_: int) -> list[str]:
        command = [sys.executable, "-c", program, str(spool)]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE_S).stdout.split()

    with ThreadPoolExecutor(4) as threads:
        taken = [one for found in threads.map(take, range(4)) for one in found]

    assert sorted(map(int, taken)) == list(range(1, 201))


def test_a_successor_that_a_job_submits_outlives_it_even_when_it_is_cancelled(
    executor: LocalExecutor, request_for: RequestFor, spool: Path, tmp_path: Path
) -> None:
    program = f"""
import os, pathlib, sys, time
from gamefleet.cluster.jobs import JobRequest, Resources
from gamefleet.cluster.local.executor import LocalExecutor
folder = pathlib.Path({str(tmp_path)!r})
program = "import os; print('carried on as', os.environ['SLURM_JOB_ID'])"
request = JobRequest(
    name="second", command=[sys.executable, "-c", program], resources=Resources(), work_folder=folder,
    log_folder=folder / "logs", after=os.environ["SLURM_JOB_ID"],
)
print(LocalExecutor(pathlib.Path({str(spool)!r})).submit(request), flush=True)
time.sleep(600)
"""
    first = executor.submit(request_for("first", program))
    until(lambda: output(tmp_path, first), "the successor is submitted")
    second = output(tmp_path, first).strip()

    executor.cancel([first])

    assert end_of(executor, first).how == "cancelled"
    assert end_of(executor, second).how == "completed"
    assert output(tmp_path, second) == f"carried on as {second}\n"


def test_what_a_command_leaves_running_is_ended_before_the_job_counts_as_ended(
    executor: LocalExecutor, request_for: RequestFor, tmp_path: Path
) -> None:
    job = executor.submit(request_for("leaving", FAMILY.rsplit("time.sleep", 1)[0]))

    assert end_of(executor, job).how == "completed"
    assert [pid for pid in family_of(tmp_path, job) if lives(pid)] == []


def test_a_process_without_variables_is_ended_too(
    executor: LocalExecutor, request_for: RequestFor, tmp_path: Path
) -> None:
    program = (
        "import os, subprocess, sys, time; child = subprocess.Popen(['sleep', '600'], env={})\n"
        "print('pids', child.pid, flush=True); print('pids', os.getpid(), flush=True); time.sleep(600)"
    )
    job = executor.submit(request_for("bare", program))
    family = family_of(tmp_path, job)

    executor.cancel([job])

    assert end_of(executor, job).how == "cancelled"
    assert [pid for pid in family if lives(pid)] == []


def test_a_stopped_command_can_be_cancelled(executor: LocalExecutor, request_for: RequestFor, tmp_path: Path) -> None:
    program = (
        "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_DFL)\n"
        "print('pids', os.getpid(), flush=True); time.sleep(600)"
    )
    job = executor.submit(request_for("stopped", program))
    until(lambda: "pids" in output(tmp_path, job), "it runs")
    os.kill(int(output(tmp_path, job).split()[1]), signal.SIGSTOP)

    executor.cancel([job])

    assert end_of(executor, job).exit_code == 128 + signal.SIGTERM


def test_a_command_or_folder_that_is_not_there_fails_with_a_reason_in_the_log(
    executor: LocalExecutor, request_for: RequestFor, tmp_path: Path
) -> None:
    no_program = executor.submit(request_for("program", command=["no-such-program"]))
    no_folder = executor.submit(request_for("folder", work_folder=tmp_path / "missing"))

    assert end_of(executor, no_program).exit_code == 127
    assert "no-such-program" in output(tmp_path, no_program, "err")
    assert end_of(executor, no_folder).how == "failed"
    assert str(tmp_path / "missing") in output(tmp_path, no_folder, "err")


def test_a_job_that_could_never_run_is_refused(executor: LocalExecutor, request_for: RequestFor, spool: Path) -> None:
    with pytest.raises(SubmitRefusedError, match="time limit") as caught:
        executor.submit(request_for("timeless", resources=Resources(time_limit_s=0)))

    assert not caught.value.is_temporary
    assert numbers(spool) == []


def test_without_bash_the_remedy_is_named(
    executor: LocalExecutor, request_for: RequestFor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(MissingDependencyError, match="Install it"):
        executor.submit(request_for("shell"))


def test_an_unknown_signal_is_refused_with_the_nearest(executor: LocalExecutor) -> None:
    with pytest.raises(ClusterError, match="Did you mean 'USR1'"):
        executor.cancel(["1"], signal="SIGUSR1")


def test_only_the_owner_may_look_into_a_job(executor: LocalExecutor, request_for: RequestFor, spool: Path) -> None:
    job = executor.submit(request_for("private"))
    end_of(executor, job)

    assert folder_of(spool, job).root.stat().st_mode & 0o077 == 0


def test_a_request_survives_its_file(request_for: RequestFor) -> None:
    resources = Resources(gres=("gpumem:20G",), options=("--exclude=n3",), memory="16G")
    request = request_for("request", setup=["module load cuda"], after="6", comment="leg 7", resources=resources)
    record = JobRecord(request=request, submitted_at=1.5, kill_wait_s=30.0)

    assert JobRecord.from_json(record.to_json()) == record


def test_how_a_job_ended_is_written_once(executor: LocalExecutor, request_for: RequestFor, spool: Path) -> None:
    job = executor.submit(request_for("once"))
    end = end_of(executor, job)

    assert not create_once(folder_of(spool, job).end, {})
    assert executor.ended([job])[job] == end


def test_a_process_is_told_from_every_other() -> None:
    assert this_process() == this_process()
    assert this_process() == Process(**asdict(this_process()))
