"""Metrics: one append-only file per writer, and a reader that knows about attempts.

Job: record (step, values) so that curves survive kills and resumes. Place in the data flow: the training loop writes,
reports, the dashboard and `runs list` read. Left out: what a metric means (docs/metrics.md) and mirrors (`trackers`).

A run that dies at step 1,900 and resumes from the checkpoint of step 1,000 writes the steps in between a second time.
Nothing is deleted: each attempt opens with a line that says from which step it goes on, and the reader leaves out what
earlier attempts wrote beyond it, and what one that was taken over still added later. A curve therefore never goes
backwards.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from gamefleet.files import Fence
from gamefleet.runs.lines import LineWriter, read_lines

FROM_START = -1
"""`resumed_step` of an attempt that starts with no checkpoint: everything written before is superseded."""


class MetricsWriter:
    """Writes the metrics of one role.

    Args:
        path: `RunPaths.metrics(writer)`.
        attempt: Number of this attempt.
        resumed_step: Step of the checkpoint that this attempt continues, or `FROM_START`.
        fence: Asked before each line; see `files.Fence`.
    """

    def __init__(self, path: Path, *, attempt: int, resumed_step: int = FROM_START, fence: Fence | None = None) -> None:
        self._lines = LineWriter(path, fence=fence)
        self._attempt = attempt
        self._lines.write({"attempt": attempt, "resumed_step": resumed_step, "time": time.time()})

    def __enter__(self) -> MetricsWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Append one line.

        Args:
            step: Steps of the run so far, over all environments.
            values: Metric name -> value; NaN and infinities are kept as "no value".
        """
        self._lines.write({"attempt": self._attempt, "step": step, "time": time.time(), "values": dict(values)})

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsRow:
    """One line of metrics.

    Args:
        step: Steps of the run so far.
        attempt: Attempt that wrote it.
        time_s: Wall clock, seconds since 1970.
        values: Metric name -> value, NaN where there was none.
    """

    step: int
    attempt: int
    time_s: float
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """What a metrics file says.

    Args:
        rows: Lines that count, steps never decreasing.
        num_superseded: Lines that a later attempt wrote again, or that came when it had already begun.
        num_ignored: Lines that could not be read.
    """

    rows: tuple[MetricsRow, ...]
    num_superseded: int
    num_ignored: int

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all metrics, sorted."""
        return tuple(sorted({name for row in self.rows for name in row.values}))

    def curve(self, name: str) -> list[tuple[float, float]]:
        """The finite points (step, value) of one metric."""
        points = ((row.step, row.values.get(name, math.nan)) for row in self.rows)
        return [(step, value) for step, value in points if math.isfinite(value)]


def read_metrics(path: Path) -> Metrics:
    """Read one writer's file, also while it is being written; a missing file has no rows."""
    lines = read_lines(path)
    kept: list[MetricsRow] = []
    superseded = malformed = newest = 0
    for line in lines.rows:
        if line.get("attempt", newest) < newest:
            superseded += 1
        elif "resumed_step" in line:
            newest = line.get("attempt", newest)
            before = len(kept)
            kept = [row for row in kept if row.step <= line["resumed_step"]]
            superseded += before - len(kept)
        elif line.keys() >= {"step", "attempt", "time", "values"}:
            kept.append(_row(line))
        else:
            malformed += 1
    return Metrics(rows=tuple(kept), num_superseded=superseded, num_ignored=lines.num_ignored + malformed)


def _row(line: Mapping[str, Any]) -> MetricsRow:
    return MetricsRow(
        step=line["step"],
        attempt=line["attempt"],
        time_s=line["time"],
        values={name: math.nan if value is None else value for name, value in line["values"].items()},
    )


def averages(rows: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Mean of each metric over several dicts, leaving out values that are not finite."""
    collected: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.items():
            collected.setdefault(name, [])
            if math.isfinite(value):
                collected[name].append(value)
    return {name: math.fsum(values) / len(values) if values else math.nan for name, values in collected.items()}
