"""The events of one run, read a piece at a time.

Job: keep the newest events as text, the milestones that count, and how often each kind happened. Place in the data
flow: `RUN/events` -> pages, alarms. Left out: what follows from an event (`alarms`).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gamefleet.watch.attempts import parsed
from gamefleet.watch.tail import Line, Tail, unreadable

KEPT_EVENTS = 1000
MOST_MILESTONES = 2000
LONGEST_TEXT = 400
LARGEST_NUMBER = 2**53
SAID_ELSEWHERE = frozenset({"time", "kind", "attempt", "step"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What happened.

    Args:
        time_s: Seconds since 1970.
        kind: A key of `runs.events.EVENTS`.
        step: Steps of the run, None where that means nothing.
        attempt: Number of the attempt.
        text: Its details for people.
        details: The same as JSON values, without those that are large.
    """

    time_s: float
    kind: str
    step: int | None
    attempt: int
    text: str
    details: Mapping[str, Any]


@dataclass(slots=True)
class RunEvents:
    """What is known of one event file.

    Args:
        path: The file.
        newest: The last events, oldest first.
        milestones: Name -> the event that counts.
        counts: Events by kind.
        last: By kind, the newest.
        ignored: Lines that could not be read.
    """

    path: Path
    newest: deque[Event] = field(default_factory=lambda: deque(maxlen=KEPT_EVENTS))
    milestones: dict[str, Event] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    last: dict[str, Event] = field(default_factory=dict)
    ignored: int = 0
    tail: Tail = field(init=False)

    def __post_init__(self) -> None:
        self.tail = Tail(path=self.path)

    @property
    def problem(self) -> str:
        """What is wrong with the file, for people; empty when nothing is."""
        found = [self.tail.trouble] if self.tail.trouble else []
        if self.ignored:
            found.append(unreadable(self.ignored))
        return "; ".join(found)

    def look(self) -> bool:
        """See what is new, without taking it in; returns whether anything changed."""
        before = (self.tail.size, self.tail.trouble)
        if self.tail.look():
            for collected in (self.newest, self.milestones, self.counts, self.last):
                collected.clear()
            self.ignored = 0
            return True
        return (self.tail.size, self.tail.trouble) != before

    def read_on(self) -> bool:
        """Take in the next piece; returns whether there was one."""
        offset = self.tail.offset
        for line in self.tail.lines():
            event = event_of(line)
            if event is None:
                self.ignored += 1
            else:
                self._keep(event)
        return self.tail.offset > offset

    def _keep(self, event: Event) -> None:
        self.newest.append(event)
        if event.kind in self.last or len(self.last) < LONGEST_TEXT:
            self.counts[event.kind] += 1
            self.last[event.kind] = event
        if event.kind == "attempt_started":
            resumed = event.details.get("resumed_step")
            if isinstance(resumed, int):  # what came after the checkpoint will happen again, or not
                kept = {name: one for name, one in self.milestones.items() if (one.step or 0) <= resumed}
                self.milestones = kept
        elif event.kind == "milestone_reached" and len(self.milestones) < MOST_MILESTONES:
            self.milestones.setdefault(str(event.details.get("milestone", "")), event)


def event_of(line: Line) -> Event | None:
    """A line as an event; None when it is none."""
    row = parsed(line.text) if line.text else None
    if row is None or not isinstance(row.get("kind"), str):
        return None
    step, time_s, attempt = row.get("step"), row.get("time"), row.get("attempt")
    details = {name: short(value) for name, value in row.items() if name not in SAID_ELSEWHERE}
    return Event(
        time_s=float(time_s or 0.0) if is_sane(time_s) else 0.0,
        kind=row["kind"][:LONGEST_TEXT],
        step=step if isinstance(step, int) and is_sane(step) else None,
        attempt=attempt if isinstance(attempt, int) and is_sane(attempt) else 0,
        text=", ".join(f"{name} {value}" for name, value in details.items())[:LONGEST_TEXT],
        details=details,
    )


def is_sane(value: Any) -> bool:
    """Whether something from a file is a number that a run may have written."""
    return isinstance(value, int | float) and -LARGEST_NUMBER <= value <= LARGEST_NUMBER


def short(value: Any) -> Any:
    """A detail that takes little memory."""
    return value if value is None or is_sane(value) else printed(value)[:LONGEST_TEXT]


def printed(value: Any) -> str:
    """As text, as far as it has one: Python prints no whole number of thousands of digits."""
    try:
        return str(value)
    except ValueError:
        return "a number beyond all bounds"
