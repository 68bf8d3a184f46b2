"""SLURM's refusals and reasons in plain words; the refusals are those of a real one."""

from __future__ import annotations

from pathlib import Path

import pytest

from gamefleet.cluster.slurm.text import parse_queue
from gamefleet.cluster.slurm.words import explain_reason, never_starts, read_refusal, why_never


@pytest.fixture(scope="module")
def golden(repository: Path) -> Path:
    return repository / "tests" / "golden" / "slurm"


@pytest.mark.parametrize(
    ("file", "kind", "words"),
    [
        ("refused-submit-limit", "temporary", "as many jobs in the queue"),
        ("refused-partition", "permanent", "no such partition"),
        ("refused-account", "permanent", "account may not be used"),
        ("refused-qos", "permanent", "QOS may not be used"),
        ("refused-gres", "permanent", "no node has so many"),
        ("refused-gres-name", "permanent", "does not know one of the generic resources"),
        ("refused-cpus", "permanent", "no node has so many"),
        ("refused-memory", "permanent", "no node has so many"),
        ("refused-time", "permanent", "time limit is not allowed"),
        ("refused-option", "permanent", "does not know one of the options"),
        ("silent-sbatch", "silent", "could not be asked"),
    ],
)
def test_what_a_real_slurm_refused_is_understood(golden: Path, file: str, kind: str, words: str) -> None:
    refusal = read_refusal((golden / f"{file}.txt").read_text())

    assert refusal.kind == kind
    assert words in refusal.reason
    assert refusal.remedy


def test_every_captured_refusal_is_tried(golden: Path) -> None:
    tried = {
        str(mark.args[1][index][0])
        for mark in test_what_a_real_slurm_refused_is_understood.pytestmark  # type: ignore[attr-defined]
        for index in range(len(mark.args[1]))
    }

    assert {path.stem for path in golden.glob("refused-*.txt")} <= tried


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation", "silent"),
        ("sbatch: error: Batch job submission failed: Zero Bytes were transmitted or received", "silent"),
        ("sbatch: error: Batch job submission failed: Invalid authentication credential", "silent"),
        ("", "silent"),
        ("Killed", "silent"),
        (
            "sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: Batch job submission failed: Job violates",
            "temporary",
        ),
        (
            "sbatch: error: QOSMaxWallDurationPerJobLimit\nsbatch: error: Batch job submission failed: Job violates "
            "accounting/QOS policy (job submit limit, user's size and/or time limits)",
            "permanent",
        ),
        (
            "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's "
            "size and/or time limits)",
            "temporary",
        ),
        ("sbatch: error: Batch job submission failed: Resource temporarily unavailable", "temporary"),
        (
            "sbatch: error: Batch job submission failed: Required partition not available (inactive or drain)",
            "temporary",
        ),
        ("sbatch: error: Batch job submission failed: Access/permission denied", "permanent"),
        (
            "sbatch: error: Please name a project.\nsbatch: error: Batch job submission failed: Unspecified error",
            "permanent",
        ),
    ],
)
def test_refusals_that_were_not_provoked_are_read_as_documented(error: str, kind: str) -> None:
    assert read_refusal(error).kind == kind


def test_a_site_s_own_words_reach_the_user() -> None:
    error = "sbatch: error: Please name a project.\nsbatch: error: Batch job submission failed: Unspecified error"

    assert "Please name a project." in read_refusal(error).reason


def test_every_reason_of_the_captured_queue_has_words(golden: Path) -> None:
    reasons = {job.reason for job in parse_queue((golden / "squeue.txt").read_text()) if job.reason}

    assert {reason for reason in reasons if explain_reason(reason) == reason} == set()
    assert {reason for reason in reasons if never_starts(reason)} == {"PartitionTimeLimit"}


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("QOSMaxJobsPerUserLimit", "limit of running jobs"),
        ("ReqNodeNotAvail, UnavailableNodes:n[1-2]", "maintenance"),
        ("Dependency(unfulfilled)", "another job to end"),
        ("QOSGrpGRES", "a limit of yours or your group's"),
        ("ReasonOfALaterSlurm", "ReasonOfALaterSlurm"),
    ],
)
def test_a_reason_is_explained(reason: str, words: str) -> None:
    assert words in explain_reason(reason)
    assert not never_starts(reason)
    assert why_never(reason) == ""


@pytest.mark.parametrize(
    "reason",
    [
        "PartitionTimeLimit",
        "DependencyNeverSatisfied",
        "BadConstraints",
        "QOSMaxWallDurationPerJobLimit",
        "AssocMaxWallDurationPerJobLimit",
        "QOSMaxCpuPerJobLimit",
        "QOSMinCpuNotSatisfied",
    ],
)
def test_a_job_that_can_never_start_is_recognised(reason: str) -> None:
    assert never_starts(reason)
    assert reason in why_never(reason)
