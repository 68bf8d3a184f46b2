"""Does SLURM answer, is the partition up, and would it take our job.

Job: the checks of group `slurm`. Place in the data flow: `gamefleet doctor`, on a login node or through SSH. Left out:
submitting anything; the trial job is `sbatch --test-only`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from gamefleet.cluster.checks.base import Check, Result, failed, not_asked, ok, skipped, warning
from gamefleet.cluster.checks.programs import NOT_FOUND_STATUS, Completed, Runner
from gamefleet.cluster.jobs import Resources
from gamefleet.cluster.slurm.site import (
    NODE_FORMAT,
    QOS_FORMAT,
    Limits,
    NodeKind,
    Partition,
    parse_gres,
    parse_nodes,
    parse_partitions,
    parse_qos,
)
from gamefleet.cluster.slurm.words import explain_reason, first_word, never_starts, read_refusal, why_never
from gamefleet.errors import nearest

ANSWER_TIMEOUT_S = 20.0
NO_CLUSTER = "Could not establish a configuration source"
SLURM_CHECKS = ("slurm-programs", "slurm-answers", "slurm-partition", "slurm-limits", "slurm-trial-job")
UNUSABLE = ("down", "drain", "fail", "maint", "unknown", "reboot", "power", "inval", "no_respond", "*")
"""Parts of node states in which no job starts."""

LESS = "Ask for less: `gamefleet fleet profile > cluster.toml` makes a profile to edit."
LESS_TIME = f"Set time_limit lower. {LESS}"
START = re.compile(r"to start at (\S+) using (\d+) processors")
"""What `sbatch --test-only` says of a job that it would take."""

HELD = ("JobHeldUser", "JobHeldAdmin")


def slurm_checks(
    resources: Resources, runner: Runner | None, *, place: str, needs: tuple[str, ...] = ()
) -> list[Check]:
    """Checks of the scheduler.

    Args:
        resources: What a job shall ask for; an empty partition means that none was named.
        runner: Runs SLURM's commands; None where there is no SLURM.
        place: Where they run, for people.
        needs: Checks that must have gone well first.
    """
    if runner is None:
        return no_slurm(resources.partition)

    def check(name: str, run: Callable[[Runner], Result], *before: str) -> Check:
        return Check(name=name, group="slurm", run=lambda: run(runner), needs=before, timeout_s=90.0)

    checks = [
        check("slurm-programs", lambda run: check_version(run, place, is_wanted=bool(resources.partition)), *needs),
        check("slurm-answers", check_queue, "slurm-programs"),
    ]
    if not resources.partition:
        return [*checks, *not_asked(SLURM_CHECKS[2:], "slurm", "no partition was named: --partition NAME")]
    return [
        *checks,
        check("slurm-partition", lambda run: check_partition(run, resources), "slurm-answers"),
        check("slurm-limits", lambda run: check_limits(run, resources), "slurm-partition"),
        check("slurm-trial-job", lambda run: check_trial(run, resources), "slurm-partition"),
    ]


def no_slurm(partition: str) -> list[Check]:
    """What is said where SLURM is not installed; an error only for somebody who named a partition."""
    remedy = "Run this on the login node, or name it: `gamefleet doctor --host USER@HOST`. There: `module load slurm`."
    found = "sbatch is not on the PATH of this machine"
    absent = not_asked(SLURM_CHECKS, "slurm", f"no SLURM here: {found}")
    if not partition:
        return absent
    return [Check(name=SLURM_CHECKS[0], group="slurm", run=lambda: failed(found, remedy)), *absent[1:]]


def check_version(runner: Runner, place: str, *, is_wanted: bool) -> Result:
    """Whether SLURM's commands are there and belong to a cluster, and which version."""
    for program in ("sbatch", "squeue", "sinfo", "scancel", "scontrol"):
        answer = runner([program, "--version"], ANSWER_TIMEOUT_S)
        if NO_CLUSTER in answer.err and not is_wanted:
            return skipped(f"no SLURM: its programs are on {place}, but no settings of a cluster")
        if answer.status:
            what = "is not installed" if answer.status == NOT_FOUND_STATUS else f"does not start: {answer.last_words}"
            remedy = (
                "Run this on the login node, or there `module load slurm`; `SLURM_CONF` names the cluster's settings."
            )
            return failed(f"{program} {what} (on {place})", remedy)
    return ok(f"{answer.out.strip()} on {place}")


def check_queue(runner: Runner) -> Result:
    """Whether the controller answers, and how our jobs stand."""
    answer = runner(["squeue", "-h", "--me", "-o", "%i|%T|%r"], ANSWER_TIMEOUT_S)
    if answer.status:
        return refusal("squeue", answer)
    return judge_queue([line.split("|") for line in answer.out.splitlines() if line.count("|") == 2])


def judge_queue(jobs: Sequence[Sequence[str]]) -> Result:
    """Count our jobs, and name one that waits for something that may never come.

    Args:
        jobs: Id, state and reason of each.
    """
    running = sum(state == "RUNNING" for _, state, _ in jobs)
    waiting = Counter(reason for _, state, reason in jobs if state == "PENDING")
    why = f" ({', '.join(f'{count} {reason}' for reason, count in waiting.items())})" if waiting else ""
    found = f"it answers; you have {running} running and {waiting.total()} waiting jobs{why}"
    pending = [(job, reason) for job, state, reason in jobs if state == "PENDING"]
    for job, reason in pending:
        if never_starts(reason):
            return warning(f"{found}; job {job} can never start: {why_never(reason)}", f"scancel {job}")
        if first_word(reason) in HELD:
            return warning(f"{found}; job {job} is held", f"Job {job}: {explain_reason(reason)}.")
    return ok(found)


def check_partition(runner: Runner, wanted: Resources) -> Result:
    """Whether the partition exists, is up, and has what a job asks for."""
    name = wanted.partition
    shown = runner(["scontrol", "show", "partition", name], ANSWER_TIMEOUT_S)
    if shown.status and "not found" in shown.err + shown.out:
        known = runner(["sinfo", "-h", "-o", "%R"], ANSWER_TIMEOUT_S).out.split()
        return failed(f"there is no partition {name!r}", f"{nearest(name, set(known))} `sinfo -s` shows them.")
    listed = runner(["sinfo", "-h", "-e", "-p", name, "-o", NODE_FORMAT], ANSWER_TIMEOUT_S)
    for answer, program in ((shown, "scontrol"), (listed, "sinfo")):
        if answer.status:
            return refusal(program, answer)
    partitions = parse_partitions(shown.out)
    if len(partitions) != 1:
        return failed(f"scontrol's answer about {name} is not understood", f"scontrol show partition {name}")
    return judge_partition(partitions[0], parse_nodes(listed.out), wanted)


def judge_partition(partition: Partition, nodes: Sequence[NodeKind], wanted: Resources) -> Result:
    """Compare a partition with what a job asks for.

    Args:
        partition: It.
        nodes: Its nodes.
        wanted: What a job asks for.
    """
    name, asked_h, limit_h = partition.name, wanted.time_limit_s / 3600, partition.max_time_s / 3600
    usable = [kind for kind in nodes if is_usable(kind.state)]
    up = f"{sum(kind.count for kind in usable)} of {sum(kind.count for kind in nodes)} nodes usable"
    other = "`sinfo -s` shows the others; `sinfo -R` says why nodes are down."
    if not partition.is_open:
        return failed(f"partition {name} is closed", f"Wait, or name another one. {other}")
    if not usable:
        states = ", ".join(sorted({kind.state for kind in nodes})) or "there are none"
        return failed(f"partition {name} has no usable node ({states})", f"Wait, or name another one. {other}")
    if asked_h > limit_h:
        found = f"partition {name} ends jobs after {limit_h:g} h, and {asked_h:g} h are asked for"
        return failed(found, f"SLURM may take such a job and never start it. {LESS_TIME}")
    short = missing(usable, wanted)
    if short:
        return failed(f"no usable node of partition {name} has {short}", f"{LESS} {other}")
    time = "without a time limit" if limit_h == float("inf") else f"{limit_h:g} h"
    return ok(f"{name} is up: {up}, {time}, up to {', '.join(offered(usable))} per node")


def is_usable(state: str) -> bool:
    """Whether a job may start on nodes in this state, now or when others have ended."""
    return not any(part in state.lower() for part in UNUSABLE)


def missing(usable: Sequence[NodeKind], wanted: Resources) -> str:
    """The first thing that no usable node has; empty when one node has all."""
    needs = {"gpu": wanted.gpus} if wanted.gpus else {}
    for entry in wanted.gres:
        needs |= parse_gres(entry)
    if max(kind.cpus for kind in usable) < wanted.cpus:
        return f"{wanted.cpus} CPUs"
    for name, count in needs.items():
        if max(kind.gres.get(name, 0) for kind in usable) < count:
            return f"{name}:{written(count)}"
    fits = [kind for kind in usable if kind.cpus >= wanted.cpus]
    together = any(all(kind.gres.get(name, 0) >= count for name, count in needs.items()) for kind in fits)
    return "" if together else f"{wanted.cpus} CPUs and {', '.join(needs)} together"


def written(count: int) -> str:
    """A count as SLURM writes it."""
    return f"{count >> 30}G" if count >= 1 << 30 and count % (1 << 30) == 0 else str(count)


def offered(usable: Sequence[NodeKind]) -> list[str]:
    """The most of everything that a node has."""
    names = sorted({name for kind in usable for name in kind.gres})
    largest = {name: max(kind.gres.get(name, 0) for kind in usable) for name in names}
    cpus = f"{max(kind.cpus for kind in usable)} CPUs"
    return [cpus, *(f"{name}:{written(count)}" for name, count in largest.items())]


def check_limits(runner: Runner, wanted: Resources) -> Result:
    """What the accounting lets one user have, where there is accounting."""
    shown = runner(["scontrol", "show", "partition", wanted.partition], ANSWER_TIMEOUT_S)
    qos = wanted.qos or next((partition.qos for partition in parse_partitions(shown.out)), "")
    told = runner(["sacctmgr", "-nP", "show", "qos", f"format={QOS_FORMAT}"], ANSWER_TIMEOUT_S)
    if told.status:
        return skipped(f"SLURM does not tell limits per user ({told.last_words}); ask those who run it")
    return judge_limits(parse_qos(told.out), qos, wanted.time_limit_s)


def judge_limits(known: Mapping[str, Limits], qos: str, time_limit_s: int) -> Result:
    """Compare a QOS with what a job asks for.

    Args:
        known: Limits of every QOS.
        qos: Which counts; empty when neither job nor partition has one.
        time_limit_s: What a job asks for.
    """
    if not qos:
        return ok("the partition has no QOS, so no limit per user of its own")
    if qos not in known:
        return failed(f"there is no QOS {qos!r}", f"{nearest(qos, known)} Name one with --qos.")
    limits = known[qos]
    if limits.max_time_s is not None and limits.max_time_s < time_limit_s:
        found = f"QOS {qos} ends jobs after {limits.max_time_s / 3600:g} h, and {time_limit_s / 3600:g} h are asked for"
        return failed(found, LESS_TIME)
    running, queued = (limit or "any number of" for limit in (limits.max_jobs, limits.max_submitted_jobs))
    return ok(f"QOS {qos}: {running} running and {queued} queued jobs per user")


def check_trial(runner: Runner, wanted: Resources) -> Result:
    """Ask SLURM whether it would take our job, without submitting it."""
    gres = [*([f"gpu:{wanted.gpus}"] if wanted.gpus else []), *wanted.gres]
    named = {"partition": wanted.partition, "account": wanted.account, "qos": wanted.qos, "mem": wanted.memory}
    options = [f"--{name}={value}" for name, value in {**named, "gres": ",".join(gres)}.items() if value]
    size = [f"--time={-(-wanted.time_limit_s // 60)}", f"--cpus-per-task={wanted.cpus}"]
    command = ["sbatch", "--test-only", *options, *size, *wanted.options, "--wrap=true"]
    answer = runner(command, ANSWER_TIMEOUT_S)
    start = START.search(answer.err + answer.out)
    if answer.status or start is None:
        return refusal("sbatch --test-only", answer)
    return ok(f"a job of {wanted.time_limit_s / 3600:g} h would be taken, and start at {start.group(1)} or earlier")


def refusal(program: str, answer: Completed) -> Result:
    """Why SLURM said no; what passes by itself is no failure."""
    errors = [line for line in answer.err.splitlines() if "error" in line or "failure" in line]
    said = read_refusal((errors or [answer.last_words])[0])
    found = f"{program}: {said.reason}"
    if said.kind == "silent":
        return failed(found, "Wait and look again: `scontrol ping` shows whether the controller is up.")
    return warning(found, said.remedy) if said.kind == "temporary" else failed(found, said.remedy)
