"""Where the players of a run were: tiles and trails, read a piece at a time.

Job: count the steps on each tile, in slices of the run, so that a slider can stand at any of them. Place in the data
flow: `RUN/visits` -> the map. Left out: what an area is, and where it lies on a map (a game's panel).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from gamefleet.watch.attempts import AttemptFile, kind_of
from gamefleet.watch.tail import Tail, unreadable

MOST_SLICES = 64
MOST_TILES = 400_000
"""In all slices together, about 100 bytes each; neighbours are joined where there are more."""

LEAST_SLICES = 8
TRAIL_SPOTS = 200
OLDER_TRAIL_SPOTS = 60
"""Of each slice before the last: enough to see where somebody came from."""

MOST_TRAILS = 512

Spot = tuple[int, int, int]
"""Area, x, y."""


class Row(msgspec.Struct):
    """A line of visits as it is written."""

    step: int
    attempt: int
    trails: dict[str, list[int]]


DECODER = msgspec.json.Decoder(Row)


@dataclass(slots=True)
class Slice:
    """A stretch of the run.

    Args:
        last_step: Its end.
        rows: Lines that it holds.
        tiles: Steps spent on each tile.
        trails: The last spots of each environment at its end; empty while it is the last slice.
    """

    last_step: int
    rows: int = 0
    tiles: dict[Spot, int] = field(default_factory=dict)
    trails: dict[str, list[Spot]] = field(default_factory=dict)

    def join(self, other: Slice) -> Slice:
        """This slice and the one after it."""
        tiles = dict(self.tiles)
        for spot, count in other.tiles.items():
            tiles[spot] = tiles.get(spot, 0) + count
        return Slice(other.last_step, self.rows + other.rows, tiles, other.trails)


@dataclass(slots=True)
class RunVisits:
    """What is known of one file of visits.

    Args:
        path: The file.
        slices: Of the run, oldest first.
        trails: The last spots of each environment.
        first_step: Step of the first row; None without one.
        rows: Rows that count and were taken in.
        ignored: Lines that could not be read.
        crowded_out: Visits to tiles for which there was no room.
    """

    path: Path
    slices: list[Slice] = field(default_factory=list)
    trails: dict[str, deque[Spot]] = field(default_factory=dict)
    first_step: int | None = None
    rows: int = 0
    ignored: int = 0
    crowded_out: int = 0
    file: AttemptFile = field(init=False)
    _width: int = 1
    _num_tiles: int = 0

    def __post_init__(self) -> None:
        self.file = AttemptFile(tail=Tail(path=self.path))

    @property
    def reading(self) -> float:
        """Share of the file that was taken in, 0 to 1."""
        return self.file.tail.share

    @property
    def problem(self) -> str:
        """What is wrong with the file, for people; empty when nothing is."""
        found = [self.file.tail.trouble] if self.file.tail.trouble else []
        if self.ignored:
            found.append(unreadable(self.ignored))
        if self.crowded_out:
            found.append(f"{self.crowded_out} visits were left out: there are too many different tiles")
        return "; ".join(found)

    def look(self) -> bool:
        """See what is new, without taking it in; returns whether anything changed."""
        found = self.file.look()
        if found == "again":
            self._forget()
        return found != "same"

    def read_on(self) -> bool:
        """Take in the next piece; returns whether there was one."""
        tail = self.file.tail
        if tail.is_at_end or tail.trouble:
            return False
        found = self.file.prepare(self.slices[-1].last_step if self.slices else -1)
        if found == "again":
            self._forget()
        if found != "same":
            return True
        offset = tail.offset
        for line, newest, limit in self.file.piece():
            row = decoded(line.text) if line.text else None
            if row is None:
                self.ignored += kind_of(line, newest) == "rubbish"
            elif row.attempt >= newest and row.step <= limit:
                self._keep(row)
        return tail.offset > offset

    def view(self, until: int | None = None) -> Mapping[str, Any]:
        """Tiles and trails up to a step, as JSON values.

        Args:
            until: Slices that end after it are left out; None for all.
        """
        chosen = [piece for piece in self.slices if until is None or piece.last_step <= until]
        tiles: dict[str, list[int]] = {}
        for (area, x, y), count in _sum(chosen).items():
            tiles.setdefault(str(area), []).extend((x, y, count))
        return {
            "first_step": self.first_step,
            "last_step": self.slices[-1].last_step if self.slices else None,
            "until": chosen[-1].last_step if chosen else None,
            "tiles": tiles,
            "trails": [
                {"env": env, "spots": [number for spot in spots for number in spot]}
                for env, spots in self._trails_at(chosen).items()
            ],
            "slices": [piece.last_step for piece in self.slices],
            "rows": self.rows,
            "reading": self.reading,
            "problem": self.problem,
        }

    def _trails_at(self, chosen: Sequence[Slice]) -> Mapping[str, Sequence[Spot]]:
        """The trails at the end of some slices."""
        return self.trails if chosen == self.slices else chosen[-1].trails if chosen else {}

    def _forget(self) -> None:
        self.slices.clear()
        self.trails.clear()
        self.first_step = None
        self.rows = self.ignored = self.crowded_out = self._num_tiles = 0
        self._width = 1

    def _keep(self, row: Row) -> None:
        self.rows += 1
        if self.first_step is None:
            self.first_step = row.step
        piece = self._slice(row.step)
        for env, numbers in row.trails.items():
            trail = self._trail(env)
            for spot, count in spots_of(numbers):
                self._visit(piece, spot, count)
                if trail is not None and (not trail or trail[-1] != spot):
                    trail.append(spot)

    def _slice(self, step: int) -> Slice:
        if not self.slices or self.slices[-1].rows >= self._width:
            if self.slices:
                self.slices[-1].trails = {env: list(spots)[-OLDER_TRAIL_SPOTS:] for env, spots in self.trails.items()}
            if len(self.slices) >= MOST_SLICES or self._num_tiles >= MOST_TILES:
                self._join()
            self.slices.append(Slice(step))
        piece = self.slices[-1]
        piece.last_step, piece.rows = step, piece.rows + 1
        return piece

    def _join(self) -> None:
        if len(self.slices) > LEAST_SLICES:
            pairs = [self.slices[at : at + 2] for at in range(0, len(self.slices), 2)]
            self.slices = [pair[0].join(pair[1]) if len(pair) == 2 else pair[0] for pair in pairs]
            self._width *= 2
            self._num_tiles = sum(len(piece.tiles) for piece in self.slices)

    def _visit(self, piece: Slice, spot: Spot, count: int) -> None:
        if spot in piece.tiles:
            piece.tiles[spot] += count
        elif self._num_tiles < MOST_TILES + (MOST_TILES >> 2):
            piece.tiles[spot] = count
            self._num_tiles += 1
        else:
            self.crowded_out += 1

    def _trail(self, env: str) -> deque[Spot] | None:
        if env not in self.trails and len(self.trails) < MOST_TRAILS:
            self.trails[env] = deque(maxlen=TRAIL_SPOTS)
        return self.trails.get(env)


def _sum(slices: Sequence[Slice]) -> dict[Spot, int]:
    total: dict[Spot, int] = {}
    for piece in slices:
        for spot, count in piece.tiles.items():
            total[spot] = total.get(spot, 0) + count
    return total


def spots_of(numbers: Sequence[int]) -> Iterator[tuple[Spot, int]]:
    """`area, x, y, n` again and again as spots with their counts; what is left over at the end is passed over."""
    fours = zip(*[iter(numbers)] * 4, strict=False)
    return (((area, x, y), count) for area, x, y, count in fours)


def decoded(text: bytes) -> Row | None:
    """A line as a row; None when it is something else."""
    try:
        return DECODER.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
