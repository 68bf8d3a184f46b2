"""Whether a fleet is at work in a run folder.

Job: keep a person from moving a run away under the jobs that carry it. Place in the data flow: `folder` asks before a
run is set aside. Left out: everything else about fleets; only the names of their marks are known here.

A fleet of one chain keeps its files in `runs/NAME/fleet`; with several, the runs are `runs/NAME-m0`, `runs/NAME-m1`
and so on, beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from gamefleet.errors import RunFolderError
from gamefleet.runs.paths import RunPaths

MEMBER_NAME = re.compile(r"(.+)-(m\d+)")
FACTS = "fleet.json"
STOP = "stop.json"
ENDINGS = ("done.json", "failed.json")
"""Marks of a chain that hands no more jobs over."""


def refuse_if_carried(paths: RunPaths) -> None:
    """Fail while a fleet carries the run.

    Raises:
        RunFolderError: Names the fleet and how it is stopped.
    """
    fleet = carrying_fleet(paths)
    if fleet is not None:
        raise RunFolderError(
            f"The jobs of a fleet carry the run {paths.name!r}",
            where=fleet,
            remedy=f"Stop it with `gamefleet fleet stop --run {fleet.parent.name}` first, or use another run name.",
        )


def carrying_fleet(paths: RunPaths) -> Path | None:
    """The `fleet` folder of the fleet that is at work in the run, None when there is none."""
    for fleet, member in _candidates(paths):
        marks = [fleet / STOP, *(fleet / member / name for name in ENDINGS)]
        if (fleet / FACTS).exists() and not any(mark.exists() for mark in marks):
            return fleet
    return None


def refuse_if_at_work(fleet: Path) -> None:
    """Fail while any chain of a fleet may hand over more jobs.

    Args:
        fleet: Its folder `fleet`.

    Raises:
        RunFolderError: Says how it is stopped.
    """
    members = [folder for folder in fleet.glob("m*") if folder.is_dir()]
    ended = all(any((member / name).exists() for name in ENDINGS) for member in members)
    if not ended and not (fleet / STOP).exists():
        raise RunFolderError(
            f"The fleet {fleet.parent.name!r} is at work",
            where=fleet,
            remedy=f"Stop it with `gamefleet fleet stop --run {fleet.parent.name}` first.",
        )


def _candidates(paths: RunPaths) -> Iterator[tuple[Path, str]]:
    yield paths.fleet, "m0"
    match = MEMBER_NAME.fullmatch(paths.name)
    if match:
        fleet = RunPaths(paths.root.with_name(match.group(1))).fleet
        if (fleet / match.group(2)).is_dir():
            yield fleet, match.group(2)
