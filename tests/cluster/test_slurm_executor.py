"""Jobs on a real SLURM: handed over, found, ended, refused; and what is known when it does not answer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from tests.waiting import until

from gamefleet.cluster.commands import CommandRunner, Finished
from gamefleet.cluster.jobs import EndedJob, Job, JobRequest, Resources
from gamefleet.cluster.slurm.executor import SlurmExecutor, job_end
from gamefleet.cluster.slurm.words import never_starts
from gamefleet.errors import SchedulerSilentError, SubmitRefusedError
from gamefleet.testing.local_slurm import LocalSlurm

Make = Callable[..., JobRequest]

SMALL = Resources(time_limit_s=600, cpus=1, gpus=0, signal_s=60)

TELLS = """
import signal, sys, time
print("begins", flush=True)
for name in ("SIGUSR1", "SIGTERM"):
    signal.signal(getattr(signal, name), lambda number, frame, name=name: (print(name, flush=True), sys.exit(0)))
time.sleep(600)
"""
"""Says which signal ended it."""

DEAF = """
import pathlib, time
time.sleep(3)
print(*[line for line in open("/proc/self/status") if line.startswith("SigIgn")], flush=True)
"""


def executor_of(slurm: LocalSlurm, folder: Path, **more: object) -> SlurmExecutor:
    return SlurmExecutor(script_folder=folder / "scripts", environment=slurm.environment, **more)  # type: ignore[arg-type]


@pytest.fixture
def executor(slurm: LocalSlurm, tmp_path: Path) -> SlurmExecutor:
    return executor_of(slurm, tmp_path)


@pytest.fixture
def accounted(slurm_with_accounts: LocalSlurm, tmp_path: Path) -> SlurmExecutor:
    return executor_of(slurm_with_accounts, tmp_path)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Call with (name, program in Python): a job that runs it."""

    def made(name: str, program: str = "", **more: object) -> JobRequest:
        request = JobRequest(
            name=name,
            command=[sys.executable, "-c", program],
            resources=SMALL,
            work_folder=tmp_path,
            log_folder=tmp_path / "logs",
        )
        return replace(request, **more)  # type: ignore[arg-type]

    return made


def job_named(executor: SlurmExecutor, name: str) -> Job | None:
    return next((job for job in executor.queue() if job.name == name), None)


def is_running(executor: SlurmExecutor, job: str) -> bool:
    return any(found.id == job and found.state == "running" for found in executor.queue())


def output(folder: Path, job: str) -> str:
    path = folder / "logs" / f"slurm-{job}.out"
    return path.read_text() if path.exists() else ""


def ending_of(executor: SlurmExecutor, job: str) -> EndedJob:
    found: dict[str, EndedJob] = {}

    def knows() -> bool:
        found.update(executor.ended([job]))
        return job in found

    until(knows, f"job {job} ends")
    return found[job]


def test_a_job_runs_and_its_output_script_and_ending_are_there_afterwards(
    executor: SlurmExecutor, make: Make, tmp_path: Path
) -> None:
    job = executor.submit(make("one", "print('it works')", comment="of fleet x"))

    ended = ending_of(executor, job)

    assert (ended.how, ended.name, ended.node != "") == ("completed", "one", True)
    assert ended.started is not None
    assert output(tmp_path, job) == "it works\n"
    assert (tmp_path / "logs" / f"slurm-{job}.err").read_text() == ""
    assert "exec " in (tmp_path / "scripts" / "one.sh").read_text()
    assert [found for found in executor.queue() if found.id == job] == []


def test_the_queue_shows_a_running_job_with_its_end_and_its_node(executor: SlurmExecutor, make: Make) -> None:
    job = executor.submit(make("long", TELLS))
    until(lambda: is_running(executor, job), "it runs")

    found = job_named(executor, "long")

    assert found is not None
    assert found.started is not None
    assert found.ends == found.started + SMALL.time_limit_s
    assert found.node.startswith("n")


def test_names_folders_and_comments_may_contain_anything(slurm: LocalSlurm, make: Make, tmp_path: Path) -> None:
    odd = tmp_path / 'it\'s 100% "odd" $HOME #1'
    odd.mkdir()
    executor = executor_of(slurm, odd)
    name = "a|b 'c' \"d\" #e $f \\g"
    request = make(
        name, "import os; print(os.getcwd())", work_folder=odd, log_folder=odd / "logs", comment='it\'s "x" #y'
    )

    job = executor.submit(request)

    assert ending_of(executor, job).name == name
    assert output(odd, job) == f"{odd}\n"


def test_a_successor_starts_once_its_parent_has_ended_however_it_ended(
    executor: SlurmExecutor, make: Make, tmp_path: Path
) -> None:
    parent = executor.submit(make("parent", "import time; time.sleep(2); raise SystemExit(7)"))
    child = executor.submit(make("child", "print('follows')", after=parent))

    waiting = job_named(executor, "child")
    assert waiting is not None
    assert waiting.waits_for_parent
    assert ending_of(executor, child).how == "completed"
    assert ending_of(executor, parent).how == "failed"
    assert output(tmp_path, child) == "follows\n"


def test_a_cancelled_job_gets_sigterm(executor: SlurmExecutor, make: Make, tmp_path: Path) -> None:
    job = executor.submit(make("victim", TELLS))
    until(lambda: "begins" in output(tmp_path, job), "it runs")

    executor.cancel([job])

    assert ending_of(executor, job).how == "cancelled"
    assert "SIGTERM" in output(tmp_path, job)


def test_a_polite_signal_reaches_the_command_and_leaves_the_ending_to_it(
    executor: SlurmExecutor, make: Make, tmp_path: Path
) -> None:
    job = executor.submit(make("asked", TELLS))
    until(lambda: "begins" in output(tmp_path, job), "it runs")

    executor.cancel([job], signal="USR1")

    assert ending_of(executor, job).how == "completed"
    assert "SIGUSR1" in output(tmp_path, job)


def test_a_signal_that_comes_before_the_command_can_handle_it_does_no_harm(
    executor: SlurmExecutor, make: Make, tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    job = executor.submit(make("early", DEAF, setup=[f"touch {ready}", "sleep 1"]))
    until(ready.exists, "the script's first lines have run")

    executor.cancel([job], signal="USR1")

    assert ending_of(executor, job).how == "completed"
    assert "SigIgn" in output(tmp_path, job)


def test_cancelling_what_has_ended_waits_or_never_was_is_no_error(executor: SlurmExecutor, make: Make) -> None:
    over = executor.submit(make("over"))
    ending_of(executor, over)
    parent = executor.submit(make("runs", TELLS))
    waiting = executor.submit(make("waits", after=parent))

    executor.cancel([waiting], signal="USR1")
    executor.cancel([over, waiting, "99999999"])
    executor.cancel([])

    assert ending_of(executor, waiting).how == "cancelled"


def test_a_job_is_found_again_by_its_name_while_it_waits_while_it_runs_and_afterwards(
    accounted: SlurmExecutor, make: Make
) -> None:
    parent = accounted.submit(make("parent-0001", TELLS))
    child = accounted.submit(make("child-0002", after=parent))

    found = job_named(accounted, "child-0002")
    assert found is not None
    assert found.id == child
    accounted.cancel([child])
    accounted.cancel([parent])

    until(
        lambda: {parent, child} <= set(accounted.ended(names=["parent-0001", "child-0002"])), "both are known by name"
    )
    assert accounted.ended(names=["parent-0001"])[parent].how == "cancelled"


def test_accounting_says_how_jobs_ended_even_of_one_that_never_started(accounted: SlurmExecutor, make: Make) -> None:
    failing = accounted.submit(make("failing", "raise SystemExit(5)"))
    never_ran = accounted.submit(make("never-ran", after=accounted.submit(make("blocker", TELLS))))
    accounted.cancel([never_ran])
    ended: dict[str, EndedJob] = {}

    def both_accounted() -> bool:
        ended.update(accounted.ended([failing, never_ran]))  # the controller does not say exit codes
        return {failing, never_ran} <= {job.id for job in ended.values() if job.exit_code is not None}

    until(both_accounted, "accounting has caught up")
    assert (ended[failing].how, ended[failing].exit_code) == ("failed", 5)
    assert (ended[never_ran].how, ended[never_ran].started) == ("cancelled", None)


def test_without_accounting_the_controller_remembers(executor: SlurmExecutor, make: Make) -> None:
    job = executor.submit(make("forgotten", "raise SystemExit(5)"))

    assert ending_of(executor, job).how == "failed"
    assert executor.ended(["99999998"], names=["no such job"]) == {}


def test_without_the_program_sacct_the_controller_remembers(
    accounted: SlurmExecutor, slurm_with_accounts: LocalSlurm, make: Make, tmp_path: Path
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("sbatch", "squeue", "scancel", "bash"):
        (programs / name).symlink_to(slurm_with_accounts.run("which", name))
    environment = {**slurm_with_accounts.environment, "PATH": str(programs)}
    poorer = SlurmExecutor(script_folder=tmp_path / "scripts", environment=environment)

    job = poorer.submit(make("no-sacct", "raise SystemExit(5)"))

    assert ending_of(poorer, job).how == "failed"


def test_a_refusal_because_of_too_many_jobs_is_temporary(accounted: SlurmExecutor, make: Make) -> None:
    for number in range(8):
        accounted.submit(make(f"many-{number}", TELLS))

    with pytest.raises(SubmitRefusedError, match="as many jobs in the queue as you may") as refusal:
        accounted.submit(make("one-too-many"))

    assert refusal.value.is_temporary
    assert job_named(accounted, "one-too-many") is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"partition": "nowhere"}, "no such partition"),
        ({"gres": ("gpumem:81G",)}, "no node has so many"),
        ({"gres": ("tpu:1",)}, "does not know one of the generic resources"),
        ({"cpus": 9}, "no node has so many"),
        ({"options": ("--no-such-option",)}, "does not know one of the options"),
    ],
)
def test_a_refusal_that_no_waiting_mends_is_permanent(
    executor: SlurmExecutor, make: Make, change: Mapping[str, object], words: str
) -> None:
    with pytest.raises(SubmitRefusedError, match=words) as refusal:
        executor.submit(make("impossible", resources=replace(SMALL, **change)))  # type: ignore[arg-type]

    assert not refusal.value.is_temporary


def test_a_time_above_the_partition_s_is_accepted_and_recognised_as_one_that_never_starts(
    executor: SlurmExecutor, make: Make
) -> None:
    executor.submit(make("too-long", resources=replace(SMALL, time_limit_s=5 * 3600)))

    def reason() -> str:
        job = job_named(executor, "too-long")
        return job.reason if job else ""

    until(lambda: reason() == "PartitionTimeLimit", "the scheduler has looked at it")
    assert never_starts(reason())


@pytest.mark.long
def test_a_stopped_controller_is_silent_and_no_job_seems_gone(slurm: LocalSlurm, make: Make, tmp_path: Path) -> None:
    executor = executor_of(slurm, tmp_path)
    job = executor.submit(make("survivor", TELLS))
    until(lambda: is_running(executor, job), "it runs")
    slurm.stop_controller()
    try:
        for question in (
            executor.queue,
            lambda: executor.ended([job]),
            lambda: executor.cancel([job]),
            lambda: executor.submit(make("lost")),
        ):
            with pytest.raises(SchedulerSilentError, match="Unable to contact slurm controller"):
                question()
    finally:
        slurm.start_controller()

    assert is_running(executor, job)
    assert job_named(executor, "lost") is None


def test_what_the_database_does_not_answer_is_not_known(tmp_path: Path) -> None:
    # Scripted: a database that is down for one question cannot be arranged. The controller knows one of two jobs.
    def run(words: list[str], *, timeout_s: float = 1.0) -> Finished:
        if words[0] == "sacct":
            return Finished(status=1, out="", err="sacct: error: Problem talking to the database: Connection refused")
        return Finished(status=0, out="7|FAILED|NonZeroExitCode|100|200|n1|known\n", err="")

    executor = SlurmExecutor(script_folder=tmp_path, environment={}, run=run)  # type: ignore[arg-type]

    assert executor.ended(["7"])["7"].how == "failed"
    with pytest.raises(SchedulerSilentError, match="Problem talking to the database"):
        executor.ended(["7", "8"])
    with pytest.raises(SchedulerSilentError, match="Problem talking to the database"):
        executor.ended(names=["other"])


def test_a_job_with_memory_per_cpu_submits_one_with_memory(slurm: LocalSlurm, make: Make, tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path\n"
        "from gamefleet.cluster.jobs import JobRequest, Resources\n"
        "from gamefleet.cluster.slurm.executor import SlurmExecutor\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "asked = Resources(time_limit_s=60, cpus=1, gpus=0, memory='100M')\n"
        "request = JobRequest(name='grandchild', command=['srun', 'true'], resources=asked, work_folder=folder, "
        "log_folder=folder / 'logs')\n"
        "print(SlurmExecutor(script_folder=folder / 'scripts', environment=os.environ).submit(request))\n"
    )
    executor = executor_of(slurm, tmp_path)
    parent = executor.submit(make("child", program, resources=replace(SMALL, options=("--mem-per-cpu=200M",))))

    assert ending_of(executor, parent).how == "completed"
    grandchild = output(tmp_path, parent).strip()
    assert ending_of(executor, grandchild).how == "completed", (tmp_path / "logs").glob("*.err")


def test_the_end_of_the_job_around_is_learned_from_squeue(slurm: LocalSlurm, make: Make, tmp_path: Path) -> None:
    program = (
        "import os; from gamefleet.cluster.slurm.executor import job_end\n"
        "print(job_end(os.environ) - float(os.environ['GAMEFLEET_SCRIPT_STARTED']))"
    )
    executor = executor_of(slurm, tmp_path)
    job = executor.submit(make("asks", program))

    ending_of(executor, job)

    assert SMALL.time_limit_s - 30 < float(output(tmp_path, job)) <= SMALL.time_limit_s + 1


def test_the_end_of_the_job_is_not_known_outside_of_one_or_when_slurm_is_silent() -> None:
    assert job_end({"SLURM_JOB_ID": "1", "SLURM_JOB_END_TIME": "1795257420"}) == 1795257420
    assert job_end({}) is None
    assert job_end({"SLURM_JOB_ID": "1", "PATH": "/nowhere"}) is None
    assert (
        job_end({"SLURM_JOB_ID": "1"}, run=lambda words, *, timeout_s=1.0: Finished(status=1, out="", err="x")) is None
    )


def test_a_display_may_show_an_answer_again_but_not_after_a_change_of_its_own(
    slurm: LocalSlurm, make: Make, tmp_path: Path
) -> None:
    asked: list[str] = []
    now = [0.0]
    real = CommandRunner(slurm.environment)

    def counting(words: list[str], *, timeout_s: float = 30.0) -> Finished:
        asked.append(words[0])
        return real(words, timeout_s=timeout_s)

    display = executor_of(slurm, tmp_path, run=counting, clock=lambda: now[0], reuse_s=2.0)
    display.queue()
    display.queue()
    assert asked.count("squeue") == 1
    now[0] = 2.5
    display.queue()
    assert asked.count("squeue") == 2
    display.submit(make("mine", TELLS))
    assert [job.name for job in display.queue()] == ["mine"]

    fresh = executor_of(slurm, tmp_path, run=counting, clock=lambda: now[0])
    before = asked.count("squeue")
    fresh.queue()
    fresh.queue()
    assert asked.count("squeue") == before + 2


@pytest.mark.long
def test_the_signal_before_the_limit_and_the_limit_reach_the_command(
    fast_slurm: LocalSlurm, make: Make, tmp_path: Path
) -> None:
    program = TELLS.replace("sys.exit(0)", "None")
    executor = executor_of(fast_slurm, tmp_path)
    job = executor.submit(make("limited", program, resources=replace(SMALL, time_limit_s=60, signal_s=30)))

    assert ending_of(executor, job).how == "timeout"
    # Accounting, which alone knows exit codes, is found although the controller's clock is ahead of this machine's.
    until(lambda: executor.ended([job])[job].exit_code is not None, "accounting has caught up")
    assert [word for word in output(tmp_path, job).split() if word.startswith("SIG")][:2] == ["SIGUSR1", "SIGTERM"]
