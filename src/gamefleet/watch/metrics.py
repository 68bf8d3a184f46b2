"""The metrics of one run, read a piece at a time.

Job: turn a file of any length into curves of fixed size, by the rules of `runs.metrics`. Place in the data flow: run
folder -> curves, newest numbers, counts. Left out: what a metric means, and when to read on (`run_view`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import msgspec

from gamefleet.watch.attempts import AttemptFile, kind_of, parsed
from gamefleet.watch.curves import Curve
from gamefleet.watch.tail import Line, Tail, unreadable

MOST_NAMES = 512
"""Metrics of one run; what has other names is counted as left out."""

LONGEST_NAME = 200

Whole = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
"""What a curve can hold; Python's own numbers have no end."""


class Row(msgspec.Struct):
    """A line of metrics as it is written."""

    step: Whole
    attempt: Whole
    time: float
    values: dict[str, float | None]


DECODER = msgspec.json.Decoder(Row)


@dataclass(slots=True)
class RunMetrics:
    """What is known of one metrics file.

    Args:
        path: The file.
        curves: By metric.
        peeked: Values of the newest row, known before everything is taken in.
        step: Step of the newest row.
        time_s: When it was written, seconds since 1970; 0 without one.
        rows: Rows that count and were taken in.
        superseded: Rows that a later attempt wrote again, or that came when it had already begun.
        ignored: Lines that could not be read.
        crowded_out: Values whose names were too many or too long.
        without_value: By metric, how many rows in a row had no finite value.
    """

    path: Path
    curves: dict[str, Curve] = field(default_factory=dict)
    peeked: dict[str, float] = field(default_factory=dict)
    step: int = 0
    time_s: float = 0.0
    rows: int = 0
    superseded: int = 0
    ignored: int = 0
    crowded_out: int = 0
    without_value: dict[str, int] = field(default_factory=dict)
    file: AttemptFile = field(init=False)
    _taken_step: int = -1

    def __post_init__(self) -> None:
        self.file = AttemptFile(tail=Tail(path=self.path))

    @property
    def reading(self) -> float:
        """Share of the file that was taken in, 0 to 1."""
        return self.file.tail.share

    @property
    def problem(self) -> str:
        """What is wrong with the file, for people; empty when nothing is."""
        tail = self.file.tail
        found = [tail.trouble] if tail.trouble else []
        if self.ignored:
            found.append(unreadable(self.ignored))
        if tail.cut and tail.is_at_end:
            found.append("the last line is not whole")
        if self.crowded_out:
            found.append(f"{self.crowded_out} values were left out: a run may have {MOST_NAMES} metrics")
        return "; ".join(found)

    def value(self, name: str) -> float | None:
        """The newest finite value of a metric."""
        if name in self.peeked:
            return self.peeked[name]
        return self.curves[name].last if name in self.curves else None

    def look(self) -> bool:
        """See what is new, without taking it in; returns whether anything changed."""
        found = self.file.look()
        if found == "again":
            self._forget()
        if found != "same":
            self._peek()
        return found != "same"

    def read_on(self) -> bool:
        """Take in the next piece; returns whether there was one."""
        tail = self.file.tail
        if tail.is_at_end or tail.trouble:
            return False
        found = self.file.prepare(self._taken_step)
        if found == "again":
            self._forget()
        if found != "same":
            self._peek()
            return True
        offset = tail.offset
        for line, newest, limit in self.file.piece():
            row = decoded(line.text) if line.text else None
            if row is None:
                self._count(line, newest)
            elif row.attempt < newest or row.step > limit:
                self.superseded += 1
            else:
                self._keep(row)
        return tail.offset > offset

    def _forget(self) -> None:
        for collected in (self.curves, self.peeked, self.without_value):
            collected.clear()
        self.step, self.time_s, self._taken_step = 0, 0.0, -1
        self.rows = self.superseded = self.ignored = self.crowded_out = 0

    def _peek(self) -> None:
        tail = self.file.tail
        for text in reversed(tail.newest()):
            row = decoded(text)
            if row is not None and row.attempt >= self.file.openings.attempt_at(tail.size):
                self.step, self.time_s = row.step, row.time
                values = {name: value for name, value in row.values.items() if is_number(value)}
                self.peeked = dict(list(values.items())[:MOST_NAMES])  # type: ignore[arg-type]  # none is None
                return

    def _count(self, line: Line, newest: float) -> None:
        kind = kind_of(line, newest)
        self.superseded += kind == "overtaken"
        self.ignored += kind == "rubbish"

    def _keep(self, row: Row) -> None:
        self.rows += 1
        step, curves = row.step, self.curves
        self._taken_step = max(self._taken_step, step)
        for name, value in row.values.items():
            if value is None or not math.isfinite(value):
                self.without_value[name] = self.without_value.get(name, 0) + (name in curves)
                continue
            curve = curves.get(name) or self._begin(name)
            if curve is not None:
                curve.add(step, value)
                if self.without_value:
                    self.without_value.pop(name, None)

    def _begin(self, name: str) -> Curve | None:
        if len(self.curves) >= MOST_NAMES or len(name) > LONGEST_NAME:
            self.crowded_out += 1
            return None
        curve = self.curves[name] = Curve()
        return curve


def is_number(value: float | None) -> bool:
    """Whether there is a finite value."""
    return value is not None and math.isfinite(value)


def decoded(text: bytes) -> Row | None:
    """A line as a row; None when it is something else."""
    try:
        return DECODER.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        row = parsed(text)  # Python's own reader takes NaN, which others write
    try:
        return None if row is None else msgspec.convert(row, Row)
    except (msgspec.MsgspecError, RecursionError):
        return None
