"""`gamefleet autotune`: measure this machine, say how many games it should play and why, and remember it.

Job: parse, call, print. Place in the data flow: once per machine, before `gamefleet actors --num-envs auto`. Left out:
detecting, measuring and deciding (`topologies.autotune`, `cluster.autotune`).
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gamefleet.cli.options import ConfigOption, SetOption, ask_for
from gamefleet.errors import ConfigError
from gamefleet.games import DEFAULT_GAME

if TYPE_CHECKING:
    from gamefleet.cluster.autotune import Recommendation
    from gamefleet.cluster.hardware import Hardware
    from gamefleet.cluster.machine_profile import MachineProfile
    from gamefleet.cluster.measurements import Measurements, Timing
    from gamefleet.games.base import GamePackage
    from gamefleet.topologies.config import RunConfig

SHARED_FACTS = "shared.json"
WIDTH = 120
BUSY_SHARE = 0.5
"""Of the CPUs: with a higher load before the benchmark, its numbers say more about other programs."""

UserIdOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Name of this machine's profile; the host name by default.")
]
SharedDirOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Measure with the game and settings of this shared folder's fleet.")
]


def autotune(
    user_id: UserIdOption = None,
    game: Annotated[str | None, typer.Option(help=f"What to play; {DEFAULT_GAME} by default.")] = None,
    shared_dir: SharedDirOption = None,
    full: Annotated[bool, typer.Option("--full/--quick", help="Measure minutes instead of half a minute.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be measured, and what the rule says without it.")
    ] = False,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Measure how many games this machine should play, and remember it for `--num-envs auto`."""
    from gamefleet.cluster.machine_profile import default_user_id, profile_path, save_profile

    name = default_user_id(platform.node()) if user_id is None else user_id
    path = profile_path(name)
    package, settings = choose_game(game, shared_dir, config, assignments)
    if dry_run:
        foresee(package, settings, path, is_full=full, as_json=as_json)
        return
    profile = measure(name, package, settings, is_full=full)
    save_profile(profile)
    if as_json:
        print(json.dumps({**asdict(profile), "path": str(path)}, indent=2))
        return
    print_profile(profile)
    print(f"Saved as {path}; `--num-envs auto` follows it.")


def choose_game(
    game: str | None, shared_dir: Path | None, config: Path | None, assignments: list[str] | None
) -> tuple[GamePackage, RunConfig]:
    """The game and all settings: of the shared folder's fleet, if one is named, with the user's own on top.

    Raises:
        ConfigError: The folder holds no fleet, or one of another game; a setting is unknown or bad.
    """
    from gamefleet.games import open_game
    from gamefleet.topologies.config import make_config

    shared = {} if shared_dir is None else read_shared(shared_dir)
    asked = ask_for(config, assignments, base=shared.get("settings"))
    fleets = str(shared.get("game_name", ""))
    wanted = open_game(game or fleets or asked.game_name or DEFAULT_GAME)
    if fleets and wanted.name != fleets:
        raise ConfigError(
            f"The fleet of this folder plays {fleets}", value=game, where=shared_dir, remedy="Leave --game out."
        )
    return wanted, make_config(wanted, asked)


def read_shared(folder: Path) -> dict[str, Any]:
    """What a shared folder says about its fleet.

    Raises:
        ConfigError: There is no such folder, or nobody has begun a fleet in it.
    """
    from gamefleet.files import read_json

    try:
        return read_json(folder.expanduser() / SHARED_FACTS)
    except (OSError, ValueError) as error:
        raise ConfigError(
            "This folder holds no fleet yet",
            value=str(folder),
            where="--shared-dir",
            remedy="Fetch it first (`gamefleet sync pull`), or leave --shared-dir out to use the usual settings.",
        ) from error


def measure(name: str, package: GamePackage, settings: RunConfig, *, is_full: bool) -> MachineProfile:
    """Run the benchmark and say on standard error what is being measured."""
    from gamefleet.topologies.autotune import tune
    from gamefleet.topologies.machine_bench import FULL, QUICK

    def tell(line: str) -> None:
        print(f"measuring: {line}", file=sys.stderr, flush=True)

    return tune(name, package, settings, effort=FULL if is_full else QUICK, tell=tell)


def foresee(package: GamePackage, settings: RunConfig, path: Path, *, is_full: bool, as_json: bool) -> None:
    """Print what would be measured, and what the rule says without measurements."""
    from gamefleet.cluster.autotune import recommend
    from gamefleet.topologies.autotune import look, needs_of, planned_points

    machine = look()
    needs = needs_of(package, settings)
    points = planned_points(machine, needs, is_full=is_full)
    advice = recommend(machine.hardware, needs)
    if as_json:
        facts = {"hardware": asdict(machine.hardware), "points": points, "recommendation": asdict(advice)}
        print(json.dumps({**facts, "path": str(path)}, indent=2))
        return
    print_hardware(machine.hardware, machine.missing.items())
    print_choices(advice, "By the rule for cores and memory, without measurements")
    tried = ", ".join(f"{envs} x {workers}" for envs, workers in points)
    print(f"Would measure, environments x workers: {tried}.")
    print(f"Would save {path}. Nothing was measured or saved.")


def print_profile(profile: MachineProfile) -> None:
    """Print facts, measurements and choices."""
    measured = profile.measurements
    print_hardware(profile.hardware, measured.missing.items())
    print_plays(measured, profile.recommendation)
    print_timings(measured)
    print_choices(profile.recommendation, f"Choices for {profile.user_id} ({measured.took_s:.0f} s of measuring)")
    if measured.load > BUSY_SHARE * profile.hardware.cpus:
        print(f"Other programs were busy (load {measured.load:.1f}): measure again when they are not.")


def print_hardware(hardware: Hardware, missing: Iterable[tuple[str, str]]) -> None:
    """Print what the machine has, and what it has not."""
    from gamefleet.cluster.room import gb

    kinds = f", {hardware.performance_cores} fast and {hardware.efficiency_cores} slow"
    cores = f"{hardware.granted_cpus} of {hardware.cpus} CPUs{kinds if hardware.performance_cores else ''}"
    free = "" if hardware.free_ram_bytes is None else f", {gb(hardware.free_ram_bytes)} free"
    limit = ""
    if hardware.granted_ram_bytes is not None:
        limit = f", limited to {gb(hardware.granted_ram_bytes)} by {hardware.granted_ram_source}"
    print(f"{hardware.system} {hardware.machine}: {cores}; {gb(hardware.ram_bytes)} RAM{free}{limit}")
    for accelerator in hardware.accelerators:
        memory = f", {gb(accelerator.memory_bytes)}" if accelerator.memory_bytes else ""
        print(f"{accelerator.device}: {accelerator.name}{memory}")
    for device, reason in missing:
        print(f"{device}: not used, {reason}")


def print_plays(measured: Measurements, chosen: Recommendation) -> None:
    """Print how fast games were played."""
    from gamefleet.cluster.measurements import MIB

    rows = [
        (
            f"{play.num_envs}",
            f"{play.num_workers}",
            f"{play.random_steps_per_s:,.0f}",
            f"{play.policy_steps_per_s:,.0f}",
            f"{play.worker_bytes / MIB:.0f} MB",
            "<- chosen" if (play.num_envs, play.num_workers) == (chosen.num_envs, chosen.num_workers) else "",
        )
        for play in measured.plays
    ]
    columns = ("environments", "workers", "steps/s, random", "steps/s, network", "memory of a worker", "")
    print_table("Playing", columns, rows)


def print_timings(measured: Measurements) -> None:
    """Print how long choosing and learning take."""
    print_table("Computing", ("what", "device", "at once", "each call", "per second"), timing_rows(measured))


def timing_rows(measured: Measurements) -> list[tuple[str, ...]]:
    """One row per device and batch."""

    def row(what: str, unit: str, timing: Timing) -> tuple[str, ...]:
        each = f"{timing.seconds * 1e3:,.1f} ms"
        return what, timing.device, f"{timing.batch}", each, f"{timing.batch / timing.seconds:,.0f} {unit}"

    choosing = [row("choose actions", "actions", timing) for timing in measured.inference]
    return choosing + [row("learn", "windows", timing) for timing in measured.updates]


def print_choices(advice: Recommendation, title: str) -> None:
    """Print each choice with its reason, one line each."""
    rows = [(chosen.name, chosen_value(chosen.value), chosen.reason) for chosen in advice.reasons]
    print_table(title, ("choice", "value", "because"), rows, numbers=())


def chosen_value(value: int | str) -> str:
    """A choice for people."""
    return f"{value:,}" if isinstance(value, int) else value


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Sequence[int] | None = None
) -> None:
    """Print a table; columns of numbers are set to the right, by default those whose first value begins with a digit.

    Args:
        title: Above it.
        columns: Headings.
        rows: Cells.
        numbers: Columns of numbers.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    if numbers is None:
        numbers = [index for index, cell in enumerate(rows[0]) if cell[:1].isdigit()] if rows else []
    table = Table(box=box.SIMPLE_HEAD)
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index in numbers else "left", overflow="fold")
    for cells in rows:
        table.add_row(*cells)
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    print(f"\n{title}")
    console.print(table)
