"""`gamefleet runs`: list and remove run folders.

Job: print what the folders say of themselves. Left out: opening them.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from gamefleet.cli.options import RunsFolderOption
from gamefleet.errors import RunFolderError, nearest

FLEETS = "*/fleet/fleet.json"
"""Where fleets keep their facts, below the folder of the runs."""

app = typer.Typer(help="List and remove run folders.", no_args_is_help=True)


@app.command("list")
def list_runs(runs_folder: RunsFolderOption = Path("runs")) -> None:
    """List the runs of a folder: game, state, steps, size, age."""
    manifests = sorted(runs_folder.glob("*/manifest.json"))
    alone = [path for path in sorted(runs_folder.glob(FLEETS)) if path.parent.parent / "manifest.json" not in manifests]
    rows = sorted([describe(path) for path in manifests] + [describe_fleet(path) for path in alone])
    if not rows:
        print(f"There are no runs in {runs_folder}.")
        return
    headings = ("run", "game", "state", "steps", "size", "last change")
    widths = [max(len(row[column]) for row in [headings, *rows]) for column in range(len(headings))]
    for row in [headings, *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def describe(manifest: Path) -> tuple[str, str, str, str, str, str]:
    """One run as cells of the list."""
    from gamefleet.files import read_json
    from gamefleet.runs.claim import holder_alive
    from gamefleet.runs.paths import RunPaths

    paths = RunPaths(manifest.parent)
    try:
        game = str(read_json(manifest).get("game", "?"))
        state = read_json(paths.state) if paths.state.exists() else {}
    except ValueError:
        return (paths.name, "?", "damaged", "?", "?", "?")
    status = str(state.get("status", "started"))
    if holder_alive(paths):
        status = "running"
    elif status == "running":
        status = "interrupted"
    steps = f"{state.get('step', 0):,} of {state['total_steps']:,}" if "total_steps" in state else "0"
    changed = max(path.stat().st_mtime for path in (manifest, paths.state) if path.exists())
    return (paths.name, game, status, steps, size_of(paths.root), age(time.time() - changed))


def describe_fleet(facts: Path) -> tuple[str, str, str, str, str, str]:
    """The records of a fleet of several chains, whose runs have rows of their own."""
    root = facts.parent.parent
    chains = sum(path.is_dir() for path in facts.parent.glob("m*"))
    changed = time.time() - facts.stat().st_mtime
    return (root.name, "", "fleet", f"{chains} chains", size_of(root), age(changed))


def size_of(folder: Path) -> str:
    """Disk use of a folder; files with several names in it are counted once."""
    sizes = {(stat.st_dev, stat.st_ino): stat.st_size for path in folder.rglob("*") if (stat := path.lstat())}
    return f"{sum(sizes.values()) / 1e6:,.1f} MB"


def age(seconds: float) -> str:
    """A duration in its largest whole unit."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{max(0.0, seconds):.0f} s ago"


@app.command("rm")
def remove(
    name: Annotated[str, typer.Argument(help="The run.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    runs_folder: RunsFolderOption = Path("runs"),
) -> None:
    """Delete a run folder with all its checkpoints; a run in use is refused."""
    from gamefleet.files import remove_folder
    from gamefleet.runs.carried import refuse_if_at_work, refuse_if_carried
    from gamefleet.runs.claim import refuse_if_held
    from gamefleet.runs.folder import is_run
    from gamefleet.runs.paths import RunPaths

    paths = RunPaths(runs_folder / name)
    is_fleet = (runs_folder / name).joinpath(*FLEETS.split("/")[1:]).exists()
    if Path(name).name != name or not (is_run(paths) or is_fleet):
        known = {path.parent.name for path in runs_folder.glob("*/manifest.json")}
        known |= {path.parent.parent.name for path in runs_folder.glob(FLEETS)}
        raise RunFolderError("There is no such run", value=name, where=runs_folder, remedy=nearest(name, known))
    if is_fleet:
        refuse_if_at_work(paths.fleet)
    refuse_if_carried(paths)
    refuse_if_held(paths)
    if not yes:
        typer.confirm(f"Delete {paths.root} ({size_of(paths.root)})?", abort=True)
    remove_folder(paths.root)
    print(f"Deleted {paths.root}.")
