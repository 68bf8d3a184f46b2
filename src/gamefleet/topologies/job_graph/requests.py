"""What people want of a scheduler that runs somewhere else: a file each.

Job: leave and take wishes. Place in the data flow: `gamefleet skills retry` and `stop` leave them; the loop takes them
up within a second, or whenever the next scheduler starts. Left out: deciding.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from gamefleet.cluster.graph.events import Event, RetryAsked, StopAsked
from gamefleet.files import make_folder, read_json, write_json
from gamefleet.topologies.job_graph.paths import GraphPaths

STOP = "stop.json"
RETRY = "retry-"


def ask_to_stop(paths: GraphPaths) -> None:
    """Want the run to save and end."""
    _leave(paths, STOP, {})


def ask_to_retry(paths: GraphPaths, skill_name: str) -> None:
    """Want a failed skill to be tried again."""
    _leave(paths, f"{RETRY}{skill_name}.json", {"skill_name": skill_name})


def _leave(paths: GraphPaths, name: str, content: dict[str, Any]) -> None:
    make_folder(paths.requests)
    write_json(paths.requests / name, {**content, "at": time.time()})


def found(paths: GraphPaths) -> list[tuple[Path, Event]]:
    """Wishes, oldest names first; `done` removes one once what it led to is written down."""
    if not paths.requests.is_dir():
        return []
    wishes: list[tuple[Path, Event]] = []
    for path in sorted(paths.requests.glob("*.json")):
        event = _read(path)
        if event is not None:
            wishes.append((path, event))
    return wishes


def _read(path: Path) -> Event | None:
    if path.name == STOP:
        return StopAsked()
    with suppress(OSError, ValueError, KeyError):
        return RetryAsked(skill_name=str(read_json(path)["skill_name"]))
    return None


def done(path: Path) -> None:
    """A wish has been met."""
    path.unlink(missing_ok=True)


def forget_stop(paths: GraphPaths) -> None:
    """A new start takes an old wish to stop back."""
    done(paths.requests / STOP)
