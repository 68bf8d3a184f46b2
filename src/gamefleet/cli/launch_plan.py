"""A launch: what is asked of the cluster, what each rank runs, and its beginning.

Job: bring options, profile and cluster together into a chain of jobs. Place in the data flow: between the options of
`gamefleet launch` and `cluster`. Left out: parsing (`launch`), which run it is (`launch_runs`), deciding (`cluster`).
"""

from __future__ import annotations

import getpass
import os
import secrets
import shlex
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gamefleet.cli.fleet_report import NO_LIMIT
from gamefleet.errors import ClusterError, ConfigError, MissingDependencyError

if TYPE_CHECKING:
    from gamefleet.cli.launch_training import Training
    from gamefleet.cluster.fleet import Fleet, FleetFacts
    from gamefleet.cluster.fleet_paths import FleetPaths
    from gamefleet.cluster.jobs import Resources
    from gamefleet.cluster.launch_resources import LaunchSize
    from gamefleet.cluster.slurm.site import SiteFacts

COMMAND = (sys.executable, "-P", "-m", "gamefleet.cli.main")
MEMBER = "m0"
MAX_JOBS = NO_LIMIT
"""A launch is one chain: whether it must wait for other jobs of the user is for SLURM to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchRequest:
    """What a user asks for.

    Args:
        training: What is trained, and how.
        run: Name of the run; empty invents one, or takes the newest with `is_resumed`.
        runs_folder: Holds the run folders.
        is_resumed: Whether a run that is there shall go on.
        size: Nodes, GPUs, time.
        executor: `slurm` or `local`.
        profile: The cluster's limits; None looks for them.
        notify: Shell command at the end of the chain.
    """

    training: Training
    run: str
    runs_folder: Path
    is_resumed: bool
    size: LaunchSize
    executor: str
    profile: Path | None
    notify: str = ""

    @property
    def game(self) -> str:
        """What is trained."""
        return self.training.game

    @property
    def num_gpus(self) -> int:
        """Ranks of the whole job."""
        return self.size.nodes * self.size.tasks_per_node


def carry(request: LaunchRequest, *, is_dry_run: bool) -> None:
    """Plan, and submit or show."""
    from gamefleet.cli.launch_runs import check_finished, completed, run_of
    from gamefleet.cluster.fleet_paths import FleetPaths
    from gamefleet.topologies.fleet_runs import fleet_of

    request = completed(request)
    name = run_of(request.game, request.run, request.runs_folder, is_resumed=request.is_resumed)
    paths = FleetPaths(request.runs_folder.absolute() / name)
    check_finished(paths.root, request.training.flags.max_steps)
    plan = request.training.plan(paths.root, request.num_gpus)
    resources, setup, notes = resources_of(request, is_dry_run=is_dry_run)
    for note in notes:
        print(f"note: {note}")
    print(plan)
    fleet = fleet_of(paths, facts_of(request, paths, resources, setup), os.environ)
    if is_dry_run:
        show(request, fleet)
    else:
        begin(request, fleet)


def resources_of(request: LaunchRequest, *, is_dry_run: bool) -> tuple[Resources, tuple[str, ...], list[str]]:
    """Resources of each job, shell lines before its command, and notes.

    Raises:
        ConfigError: The cluster would not run such jobs; says what is possible.
        MissingDependencyError: There is no SLURM here.
    """
    from gamefleet.cluster.detect import check_and_complete
    from gamefleet.cluster.launch_resources import sized
    from gamefleet.cluster.profile import habits, load_profile
    from gamefleet.cluster.slurm.site import SiteFacts

    profile = load_profile(request.profile)
    if request.executor == "local":
        check_local(request)
        resources, _ = sized(request.size, profile, SiteFacts())
        return replace(resources, nodes=1, tasks_per_node=1), tuple(profile.setup), []
    usual = habits(os.environ)
    asked = request.size
    size = replace(
        asked,
        partition=asked.partition or usual.get("partition", ""),
        account=asked.account or usual.get("account", ""),
        qos=asked.qos or usual.get("qos", ""),
    )
    facts, unasked = site(is_dry_run=is_dry_run)
    resources, notes = sized(size, profile, facts)
    resources, more = check_and_complete(resources, facts)
    return resources, tuple(profile.setup), [*unasked, *notes, *more, *bills(resources, facts)]


def check_local(request: LaunchRequest) -> None:
    """Refuse several nodes without a scheduler, and whatever else only one could give.

    Raises:
        ConfigError: Something like that is asked for.
    """
    size = request.size
    if size.nodes > 1:
        raise ConfigError("Without a scheduler there is one node", value=size.nodes, where="NODES", remedy="Ask for 1.")
    of_jobs = {
        "--partition": size.partition,
        "--account": size.account,
        "--qos": size.qos,
        "--memory": size.memory_gb,
        "--exclusive": size.exclusive,
    }
    for option, value in of_jobs.items():
        if value:
            raise ConfigError(
                "Without a scheduler nobody can be asked for this",
                value=value,
                where=f"{option} with --executor local",
                remedy="Leave one of the two out.",
            )


def site(*, is_dry_run: bool) -> tuple[SiteFacts, list[str]]:
    """What SLURM says of itself; a plan can be shown without.

    Raises:
        MissingDependencyError: There is no SLURM here, and jobs shall be submitted.
    """
    from gamefleet.cluster.detect import detect
    from gamefleet.cluster.slurm.site import SiteFacts
    from gamefleet.errors import SchedulerSilentError

    try:
        return detect(os.environ), []
    except (MissingDependencyError, SchedulerSilentError) as error:
        if not is_dry_run:
            raise MissingDependencyError(
                "There is no SLURM on this machine",
                value=error.what,
                remedy="Call this on a login node, or train here: `gamefleet launch ... --executor local`.",
            ) from error
        return SiteFacts(), [f"nothing was asked of a cluster: {error.what}"]


def bills(resources: Resources, facts: SiteFacts) -> list[str]:
    """Which account and QOS will be used where none was named."""
    notes = []
    if not resources.account and facts.default_account:
        notes.append(f"account {facts.default_account}: your default")
    mine = [one for one in facts.associations or () if one.account == (resources.account or facts.default_account)]
    default_qos = next((one.default_qos for one in mine if one.default_qos), "")
    if not resources.qos and default_qos:
        notes.append(f"QOS {default_qos}: your default")
    return notes


def facts_of(request: LaunchRequest, paths: FleetPaths, resources: Resources, setup: tuple[str, ...]) -> FleetFacts:
    """The facts of a new chain, or of one that is there and goes on with what is asked for now."""
    from gamefleet.cluster.fleet import ChainFacts, FleetFacts, read_facts
    from gamefleet.topologies.fleet import continued, refuse_if_carried_by_another

    facts = FleetFacts(
        name=paths.root.name,
        id=secrets.token_hex(2),
        executor=request.executor,
        chains=(ChainFacts(member=MEMBER, run_folder=str(paths.root), command=command_of(request, paths, resources)),),
        resources=resources,
        max_jobs=MAX_JOBS,
        leg_command=(*COMMAND, "fleet", "leg"),
        work_folder=os.getcwd(),
        created_at=time.time(),
        setup=setup,
        notify=request.notify,
        budget_s=request.size.time_s,
        budget_from=time.time(),
        shows_output=request.executor == "slurm",
    )
    refuse_if_carried_by_another(facts, paths)
    return continued(facts, read_facts(paths)) if paths.facts.exists() else facts


def command_of(request: LaunchRequest, paths: FleetPaths, resources: Resources) -> tuple[str, ...]:
    """What each leg runs: the training program, once per GPU."""
    from gamefleet.cluster.spread import spread

    words = [*COMMAND, "train", request.game, "--run", paths.root.name, "--auto-resume"]
    words += [*request.training.words(), "--set", f"run.runs_folder={paths.root.parent}"]
    if request.executor == "local":
        return (*words, "--gpus-per-node", str(request.size.tasks_per_node))
    return spread(words, resources)


def show(request: LaunchRequest, fleet: Fleet) -> None:
    """Print what would be done."""
    from gamefleet.cluster.slurm.script import batch_script, submit_words

    first = fleet.request(MEMBER, 1, "")
    print(f"Nothing was written or submitted. {described(request, fleet)}")
    if request.executor == "slurm":
        print(f"\n{shlex.join(submit_words(fleet.paths.scripts / f'{first.name}.sh'))}")
        print(f"would submit this script:\n\n{batch_script(first)}")
    print(f"Its command runs, and repeats in each job of the chain:\n\n{shlex.join(fleet.facts.chains[0].command)}")


def described(request: LaunchRequest, fleet: Fleet) -> str:
    """The plan in a sentence."""
    resources = fleet.facts.resources
    size, hours = request.size, request.size.time_s / 3600
    jobs = max(1, -(-int(size.time_s) // resources.time_limit_s))
    where = f"{size.nodes} node(s) x {size.gpus_per_node} GPU(s)"
    each = f"{jobs} job(s) of up to {resources.time_limit_s / 3600:.3g} h"
    memory = f", {resources.memory} of memory per node" if resources.memory else ""
    return f"{fleet.facts.name}: {hours:.3g} h on {where}, {each}, {resources.cpus} CPU(s) per process{memory}."


def begin(request: LaunchRequest, fleet: Fleet) -> None:
    """Write the chain down, take away the marks of an earlier end, submit, and say where to look.

    Raises:
        ClusterError: Nothing could be submitted.
    """
    from gamefleet.cli.launch_runs import WORDS, link_checkpoints
    from gamefleet.cluster.carrier import move_on
    from gamefleet.cluster.fleet import write_facts
    from gamefleet.cluster.store import forgive, forgive_stop
    from gamefleet.files import write_json

    fleet = replace(fleet, facts=write_facts(fleet.paths, fleet.facts))
    write_json(
        fleet.paths.folder / WORDS, {"game": request.game, "gpus": request.num_gpus, "at": fleet.facts.budget_from}
    )
    forgive_stop(fleet.paths)
    forgive(fleet.paths.chain(MEMBER), ("failed", "held", "done"))
    standing = move_on(fleet, patience_s=0.0)
    if standing.answer is None:
        raise ClusterError(
            f"The launch is written down, but nothing could be submitted: {standing.silence}",
            where=fleet.paths.root,
            remedy=f"`gamefleet fleet status --run {fleet.facts.name}` submits it when the scheduler answers.",
        )
    for error in standing.refusals.values():
        raise error
    print(described(request, fleet))
    print(link_checkpoints(fleet.paths.root, request.num_gpus, Path.cwd()))
    print(where_to_look(fleet))


def where_to_look(fleet: Fleet) -> str:
    """The commands that follow."""
    from gamefleet.cli.fleet_report import report, report_lines

    name, runs = fleet.facts.name, shlex.quote(str(fleet.paths.root.parent))
    option = "" if fleet.paths.root.parent == Path("runs").absolute() else f" --runs-folder {runs}"
    lines = [
        *report_lines(report(fleet)),
        f"Queue:  squeue -u {getpass.getuser()}",
        f"State:  gamefleet fleet status --run {name}{option}",
        f"Output: gamefleet fleet logs --run {name}{option} --follow",
        f"Stop:   gamefleet fleet stop --run {name}{option}",
    ]
    if fleet.facts.shows_output:
        lines.insert(-1, "        tail -f slurm-JOBID.out, once the job has begun")
    return "\n".join(lines)
