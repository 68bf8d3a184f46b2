"""What a run folder says, read as anybody could: JSON, line by line.

Job: starts, steps and milestones of the runs of a rehearsal. Place in the data flow: run folders in, numbers for
`fleet_rehearsal_account` out. Left out: the run folder's own readers; what is checked here shall not rest on them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any


def events(run: Path) -> Iterator[Mapping[str, Any]]:
    """What happened in a run, oldest first."""
    return lines(run / "events" / "train.jsonl")


def metrics(run: Path) -> Iterator[Mapping[str, Any]]:
    """What a run measured, oldest first."""
    return lines(run / "metrics" / "train.jsonl")


def lines(path: Path) -> Iterator[Mapping[str, Any]]:
    """The whole lines of a file; a process that is killed leaves half a line."""
    for line in path.read_text(errors="replace").splitlines() if path.exists() else ():
        try:
            yield json.loads(line)
        except ValueError:
            continue


def attempts(run: Path) -> dict[int, int]:
    """Step from which each start of a run went on, -1 for a start from nothing, by attempt."""
    rows = [row for row in events(run) if row["kind"] == "attempt_started"]
    return {int(row["attempt"]): int(row["resumed_step"]) for row in rows}


def reached(run: Path) -> dict[int, int]:
    """The highest step that each start of a run wrote down, by attempt."""
    found: dict[int, int] = {}
    for row in (*metrics(run), *events(run)):
        if row.get("step") is not None:
            attempt = int(row["attempt"])
            found[attempt] = max(found.get(attempt, 0), int(row["step"]))
    return found


def played(run: Path) -> int:
    """Environment steps of all starts of a run."""
    began = attempts(run)
    return sum(max(0, step - max(0, began.get(attempt, 0))) for attempt, step in reached(run).items())


def sums(run: Path, names: Iterable[str]) -> Counter[str]:
    """Counters of a run that begin at 0 in each attempt, summed over the attempts."""
    highest: dict[tuple[str, int], float] = {}
    wanted = tuple(names)
    for row in metrics(run):
        for name in wanted:
            key = (name, int(row["attempt"]))
            highest[key] = max(highest.get(key, 0.0), float(row.get("values", {}).get(name) or 0.0))
    found: Counter[str] = Counter()
    for (name, _), value in highest.items():
        found[name] += int(value)
    return found


def milestones(runs: Iterable[Path]) -> set[str]:
    """Milestones that any of the runs reached."""
    return {row["milestone"] for run in runs for row in events(run) if row["kind"] == "milestone_reached"}
