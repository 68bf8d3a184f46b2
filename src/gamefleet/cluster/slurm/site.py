"""What SLURM says of a site, read: partitions, nodes, accounts, limits.

Job: turn the output of `scontrol show partition`, `sinfo` and `sacctmgr` into facts, and SLURM's spellings of times and
sizes into numbers. Place in the data flow: `detect` runs the commands; profiles are written in the same spellings. Left
out: running anything; jobs (`text`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

NODE_FORMAT = "%R|%c|%m|%G|%D|%T"
"""For `sinfo -e -o`: partition, CPUs, memory in MiB, generic resources, number of such nodes, state."""

QOS_FORMAT = "name,maxjobspu,maxsubmitpu,maxwall,maxtrespu"
"""For `sacctmgr show qos format=`."""

ASSOCIATION_FORMAT = "account,partition,qos,defaultqos,maxjobs,maxsubmitjobs,maxwall"
"""For `sacctmgr show assoc format=`."""

SIZES = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50}


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A partition.

    Args:
        name: Its name.
        is_default: Whether jobs go there that name none.
        is_open: Whether it starts jobs now.
        max_time_s: Longest time limit, seconds; infinite where there is none.
        qos: QOS whose limits every job there is under; empty for none.
        accounts: Which may use it; empty for all.
    """

    name: str
    is_default: bool = False
    is_open: bool = True
    max_time_s: float = float("inf")
    qos: str = ""
    accounts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeKind:
    """Nodes of a partition that are alike.

    Args:
        partition: Its name.
        cpus: Per node.
        memory_mb: Per node, in units of 2^20 bytes.
        gres: Generic resource -> count per node.
        count: How many there are.
        state: SLURM's word.
    """

    partition: str
    cpus: int
    memory_mb: int
    gres: Mapping[str, int] = field(default_factory=dict)
    count: int = 1
    state: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of a QOS or an account, None where there is none.

    Args:
        max_jobs: Running jobs per user.
        max_submitted_jobs: Running and waiting jobs per user.
        max_time_s: Longest time limit of a job, seconds.
        per_user: Resource (`cpu`, `mem`, `gres/gpu`) -> how much all running jobs of a user may use together.
    """

    max_jobs: int | None = None
    max_submitted_jobs: int | None = None
    max_time_s: float | None = None
    per_user: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """What one account grants this user.

    Args:
        account: Its name.
        partition: Where it counts; empty for everywhere.
        qos: Which may be used.
        default_qos: Which is used when none is named; empty where that is not said.
        limits: Of this user in this account.
    """

    account: str
    partition: str = ""
    qos: tuple[str, ...] = ()
    default_qos: str = ""
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFacts:
    """What SLURM said; None where it did not.

    Args:
        partitions: All that this user may see.
        nodes: Kinds of nodes, by partition.
        associations: The user's accounts.
        default_account: Of the user; empty for none.
        qos: Limits by name.
        unknown: A sentence for each question that was not answered.
    """

    partitions: tuple[Partition, ...] | None = None
    nodes: tuple[NodeKind, ...] | None = None
    associations: tuple[Association, ...] | None = None
    default_account: str | None = None
    qos: Mapping[str, Limits] | None = None
    unknown: tuple[str, ...] = field(default_factory=tuple)


def parse_partitions(text: str) -> tuple[Partition, ...]:
    """Partitions; the text of `scontrol show partition`."""
    found = []
    for block in re.split(r"\n\s*\n", text):
        facts = dict(re.findall(r"(\S+?)=(\S*)", block))
        if "PartitionName" in facts:
            longest = parse_duration_s(facts.get("MaxTime", "UNLIMITED"))
            accounts = facts.get("AllowAccounts", "ALL")
            found.append(
                Partition(
                    name=facts["PartitionName"],
                    is_default=facts.get("Default") == "YES",
                    is_open=facts.get("State", "UP") == "UP",
                    max_time_s=float("inf") if longest is None else longest,
                    qos="" if facts.get("QoS") in (None, "N/A") else facts["QoS"],
                    accounts=() if accounts == "ALL" else tuple(accounts.split(",")),
                )
            )
    return tuple(found)


def parse_nodes(text: str) -> tuple[NodeKind, ...]:
    """Kinds of nodes; the text of `sinfo -h -e -o NODE_FORMAT`. Lines of another form are passed over."""
    found = []
    for line in text.splitlines():
        parts = line.split("|")
        if len(parts) == 6 and parts[1].rstrip("+").isdigit() and parts[2].rstrip("+").isdigit():
            name, cpus, memory, gres, count, state = parts
            found.append(
                NodeKind(
                    partition=name,
                    cpus=int(cpus.rstrip("+")),
                    memory_mb=int(memory.rstrip("+")),
                    gres=parse_gres(gres),
                    count=int(count) if count.isdigit() else 1,
                    state=state,
                )
            )
    return tuple(found)


def parse_qos(text: str) -> dict[str, Limits]:
    """QOS by name; the text of `sacctmgr -nP show qos format=QOS_FORMAT`."""
    rows = [line.split("|") for line in text.splitlines() if line.count("|") == 4]
    return {
        name: Limits(
            max_jobs=number(jobs),
            max_submitted_jobs=number(submitted),
            max_time_s=parse_duration_s(wall),
            per_user=parse_tres(per_user),
        )
        for name, jobs, submitted, wall, per_user in rows
    }


def parse_associations(text: str) -> tuple[Association, ...]:
    """Accounts of a user; the text of `sacctmgr -nP show assoc user=USER format=ASSOCIATION_FORMAT`."""
    rows = [line.split("|") for line in text.splitlines() if line.count("|") == 6]
    return tuple(
        Association(
            account=account,
            partition=partition,
            qos=tuple(name for name in qos.split(",") if name),
            default_qos=default,
            limits=Limits(
                max_jobs=number(jobs), max_submitted_jobs=number(submitted), max_time_s=parse_duration_s(wall)
            ),
        )
        for account, partition, qos, default, jobs, submitted, wall in rows
    )


def parse_default_account(text: str) -> str:
    """A user's default account, empty for none; of `sacctmgr -nP show user USER format=user,defaultaccount`."""
    return next((line.split("|")[1] for line in text.splitlines() if line.count("|") == 1), "")


def parse_gres(text: str) -> dict[str, int]:
    """Generic resources: `gpu:a100:2(S:0-1),gpumem:80G` is two of `gpu` and 80 * 2^30 of `gpumem`."""
    found: dict[str, int] = {}
    for entry in re.sub(r"\([^)]*\)", "", text).split(","):
        name, *rest = entry.strip().split(":")
        count = parse_size(rest[-1]) if rest else None
        if name and name != "N/A":
            found[name] = found.get(name, 0) + (1 if count is None else count)
    return found


def parse_tres(text: str) -> dict[str, int]:
    """Trackable resources: `cpu=64,mem=100G,gres/gpu=4`; memory in units of 2^20 bytes, as SLURM counts it."""
    pairs = (entry.partition("=") for entry in text.split(",") if "=" in entry)
    sizes = {name: parse_size(count, unit="M") if name == "mem" else parse_size(count) for name, _, count in pairs}
    return {name: size // 2**20 if name == "mem" else size for name, size in sizes.items() if size is not None}


def parse_size(text: str, *, unit: str = "") -> int | None:
    """`16G` is 16 * 2^30; a number without a letter counts in `unit`; None when it is no size."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGTP]?)[Bcn]?", text.strip(), re.IGNORECASE)
    return None if match is None else int(float(match[1]) * SIZES[match[2].upper() or unit])


def parse_duration_s(text: str) -> float | None:
    """A time as SLURM writes it, in seconds: `4:00:00`, `1-12`, `1-12:30`, `90:30`, or minutes.

    Returns:
        None for what is no time, and for no limit.
    """
    match = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", text.strip())
    if match is None:
        return None
    days, *clock = match.groups()
    numbers = [int(part) for part in clock if part is not None]
    if days is not None:  # days-hours[:minutes[:seconds]]
        hours, minutes, seconds = [*numbers, 0, 0][:3]
    elif len(numbers) == 3:
        hours, minutes, seconds = numbers
    else:  # minutes[:seconds]
        hours, (minutes, seconds) = 0, [*numbers, 0][:2]
    return float(((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds)


def number(text: str) -> int | None:
    """A count; None where there is no limit."""
    return int(text) if text.strip().isdigit() else None
