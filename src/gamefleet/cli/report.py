"""`gamefleet report`: a run as one HTML file that opens offline.

Job: find the run, read it to its end, write the file. Place in the data flow: run folders -> `watch.report`. Left out:
what the page looks like.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gamefleet.cli.options import RunsFolderOption
from gamefleet.errors import RunFolderError, nearest

if TYPE_CHECKING:
    from gamefleet.watch.report import Surroundings
    from gamefleet.watch.run_view import RunView
    from gamefleet.watch.site import Site


def report(
    run: Annotated[str, typer.Argument(help="The run's name, or the folder of a run or fleet.")],
    output: Annotated[
        Path | None, typer.Option(help="The file to write; NAME-report.html in this folder when left out.")
    ] = None,
    video: Annotated[bool, typer.Option("--video/--no-video", help="Put the newest film into the file.")] = True,
    runs_folder: RunsFolderOption = Path("runs"),
) -> None:
    """Write one HTML file with a run's curves, milestones, film, members, jobs and settings; it opens offline."""
    from gamefleet.files import write_bytes
    from gamefleet.watch.report import page
    from gamefleet.watch.site import Site

    folder = find_folder(run, runs_folder)
    site = Site(folders=[folder])
    site.scan()
    if not site.views:
        raise RunFolderError("There is no run in this folder", where=folder, remedy="gamefleet runs list shows them.")
    for view in site.views:
        read_all(view)
    text = page(site.title, site.views, surroundings(site), with_film=video, now=time.time())
    usual = Path(f"{site.title}-report.html")
    target = output / usual if output and output.is_dir() else output or usual
    write_bytes(target, text.encode())
    print(f"{len(text.encode()) / 1e6:.1f} MB: {target}")


def find_folder(run: str, runs_folder: Path) -> Path:
    """The folder that a name or a path means.

    Raises:
        RunFolderError: There is none.
    """
    for folder in (runs_folder / run, Path(run).expanduser()):
        if folder.is_dir():
            return folder
    known = [path.parent.name for path in runs_folder.glob("*/manifest.json")]
    raise RunFolderError("There is no such run", value=run, where=runs_folder, remedy=nearest(run, known))


def read_all(view: RunView) -> None:
    """Take in everything that a run has written so far."""
    view.look()
    while view.read_on():
        pass


def surroundings(site: Site) -> Surroundings:
    """Members and jobs, each as far as it can be found out."""
    from gamefleet.cli.dashboard_chains import Chains
    from gamefleet.cli.dashboard_checks import meanings
    from gamefleet.cli.dashboard_fleet import Machines
    from gamefleet.watch.contained import contained
    from gamefleet.watch.report import Surroundings

    chains = contained(lambda: Chains(environment=os.environ)(site.fleets))
    members = contained(lambda: Machines()(site.shared))
    said = [("jobs", chains.error or (chains.value or {}).get("error", "")), ("members", members.error)]
    return Surroundings(
        members=(members.value or {}).get("members", ()),
        chains=(chains.value or {}).get("chains", ()),
        meanings=meanings(),
        troubles=[f"The {what} could not be found out: {why}" for what, why in said if why],
    )
