"""One run as the pages see it.

Job: hold what is known of one run folder. Place in the data flow: the background thread (`live`) lets it look and read
on, `run_account` tells what it holds. Left out: several runs (`site`), and what only others know, such as a chain of
jobs.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gamefleet.runs.paths import RunPaths
from gamefleet.watch.contained import contained
from gamefleet.watch.events import RunEvents
from gamefleet.watch.facts import RunFacts, SmallFile
from gamefleet.watch.metrics import RunMetrics
from gamefleet.watch.visits import RunVisits

WRITER = "train"
RECENT_PLAY = "now.json"
"""What a game told of itself lately, in the media folder."""

DISK_INTERVAL_S = 30.0


@dataclass(slots=True)
class RunView:
    """One run.

    Args:
        id: Unique among the runs of a site, a plain name.
        paths: The run folder.
        member: Its name in a fleet, empty outside of one.
        clock: Seconds since 1970.
        is_copy: Whether the folder is a copy of another machine's.
    """

    id: str
    paths: RunPaths
    member: str = ""
    clock: Callable[[], float] = time.time
    is_copy: bool = False
    lock: threading.RLock = field(default_factory=threading.RLock)
    facts: RunFacts = field(init=False)
    metrics: RunMetrics = field(init=False)
    events: RunEvents = field(init=False)
    visits: RunVisits = field(init=False)
    recent: SmallFile = field(default_factory=SmallFile)
    broken: dict[str, str] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    _disk: tuple[float, int | None] = (float("-inf"), None)

    def __post_init__(self) -> None:
        self.facts = RunFacts(paths=self.paths)
        self.metrics = RunMetrics(self.paths.metrics(WRITER))
        self.events = RunEvents(self.paths.events(WRITER))
        self.visits = RunVisits(self.paths.root / "visits" / f"{WRITER}.jsonl")

    def look(self) -> bool:
        """See what is new, without taking much in; returns whether anything changed."""
        looks: dict[str, Callable[[], bool]] = {
            "facts": lambda: self.facts.look(self.clock()),
            "metrics": self.metrics.look,
            "events": self.events.look,
            "visits": self.visits.look,
            "recent": lambda: self.recent.look(self.paths.media / RECENT_PLAY),
        }
        with self.lock:
            changes = [self._do(name, work) for name, work in looks.items()]
            return any(changes)

    def read_on(self) -> bool:
        """Take in one more piece of each file; returns whether there was one."""
        pieces: dict[str, Callable[[], bool]] = {
            "events": self.events.read_on,
            "metrics": self.metrics.read_on,
            "visits": self.visits.read_on,
        }
        found = False
        for name, work in pieces.items():
            with self.lock:  # a request waits for one piece at most
                found = self._do(name, work) or found
        return found

    def _do(self, name: str, work: Callable[[], bool]) -> bool:
        outcome = contained(work)
        if outcome.error:
            self.broken[name] = f"{name}: {outcome.error}"
        else:
            self.broken.pop(name, None)
        if outcome.value:
            self.versions[name] = self.versions.get(name, 0) + 1
        return bool(outcome.value)

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.paths.root

    def media(self) -> list[Path]:
        """Plain files of the media folder."""
        outcome = contained(lambda: [path for path in self.paths.media.iterdir() if is_plain(path)])
        return outcome.value or []

    def problems(self) -> list[str]:
        """What cannot be read, or not wholly."""
        files = {"metrics": self.metrics.problem, "events": self.events.problem, "visits": self.visits.problem}
        named = [f"{name}: {text}" for name, text in files.items() if text]
        recent = [self.recent.trouble] if self.recent.trouble else []
        return [*self.facts.problems, *named, *recent, *self.broken.values()]

    def free_bytes(self) -> int | None:
        """On the disk of the run, as of the last half minute; None when nobody knows."""
        asked, free = self._disk
        if time.monotonic() - asked > DISK_INTERVAL_S:
            outcome = contained(lambda: shutil.disk_usage(self.paths.root).free)
            free = outcome.value
            self._disk = (time.monotonic(), free)
        return free


def is_plain(path: Path) -> bool:
    """Whether it is a file that may be shown: no link, and not hidden."""
    return path.is_file() and not path.is_symlink() and not path.name.startswith(".")
