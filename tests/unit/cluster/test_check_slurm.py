"""A partition, its limits and our jobs: text of SLURM in, findings with remedies out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gamefleet.cluster.checks.base import Result, run_checks
from gamefleet.cluster.checks.programs import Completed
from gamefleet.cluster.checks.slurm import (
    check_limits,
    check_trial,
    check_version,
    judge_limits,
    judge_partition,
    judge_queue,
    slurm_checks,
)
from gamefleet.cluster.jobs import Resources
from gamefleet.cluster.slurm.site import Limits, parse_nodes, parse_partitions

PARTITION = (
    "PartitionName=gpu AllowGroups=ALL Default=YES QoS=lab DefaultTime=01:00:00 MaxTime=04:00:00 Nodes=n[1-4] "
    "State=UP TotalCPUs=32 TotalNodes=4 TRES=cpu=32,mem=62.50G"
)
"""Shortened output of SLURM 22.05."""

NODES = "gpu|8|900|gpu:2(S:0-1),gpumem:80G|2|idle\ngpu|16|900|(null)|1|mixed\ngpu|64|900|gpu:8|1|drained*\n"
WANTED = Resources(partition="gpu", gres=("gpumem:20G",))


def judged(wanted: Resources = WANTED, *, facts: str = PARTITION, nodes: str = NODES) -> Result:
    return judge_partition(parse_partitions(facts)[0], parse_nodes(nodes), wanted)


def test_a_partition_that_has_everything_passes_with_its_limits() -> None:
    result = judged()
    assert result.status == "ok"
    assert result.found == "gpu is up: 3 of 4 nodes usable, 4 h, up to 16 CPUs, gpu:2, gpumem:80G per node"


@pytest.mark.parametrize("state", ["DOWN", "DRAIN", "INACTIVE"])
def test_a_closed_partition_fails(state: str) -> None:
    result = judged(facts=PARTITION.replace("State=UP", f"State={state}"))
    assert result.status == "failed"
    assert "gpu is closed" in result.found
    assert "sinfo" in result.remedy


@pytest.mark.parametrize("state", ["down*", "drained", "draining", "maint", "idle*", "inval", ""])
def test_a_partition_without_a_usable_node_fails(state: str) -> None:
    result = judged(nodes=f"gpu|8|900|gpu:2|4|{state}" if state else "")
    assert result.status == "failed"
    assert "no usable node" in result.found
    assert "sinfo -R" in result.remedy


def test_more_time_than_the_partition_gives_fails_because_slurm_would_let_it_wait_for_ever() -> None:
    result = judged(replace(WANTED, time_limit_s=5 * 3600))
    assert result.status == "failed"
    assert "after 4 h, and 5 h" in result.found
    assert "never start" in result.remedy


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (replace(WANTED, cpus=32), "32 CPUs"),
        (replace(WANTED, gpus=3), "gpu:3"),
        (replace(WANTED, gres=("gpumem:90G",)), "gpumem:90G"),
        (replace(WANTED, gres=("shard:1",)), "shard:1"),
        (replace(WANTED, cpus=12), "12 CPUs and gpu, gpumem together"),
    ],
)
def test_what_no_usable_node_has_fails_by_name(wanted: Resources, words: str) -> None:
    result = judged(wanted)
    assert result.status == "failed"
    assert words in result.found


def test_a_partition_without_a_time_limit_passes() -> None:
    assert "without a time limit" in judged(facts=PARTITION.replace("04:00:00", "UNLIMITED", 2)).found


def test_waiting_jobs_are_told_with_their_reasons() -> None:
    result = judge_queue([("1", "RUNNING", "None"), ("2", "PENDING", "QOSMaxJobsPerUserLimit")])
    assert result.status == "ok"
    assert "1 running and 1 waiting jobs (1 QOSMaxJobsPerUserLimit)" in result.found


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [("PartitionTimeLimit", "scancel 7"), ("DependencyNeverSatisfied", "scancel 7"), ("JobHeldUser", "release")],
)
def test_a_job_that_waits_for_ever_is_a_warning_with_what_to_do(reason: str, remedy: str) -> None:
    result = judge_queue([("7", "PENDING", reason)])
    assert result.status == "warning"
    assert "job 7" in result.found
    assert remedy in result.remedy


def test_limits_of_a_qos_are_told_and_a_shorter_time_fails() -> None:
    known = {"lab": Limits(max_jobs=4, max_submitted_jobs=8), "short": Limits(max_time_s=7200.0)}
    assert "4 running and 8 queued" in judge_limits(known, "lab", 14400).found
    result = judge_limits(known, "short", 14400)
    assert result.status == "failed"
    assert "after 2 h" in result.found
    assert "time_limit" in result.remedy
    assert "Did you mean 'lab'?" in judge_limits(known, "lap", 14400).remedy
    assert judge_limits(known, "", 14400).status == "ok"


def told(status: int = 0, out: str = "", err: str = "") -> Completed:
    return Completed(status=status, out=out, err=err)


def test_limits_without_accounting_are_skipped() -> None:
    answers = {"scontrol": told(out=PARTITION), "sacctmgr": told(1, err="Only 'slurmdbd' is supported.")}
    result = check_limits(lambda command, timeout_s: answers[command[0]], WANTED)
    assert result.status == "skipped"
    assert "slurmdbd" in result.found


def test_the_trial_job_asks_for_what_a_job_would() -> None:
    asked: list[str] = []

    def runner(command: list[str], timeout_s: float) -> Completed:
        asked.extend(command)
        return told(err="sbatch: Job 9 to start at 2030-01-01T00:00:00 using 8 processors on nodes n1 in partition gpu")

    result = check_trial(runner, replace(WANTED, account="lab"))  # type: ignore[arg-type]
    assert result.status == "ok"
    assert {"--test-only", "--partition=gpu", "--account=lab", "--time=240", "--gres=gpu:1,gpumem:20G"} <= set(asked)


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        ("allocation failure: Requested node configuration is not available", "failed", "no node has so many"),
        ("sbatch: error: invalid partition specified: x", "failed", "no such partition"),
        ("allocation failure: Job violates accounting/QOS policy", "warning", "as many jobs"),
        ("allocation failure: Unable to contact slurm controller", "failed", "could not be asked"),
    ],
)
def test_a_refused_trial_says_why_and_what_to_change(error: str, status: str, words: str) -> None:
    result = check_trial(lambda command, timeout_s: told(1, err=error), WANTED)
    assert result.status == status
    assert words in result.found
    assert result.remedy


def test_without_slurm_everything_is_skipped_unless_a_partition_was_named() -> None:
    assert {result.status for _, result in run_checks(slurm_checks(Resources(), None, place=""))} == {"skipped"}
    named = [result for _, result in run_checks(slurm_checks(WANTED, None, place=""))]
    assert [result.status for result in named] == ["failed", *["skipped"] * 4]
    assert "login node" in named[0].remedy


def test_programs_without_a_cluster_are_skipped_unless_a_partition_was_named() -> None:
    def runner(command: object, timeout_s: float) -> Completed:
        return told(1, err="sbatch: fatal: Could not establish a configuration source")

    assert check_version(runner, "here", is_wanted=False).status == "skipped"
    assert check_version(runner, "here", is_wanted=True).status == "failed"
