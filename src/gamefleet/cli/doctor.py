"""`gamefleet doctor`: what works on this machine, what does not, and the command that mends it.

Job: put the list of checks together, run it, print it. Place in the data flow: before anything else, and whenever
something fails. Left out: the checks (`cluster.checks`, and those of `topologies`).
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gamefleet.cli.doctor_learner import NO_LEARNER, Learner, learner_checks_for
from gamefleet.cli.learner import DEFAULT_PORT as DEFAULT_LEARNER_PORT
from gamefleet.cli.options import ProfileOption, RunsFolderOption
from gamefleet.cli.secret import Secret, TokenFileOption, TokenVariableOption
from gamefleet.errors import ConfigError
from gamefleet.games import DEFAULT_GAME, first_with_skills
from gamefleet.topologies.streaming.settings import DEFAULT_PORT

if TYPE_CHECKING:
    from gamefleet.cluster.checks.base import Check, Result
    from gamefleet.cluster.checks.host import Host
    from gamefleet.cluster.checks.programs import Runner
    from gamefleet.cluster.jobs import Resources
    from gamefleet.cluster.profile import ClusterProfile

WORDS = {"ok": "ok", "warning": "warn", "failed": "FAIL", "skipped": "skip"}
COLOURS = {"ok": "green", "warning": "yellow", "failed": "red", "skipped": "bright_black"}

PROBE_TIMEOUT_S = 20.0
GAME_HELP = (
    f"Open this game, play it, train it for a moment; {DEFAULT_GAME} by default. Of --config: by default the learner's."
)

EXTRAS: Mapping[str, Sequence[str]] = {
    "pokemon_red": ("torch", "red"),
    "showdown": ("torch", "showdown"),
    "craftax": ("jax", "craftax"),
}
"""What must be installed to train an agent of each game."""


HostOption = Annotated[
    str | None, typer.Option(metavar="USER@HOST", help="Check SSH and rsync to this host, and SLURM there.")
]
PartitionOption = Annotated[str, typer.Option(help="Check this SLURM partition and try a job on it.")]
SharedOption = Annotated[
    # Not readable by this user: that is for a check to say, with what mends it.
    Path | None, typer.Option(readable=False, help="Folder that machines share; by default the runs folder.")
]
SshOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Settings for ssh, as for `ssh -F`.")]
LearnerOption = Annotated[str, typer.Option(metavar="HOST", help="Check the way to this machine's learner.")]
LearnerPortOption = Annotated[int, typer.Option(help="Of the learner.")]
CompareOption = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Compare these settings with the learner's.")
]
OnlyOption = Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this check or group; repeatable.")]


def doctor(
    host: HostOption = None,
    partition: PartitionOption = "",
    account: Annotated[str, typer.Option(help="SLURM account of the tried job.")] = "",
    qos: Annotated[str, typer.Option(help="SLURM QOS of the tried job.")] = "",
    profile: ProfileOption = None,
    run: Annotated[str, typer.Option(help="Check the newest checkpoint of this run.")] = "",
    game: Annotated[str, typer.Option(help=GAME_HELP)] = "",
    runs_folder: RunsFolderOption = Path("runs"),
    shared_dir: SharedOption = None,
    host_dir: Annotated[str, typer.Option(help="The shared folder, as the host names it.")] = "",
    ssh_config: SshOption = None,
    port: Annotated[int, typer.Option(help="Of the viewer, or of the tunnel to it.")] = DEFAULT_PORT,
    gpu_host: LearnerOption = "",
    gpu_port: LearnerPortOption = DEFAULT_LEARNER_PORT,
    config: CompareOption = None,
    auth_token_file: TokenFileOption = None,
    auth_token_env: TokenVariableOption = "",
    only: OnlyOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as failures.")] = False,
) -> None:
    """Check all that training, its cluster and a learner elsewhere need; exits with 1 when something failed."""
    resources, gpu_memory_bytes = jobs_to_be(profile, partition=partition, account=account, qos=qos)
    secret = Secret(file=auth_token_file, variable=auth_token_env)
    asked = Questions(
        host=host_named(host, ssh_config),
        resources=resources,
        gpu_memory_bytes=gpu_memory_bytes,
        run=run,
        game=game or (first_with_skills() if any(name.startswith("skills") for name in only or ()) else DEFAULT_GAME),
        runs_folder=runs_folder,
        shared_folder=shared_dir or runs_folder,
        host_folder=host_dir,
        fleet_folder=shared_dir or usual_copy(os.environ),
        environment=os.environ,
        stream_port=port,
        learner=Learner(host=gpu_host, port=gpu_port, config=config, game=game, secret=secret),
    )
    raise typer.Exit(examine(asked, only or [], as_json=as_json, strict=strict))


def host_named(name: str | None, ssh_config: Path | None) -> Host | None:
    """Another machine; None when none was named."""
    from gamefleet.cluster.checks.host import Host

    return Host(name=name, ssh_config=ssh_config) if name else None


def jobs_to_be(profile: Path | None, *, partition: str, account: str, qos: str) -> tuple[Resources, int]:
    """What jobs are to have, and the bytes of memory that their GPU is expected to have."""
    from gamefleet.cluster.profile import load_profile, resources

    limits = load_profile(profile)
    wanted = resources(limits, partition=partition, account=account, qos=qos)
    return wanted, expected_memory(limits, partition)


def expected_memory(limits: ClusterProfile, partition: str) -> int:
    """Bytes of memory that a job's GPU is expected to have; 0 where no GPU is expected."""
    expects_gpu = bool(partition or limits.partition or os.environ.get("SLURM_JOB_ID"))
    return limits.gpu_memory_gb << 30 if limits.gpus and expects_gpu else 0


def examine(asked: Questions, only: list[str], *, as_json: bool, strict: bool) -> int:
    """Run the chosen checks and print what they find.

    Returns:
        The exit code.
    """
    from gamefleet.cluster.checks.base import choose, run_checks
    from gamefleet.cluster.checks.programs import Programs

    environment = clean(os.environ)
    with Programs(environment) as programs:
        checks = choose(every_check(asked, programs, has_slurm=has_slurm(asked, programs, environment)), only)
        results = report(run_checks(checks), as_json=as_json)
    counts = Counter(result.status for _, result in results)
    return int(bool(counts["failed"] or (strict and counts["warning"])))


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """What the user wants to know about.

    Args:
        host: Another machine, None when none was named.
        resources: Of the jobs to be; the partition is empty when none was named.
        gpu_memory_bytes: Memory that a job's GPU is expected to have; 0 for no expectation.
        run: A run, empty when none was named.
        game: What shall be played.
        runs_folder: The folder that holds the runs.
        shared_folder: The folder that machines share.
        host_folder: The same, as the host names it; empty when it was not named.
        fleet_folder: The shared folder of a fleet, or a copy; None when there is none.
        environment: Environment variables of the user.
        stream_port: Where a viewer or a tunnel listens.
        learner: On another machine.
    """

    host: Host | None
    resources: Resources
    gpu_memory_bytes: int
    run: str
    game: str
    runs_folder: Path
    shared_folder: Path
    host_folder: str
    fleet_folder: Path | None
    environment: Mapping[str, str]
    stream_port: int
    learner: Learner = NO_LEARNER


def every_check(asked: Questions, programs: Runner, *, has_slurm: bool) -> list[Check]:
    """The list; the report has its order."""
    from gamefleet.cluster.checks.folder import storage_checks
    from gamefleet.cluster.checks.host import host_checks
    from gamefleet.cluster.checks.machine import machine_checks
    from gamefleet.cluster.checks.shared import shared_checks
    from gamefleet.cluster.checks.stream import stream_checks
    from gamefleet.cluster.checks.sync import sync_checks
    from gamefleet.topologies.job_graph.check import skills_checks
    from gamefleet.topologies.machine_check import laptop_checks
    from gamefleet.topologies.recorded.check import checks_from_records
    from gamefleet.topologies.run_check import checks_of_run
    from gamefleet.topologies.self_check import self_checks
    from gamefleet.topologies.shared_folder.check import fleet_checks
    from gamefleet.topologies.streaming.check import checks_of_streaming

    return [
        *machine_checks(needed_extras=EXTRAS.get(asked.game, ("torch",))),
        *storage_checks(asked.runs_folder, programs),
        *shared_checks(asked.shared_folder),
        *host_checks(asked.host, programs, folder=asked.shared_folder, host_folder=asked.host_folder),
        *scheduler_checks(asked, programs, has_slurm=has_slurm),
        *self_checks(asked.game, asked.runs_folder, programs, gpu_memory_bytes=asked.gpu_memory_bytes),
        *checks_of_run(asked.run, asked.runs_folder, asked.game),
        *checks_from_records(asked.game, asked.runs_folder, programs),
        *skills_checks(asked.game, asked.environment, programs),
        *fleet_checks(asked.fleet_folder),
        *sync_checks(asked.environment, programs, folder=asked.fleet_folder),
        *laptop_checks(asked.game, asked.environment),
        *stream_checks(asked.stream_port, asked.host, programs),
        *checks_of_streaming(
            asked.run, asked.runs_folder, asked.fleet_folder, port=asked.stream_port, environ=asked.environment
        ),
        *learner_checks_for(asked.learner, asked.environment),
    ]


def usual_copy(environment: Mapping[str, str]) -> Path | None:
    """The copy of a shared folder where `gamefleet sync` keeps it, if there is one."""
    from gamefleet.cluster.sync.settings import DEFAULT_LOCAL, read_defaults

    with suppress(ConfigError):  # what is wrong with the settings is told by the checks of the sync
        place = Path(str(read_defaults(environment).get("local_dir", DEFAULT_LOCAL))).expanduser()
        return place if place.is_dir() else None
    return None


def has_slurm(asked: Questions, programs: Runner, environment: Mapping[str, str]) -> bool:
    """Whether SLURM is to be asked here; programs without the settings of a cluster count only if no host was named."""
    if shutil.which("sbatch", path=environment.get("PATH", "")) is None:
        return False
    return asked.host is None or programs(["sbatch", "--version"], PROBE_TIMEOUT_S).status == 0


def scheduler_checks(asked: Questions, programs: Runner, *, has_slurm: bool) -> list[Check]:
    """SLURM's checks: on this machine, or else on the host that was named."""
    from gamefleet.cluster.checks.programs import through
    from gamefleet.cluster.checks.slurm import slurm_checks

    if has_slurm:
        return slurm_checks(asked.resources, programs, place="this machine")
    if asked.host is None:
        return slurm_checks(asked.resources, None, place="")
    there = through(programs, [*asked.host.ssh, asked.host.name])
    return slurm_checks(asked.resources, there, place=asked.host.name, needs=("ssh-connection",))


def clean(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables for what is tried here: nothing of a job or leg around this command, no habits that filter answers."""
    from gamefleet.cluster.commands import PREFERENCES
    from gamefleet.cluster.jobs import without_job

    left_out = ("GAMEFLEET_", *PREFERENCES)
    return {name: value for name, value in without_job(environment).items() if not name.startswith(left_out)}


def report(results: Iterable[tuple[Check, Result]], *, as_json: bool) -> list[tuple[Check, Result]]:
    """Print results as they come, or all of them at the end as JSON; returns them."""
    if as_json:
        done = list(results)
        print(json.dumps(as_object(done), indent=2))
        return done
    done = []
    # Neighbours that were not looked at for one reason are one line.
    for _, neighbours in groupby(results, key=lambda pair: pair[1].found if pair[1].status == "skipped" else pair[0]):
        members = list(neighbours)
        done += members
        tell(", ".join(check.name for check, _ in members), members[0][1])
    print(f"\n{summary(done)}")
    return done


def tell(names: str, result: Result) -> None:
    """Print one result, with what mends it below."""
    word = typer.style(f"{WORDS[result.status]:4}", fg=COLOURS[result.status])
    typer.echo(f"{word}  {names}: {result.found}")
    if result.remedy:
        typer.echo(f"      -> {result.remedy}")


def summary(results: Sequence[tuple[Check, Result]]) -> str:
    """How many checks ended how."""
    counts = Counter(WORDS[result.status] for _, result in results)
    words = {"ok": "ok", "warn": "with a warning", "FAIL": "failed", "skip": "skipped"}
    return f"{len(results)} checks: {', '.join(f'{counts[short]} {word}' for short, word in words.items())}."


def as_object(results: Sequence[tuple[Check, Result]]) -> dict[str, object]:
    """Results as JSON values."""
    from gamefleet import __version__

    return {
        "gamefleet": __version__,
        "host": os.uname().nodename,
        "checks": [{"name": check.name, "group": check.group, **asdict(result)} for check, result in results],
        "counts": dict(Counter(result.status for _, result in results)),
    }
