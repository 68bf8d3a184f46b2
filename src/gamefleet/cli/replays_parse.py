"""`gamefleet replays parse`: raw battles to packed files.

Job: options in, an estimate, progress and a summary out. Place in the data flow: `raw/` -> this -> `processed/`, which
`gamefleet train` reads. Left out: the work itself (`topologies.recorded_*`) and the parser.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gamefleet.errors import ConfigError

if TYPE_CHECKING:
    from gamefleet.experience.dataset_format import Manifest
    from gamefleet.games.showdown.replays.pipeline import Plan

RAW, PROCESSED = "raw", "processed"
SAMPLE_BATTLES = 50
TEST_BATTLES = 500
PROGRESS_EVERY_S = 2.0
LEAST_HOURS = 0.1
"""Of an array task: SLURM takes a limit of 0 for none at all."""


InputOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Raw battles; the embedded ones with --test-mode when left out.")
]
OutputOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Packed files; the folder processed beside the input by default.")
]
WorkersOption = Annotated[
    int, typer.Option(min=0, help="Processes, 0 for one per CPU; with --slurm array tasks, 0 for 32.")
]
BatchOption = Annotated[int, typer.Option(min=1, help="Battles per part: what is done again after a failure.")]
EloOption = Annotated[
    int, typer.Option(min=0, help="Keep battles in which one player has at least this rating, by the log.")
]
FormatOption = Annotated[
    list[str] | None, typer.Option("--format", metavar="FORMAT", help="Only this, e.g. gen9ou; may be repeated.")
]
TestOption = Annotated[bool, typer.Option("--test-mode", help="Parse a small sample, report on it, and write nothing.")]
PlannedOption = Annotated[bool, typer.Option(hidden=True, help="Go on with the plan of the output folder.")]


def parse(
    input_dir: InputOption = None,
    output_dir: OutputOption = None,
    num_workers: WorkersOption = 0,
    batch_size: BatchOption = 5000,
    min_elo: EloOption = 0,
    formats: FormatOption = None,
    test_mode: TestOption = False,
    slurm: Annotated[bool, typer.Option("--slurm", help="Parse as a SLURM array, one CPU per task.")] = False,
    partition: Annotated[str, typer.Option(help="With --slurm.")] = "",
    account: Annotated[str, typer.Option(help="With --slurm.")] = "",
    qos: Annotated[str, typer.Option(help="With --slurm.")] = "",
    time_limit_hours: Annotated[float, typer.Option(min=LEAST_HOURS, help="Of an array task, with --slurm.")] = 2.0,
    as_planned: PlannedOption = False,
    task_of: Annotated[int, typer.Option(hidden=True, help="This is one of so many array tasks.")] = 0,
) -> None:
    """Parse raw battles into packed files, both points of view. A call that was cut can be repeated, on any machine."""
    from gamefleet.cli.replays_slurm import run_task, submit
    from gamefleet.topologies.recorded.parts import load_plan

    if test_mode:
        report_on_sample(raw_folder(input_dir, test_mode), min_elo, tuple(formats or ()))
        return
    if as_planned and output_dir:
        folder, plan = output_dir, load_plan(output_dir)
    else:
        raw = raw_folder(input_dir, test_mode)
        folder = output_dir or raw.parent / PROCESSED
        plan = planned(raw, folder, batch_size, min_elo, tuple(formats or ()))
    if task_of:
        run_task(folder, plan, task_of)
    elif slurm:
        from gamefleet.topologies.recorded.array import SlurmWishes

        wishes = SlurmWishes(partition=partition, account=account, qos=qos, time_limit_s=round(3600 * time_limit_hours))
        submit(folder, plan, tasks=num_workers, wishes=wishes)
    else:
        from gamefleet.actors.cpus import usable_cpus

        parse_here(folder, plan, num_workers or usable_cpus())


def raw_folder(input_dir: Path | None, test_mode: bool) -> Path:
    """The folder of raw battles that a user means; the folder above `raw` will do.

    Raises:
        ConfigError: It is not there.
    """
    if input_dir is None:
        if not test_mode:
            raise ConfigError(
                "Where the raw battles are is not said", where="--input-dir", remedy="For example data/raw."
            )
        return embedded()
    inner = input_dir / RAW
    found = inner if inner.is_dir() else input_dir
    if not found.is_dir():
        raise ConfigError(
            "The folder of raw battles does not exist",
            value=str(input_dir),
            where="--input-dir",
            remedy="Get battles with gamefleet replays download, or play some with gamefleet replays generate.",
        )
    return found.absolute()


def embedded() -> Path:
    """The raw battles that come with the game.

    Raises:
        ConfigError: This installation has none.
    """
    from gamefleet.games.showdown import RECORDED

    if not RECORDED.embedded.is_dir():
        raise ConfigError("No battles come with this installation", remedy="Name some with --input-dir.")
    return RECORDED.embedded


def planned(raw: Path, folder: Path, batch_size: int, min_elo: int, formats: tuple[str, ...]) -> Plan:
    """The plan of an output folder, written when it is not there yet."""
    from gamefleet.files import make_folder
    from gamefleet.games.showdown import RECORDED
    from gamefleet.games.showdown.replays.pipeline import PLAN_VERSION, Plan, divide, settle
    from gamefleet.games.showdown.replays.sources import units_of
    from gamefleet.topologies.recorded.parts import teach

    plan = Plan(
        version=PLAN_VERSION,
        raw=str(raw),
        parse=f"{RECORDED.parse} {RECORDED.version}",
        min_elo=min_elo,
        formats=sorted(formats),
        parts=divide(units_of(raw), batch_size),
    )
    make_folder(folder)
    return settle(folder, plan, lambda fresh: teach(folder, fresh))


def parse_here(folder: Path, plan: Plan, num_workers: int) -> Manifest:
    """Make what is missing with processes of this machine, and put it together."""
    from gamefleet.topologies.recorded.parts import is_merged, missing_parts, put_together
    from gamefleet.topologies.recorded.pool import make_parts

    if not is_merged(folder, plan):
        missing = missing_parts(folder, plan)
        done = len(plan.parts) - len(missing)
        if done:
            print(f"{done} of {len(plan.parts)} parts are there already.")
        if missing:
            announce(folder, plan, len(missing), min(num_workers, len(missing)))
            started, shown, battles = time.monotonic(), time.monotonic(), 0
            for number, answer in enumerate(make_parts(folder, missing, num_workers), 1):
                battles += answer.report.rows if answer.report else 0
                if number == len(missing) or time.monotonic() - shown >= PROGRESS_EVERY_S:
                    shown = time.monotonic()
                    print(progress_line(number, len(missing), battles, shown - started), flush=True)
    manifest = put_together(folder, plan)
    print(summary(folder, manifest))
    return manifest


def progress_line(done: int, parts: int, battles: int, seconds: float) -> str:
    """How far it is, and how long the rest takes."""
    from gamefleet.cli.replays_generate import clock

    rest = seconds / done * (parts - done)
    return f"part {done} of {parts}, {battles} battles, {battles / seconds:.0f} per second, {clock(rest)} to go"


def announce(folder: Path, plan: Plan, parts: int, workers: int) -> None:
    """Say how long it will take and how large the result will be, by a sample parsed now.

    Raises:
        StorageFullError: The disk has not that much room.
    """
    import shutil

    from gamefleet.cli.replays_generate import clock
    from gamefleet.errors import StorageFullError
    from gamefleet.games.showdown.replays.pipeline import BYTES_PER_BATTLE
    from gamefleet.topologies.recorded.parts import sample

    rows = sum(unit.num_rows or unit.num_bytes // BYTES_PER_BATTLE for part in plan.parts for unit in part)
    rows = max(1, rows * parts // len(plan.parts))
    report, num_bytes, seconds = sample(folder, plan, SAMPLE_BATTLES)
    if not report.rows:
        return
    size = num_bytes / report.rows * rows
    wait = seconds / report.rows * rows / workers
    print(
        f"About {rows} battles in {parts} parts, {workers} at a time: about {clock(wait)} and {size / 1e6:.1f} MB of"
        f" disk ({2 * size / 1e6:.1f} MB while parts are put together), by {report.rows} battles parsed just now."
    )
    free = shutil.disk_usage(folder).free
    if free < 2 * size:
        raise StorageFullError(
            f"The result needs about {2 * size / 1e6:.0f} MB, {free / 1e6:.0f} MB are free",
            where=folder,
            remedy="Choose another --output-dir, or fewer battles with --min-elo or --format.",
        )


def report_on_sample(raw: Path, min_elo: int, formats: tuple[str, ...]) -> None:
    """`--test-mode`: what a sample gives, without writing anything."""
    from gamefleet.games.showdown import RECORDED
    from gamefleet.games.showdown.replays.pipeline import PLAN_VERSION, Plan, divide
    from gamefleet.games.showdown.replays.sources import units_of
    from gamefleet.topologies.recorded.parts import sample

    plan = Plan(
        version=PLAN_VERSION,
        raw=str(raw),
        parse=RECORDED.parse,
        min_elo=min_elo,
        formats=list(formats),
        parts=divide(units_of(raw), 1),
    )
    report, num_bytes, seconds = sample(raw, plan, TEST_BATTLES)
    print(f"{report.rows} battles of {raw}: {report.records} parsed.")
    print(rejects_line(report.rejects))
    if report.records:
        print(
            f"{num_bytes / report.records:.0f} bytes per battle packed, {report.rows / seconds:.0f} battles per CPU-s."
        )
    print("Nothing was written: leave out --test-mode and give --output-dir.")


def rejects_line(rejects: dict[str, int]) -> str:
    """Why battles were left out."""
    if not rejects:
        return "None was left out."
    counted = sorted(rejects.items(), key=lambda item: -item[1])
    return "Left out: " + ", ".join(f"{count} {reason}" for reason, count in counted) + "."


def summary(folder: Path, manifest: Manifest) -> str:
    """What there is at the end."""
    facts = manifest.facts
    size = sum(shard.bytes for shard in manifest.shards) + manifest.index.bytes
    each = f", {size / manifest.num_records:.0f} bytes per battle" if manifest.num_records else ""
    battles = f"{manifest.num_records} of {facts.get('rows')} battles with {manifest.num_decisions} decisions"
    return (
        f"{battles} are in {folder}: {size / 1e6:.1f} MB{each}.\n{rejects_line(facts.get('rejects', {}))}\n"
        f"Next: gamefleet train showdown --data-dir {folder}"
    )
