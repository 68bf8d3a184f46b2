"""What a real SLURM said (tests/golden/slurm, written by capture.sh there) is read; the rest is from its manual."""

from __future__ import annotations

from pathlib import Path

import pytest

from gamefleet.cluster.jobs import EndedJob, Job
from gamefleet.cluster.slurm.text import (
    parse_accounting,
    parse_ended_queue,
    parse_job,
    parse_queue,
)
from gamefleet.errors import SchedulerSilentError


@pytest.fixture(scope="module")
def golden(repository: Path) -> Path:
    return repository / "tests" / "golden" / "slurm"


def by_name(jobs: list[Job]) -> dict[str, Job]:
    return {job.name: job for job in jobs}


def test_every_job_of_the_queue_is_read(golden: Path) -> None:
    text = (golden / "squeue.txt").read_text()
    jobs = parse_queue(text)

    assert len(jobs) == len(text.splitlines())
    assert {job.name: (job.state, job.reason) for job in jobs if job.name != "array"} == {
        "after": ("pending", "Dependency"),
        "too-long": ("pending", "PartitionTimeLimit"),
        "later": ("pending", "BeginTime"),
        "held": ("pending", "JobHeldUser"),
        "impossible": ("pending", "QOSMaxJobsPerUserLimit"),
        "timeout": ("running", ""),
        "lost": ("running", ""),
        "over": ("running", ""),
        "a name|with a bar and  spaces": ("running", ""),
    }


def test_a_running_job_has_its_start_its_end_and_its_node(golden: Path) -> None:
    job = by_name(parse_queue((golden / "squeue.txt").read_text()))["timeout"]

    assert job.started is not None
    assert job.ends == job.started + 60
    assert job.node == "n1"


def test_a_waiting_job_knows_when_it_is_expected_to_start_only_if_slurm_does(golden: Path) -> None:
    jobs = by_name(parse_queue((golden / "squeue.txt").read_text()))

    assert jobs["after"].started is None
    assert jobs["later"].started is not None
    assert jobs["after"].waits_for_parent
    assert not jobs["later"].waits_for_parent


def test_ended_jobs_are_not_in_the_queue_although_squeue_lists_them(golden: Path) -> None:
    text = (golden / "squeue-all.txt").read_text()
    queue, ended = parse_queue(text), parse_ended_queue(text)

    assert {job.name for job in queue} == {"a name|with a bar and  spaces", "array", "over"}
    assert len(queue) + len(ended) == len(text.splitlines())


def test_the_controller_remembers_how_jobs_ended(golden: Path) -> None:
    ended = parse_ended_queue((golden / "squeue-all.txt").read_text())

    how = {job.name: job.how for job in ended.values() if job.name != "wrap"}
    assert how == {
        "done": "completed",
        "failed": "failed",
        "signalled": "failed",
        "timeout": "timeout",
        "lost": "node_fail",
        "cancelled": "cancelled",
        "after": "cancelled",
        "never": "completed",
        "too-long": "cancelled",
        "held": "cancelled",
        "impossible": "cancelled",
        "later": "cancelled",
        "array": "cancelled",
    }


def test_a_job_that_was_cancelled_while_it_waited_never_started(golden: Path) -> None:
    for text in ("squeue-all.txt", "sacct-by-id.txt"):
        parse = parse_ended_queue if text.startswith("squeue") else parse_accounting
        ended = {job.name: job for job in parse((golden / text).read_text()).values()}

        assert ended["after"].started is None, text
        assert ended["after"].ended is not None, text
        assert ended["cancelled"].started is not None, text


def test_accounting_knows_exit_codes_and_signals(golden: Path) -> None:
    ended = {job.name: job for job in parse_accounting((golden / "sacct.txt").read_text()).values()}

    assert (ended["done"].how, ended["done"].exit_code) == ("completed", 0)
    assert (ended["failed"].how, ended["failed"].exit_code) == ("failed", 3)
    assert (ended["signalled"].how, ended["signalled"].exit_code) == ("failed", -11)
    assert ended["timeout"].how == "timeout"
    assert (ended["lost"].how, ended["lost"].node) == ("node_fail", "n4")
    assert ended["cancelled"].how == "cancelled"
    assert "over" not in ended, "it still runs"


def test_a_job_that_waited_without_ever_being_eligible_is_found_by_id_only(golden: Path) -> None:
    # The reason why accounting is asked by id without a window of time, and the controller as well.
    by_time = {job.name for job in parse_accounting((golden / "sacct.txt").read_text()).values()}
    by_id = {job.name for job in parse_accounting((golden / "sacct-by-id.txt").read_text()).values()}

    assert "after" not in by_time
    assert "after" in by_id


def test_a_job_is_read_as_the_controller_shows_it(golden: Path) -> None:
    job = parse_job((golden / "scontrol-job-failed.txt").read_text())

    assert job is not None
    assert (job.name, job.how, job.exit_code, job.node) == ("failed", "failed", 3, "n1")
    assert parse_job((golden / "scontrol-job-running.txt").read_text()) is None


def test_the_shown_job_is_not_mistaken_because_of_its_name_or_comment() -> None:
    text = "JobId=7 JobName=x JobState=COMPLETED\n   JobState=RUNNING Reason=None\n   Comment=JobState=FAILED\n"

    assert parse_job(text) is None


def test_a_name_may_contain_line_breaks() -> None:
    text = "1|RUNNING|None|100|200|n1|first\nsecond|line\n2|PENDING|Priority|N/A|N/A||other\n"

    assert [job.name for job in parse_queue(text)] == ["first\nsecond|line", "other"]


def test_ids_of_arrays_and_of_jobs_with_several_parts_are_kept() -> None:
    text = (
        "49_3|RUNNING|None|100|200|n1|array\n52+1|RUNNING|None|100|200|n1|parts\n50_[2-3%2]|PENDING|None|N/A|N/A||w\n"
    )

    assert [job.id for job in parse_queue(text)] == ["49_3", "52+1", "50_[2-3%2]"]


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("COMPLETING", "ending"),
        ("CONFIGURING", "running"),
        ("SUSPENDED", "running"),
        ("REQUEUE_HOLD", "pending"),
        ("A_STATE_OF_A_LATER_SLURM", "running"),
    ],
)
def test_states_that_were_not_provoked_are_read_as_the_manual_describes_them(word: str, state: str) -> None:
    assert [job.state for job in parse_queue(f"1|{word}|None|100|200|n1|x\n")] == [state]


@pytest.mark.parametrize(
    ("word", "how"),
    [
        ("PREEMPTED", "preempted"),
        ("OUT_OF_MEMORY", "out_of_memory"),
        ("BOOT_FAIL", "node_fail"),
        ("DEADLINE", "timeout"),
    ],
)
def test_endings_that_were_not_provoked_are_read_as_the_manual_describes_them(word: str, how: str) -> None:
    assert parse_accounting(f"1|{word}|0:0|100|200|n1|x\n") == {
        "1": EndedJob(id="1", how=how, name="x", exit_code=0, started=100, ended=200, node="n1")  # type: ignore[arg-type]
    }


@pytest.mark.parametrize("text", ["slurm_load_jobs: something\n", "1|RUNNING|None\n", "JOBID PARTITION\n"])
def test_an_answer_that_is_not_understood_is_no_answer(text: str) -> None:
    with pytest.raises(SchedulerSilentError, match="not understood"):
        parse_queue(text)


def test_an_empty_queue_is_an_answer() -> None:
    assert parse_queue("") == []
    assert parse_accounting("\n") == {}


def test_the_error_about_an_unknown_job_is_not_read_as_a_job(golden: Path) -> None:
    with pytest.raises(SchedulerSilentError):
        parse_job((golden / "scontrol-job-unknown.txt").read_text())
