"""SLURM's words, explained.

Job: say what a refusal or a reason for waiting means, and whether waiting helps. Place in the data flow: `executor`
asks about refusals, chains and status pages about reasons. Left out: commands and their output.

Source: "JOB REASON CODES" of the manual of squeue, and the errors that SLURM 22.05 gave; the golden files hold those
that could be provoked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["temporary", "permanent", "silent"]
"""Of a submission without a job id: it may succeed later; it will not; no answer came, so the job may exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a job was not accepted.

    Args:
        kind: See `Kind`.
        reason: In plain words.
        remedy: What to do next.
    """

    kind: Kind
    reason: str
    remedy: str


SILENT = (
    "Unable to contact slurm controller",
    "Socket timed out",
    "Zero Bytes were transmitted",
    "Unexpected message received",
    "Connection refused",
    "Connection reset",
    "connect failure",
    "Transport endpoint",
    "Communication connection failure",
    "Communication shutdown failure",
    "Header lengths are longer than data received",
    "Insane message length",
    "slurm_persist_conn",
    "authentication credential",
    "authentication error",
    "Munge",
    "Could not establish a configuration source",
    "DNS SRV lookup failed",
)
"""Parts of messages that say nothing about the job."""

NO_ANSWER = (
    (
        r"res_nsearch|DNS SRV|configuration source|resolve_ctls",
        "SLURM's programs are installed, but this machine belongs to no cluster (there is no slurm.conf)",
    ),
    (r"Unable to contact|Connection refused|connect failure", "SLURM's controller does not answer"),
    (r"slurm_persist_conn|slurmdbd|accounting storage", "SLURM's accounting database does not answer"),
)
"""Parts of messages -> what they mean."""

RULES: tuple[tuple[Kind, str, str, str], ...] = (
    (
        "temporary",
        r"(QOS|Assoc)\w*Submit\w*Limit",
        "you have as many jobs in the queue as you may",
        "It is tried again as jobs end; `sacctmgr show qos` and `sacctmgr show assoc user=$USER` list the limits.",
    ),
    (
        "permanent",
        r"(QOS|Assoc)\w*(Limit|NotSatisfied)",
        "the job exceeds one of your limits",
        "`sacctmgr show qos` lists them; ask for less in the cluster profile.",
    ),
    (
        "temporary",
        r"accounting/QOS policy",
        "you have as many jobs in the queue as you may, or the job exceeds one of your limits",
        "It is tried again as jobs end; `sacctmgr show qos` and `sacctmgr show assoc user=$USER` list the limits.",
    ),
    (
        "temporary",
        r"Resource temporarily unavailable|temporarily unable to accept job",
        "the cluster's queue is full",
        "It is tried again as jobs end.",
    ),
    (
        "temporary",
        r"Required partition not available|partition configuration not available now|in maintenance",
        "the partition is closed for now",
        "It is tried again later; `sinfo` shows which partitions are open.",
    ),
    (
        "permanent",
        r"[Ii]nvalid partition",
        "there is no such partition",
        "`sinfo` lists the partitions; choose one with --partition or in the cluster profile.",
    ),
    (
        "permanent",
        r"Invalid account|not permitted to use this partition|Invalid wckey",
        "this account may not be used there",
        "`sacctmgr show assoc user=$USER` lists your accounts; set `account` in the cluster profile.",
    ),
    (
        "permanent",
        r"Invalid qos",
        "this QOS may not be used",
        "`sacctmgr show assoc user=$USER format=account,qos` lists yours; set `qos` in the cluster profile.",
    ),
    (
        "permanent",
        r"time limit|Invalid --time",
        "the time limit is not allowed",
        "`scontrol show partition` shows MaxTime; set `time_limit` in the cluster profile.",
    ),
    (
        "permanent",
        r"node configuration is not available|can not be satisfied|Memory required|More processors requested",
        "no node has so many CPUs, GPUs, so much memory or GPU memory",
        "`sinfo -o '%P %c %m %G'` shows what nodes have; ask for less in the cluster profile.",
    ),
    (
        "permanent",
        r"generic resource|gres",
        "this cluster does not know one of the generic resources",
        '`scontrol show config` lists GresTypes; where gpumem is none, set `gpu_memory_gres` to "" in the profile.',
    ),
    (
        "permanent",
        r"denied|not permitted",
        "you may not submit jobs from here",
        "Some clusters allow it on login nodes only: run `gamefleet fleet status` there from time to time.",
    ),
    (
        "permanent",
        r"unrecognized option|Unknown option|ambiguous",
        "this sbatch does not know one of the options",
        "Correct `options` in the cluster profile; `sbatch --help` lists what is possible.",
    ),
)
"""(kind, pattern, reason, remedy); the first that matches counts."""


def read_refusal(error: str) -> Refusal:
    """Understand what sbatch said when it gave no job id.

    Args:
        error: Its standard error.
    """
    said = " ".join(line.removeprefix("sbatch: ").removeprefix("error: ") for line in error.splitlines()).strip()
    if any(part in said for part in SILENT):
        return Refusal(
            kind="silent", reason=f"SLURM could not be asked: {said}", remedy="Look for the job by its name later."
        )
    for kind, pattern, reason, remedy in RULES:
        if re.search(pattern, said):
            return Refusal(kind=kind, reason=f"{reason} ({said})", remedy=remedy)
    if "submission failed" in said or "sbatch: error" in error or "sbatch: fatal" in error:
        return Refusal(
            kind="permanent", reason=said, remedy="These are SLURM's own words; correct the cluster profile."
        )
    return Refusal(
        kind="silent",
        reason=f"sbatch gave no job id: {said or 'no words'}",
        remedy="Look for the job by its name later.",
    )


REASONS: Mapping[str, str] = {
    "None": "the scheduler has not looked at it yet",
    "Priority": "jobs with a higher priority come first",
    "Resources": "no node is free",
    "Dependency": "it waits for another job to end",
    "BeginTime": "it may not begin yet",
    "JobHeldUser": "it is held; `scontrol release JOBID` lets it go",
    "JobHeldAdmin": "an administrator holds it; ask them",
    "JobArrayTaskLimit": "enough tasks of its array run",
    "Licenses": "a licence is not free",
    "Reservation": "it waits for its reservation",
    "ReqNodeNotAvail": "a node that it needs is down or reserved, often for maintenance",
    "PartitionDown": "the partition is closed for now",
    "PartitionInactive": "the partition is closed for now",
    "PartitionNodeLimit": "it needs more nodes than the partition has open",
    "NodeDown": "a node that it needs is down",
    "Prolog": "its node is being prepared",
    "Cleaning": "its node is being cleaned up after an earlier start",
    "QOSMaxJobsPerUserLimit": "you are at the limit of running jobs",
    "AssocMaxJobsLimit": "your account is at the limit of running jobs",
    "AssocGrpJobsLimit": "your group is at the limit of running jobs",
    "QOSGrpJobsLimit": "all users of this QOS together are at its limit of running jobs",
    "launch failed requeued held": "its start failed and it is held; `scontrol release JOBID` lets it try again",
    "PartitionTimeLimit": "it asks for more time than the partition allows",
    "DependencyNeverSatisfied": "the job that it waits for ended in another way than demanded",
    "BadConstraints": "no node can ever give what it asks for",
    "AccountNotAllowed": "its account may not use the partition",
    "QOSNotAllowed": "its QOS may not be used in the partition",
    "InvalidAccount": "its account does not exist any more",
    "InvalidQOS": "its QOS does not exist any more",
}
"""Reason -> plain words."""

NEVER = {
    "PartitionTimeLimit",
    "DependencyNeverSatisfied",
    "BadConstraints",
    "AccountNotAllowed",
    "QOSNotAllowed",
    "InvalidAccount",
    "InvalidQOS",
}

NEVER_PATTERN = re.compile(r"(QOS|Assoc)(Max|Min)\w*(PerJob\w*|PerNode\w*|NotSatisfied)|AssocMaxWall\w*|QOSMaxWall\w*")
"""Limits that one job exceeds by itself; those per user or account are met again as other jobs end."""


def explain_silence(error: str) -> str:
    """Why SLURM's programs get no answer, in plain words; their own where there are none."""
    return next((words for pattern, words in NO_ANSWER if re.search(pattern, error)), error)


def explain_reason(reason: str) -> str:
    """Why a job waits, in plain words; SLURM's own word where there are none."""
    word = first_word(reason)
    if word in REASONS:
        return REASONS[word]
    if NEVER_PATTERN.fullmatch(word):
        return f"by itself it exceeds a limit ({word})"
    if re.fullmatch(r"(QOS|Assoc)\w*", word):
        return f"a limit of yours or your group's is reached ({word})"
    return reason


def never_starts(reason: str) -> bool:
    """Whether a job that waits for this reason waits for ever, unless somebody changes the job or the cluster."""
    word = first_word(reason)
    return word in NEVER or NEVER_PATTERN.fullmatch(word) is not None


def why_never(reason: str) -> str:
    """The sentence about a job that can never start; empty for one that can."""
    return f"{explain_reason(reason)} ({first_word(reason)})" if never_starts(reason) else ""


def first_word(reason: str) -> str:
    """Without the details that follow: `ReqNodeNotAvail, UnavailableNodes:n[1-2]`, `Dependency(unfulfilled)`."""
    return re.split(r"[,(:]", reason, maxsplit=1)[0].strip()
