"""Starting a fleet: what `gamefleet fleet start` asks of the cluster, shows, writes and submits.

Job: bring profile, cluster and settings together. Place in the data flow: between the command's options and
`topologies.fleet`. Left out: parsing (`fleet`), deciding (`cluster`).
"""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gamefleet.errors import ClusterError

if TYPE_CHECKING:
    from gamefleet.cluster.fleet import ChainFacts, Fleet, FleetFacts
    from gamefleet.cluster.jobs import Resources
    from gamefleet.topologies.config import Asked
    from gamefleet.topologies.fleet import FleetRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFacts:
    """What jobs are like here.

    Args:
        executor: Where they run.
        resources: Of each.
        max_jobs: That may run at once.
        setup: Shell lines before each one's command.
    """

    executor: str
    resources: Resources
    max_jobs: int
    setup: tuple[str, ...]


def resources_of_jobs(executor: str, profile: Path | None, wanted: dict[str, Any], jobs: int | None) -> JobFacts:
    """What the profile allows, what was asked for, and what the cluster says to that.

    Raises:
        ConfigError: The cluster would not run such jobs; says what is possible.
    """
    from gamefleet.cluster.profile import habits, load_profile, resources

    limits = load_profile(profile)
    if executor == "slurm":
        wanted = {**habits(os.environ), **{name: value for name, value in wanted.items() if value is not None}}
    found = resources(limits, **{name: value for name, value in wanted.items() if value is not None})
    max_jobs = limits.max_jobs if jobs is None else jobs
    if executor == "slurm":
        from gamefleet.cluster.detect import check_and_complete, detect, lower_caps

        facts = detect(os.environ)
        found, notes = check_and_complete(found, facts)
        max_jobs, _, lowered = lower_caps(max_jobs, limits.max_submitted_jobs, found, facts)
        if not wanted.get("partition") and not limits.partition:
            notes = [*notes, f"jobs go to the partition {found.partition}, the cluster's default"]
        for note in [*notes, *lowered]:
            print(f"note: {note}")
    return JobFacts(executor=executor, resources=found, max_jobs=max_jobs, setup=tuple(limits.setup))


def request_for(game: str | None, asked: Asked, jobs: JobFacts, *, num_chains: int, notify: str) -> FleetRequest:
    """The settings, checked before anything is written or submitted."""
    from gamefleet.games import DEFAULT_GAME, open_game
    from gamefleet.identity import fresh_run_name
    from gamefleet.topologies.config import make_config, merge
    from gamefleet.topologies.fleet import FleetRequest

    package = open_game(game or asked.game_name or DEFAULT_GAME)
    config = make_config(package, asked)
    if not config.run.name:
        merge(asked.settings, {"run": {"name": fresh_run_name(package.name)}})
        config = make_config(package, asked)
    if config.collaboration.enabled:
        print(f"note: the members share weights through {config.collaboration.folder.absolute()}")
    elif num_chains > 1:
        print(f"note: the {num_chains} runs differ in their seeds and share nothing (collaboration.enabled is false)")
    return FleetRequest(
        game=package.name,
        asked=asked,
        config=config,
        num_chains=num_chains,
        executor=jobs.executor,
        resources=jobs.resources,
        max_jobs=jobs.max_jobs,
        setup=jobs.setup,
        notify=notify,
    )


def show_plan(fleet: Fleet, request: FleetRequest) -> None:
    """Print what `start` would do."""
    from gamefleet.cluster.slurm.script import batch_script, submit_words
    from gamefleet.topologies.fleet import settings_text

    facts = fleet.facts
    print(f"Nothing was submitted. {fleet.paths.root} would carry:")
    for chain in facts.chains:
        print(f"  {chain.member}: {chain.run_folder}")
    print(f"At most {facts.max_jobs} job(s) would run at once. Settings of every leg:\n")
    print(settings_text(request))
    for chain in facts.chains:
        print(f"{chain.member} would run:\n  {shlex.join(chain.command)}")
    if facts.executor == "slurm":
        first = fleet.request(facts.chains[0].member, 1, "")
        print(f"\n{shlex.join(submit_words(fleet.paths.scripts / first.name))}")
        print(f"would submit this script:\n\n{batch_script(first)}")


def begin(fleet: Fleet, request: FleetRequest) -> None:
    """Write the fleet down, take away the marks of an earlier end, and submit."""
    from gamefleet.cluster.carrier import move_on
    from gamefleet.cluster.fleet import read_facts, write_facts
    from gamefleet.cluster.store import forgive, forgive_stop
    from gamefleet.files import write_bytes
    from gamefleet.topologies.fleet import settings_text

    if fleet.paths.facts.exists() and read_facts(fleet.paths).resources != fleet.facts.resources:
        print("note: a job that waits already keeps what it asked for; the next ones ask for what you say now")
    fleet = replace(fleet, facts=write_facts(fleet.paths, fleet.facts))
    write_bytes(fleet.paths.settings, settings_text(request).encode())
    prepare_streaming(fleet, request)
    if forgive_stop(fleet.paths):
        print("This fleet was stopped; it goes on.")
    for chain in fleet.facts.chains:
        for mark in forgive(fleet.paths.chain(chain.member), forgiven(chain, request)):
            print(f"{chain.member} was {mark}; it goes on.")
    standing = move_on(fleet, patience_s=0.0)
    if standing.answer is None:
        raise ClusterError(
            f"The fleet is written down, but nothing could be submitted: {standing.silence}",
            where=fleet.paths.root,
            remedy="Call `gamefleet fleet start` or `gamefleet fleet status` again when the scheduler answers.",
        )
    permanent = [error for error in standing.refusals.values() if not error.is_temporary]
    if permanent:
        raise permanent[0]
    print_standing(fleet)


def prepare_streaming(fleet: Fleet, request: FleetRequest) -> None:
    """Put down what jobs need to be watched: a token, and on which machine people log in."""
    streaming = request.config.streaming
    if streaming.enabled is not True:
        return
    import getpass
    import socket

    from gamefleet.topologies.streaming.wiring import prepare_fleet

    shared = request.config.collaboration.folder.absolute() if request.config.collaboration.enabled else None
    folder = shared or fleet.paths.root
    prepare_fleet([fleet.paths.root, *([shared] if shared else [])], host=socket.gethostname())
    print(f"Watch it from where you sit: gamefleet view --via {getpass.getuser()}@{socket.gethostname()}:{folder}")


def forgiven(chain: ChainFacts, request: FleetRequest) -> tuple[str, ...]:
    """Marks that a start takes away; that of a finished run only where more steps are asked for now."""
    from gamefleet.runs.folder import read_state
    from gamefleet.runs.paths import RunPaths

    steps = read_state(RunPaths(chain.run_path)).get("step", 0)
    return ("failed", "held", *(("done",) if steps < request.config.run.total_steps else ()))


def check_runs(request: FleetRequest, facts: FleetFacts) -> None:
    """Refuse settings with which a run that is there could not go on; each job would only find out again.

    Raises:
        IncompatibleError: The run has another observation, reward or architecture.
        ConfigError: The run plays another game.
    """
    from gamefleet.cli.train import settings_for
    from gamefleet.games import open_game
    from gamefleet.runs.folder import is_run
    from gamefleet.runs.manifest import check_compatible, read_manifest
    from gamefleet.runs.paths import RunPaths
    from gamefleet.topologies.build import compatibility
    from gamefleet.topologies.layers import copied

    package = open_game(request.game)
    for chain in facts.chains:
        paths = RunPaths(chain.run_path)
        if is_run(paths):
            asked = replace(request.asked, settings=copied(request.asked.settings))
            asked.settings.setdefault("run", {})["name"] = paths.name
            _, config = settings_for(package, asked, is_resumed=True)
            ours = compatibility(package, package.make_spec(config.game), config)
            check_compatible(ours, read_manifest(paths)["compatibility"], where=paths.root)


def print_standing(fleet: Fleet) -> None:
    """Where the fleet stands now, as lines for people."""
    from gamefleet.cli.fleet_report import report, report_lines

    for line in report_lines(report(fleet)):
        print(line)
