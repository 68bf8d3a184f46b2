"""Would the cluster give a launch the nodes that it asks for.

Job: the checks of group `nodes`. Place in the data flow: `gamefleet check`, on a login node. Left out: submitting
anything; one process of one node (`slurm`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gamefleet.cluster.checks.base import Check, Result, failed, ok, skipped, warning
from gamefleet.cluster.checks.programs import Runner
from gamefleet.cluster.checks.slurm import START, refusal
from gamefleet.cluster.detect import check_and_complete, detect
from gamefleet.cluster.jobs import Resources
from gamefleet.cluster.launch_resources import LaunchSize, sized
from gamefleet.cluster.profile import ClusterProfile
from gamefleet.errors import MissingDependencyError, SchedulerSilentError

ANSWER_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a launch would ask for.

    Args:
        size: Nodes, GPUs, time.
        profile: The cluster's limits.
        environment: Of commands.
    """

    size: LaunchSize
    profile: ClusterProfile
    environment: Mapping[str, str]


def node_checks(wanted: Wanted, runner: Runner) -> list[Check]:
    """Whether there are such nodes, and whether SLURM would take such a job; after the checks of `slurm`."""
    return [
        Check(name="nodes", group="nodes", run=lambda: check_nodes(wanted), needs=("slurm-answers",), timeout_s=120.0),
        Check(
            name="nodes-trial-job",
            group="nodes",
            run=lambda: check_trial(wanted, runner),
            needs=("nodes",),
            timeout_s=90.0,
        ),
    ]


def found(wanted: Wanted) -> tuple[Resources, list[str]]:
    """The resources of a launch's jobs, and notes.

    Raises:
        ConfigError: The cluster cannot give them.
        MissingDependencyError: There is no SLURM.
    """
    facts = detect(wanted.environment)
    resources, chosen = sized(wanted.size, wanted.profile, facts)
    resources, notes = check_and_complete(resources, facts)
    return resources, [*chosen, *notes]


def check_nodes(wanted: Wanted) -> Result:
    """Whether the cluster has so many nodes with so many GPUs; a size that cannot be is an error with what can."""
    try:
        resources, notes = found(wanted)
    except MissingDependencyError as error:
        return skipped(f"no SLURM here: {error.what}")
    except SchedulerSilentError as error:
        return failed(error.what, error.remedy)
    if not resources.partition and any("partitions cannot" in note for note in notes):
        return skipped(f"no cluster answers: {notes[0]}")
    size = wanted.size
    words = f"{size.nodes} node(s) x {size.gpus_per_node} GPU(s), {resources.cpus} CPU(s) per process"
    where = f"partition {resources.partition or '(default)'}, {resources.time_limit_s / 3600:.3g} h per job"
    said = f"{words}, {resources.memory} per node, {where}"
    unknown = [note for note in notes if "cannot be learned" in note]
    if unknown:
        return warning(f"{said}; {unknown[0]}", "Try it: `gamefleet launch ... --dry-run` shows the script.")
    return ok(said)


def check_trial(wanted: Wanted, runner: Runner) -> Result:
    """Ask SLURM whether it would take such a job, without submitting it."""
    resources, _ = found(wanted)
    answer = runner(["sbatch", "--test-only", *options(resources), "--wrap=true"], ANSWER_TIMEOUT_S)
    start = START.search(answer.err + answer.out)
    if answer.status or start is None:
        return refusal("sbatch --test-only", answer)
    return ok(f"such a job would be taken, and start at {start.group(1)} or earlier")


def options(asked: Resources) -> Iterator[str]:
    """What a launch's script asks for, as words of a command."""
    named = {"partition": asked.partition, "account": asked.account, "qos": asked.qos, "mem": asked.memory}
    yield from (f"--{name}={value}" for name, value in named.items() if value)
    yield f"--nodes={asked.nodes}"
    yield f"--ntasks-per-node={asked.tasks_per_node}"
    yield f"--cpus-per-task={asked.cpus}"
    yield f"--time={-(-asked.time_limit_s // 60)}"
    if asked.gpus:
        yield f"--gpus-per-node={asked.gpus}"
    if asked.exclusive:
        yield "--exclusive"
    yield from asked.options
