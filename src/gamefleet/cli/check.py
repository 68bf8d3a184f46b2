"""`gamefleet check`: may a long training from records begin on this machine and its cluster.

Job: put the list of checks together, run it, print it. Place in the data flow: before `gamefleet launch`. Left out: the
checks (`cluster.checks`, `topologies.recorded.check`), and everything else of a machine (`gamefleet doctor`).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gamefleet.cli.launch import CpusOption, ExclusiveOption, MemoryOption
from gamefleet.cli.options import RunsFolderOption

if TYPE_CHECKING:
    from gamefleet.cluster.checks.base import Check
    from gamefleet.cluster.checks.programs import Runner
    from gamefleet.cluster.launch_resources import LaunchSize

DEFAULT_GAME = "showdown"

ComprehensiveOption = Annotated[
    bool, typer.Option("--comprehensive", help="Also read all data, let ranks meet, train and resume: minutes.")
]
OnlyOption = Annotated[
    list[str] | None, typer.Option("--only", metavar="NAME", help="Only this check or group; may be repeated.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is looked at.

    Args:
        game: What is trained.
        data_dir: Parsed games; empty takes those that come with it.
        runs_folder: The folder that holds the runs.
        size: Of the launch to be.
        profile: The cluster's limits; None looks for them.
        environment: Of what is tried.
        is_comprehensive: Whether to take minutes.
    """

    game: str
    data_dir: str
    runs_folder: Path
    size: LaunchSize
    profile: Path | None
    environment: Mapping[str, str]
    is_comprehensive: bool


def check(
    comprehensive: ComprehensiveOption = False,
    data_dir: Annotated[str, typer.Option("--data-dir", help="Parsed battles; by default those included.")] = "",
    nodes: Annotated[int, typer.Option("--nodes", help="Of the launch to be.")] = 1,
    gpus_per_node: Annotated[int, typer.Option("--gpus-per-node", help="Of the launch to be; 0 for none.")] = 1,
    hours: Annotated[float, typer.Option("--time-limit-hours", help="Of the launch to be.")] = 6.0,
    partition: Annotated[str, typer.Option("--partition", help="SLURM partition.")] = "",
    account: Annotated[str, typer.Option("--account", help="SLURM account.")] = "",
    qos: Annotated[str, typer.Option("--qos", help="SLURM quality of service.")] = "",
    memory: MemoryOption = None,
    cpus: CpusOption = None,
    exclusive: ExclusiveOption = False,
    profile: Annotated[Path | None, typer.Option("--profile", metavar="FILE", help="Limits of the cluster.")] = None,
    game: Annotated[str, typer.Option("--game", help="What is trained.")] = DEFAULT_GAME,
    runs_folder: RunsFolderOption = Path("runs"),
    only: OnlyOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as failures.")] = False,
) -> None:
    """Look whether data, disk, GPU, ranks and cluster are ready for a launch; exits with 1 when something failed."""
    from gamefleet.cli.doctor import clean
    from gamefleet.cluster.launch_resources import LaunchSize

    bill = {"partition": partition, "account": account, "qos": qos}
    each: dict[str, Any] = {"memory_gb": memory, "cpus": cpus, "exclusive": exclusive, **bill}
    subject = Subject(
        game=game,
        data_dir=data_dir,
        runs_folder=runs_folder,
        size=LaunchSize(nodes=nodes, gpus_per_node=gpus_per_node, time_s=hours * 3600, **each),
        profile=profile,
        environment=clean(os.environ),
        is_comprehensive=comprehensive,
    )
    raise typer.Exit(examine(subject, only or [], as_json=as_json, strict=strict))


def examine(subject: Subject, only: list[str], *, as_json: bool, strict: bool) -> int:
    """Run the chosen checks and print what they find; returns the exit code."""
    from gamefleet.cli.doctor import report
    from gamefleet.cluster.checks.base import choose, run_checks
    from gamefleet.cluster.checks.programs import Programs

    with Programs(subject.environment) as programs:
        results = report(run_checks(choose(checks_of(subject, programs), only)), as_json=as_json)
    counts = Counter(result.status for _, result in results)
    return int(bool(counts["failed"] or (strict and counts["warning"])))


def checks_of(subject: Subject, programs: Runner) -> list[Check]:
    """The list; the report has its order."""
    from gamefleet.cluster.checks.folder import storage_checks
    from gamefleet.cluster.checks.machine import machine_checks
    from gamefleet.cluster.checks.nodes import Wanted, node_checks
    from gamefleet.cluster.checks.slurm import slurm_checks
    from gamefleet.cluster.jobs import Resources
    from gamefleet.cluster.profile import load_profile
    from gamefleet.topologies.recorded.check import recorded_checks
    from gamefleet.topologies.self_check import self_checks

    gpu = [one for one in self_checks(subject.game, subject.runs_folder, programs) if one.name == "gpu"]
    wanted = Wanted(size=subject.size, profile=load_profile(subject.profile), environment=subject.environment)
    answers = slurm_checks(Resources(), programs if has_slurm(subject.environment) else None, place="this machine")
    return [
        *machine_checks(needed_extras=("torch", "showdown") if subject.game == DEFAULT_GAME else ("torch",)),
        *storage_checks(subject.runs_folder, programs),
        *gpu,
        *recorded_checks(
            subject.game,
            subject.data_dir,
            subject.runs_folder,
            programs,
            is_comprehensive=subject.is_comprehensive,
        ),
        *answers[:2],
        *node_checks(wanted, programs),
    ]


def has_slurm(environment: Mapping[str, str]) -> bool:
    """Whether SLURM's programs are on the path."""
    import shutil

    return shutil.which("sbatch", path=environment.get("PATH", "")) is not None
