"""`gamefleet fleet`: chains of jobs that carry runs past a time limit.

Job: parse, call, print. Place in the data flow: `topologies.fleet` plans, `cluster` carries. Left out: all decisions.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gamefleet.cli.options import ConfigOption, RunsFolderOption, SetOption, ask_for
from gamefleet.errors import ClusterError, ConfigError, RunFolderError

if TYPE_CHECKING:
    from gamefleet.cluster.fleet import Fleet
    from gamefleet.cluster.jobs import Resources
    from gamefleet.cluster.profile import ClusterProfile
    from gamefleet.topologies.fleet import FleetRequest

app = typer.Typer(help="Carry runs past a time limit by chains of jobs.", no_args_is_help=True)

RunOption = Annotated[str | None, typer.Option("--run", help="Name of the fleet.")]
ExecutorOption = Annotated[str, typer.Option("--executor", help="slurm, local (processes of this machine) or tmux.")]
ProfileOption = Annotated[
    Path | None, typer.Option("--profile", metavar="FILE", help="Limits of the cluster; `gamefleet fleet profile`.")
]


@app.command("start")
def start(
    config: ConfigOption = None,
    partition: Annotated[str | None, typer.Option(help="Partition of the jobs.")] = None,
    ddp_world_size: Annotated[int, typer.Option(help="Chains: runs that are carried side by side.")] = 1,
    jobs: Annotated[
        int | None, typer.Option(help="Jobs of yours that may run at once; default: the profile's.")
    ] = None,
    run: RunOption = None,
    game: Annotated[str | None, typer.Option(help="What to play; default: what the settings name.")] = None,
    assignments: SetOption = None,
    executor: ExecutorOption = "slurm",
    profile: ProfileOption = None,
    account: Annotated[str | None, typer.Option(help="Account that pays.")] = None,
    qos: Annotated[str | None, typer.Option(help="Quality of service.")] = None,
    time_limit: Annotated[str | None, typer.Option(help="Of each job, as SLURM writes it: 4:00:00.")] = None,
    cpus: Annotated[int | None, typer.Option(help="Of each job.")] = None,
    gpus: Annotated[int | None, typer.Option(help="Of each job; 0 for none.")] = None,
    gpu_memory_gb: Annotated[float | None, typer.Option(help="Of each job.")] = None,
    notify: Annotated[str, typer.Option(metavar="COMMAND", help="Run when a chain finishes, stops or fails.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be submitted, and submit nothing.")
    ] = False,
) -> None:
    """Start chains of jobs, or go on with those that stopped; calling it again does no harm."""
    from gamefleet.topologies.fleet import plan
    from gamefleet.topologies.fleet_runs import fleet_of

    asked_of_jobs = {
        "partition": partition,
        "account": account,
        "qos": qos,
        "time_limit": time_limit,
        "cpus": cpus,
        "gpus": gpus,
        "gpu_memory_gb": gpu_memory_gb,
    }
    limits, resources, max_jobs = resources_of_jobs(executor, profile, asked_of_jobs, jobs)
    request = request_for(game, ask_for(config, assignments, {"run.name": run}), ddp_world_size, executor)
    request = complete(request, limits, resources, max_jobs=max_jobs, notify=notify)
    facts = plan(request)
    fleet = fleet_of(request.paths, facts, os.environ)
    if dry_run:
        show_plan(fleet, request)
        return
    begin(fleet, request)


def resources_of_jobs(
    executor: str, profile: Path | None, asked: dict[str, Any], jobs: int | None
) -> tuple[ClusterProfile, Resources, int]:
    """The profile, what each job may use, and how many jobs may run at once."""
    from gamefleet.cluster.profile import load_profile, resources

    limits = load_profile(profile)
    wanted = resources(limits, **{name: value for name, value in asked.items() if value is not None})
    max_jobs = limits.max_jobs if jobs is None else jobs
    if executor != "slurm":
        return limits, wanted, max_jobs
    from gamefleet.cluster.detect import check_and_complete, detect

    facts = detect(os.environ)
    completed, notes = check_and_complete(wanted, facts)
    if facts.max_jobs is not None and facts.max_jobs < max_jobs:
        notes = [*notes, f"your QOS allows {facts.max_jobs} jobs at once, so not {max_jobs}"]
        max_jobs = facts.max_jobs
    for note in notes:
        print(f"note: {note}")
    return limits, completed, max_jobs


def request_for(game: str | None, asked: Any, num_chains: int, executor: str) -> FleetRequest:
    """The settings, checked before anything is written or submitted."""
    from gamefleet.cluster.jobs import Resources
    from gamefleet.games import DEFAULT_GAME, open_game
    from gamefleet.identity import fresh_run_name
    from gamefleet.topologies.config import make_config, merge
    from gamefleet.topologies.fleet import FleetRequest

    package = open_game(game or asked.game_name or DEFAULT_GAME)
    config = make_config(package, asked)
    if not config.run.name:
        merge(asked.settings, {"run": {"name": fresh_run_name(package.name)}})
        config = make_config(package, asked)
    return FleetRequest(
        game=package.name,
        asked=asked,
        config=config,
        num_chains=num_chains,
        executor=executor,
        resources=Resources(),
        max_jobs=1,
    )


def complete(
    request: FleetRequest, limits: ClusterProfile, resources: Resources, *, max_jobs: int, notify: str
) -> FleetRequest:
    """The request with what the cluster adds."""
    from dataclasses import replace

    return replace(request, resources=resources, max_jobs=max_jobs, setup=tuple(limits.setup), notify=notify)


def show_plan(fleet: Fleet, request: FleetRequest) -> None:
    """Print what `start` would do."""
    from gamefleet.cluster.slurm_script import batch_script, submit_words
    from gamefleet.topologies.fleet import settings_text

    facts = fleet.facts
    print(f"Nothing was submitted. {fleet.paths.root} would carry:")
    for chain in facts.chains:
        print(f"  {chain.member}: {chain.run_folder}")
    print(f"At most {facts.max_jobs} job(s) would run at once. Settings of every leg:\n")
    print(settings_text(request))
    for chain in facts.chains:
        print(f"{chain.member} would run:\n  {' '.join(chain.command)}")
    if facts.executor == "slurm":
        first = fleet.request(facts.chains[0].member, 1, "")
        print(
            f"\n{' '.join(submit_words(fleet.paths.scripts / first.name))}, a script that says:\n\n{batch_script(first)}"
        )


def begin(fleet: Fleet, request: FleetRequest) -> None:
    """Write the fleet down, take away the marks of an earlier end, and submit."""
    from gamefleet.cluster.carrier import move_on
    from gamefleet.cluster.fleet import write_facts
    from gamefleet.cluster.store import forgive, forgive_stop
    from gamefleet.files import write_bytes
    from gamefleet.topologies.fleet import settings_text

    write_facts(fleet.paths, fleet.facts)
    write_bytes(fleet.paths.settings, settings_text(request).encode())
    if forgive_stop(fleet.paths):
        print("This fleet was stopped; it goes on.")
    for chain in fleet.facts.chains:
        for mark in forgive(fleet.paths.chain(chain.member)):
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


def print_standing(fleet: Fleet) -> None:
    """Where the fleet stands now, as lines for people."""
    from gamefleet.cli.fleet_report import report, report_lines

    for line in report_lines(report(fleet)):
        print(line)


@app.command("status")
def status(
    config: ConfigOption = None,
    run: RunOption = None,
    runs_folder: RunsFolderOption = Path("runs"),
    legs: Annotated[bool, typer.Option("--legs", help="List every leg with its steps and hand-over.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Show where each chain stands, and move on what can be moved on."""
    import json

    from gamefleet.cli.fleet_report import leg_lines, report, report_lines

    fleet = named_fleet(config, run, runs_folder)
    found = report(fleet)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for line in report_lines(found):
        print(line)
    for line in leg_lines(found) if legs else ():
        print(line)


@app.command("stop")
def stop(
    config: ConfigOption = None,
    run: RunOption = None,
    runs_folder: RunsFolderOption = Path("runs"),
    now: Annotated[
        bool, typer.Option("--now", help="Cancel running jobs instead of asking them to save first.")
    ] = False,
    wait_s: Annotated[float, typer.Option("--wait-seconds", help="For running jobs to save and end.")] = 600.0,
) -> None:
    """End all chains: running jobs save and end, waiting ones are cancelled, and nothing follows."""
    from gamefleet.cluster.stopping import Patience, stop

    fleet = named_fleet(config, run, runs_folder)
    stop(fleet, now=now, patience=Patience(wait_s=wait_s), say=print)
    for chain in fleet.facts.chains:
        step = fleet.probe.step(chain.run_path)
        print(f"{chain.member}: {f'saved at step {step:,}' if step >= 0 else 'nothing saved yet'} ({chain.run_folder})")
    print(f"No job of {fleet.facts.name} is left. Go on with: gamefleet fleet start, as before.")


@app.command("logs")
def logs(
    config: ConfigOption = None,
    run: RunOption = None,
    runs_folder: RunsFolderOption = Path("runs"),
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on printing until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="Of each log's end.")] = 20,
    chain: Annotated[str | None, typer.Option(help="Only this chain, for example m0.")] = None,
) -> None:
    """Show the output of each chain's newest job."""
    from gamefleet.cluster.follow import Follower

    fleet = named_fleet(config, run, runs_folder)
    members = [fleet.facts.chain(chain).member] if chain else [one.member for one in fleet.facts.chains]
    follower = Follower(fleet.paths, members, num_lines=lines)
    found = follower.fresh()
    while True:
        for heading, text in found:
            print(f"==> {heading} <==\n{text}", flush=True)
        if not follow:
            break
        time.sleep(1.0)
        found = follower.fresh()
    if not found:
        print(f"There is no output yet in {fleet.paths.logs}.")


@app.command("profile")
def profile(profile: ProfileOption = None) -> None:
    """Print the profile that would be used, to be saved as cluster.toml and edited."""
    from gamefleet.cluster.profile import profile_text

    print(profile_text(profile), end="")


@app.command("leg", hidden=True)
def leg(folder: Path, member: str, submission: int) -> None:
    """Be one job of a chain; batch scripts call this."""
    from gamefleet.cluster.leg import Timing, run_leg
    from gamefleet.topologies.fleet_runs import open_fleet

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    fleet = open_fleet(folder, os.environ)
    print(run_leg(fleet, member, submission, environment=os.environ, timing=Timing()), flush=True)


def named_fleet(config: Path | None, run: str | None, runs_folder: Path) -> Fleet:
    """The fleet that a user means, by its name or by the settings that it was started with.

    Raises:
        ConfigError: Neither names it.
        RunFolderError: There is no such fleet.
    """
    from gamefleet.topologies.fleet_runs import open_fleet

    if run is not None:
        return open_fleet(runs_folder / run, os.environ)
    if config is None:
        return open_fleet(runs_folder / only_fleet(runs_folder), os.environ)
    section = ask_for(config, None).settings.get("run", {})
    if "name" not in section:
        raise ConfigError("These settings do not name a run", where=config, remedy="Name the fleet with --run.")
    return open_fleet(Path(section.get("runs_folder", runs_folder)) / section["name"], os.environ)


def only_fleet(runs_folder: Path) -> str:
    """The name of the one fleet there is.

    Raises:
        RunFolderError: There is none, or more than one.
    """
    names = sorted(path.parent.parent.name for path in runs_folder.glob("*/fleet/fleet.json"))
    if len(names) == 1:
        return names[0]
    raise RunFolderError(
        "Which fleet?" if names else "There is no fleet",
        value=", ".join(names) or None,
        where=runs_folder,
        remedy="Name it with --run." if names else "Start one with `gamefleet fleet start`.",
    )
