"""What this cluster offers, and whether a job fits in.

Job: ask SLURM for partitions, nodes, accounts and limits, and compare what a job asks for with them. Place in the data
flow: `fleet start` does it once, before anything is submitted. Left out: the text (`slurm.site`), what the user wants
(`profile`).

SLURM itself accepts some jobs that can never run: one above a partition's time limit waits for ever, and so does one
that no node can hold if it was submitted while the user was at a limit. Both are errors here.

Every source may fail to answer, `sacctmgr` most of all. What is not known is not checked, and a note says so.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping, Sequence
from dataclasses import replace

from gamefleet.cluster.commands import CommandRunner, Runner
from gamefleet.cluster.fit import (
    check_nodes,
    check_share,
    limits_of,
    my_associations,
    running_caps,
    without_unknown_gres,
)
from gamefleet.cluster.jobs import Resources
from gamefleet.cluster.slurm.site import (
    ASSOCIATION_FORMAT,
    NODE_FORMAT,
    QOS_FORMAT,
    Partition,
    SiteFacts,
    parse_associations,
    parse_default_account,
    parse_nodes,
    parse_partitions,
    parse_qos,
)
from gamefleet.cluster.slurm.words import explain_silence
from gamefleet.errors import ConfigError, MissingDependencyError, SchedulerSilentError, nearest


class Questions:
    """Asks SLURM, and remembers what it did not answer.

    Args:
        run: Runs commands.
    """

    def __init__(self, run: Runner) -> None:
        self._run = run
        self._unknown: dict[str, list[str]] = {}

    def ask(self, subject: str, *words: str) -> str | None:
        """The text of an answer; None when there was none, which `unknown` tells."""
        try:
            done = self._run(words)
        except (SchedulerSilentError, MissingDependencyError) as error:
            self._note(subject, error.what)
            return None
        if done.status:
            self._note(subject, next(iter(done.err.strip().splitlines()), words[0])[:100])
            return None
        return done.out

    @property
    def unknown(self) -> list[str]:
        """A sentence for each reason why something was not answered."""
        return [
            f"{listed(subjects)} cannot be learned here and are not checked: {reason}"
            for reason, subjects in self._unknown.items()
        ]

    def _note(self, subject: str, said: str) -> None:
        self._unknown.setdefault(explain_silence(said), []).append(subject)


def listed(words: Sequence[str]) -> str:
    """Words as people list them."""
    return " and ".join([*[", ".join(words[:-1])][: len(words) - 1], words[-1]])


def detect(environment: Mapping[str, str], run: Runner | None = None, *, user: str = "") -> SiteFacts:
    """Ask SLURM what there is.

    Args:
        environment: Of this process.
        run: Runs commands; by default real ones in `environment`.
        user: Whose accounts; by default this process's.

    Raises:
        MissingDependencyError: There is no SLURM on this machine.
    """
    runner = run or CommandRunner(environment)
    runner(["sinfo", "--version"])
    questions = Questions(runner)
    partitions = questions.ask("partitions", "scontrol", "show", "partition")
    nodes = questions.ask("nodes", "sinfo", "-h", "-e", "-o", NODE_FORMAT)
    site = ask_accounts(questions, user or user_name(environment))
    return replace(
        site,
        partitions=None if partitions is None else parse_partitions(partitions),
        nodes=None if nodes is None else parse_nodes(nodes),
        unknown=tuple(questions.unknown),
    )


def ask_accounts(questions: Questions, user: str) -> SiteFacts:
    """Accounts and limits; where the first question is not answered, the others would not be either."""
    show = ("sacctmgr", "-nP", "show")
    mine = questions.ask("accounts", *show, "assoc", f"user={user}", f"format={ASSOCIATION_FORMAT}")
    if mine is None:
        return SiteFacts()
    account = questions.ask("the default account", *show, "user", user, "format=user,defaultaccount")
    qos = questions.ask("limits", *show, "qos", f"format={QOS_FORMAT}")
    return SiteFacts(
        associations=parse_associations(mine),
        default_account=None if account is None else parse_default_account(account),
        qos=None if qos is None else parse_qos(qos),
    )


def user_name(environment: Mapping[str, str]) -> str:
    """This process's user; some containers know its number only."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return environment.get("USER", str(os.getuid()))


def check_and_complete(resources: Resources, facts: SiteFacts) -> tuple[Resources, list[str]]:
    """Compare what a job asks for with what there is.

    Returns:
        The resources with the partition filled in and without what SLURM does not count here; notes for the user.

    Raises:
        ConfigError: The job would be refused, or would wait for ever.
    """
    notes = list(facts.unknown)
    partition = chosen_partition(resources, facts)
    if partition is not None:
        resources = replace(resources, partition=partition.name)
        if not partition.is_open:
            notes.append(f"partition {partition.name} is closed at the moment; jobs will wait")
        if resources.time_limit_s > partition.max_time_s:
            raise too_long(resources, partition.max_time_s, f"partition {partition.name}")
    check_account(resources, facts, partition)
    check_qos(resources, facts)
    for source, limits in limits_of(resources, facts):
        if limits.max_time_s is not None and resources.time_limit_s > limits.max_time_s:
            raise too_long(resources, limits.max_time_s, source)
        check_share(resources, source, limits)
    resources, dropped = without_unknown_gres(resources, facts)
    check_nodes(resources, facts)
    return resources, [*notes, *dropped]


def chosen_partition(resources: Resources, facts: SiteFacts) -> Partition | None:
    """Where the job goes; None when the partitions are not known.

    Raises:
        ConfigError: There is no such partition, or none is named and none is the default.
    """
    if facts.partitions is None:
        return None
    names = [partition.name for partition in facts.partitions]
    if resources.partition:
        for partition in facts.partitions:
            if partition.name == resources.partition:
                return partition
        raise ConfigError(
            "There is no such partition",
            value=resources.partition,
            where="--partition",
            remedy=nearest(resources.partition, names),
        )
    for partition in facts.partitions:
        if partition.is_default:
            return partition
    raise ConfigError(
        "Which partition? This cluster has no default",
        where="--partition, or `partition` in the cluster profile",
        remedy=f"Choices: {', '.join(names)}.",
    )


def too_long(resources: Resources, limit_s: float, source: str) -> ConfigError:
    """The error about a job that would wait for ever."""
    return ConfigError(
        f"The time limit is above that of {source}, {limit_s / 60:g} minutes; the job would wait for ever",
        value=f"{resources.time_limit_s / 60:g} minutes",
        where="--time-limit, or `time_limit` in the cluster profile",
        remedy="Ask for less: a chain of jobs carries a run past the limit.",
    )


def check_account(resources: Resources, facts: SiteFacts, partition: Partition | None) -> None:
    """Refuse an account that the user does not have, and ask for one where several are possible.

    Raises:
        ConfigError: See above.
    """
    mine = sorted({association.account for association in facts.associations or ()})
    if not mine:
        return
    if not resources.account and len(mine) > 1 and facts.default_account == "":
        raise ConfigError(
            "Which account? You have several and no default",
            where="--account, or `account` in the cluster profile",
            remedy=f"Choices: {', '.join(mine)}.",
        )
    account = resources.account or facts.default_account or (mine[0] if len(mine) == 1 else "")
    if account and account not in mine:
        raise ConfigError("You have no such account", value=account, where="--account", remedy=nearest(account, mine))
    if account and partition is not None and partition.accounts and account not in partition.accounts:
        raise ConfigError(
            f"This account may not use partition {partition.name}",
            value=account,
            where="--account",
            remedy=f"It is for: {', '.join(partition.accounts)}.",
        )


def check_qos(resources: Resources, facts: SiteFacts) -> None:
    """Refuse a QOS that the user's account does not grant.

    Raises:
        ConfigError: See above.
    """
    granted = sorted({name for association in my_associations(resources, facts) for name in association.qos})
    if resources.qos and granted and resources.qos not in granted:
        raise ConfigError(
            "You have no such QOS", value=resources.qos, where="--qos", remedy=nearest(resources.qos, granted)
        )


def lower_caps(
    max_jobs: int, max_submitted_jobs: int, resources: Resources, facts: SiteFacts
) -> tuple[int, int, list[str]]:
    """Take the limits of QOS and account into account.

    Args:
        max_jobs: Running jobs that the profile allows.
        max_submitted_jobs: Running and waiting jobs that it allows; 0 for no limit.
        resources: Of each job, as `check_and_complete` returned them.
        facts: What SLURM said.

    Returns:
        Both numbers, lowered where SLURM allows less, and a note for each that was.
    """
    notes = []
    for source, limits in limits_of(resources, facts):
        for most, reason in running_caps(resources, limits):
            if most < max_jobs:
                notes.append(f"{source} lets you run {most} jobs at once ({reason}), so not {max_jobs}")
                max_jobs = most
        most_submitted = limits.max_submitted_jobs
        if most_submitted is not None and (max_submitted_jobs == 0 or most_submitted < max_submitted_jobs):
            notes.append(f"{source} lets you have {most_submitted} jobs, running or waiting")
            max_submitted_jobs = most_submitted
    return max_jobs, max_submitted_jobs, notes
