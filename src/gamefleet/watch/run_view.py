"""One run as the pages see it.

Job: hold what is known of one run folder and give it as JSON values. Place in the data flow: the background thread
(`live`) lets it look and read on, requests ask it. Left out: several runs (`site`), and what only others know, such as
a chain of jobs, which is passed in.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gamefleet.runs.paths import RunPaths
from gamefleet.watch.alarms import Signs, alarms
from gamefleet.watch.contained import contained
from gamefleet.watch.events import RunEvents
from gamefleet.watch.facts import RunFacts
from gamefleet.watch.metrics import RunMetrics
from gamefleet.watch.sentence import Situation, sentence, state_of
from gamefleet.watch.visits import RunVisits

WRITER = "train"
SIX = ("start/milestones", "start/return", "run/milestones_reached", "start/cells", "learner/loss", "speed/steps_per_s")
"""Curves that say most; where a run has fewer of them, others take their place."""

DISK_INTERVAL_S = 30.0
PICTURES = frozenset({".png", ".gif", ".webp", ".jpg", ".jpeg"})

Json = Mapping[str, Any]


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

    def situation(self, chain: Json | None = None) -> Situation:
        """Everything that the sentence is made of."""
        facts, state, claim = self.facts, self.facts.state.content, self.facts.claim.content
        holder = claim.get("holder")
        process = holder if isinstance(holder, dict) else {}
        began = self.events.last.get("training_began")
        rows = self.metrics.time_s >= number(claim.get("started_at")) > 0
        return Situation(
            name=self.paths.name,
            game=facts.game,
            status=str(state.get("status", "")),
            reason=str(state.get("reason") or "")[:500],
            changed_s=number(state.get("updated_at")),
            step=max(self.metrics.step, whole(state.get("step"))),
            saved_step=whole(state.get("step")),
            total_steps=whole(state.get("total_steps") or facts.setting("run", "total_steps")),
            steps_per_s=self.metrics.value("speed/steps_per_s") or 0.0,
            holder=f"process {process.get('pid')} on {process.get('host')}" if process else "",
            has_ended="ended_at" in claim,
            is_dead=facts.is_dead,
            silence_s=facts.claim_age_s,
            has_begun=rows or (began is not None and began.attempt >= facts.attempt),
            chain=chain or {},
            now=self.clock(),
        )

    def now(self, chain: Json | None = None, machines: Sequence[Json] = ()) -> dict[str, Any]:
        """What `/api/now` says."""
        with self.lock:
            run = self.situation(chain)
            return {
                "state": state_of(run),
                "sentence": sentence(run),
                "step": run.step,
                "total_steps": run.total_steps,
                "steps_per_s": run.steps_per_s,
                "milestones": {"reached": self.milestones(), "total": None},
                "best": {"agent": None, "picture": self.picture()},
                "curves": self.six(),
                "values": self.values(),
                "alarms": [asdict(alarm) for alarm in alarms(self._signs(run, machines))],
                "reading": self.metrics.reading,
            }

    def row(self, chain: Json | None = None) -> dict[str, Any]:
        """What `/api/runs` says of it."""
        with self.lock:
            run = self.situation(chain)
            return {
                "id": self.id,
                "name": run.name,
                "game": run.game,
                "member": self.member,
                "state": state_of(run),
                "sentence": sentence(run),
                "step": run.step,
                "total_steps": run.total_steps,
                "steps_per_s": run.steps_per_s,
                "milestones": len(self.milestones()),
                "changed_s": max(run.changed_s, self.metrics.time_s),
            }

    def milestones(self) -> list[dict[str, Any]]:
        """Reached ones, in the order in which they were: of the saved state, and what came since."""
        saved = self.facts.state.content.get("milestones")
        steps = dict(saved) if isinstance(saved, dict) else {}
        steps = {str(name): whole(step) for name, step in list(steps.items())[:2000]}
        events = self.events.milestones
        steps.update({name: event.step or 0 for name, event in events.items()})
        rows = [
            {"name": name, "step": step, "time": events[name].time_s if name in events else None}
            for name, step in steps.items()
        ]
        return sorted(rows, key=lambda row: (row["step"], row["name"]))

    def values(self) -> dict[str, float]:
        """The newest finite value of every metric."""
        names = sorted({*self.metrics.curves, *self.metrics.peeked})
        return {name: value for name in names if (value := self.metrics.value(name)) is not None}

    def six(self) -> list[str]:
        """Names of the curves to be drawn first."""
        names = list(self.values())
        return [*(name for name in SIX if name in names), *(name for name in names if name not in SIX)][:6]

    def picture(self) -> str | None:
        """Path of the newest picture of the run, as the server knows it."""
        found = [path for path in self.media() if path.suffix.lower() in PICTURES]
        newest = max(found, key=lambda path: path.stat().st_mtime, default=None)
        return f"/media/{self.id}/{newest.name}" if newest else None

    def media(self) -> list[Path]:
        """Plain files of the media folder."""
        outcome = contained(lambda: [path for path in self.paths.media.iterdir() if is_plain(path)])
        return outcome.value or []

    def problems(self) -> list[str]:
        """What cannot be read, or not wholly."""
        files = {"metrics": self.metrics.problem, "events": self.events.problem, "visits": self.visits.problem}
        named = [f"{name}: {text}" for name, text in files.items() if text]
        return [*self.facts.problems, *named, *self.broken.values()]

    def _signs(self, run: Situation, machines: Sequence[Json]) -> Signs:
        metrics = self.metrics
        started = number(self.facts.claim.content.get("started_at"))
        last = max(metrics.time_s, started)
        curve = metrics.curves.get("speed/steps_per_s")
        interval = run.step / metrics.rows / run.steps_per_s if metrics.rows and run.steps_per_s else 0.0
        return Signs(
            run=run,
            row_age_s=run.now - last if last else None,
            row_interval_s=interval if curve else 0.0,
            free_bytes=self._free_bytes(),
            last=self.events.last,
            without_value=metrics.without_value,
            values={"learner/skipped_updates": metrics.value("learner/skipped_updates") or 0.0},
            problems=self.problems(),
            members=machines,
            is_copy=self.is_copy,
        )

    def _free_bytes(self) -> int | None:
        asked, free = self._disk
        if time.monotonic() - asked > DISK_INTERVAL_S:
            outcome = contained(lambda: shutil.disk_usage(self.paths.root).free)
            free = outcome.value
            self._disk = (time.monotonic(), free)
        return free


def is_plain(path: Path) -> bool:
    """Whether it is a file that may be shown: no link, and not hidden."""
    return path.is_file() and not path.is_symlink() and not path.name.startswith(".")


def number(value: Any) -> float:
    """A number as it stands in a file that anybody may have written; 0 for anything else."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def whole(value: Any) -> int:
    """A whole number likewise."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
