"""Whether one job fits into what a site has.

Job: count what a job takes, and compare it with nodes and limits. Place in the data flow: `detect` asks before anything
is submitted. Left out: asking SLURM (`detect`), reading its text (`slurm.site`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from gamefleet.cluster.jobs import Resources
from gamefleet.cluster.slurm.site import Association, Limits, NodeKind, SiteFacts, parse_gres, parse_size
from gamefleet.errors import ConfigError

LARGE_COUNT = 2**20
"""From here on, counts of generic resources are bytes, and are shown so."""


def my_associations(resources: Resources, facts: SiteFacts) -> list[Association]:
    """Those that count for the job."""
    account = resources.account or facts.default_account
    return [
        association
        for association in facts.associations or ()
        if association.account == (account or association.account)
        and association.partition in ("", resources.partition)
    ]


def limits_of(resources: Resources, facts: SiteFacts) -> Iterator[tuple[str, Limits]]:
    """Everything that limits the job, with a name for people: the partition's QOS, its own, its account."""
    mine = my_associations(resources, facts)
    names = [partition.qos for partition in facts.partitions or () if partition.name == resources.partition]
    names += [resources.qos] if resources.qos else [association.default_qos for association in mine]
    for name in dict.fromkeys(names):
        if name and name in (facts.qos or {}):
            yield f"QOS {name}", (facts.qos or {})[name]
    for association in mine:
        yield f"account {association.account}", association.limits


def per_job(resources: Resources) -> dict[str, int]:
    """What one job takes on all of its nodes together."""
    return {name: count * resources.nodes for name, count in per_node(resources).items()}


def per_node(resources: Resources) -> dict[str, int]:
    """What one job takes of a node, in SLURM's words for trackable resources."""
    asked = {"cpu": resources.cpus * resources.tasks_per_node, "gres/gpu": resources.gpus, "node": 1}
    for entry in resources.gres:
        asked.update({f"gres/{name}": count for name, count in parse_gres(entry).items()})
    memory = parse_size(resources.memory, unit="M")
    return asked if memory is None else {**asked, "mem": memory // 2**20}


def check_share(resources: Resources, source: str, limits: Limits) -> None:
    """Refuse a job that by itself takes more than all jobs of a user may.

    Raises:
        ConfigError: See above.
    """
    for name, count in per_job(resources).items():
        if count > limits.per_user.get(name, count):
            raise ConfigError(
                f"One job asks for more {name} than {source} lets all of your jobs use, {shown(limits.per_user[name])}",
                value=shown(count),
                where="cluster profile",
                remedy="Ask for less.",
            )


def without_unknown_gres(resources: Resources, facts: SiteFacts) -> tuple[Resources, list[str]]:
    """Drop generic resources that no node of the partition has: with them, SLURM would refuse the job."""
    here = {name for node in nodes_of(resources, facts) for name in node.gres}
    if not nodes_of(resources, facts):
        return resources, []
    kept = tuple(entry for entry in resources.gres if entry.split(":")[0] in here)
    notes = [
        f"{entry} is not asked for: partition {resources.partition or '(default)'} does not count {entry.split(':')[0]}"
        for entry in resources.gres
        if entry not in kept
    ]
    return replace(resources, gres=kept), notes


def nodes_of(resources: Resources, facts: SiteFacts) -> list[NodeKind]:
    """Kinds of nodes that the job may get."""
    return [node for node in facts.nodes or () if node.partition == (resources.partition or node.partition)]


def check_nodes(resources: Resources, facts: SiteFacts) -> None:
    """Refuse a job that no node can hold, or that needs more such nodes than there are.

    Raises:
        ConfigError: See above.
    """
    nodes = nodes_of(resources, facts)
    asked = {name.removeprefix("gres/"): count for name, count in per_node(resources).items() if count}
    fitting = sum(node.count for node in nodes if all(count <= has(node, name) for name, count in asked.items()))
    if not nodes or fitting >= resources.nodes:
        return
    if fitting:
        raise ConfigError(
            f"Partition {resources.partition or '(default)'} has only {fitting} node(s) with {described(asked)}",
            value=resources.nodes,
            where="number of nodes",
            remedy="Ask for fewer nodes, or for less of each.",
        )
    elsewhere = sorted({node.partition for node in facts.nodes or () if node.gres.get("gpu")} - {resources.partition})
    hint = ""
    if resources.gpus and not any(node.gres.get("gpu") for node in nodes):
        hint = f" GPUs are in: {', '.join(elsewhere) or 'no partition'}; --gpus 0 asks for none."
    raise ConfigError(
        f"No node of partition {resources.partition or '(default)'} has what one job asks for",
        value=described(asked),
        where="cluster profile",
        remedy=f"There are {'; '.join(node_words(node) for node in nodes)}.{hint}",
    )


def has(node: NodeKind, name: str) -> int:
    """How much of a resource a node has."""
    return {"cpu": node.cpus, "mem": node.memory_mb, "node": 1}.get(name, node.gres.get(name, 0))


def node_words(node: NodeKind) -> str:
    """A kind of node in a few words."""
    return f"{node.count} with {described({'cpu': node.cpus, 'mem': node.memory_mb, **node.gres})}"


def described(amounts: Mapping[str, int]) -> str:
    """Amounts in a few words."""
    units = {"mem": "M"}
    return ", ".join(f"{name} {shown(count)}{units.get(name, '')}" for name, count in amounts.items() if name != "node")


def shown(count: int) -> str:
    """A count; large ones, which are bytes, in units of 2^30."""
    return f"{count / 2**30:g}G" if count >= LARGE_COUNT else str(count)


def running_caps(resources: Resources, limits: Limits) -> Sequence[tuple[int, str]]:
    """How many such jobs may run at once by each limit, with its name."""
    by_count = [] if limits.max_jobs is None else [(limits.max_jobs, "jobs per user")]
    asked = {name: count for name, count in per_job(resources).items() if count}
    by_share = [(most // asked[name], f"{name} per user") for name, most in limits.per_user.items() if name in asked]
    return [*by_count, *by_share]
