"""A fleet of training runs: what each job of each chain runs, and how chains look into the runs that they carry.

Job: turn settings and resources into the facts of a fleet. Place in the data flow: between the command line and
`cluster`, which knows jobs and nothing about training. Left out: when jobs are submitted (`cluster.chain`).

One chain carries the run NAME itself. Several carry NAME-m0, NAME-m1, ..., which differ in their seed; each keeps its
name, its folder and its seed over all of its jobs. With collaboration each of them is one member of the shared folder,
under the name of its run; without, they know nothing of each other.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gamefleet.cluster.fleet import ChainFacts, FleetFacts, read_facts
from gamefleet.cluster.fleet_paths import FleetPaths
from gamefleet.cluster.jobs import Resources
from gamefleet.errors import ConfigError, RunFolderError
from gamefleet.runs.carried import carrying_fleet
from gamefleet.runs.paths import RunPaths
from gamefleet.topologies.config import Asked, RunConfig, to_toml

COMMAND = (sys.executable, "-P", "-m", "gamefleet.cli.main")
"""This very installation, whatever environment the job finds itself in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetRequest:
    """What a user asks for.

    Args:
        game: The game's name.
        asked: The settings as they were asked for.
        config: The same, checked and complete; `config.run.name` is the fleet's name.
        num_chains: How many runs are carried.
        executor: `slurm`, `local` or `tmux`.
        resources: Of each job.
        max_jobs: Jobs of the user that may run at the same time.
        setup: Shell lines before each job's command.
        notify: Shell command at the end of a chain.
    """

    game: str
    asked: Asked
    config: RunConfig
    num_chains: int
    executor: str
    resources: Resources
    max_jobs: int
    setup: Sequence[str] = ()
    notify: str = ""

    @property
    def paths(self) -> FleetPaths:
        """Where the fleet lies, absolute."""
        return FleetPaths(Path(self.config.run.runs_folder).absolute() / self.config.run.name)


def plan(request: FleetRequest) -> FleetFacts:
    """The facts of a new fleet, or of one that is there and goes on with what is asked for now.

    Raises:
        ConfigError: The number of chains is impossible.
        RunFolderError: The fleet that is there cannot be continued like this.
    """
    if request.num_chains < 1 or request.max_jobs < 1:
        raise ConfigError(
            "A fleet needs at least one chain and one job",
            value=min(request.num_chains, request.max_jobs),
            where="--ddp-world-size, --jobs",
            remedy="Ask for 1 or more.",
        )
    paths = request.paths
    chains = tuple(chain(request, paths, index) for index in range(request.num_chains))
    facts = FleetFacts(
        name=paths.root.name,
        id=secrets.token_hex(2),
        executor=request.executor,
        chains=chains,
        resources=request.resources,
        max_jobs=request.max_jobs,
        leg_command=(*COMMAND, "fleet", "leg"),
        work_folder=os.getcwd(),
        created_at=time.time(),
        setup=tuple(request.setup),
        notify=request.notify,
    )
    refuse_if_carried_by_another(facts, paths)
    return continued(facts, read_facts(paths)) if paths.facts.exists() else facts


def refuse_if_carried_by_another(facts: FleetFacts, paths: FleetPaths) -> None:
    """Keep two fleets from carrying one run.

    Raises:
        RunFolderError: Names the other fleet.
    """
    for chain in facts.chains:
        other = carrying_fleet(RunPaths(chain.run_path))
        if other is not None and other != paths.folder:
            raise RunFolderError(
                f"The fleet {other.parent.name!r} carries the run {chain.run_path.name!r} already",
                where=other,
                remedy=f"Stop it first (`gamefleet fleet stop --run {other.parent.name}`), or use another name.",
            )


def chain(request: FleetRequest, paths: FleetPaths, index: int) -> ChainFacts:
    """One chain: its run and the command that starts the run or goes on with it."""
    settings = request.config.run
    name = settings.name if request.num_chains == 1 else f"{settings.name}-m{index}"
    command = [*COMMAND, "train", request.game, "--config", str(paths.settings), "--auto-resume"]
    command += ["--run", name]
    if request.num_chains > 1 or "seed" in request.asked.settings.get("run", {}):
        command += ["--seed", str(settings.seed + index)]  # one run that is there keeps its own unless told otherwise
    return ChainFacts(member=f"m{index}", run_folder=str(paths.root.parent / name), command=tuple(command))


def continued(facts: FleetFacts, before: FleetFacts) -> FleetFacts:
    """What a fleet that is there becomes: names stay, the rest is as asked for now.

    Raises:
        RunFolderError: It has another executor, or one chain where several are asked for.
    """
    if before.executor != facts.executor:
        raise RunFolderError(
            f"This fleet runs by {before.executor}",
            value=facts.executor,
            where=facts.name,
            remedy="Give the new fleet another name with --run.",
        )
    folders = {chain.member: chain.run_folder for chain in before.chains}
    if len(facts.chains) < len(folders) or any(
        folders.get(chain.member, chain.run_folder) != chain.run_folder for chain in facts.chains
    ):
        raise RunFolderError(
            f"This fleet has {len(folders)} chain(s)",
            value=len(facts.chains),
            where=facts.name,
            remedy=f"Continue it with --ddp-world-size {len(folders)}, or give the new fleet another name with --run. "
            "A fleet of several chains can grow.",
        )
    return replace(facts, id=before.id, created_at=before.created_at)


def settings_text(request: FleetRequest) -> str:
    """The settings file that every leg reads: what was asked for, with folders made absolute.

    Names and seeds are left out, because the commands of the chains say them.
    """
    asked = request.asked.settings
    run = {key: value for key, value in asked.get("run", {}).items() if key not in ("name", "seed")}
    legs = {**asked, "run": {**run, "runs_folder": str(request.paths.root.parent)}}
    if request.config.collaboration.enabled:
        dropped = ("member",) if request.num_chains > 1 else ()  # one name for all would make them one member
        shared = {key: value for key, value in asked["collaboration"].items() if key not in dropped}
        legs["collaboration"] = {**shared, "shared_dir": str(request.config.collaboration.folder.absolute())}
    return to_toml(legs)
