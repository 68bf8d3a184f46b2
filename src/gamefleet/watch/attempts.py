"""Files of rows whose attempts take back what earlier ones wrote beyond their checkpoint.

Job: say of every line of such a file whether it counts, while it grows and without holding it in memory. Place in the
data flow: between `tail` and the readers of metrics and visits. Left out: what a row holds.

Rows that a later attempt wrote again do not count. The lines with which attempts open say which rows those are, so they
are looked for first, in everything that is new; a file whose newest attempt takes back rows that were taken in already
is read again from the front.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from gamefleet.watch.tail import Line, Tail

OPENING = b'"resumed_step"'
LONGEST_OPENING = 1 << 16
SEARCHED_BYTES = 16 << 20

Found = Literal["same", "more", "again"]
"""What a look found: nothing, something to read, or that everything must be read from the front."""


@dataclass(frozen=True, slots=True)
class Opening:
    """The line with which an attempt begins.

    Args:
        offset: Where it is in the file.
        attempt: Its number.
        resumed_step: Rows of earlier attempts beyond it do not count.
    """

    offset: int
    attempt: int
    resumed_step: float


@dataclass(slots=True)
class Openings:
    """All openings that were found so far, and what they take back.

    Args:
        known: In the order of the file, those of attempts that were overtaken left out.
        searched: Offset up to which was looked.
    """

    known: list[Opening] = field(default_factory=list)
    searched: int = 0

    def search(self, tail: Tail, count: int) -> list[Opening]:
        """Look at the next `count` bytes of what is new; returns the openings found there."""
        stop = min(tail.size, self.searched + count)
        start = max(0, self.searched - LONGEST_OPENING)  # a line may have been half written, or cut by the last piece
        found = [one for line in tail.find_all(OPENING, start, stop) if (one := opening_of(line)) and self._add(one)]
        self.searched = stop
        return found

    def _add(self, opening: Opening) -> bool:
        """Take in an opening, unless it is known or its attempt was overtaken; returns whether it was."""
        last = self.known[-1] if self.known else None
        is_next = last is None or (opening.attempt >= last.attempt and opening.offset > last.offset)
        if is_next:
            self.known.append(opening)
        return is_next

    def attempt_at(self, offset: int) -> float:
        """Newest attempt that had begun at an offset."""
        return max((one.attempt for one in self.known if one.offset < offset), default=0)

    def limit_from(self, offset: int) -> float:
        """Highest step that counts of what was written at an offset."""
        return min((one.resumed_step for one in self.known if one.offset > offset), default=math.inf)


def opening_of(line: Line) -> Opening | None:
    """The opening in a line, None when it is something else."""
    row = parsed(line.text)
    if row is None or "resumed_step" not in row:
        return None
    attempt, step = row.get("attempt", 0), row["resumed_step"]
    if not isinstance(attempt, int) or not isinstance(step, int | float):
        return None
    return Opening(line.offset, attempt, step)


def parsed(text: bytes) -> dict[str, Any] | None:
    """A line as an object; None when it is none."""
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


@dataclass(slots=True, kw_only=True)
class AttemptFile:
    """One such file.

    Args:
        tail: How far it was read.
        openings: Its attempts.
        searched_bytes: Are searched for openings at a time.
    """

    tail: Tail
    openings: Openings = field(default_factory=Openings)
    searched_bytes: int = SEARCHED_BYTES

    def look(self) -> Found:
        """See what is new, without reading it; `again` when it is another file than before."""
        before = (self.tail.size, self.tail.trouble)
        if self.tail.look():
            self.openings = Openings()
            return "again"
        return "same" if (self.tail.size, self.tail.trouble) == before else "more"

    def prepare(self, taken_step: float) -> Found:
        """Find openings in what is new, before any of it is taken in.

        Args:
            taken_step: Highest step of what was taken in.

        Returns:
            `more` when there is more to search, `again` when an attempt takes back what was taken in, else `same`.
        """
        if self.openings.searched >= self.tail.size:
            return "same"
        found = self.openings.search(self.tail, self.searched_bytes)
        if any(one.resumed_step < taken_step for one in found if one.offset >= self.tail.offset):
            self.tail.rewind()
            return "again"
        return "more"

    def piece(self) -> Iterator[tuple[Line, float, float]]:
        """The next piece: each line with the newest attempt there, and the highest step that counts there."""
        # Openings are few, so both rules are asked anew only where one was passed.
        border, newest, limit = -1.0, 0.0, math.inf
        for line in self.tail.lines():
            if line.offset > border:
                newest, limit = self.openings.attempt_at(line.offset), self.openings.limit_from(line.offset)
                border = min((one.offset for one in self.openings.known if one.offset >= line.offset), default=math.inf)
            yield line, newest, limit


def kind_of(line: Line, newest: float) -> Literal["overtaken", "opening", "rubbish"]:
    """What a line is that is no row.

    Args:
        line: The line.
        newest: Newest attempt that had begun there.
    """
    row = parsed(line.text)
    attempt = None if row is None else row.get("attempt", newest)
    if isinstance(attempt, int | float) and attempt < newest:
        return "overtaken"
    return "opening" if opening_of(line) is not None else "rubbish"
