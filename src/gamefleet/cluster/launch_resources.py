"""What the jobs of a launch on several nodes ask for: partition, time, CPUs and memory, from what the site has.

Job: fill in what the user did not say. Place in the data flow: `gamefleet launch` asks SLURM (`detect`), then this,
then `detect.check_and_complete` for what is impossible. Left out: asking SLURM; a fleet's jobs of one process, which
have their profile.

Training data and model of one GPU want 32 GB of main memory and a few processes that prepare batches; where nodes have
less, a job asks for what they have. A run that shall go on longer than one job may gets a job of the longest time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gamefleet.cluster.fit import limits_of
from gamefleet.cluster.jobs import Resources
from gamefleet.cluster.profile import PACKAGED, ClusterProfile
from gamefleet.cluster.slurm.site import NodeKind, Partition, SiteFacts
from gamefleet.errors import ConfigError

MEMORY_PER_TASK_GB = 32
MOST_CPUS_PER_TASK = 16
CPUS_WHERE_UNKNOWN = 4
USABLE_MEMORY = 0.95
"""Share of a node's memory that one job asks for at most: some sites count the system's part as the node's."""

LEAST_TIME_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSize:
    """What a user asks for.

    Args:
        nodes: Machines.
        gpus_per_node: 0 trains on CPUs, with one process per node.
        time_s: Of the whole training, seconds; more than one job may take is carried by several.
        partition: Empty lets this module choose, as for all texts.
        account: Who pays.
        qos: Quality of service.
        memory_gb: Per node; None computes it.
        cpus: Per process; None computes it.
        exclusive: Whether no other job may run on these nodes.

    Raises:
        ConfigError: A number is too small.
    """

    nodes: int
    gpus_per_node: int
    time_s: float
    partition: str = ""
    account: str = ""
    qos: str = ""
    memory_gb: int | None = None
    cpus: int | None = None
    exclusive: bool = False

    def __post_init__(self) -> None:
        least = {
            "NODES": (self.nodes, 1),
            "GPUS_PER_NODE": (self.gpus_per_node, 0),
            "HOURS": (self.time_s / 3600, LEAST_TIME_S / 3600),
            "--memory": (self.memory_gb, 1),
            "--cpus": (self.cpus, 1),
        }
        for name, (value, least_value) in least.items():
            if value is not None and value < least_value:
                raise ConfigError(
                    f"{name} is at least {least_value:.4g}",
                    value=value,
                    where="gamefleet launch NODES GPUS_PER_NODE HOURS [BATCH_PER_GPU]",
                )

    @property
    def tasks_per_node(self) -> int:
        """Processes per node: one per GPU."""
        return max(1, self.gpus_per_node)


def sized(size: LaunchSize, profile: ClusterProfile, facts: SiteFacts) -> tuple[Resources, list[str]]:
    """The resources of each job, and what was chosen for the user, in sentences.

    Args:
        size: What was asked for.
        profile: Limits of the user's own; the packaged one says nothing about this site.
        facts: What SLURM said.

    Raises:
        ConfigError: No partition has such nodes.
    """
    is_own = profile.source != str(PACKAGED)
    partition, notes = chosen(size, profile.partition if is_own else "", facts)
    wanted = Resources(
        partition=partition,
        account=size.account or profile.account,
        qos=size.qos or profile.qos,
        gpus=size.gpus_per_node,
        nodes=size.nodes,
        tasks_per_node=size.tasks_per_node,
        exclusive=size.exclusive,
        options=profile.options,
    )
    time_s = min([size.time_s, *time_limits(wanted, facts), *([profile.time_limit_s] if is_own else [])])
    nodes = usable(facts, partition, size.gpus_per_node)
    cpus, memory = size.cpus or cpus_of(size, wanted, nodes, facts), memory_of(size, nodes)
    if time_s < size.time_s:
        notes.append(
            f"one job may take {time_s / 3600:.3g} h, so a chain of jobs carries the {size.time_s / 3600:.3g} h"
        )
    signal_s = min(profile.signal_s, int(time_s // 2))
    return replace(wanted, time_limit_s=int(time_s), signal_s=signal_s, cpus=cpus, memory=memory), notes


def chosen(size: LaunchSize, habit: str, facts: SiteFacts) -> tuple[str, list[str]]:
    """The partition: the one that was named, or the default, or the first one that has such nodes.

    Raises:
        ConfigError: No open one has.
    """
    named = size.partition or habit
    if named or facts.partitions is None or facts.nodes is None:
        return named, []
    fitting = [one.name for one in by_preference(facts.partitions) if holds(size, one.name, facts)]
    if not fitting:
        raise nowhere(size, facts)
    default = next((one.name for one in facts.partitions if one.is_default), "")
    why = "the default" if fitting[0] == default else f"the first with {size.nodes} x {size.gpus_per_node} GPU(s)"
    return fitting[0], [f"partition {fitting[0]}: {why}"]


def nowhere(size: LaunchSize, facts: SiteFacts) -> ConfigError:
    """The error about nodes that no partition has."""
    gpus = size.gpus_per_node
    what = f"{size.nodes} node(s) with {gpus} GPU(s) each" if gpus else f"{size.nodes} node(s)"
    there = [
        f"{node.partition}: {node.count} node(s) with {node.gres.get('gpu', 0)} GPU(s)"
        for one in by_preference(facts.partitions or ())
        for node in facts.nodes or ()
        if node.partition == one.name
    ]
    return ConfigError(
        f"No open partition has {what}",
        where="NODES, GPUS_PER_NODE",
        remedy=f"There are {'; '.join(there) or 'no nodes in open partitions'}. With 0 GPUs it trains on CPUs.",
    )


def by_preference(partitions: Sequence[Partition]) -> list[Partition]:
    """Open ones, the default first."""
    return sorted((one for one in partitions if one.is_open), key=lambda one: not one.is_default)


def holds(size: LaunchSize, partition: str, facts: SiteFacts) -> bool:
    """Whether a partition has so many nodes with so many GPUs."""
    return sum(node.count for node in usable(facts, partition, size.gpus_per_node)) >= size.nodes


def usable(facts: SiteFacts, partition: str, gpus: int) -> list[NodeKind]:
    """Kinds of nodes of a partition that have so many GPUs."""
    return [
        node
        for node in facts.nodes or ()
        if node.partition == (partition or node.partition) and node.gres.get("gpu", 0) >= gpus
    ]


def time_limits(wanted: Resources, facts: SiteFacts) -> list[float]:
    """Longest times of one job, seconds: of the partition, the QOS and the account."""
    of_partition = [one.max_time_s for one in facts.partitions or () if one.name == wanted.partition]
    others = [limits.max_time_s for _, limits in limits_of(wanted, facts) if limits.max_time_s is not None]
    return [*of_partition, *others]


def cpus_of(size: LaunchSize, wanted: Resources, nodes: Sequence[NodeKind], facts: SiteFacts) -> int:
    """CPUs per process: an even share of the smallest node, within what one user may have."""
    if not nodes:
        return CPUS_WHERE_UNKNOWN
    share = min(node.cpus for node in nodes) // size.tasks_per_node
    tasks = size.nodes * size.tasks_per_node
    allowed = [limits.per_user["cpu"] // tasks for _, limits in limits_of(wanted, facts) if "cpu" in limits.per_user]
    return max(1, min(share, MOST_CPUS_PER_TASK, *allowed) if allowed else min(share, MOST_CPUS_PER_TASK))


def memory_of(size: LaunchSize, nodes: Sequence[NodeKind]) -> str:
    """Memory per node, as SLURM writes it."""
    if size.memory_gb is not None:
        return f"{size.memory_gb}G"
    wanted_mb = MEMORY_PER_TASK_GB * size.tasks_per_node * 1024
    most_mb = min((int(node.memory_mb * USABLE_MEMORY) for node in nodes), default=wanted_mb)
    return f"{wanted_mb // 1024}G" if wanted_mb <= most_mb else f"{max(1, most_mb)}M"
