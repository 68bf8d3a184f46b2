"""`gamefleet fleet`: chains of jobs that carry runs past a time limit.

Job: parse, call, print. Place in the data flow: `topologies.fleet` plans, `cluster` carries. Left out: all decisions.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gamefleet.cli.options import ConfigOption, ProfileOption, RunsFolderOption, SetOption, ask_for
from gamefleet.errors import ConfigError, RunFolderError

if TYPE_CHECKING:
    from gamefleet.cluster.fleet import Fleet

app = typer.Typer(help="Carry runs past a time limit by chains of jobs.", no_args_is_help=True)

RunOption = Annotated[str | None, typer.Option("--run", help="Name of the fleet.")]
ExecutorOption = Annotated[str, typer.Option("--executor", help="slurm, local (processes of this machine) or tmux.")]
StartFolderOption = Annotated[
    Path | None, typer.Option("--runs-folder", help="The folder that holds the run folders; default: runs.")
]
PartitionOption = Annotated[str | None, typer.Option("--partition", help="Partition of the jobs.")]
ChainsOption = Annotated[int, typer.Option("--ddp-world-size", help="Chains: runs that are carried side by side.")]
JobsOption = Annotated[
    int | None, typer.Option("--jobs", help="Jobs of yours that may run at once; default: the profile's.")
]
GameOption = Annotated[str | None, typer.Option("--game", help="What to play; default: what the settings name.")]
AccountOption = Annotated[str | None, typer.Option("--account", help="Account that pays.")]
QosOption = Annotated[str | None, typer.Option("--qos", help="Quality of service.")]
TimeLimitOption = Annotated[str | None, typer.Option("--time-limit", help="Of each job, as SLURM writes it: 4:00:00.")]
CpusOption = Annotated[int | None, typer.Option("--cpus", help="Of each job.")]
GpusOption = Annotated[int | None, typer.Option("--gpus", help="Of each job; 0 for none.")]
GpuMemoryOption = Annotated[int | None, typer.Option("--gpu-memory-gb", help="Of each job.")]
NotifyOption = Annotated[
    str, typer.Option("--notify", metavar="COMMAND", help="Run when a chain finishes, stops, is held or fails.")
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Show what would be submitted; write and submit nothing.")
]


@app.command("start")
def start(
    config: ConfigOption = None,
    partition: PartitionOption = None,
    ddp_world_size: ChainsOption = 1,
    jobs: JobsOption = None,
    run: RunOption = None,
    runs_folder: StartFolderOption = None,
    game: GameOption = None,
    assignments: SetOption = None,
    executor: ExecutorOption = "slurm",
    profile: ProfileOption = None,
    account: AccountOption = None,
    qos: QosOption = None,
    time_limit: TimeLimitOption = None,
    cpus: CpusOption = None,
    gpus: GpusOption = None,
    gpu_memory_gb: GpuMemoryOption = None,
    notify: NotifyOption = "",
    dry_run: DryRunOption = False,
) -> None:
    """Start chains of jobs, or go on with those that stopped; calling it again does no harm."""
    from gamefleet.cli.fleet_start import begin, check_runs, request_for, resources_of_jobs, show_plan
    from gamefleet.topologies.fleet import plan
    from gamefleet.topologies.fleet_runs import fleet_of

    words = {"partition": partition, "account": account, "qos": qos, "time_limit": time_limit}
    wanted = {**words, "cpus": cpus, "gpus": gpus, "gpu_memory_gb": gpu_memory_gb}
    jobs_facts = resources_of_jobs(executor, profile, wanted, jobs)
    folder = None if runs_folder is None else str(runs_folder)
    asked = ask_for(config, assignments, {"run.name": checked_name(run), "run.runs_folder": folder})
    request = request_for(game, asked, jobs_facts, num_chains=ddp_world_size, notify=notify)
    fleet = fleet_of(request.paths, plan(request), os.environ)
    check_runs(request, fleet.facts)
    if dry_run:
        show_plan(fleet, request)
    else:
        begin(fleet, request)


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
    if all(fleet.paths.chain(chain.member).mark("done").exists() for chain in fleet.facts.chains):
        print(f"All runs of {fleet.facts.name} have finished; there is nothing to stop.")
        return
    try:
        stop(fleet, now=now, patience=Patience(wait_s=wait_s), say=print)
    except KeyboardInterrupt:
        print("The fleet is marked as stopped: its jobs end, and nothing follows. See `gamefleet fleet status`.")
        raise
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
    from gamefleet.cluster.profile import load_profile, profile_text

    load_profile(profile)  # what is wrong with it shall be said here too
    print(profile_text(profile), end="")


@app.command("leg", hidden=True)
def leg(folder: Path, member: str, submission: int) -> None:
    """Be one job of a chain; batch scripts call this."""
    from gamefleet.cluster.leg import Timing, run_leg
    from gamefleet.topologies.fleet_runs import open_fleet

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    fleet = open_fleet(folder, os.environ)
    print(run_leg(fleet, member, submission, environment=os.environ, timing=Timing()), flush=True)


def checked_name(run: str | None) -> str | None:
    """The name that was asked for; an empty one is a variable of the shell that is not set.

    Raises:
        ConfigError: It is empty.
    """
    if run is not None and not run.strip():
        raise ConfigError("The name of the fleet is empty", value=run, where="--run", remedy="Give it a name.")
    return run


def named_fleet(config: Path | None, run: str | None, runs_folder: Path) -> Fleet:
    """The fleet that a user means, by its name or by the settings that it was started with.

    Raises:
        ConfigError: Neither names it.
        RunFolderError: There is no such fleet.
    """
    from gamefleet.topologies.fleet_runs import open_fleet

    section = {} if config is None else ask_for(config, None).settings.get("run", {})
    folder = Path(section.get("runs_folder", runs_folder))
    name = run or section.get("name")
    if config is not None and not name:
        raise ConfigError("These settings do not name a run", where=config, remedy="Name the fleet with --run.")
    return open_fleet(folder / (name or only_fleet(folder)), os.environ)


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
