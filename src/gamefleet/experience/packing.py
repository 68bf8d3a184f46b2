"""The endless sequence of packed rows that a run learns from, and how a run says where in it it stands.

Job: epochs -> windows of trajectories in `Order` -> rows; hand out the next rows of a step. Place in the data flow:
between `selection` and `loader`. Left out: what is in the rows; reading.

The sequence depends on the trajectories, the seed and the sizes in `PackingSettings`, and on nothing else: neither on
the number of ranks nor on when a run was cut. A step takes the next `rows_per_step` rows, over the ends of windows and
epochs, and rank r of W takes its r-th W-th of them, as evenly as whole rows allow. Where a run stands is three numbers.

Within a window rows come in an order of their own: filling takes long trajectories first, and batches of only long
ones would follow batches of only short ones.

Axes: `piece`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.errors import ConfigError, IncompatibleError
from gamefleet.experience.order import Order
from gamefleet.experience.packing_rows import fit
from gamefleet.experience.selection import Trajectories
from gamefleet.identity import derive_seed


@dataclass(frozen=True, slots=True, kw_only=True)
class PackingSettings:
    """What the sequence of rows depends on.

    Args:
        row_decisions: Places in a row.
        rows_per_step: Rows that all ranks together learn from in one step.
        window_trajectories: So many are packed together; more fill rows better and take longer to begin.
        seed: Of the run.
    """

    row_decisions: int = 64
    rows_per_step: int = 4
    window_trajectories: int = 4096
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where a run stands: the next row to be taken.

    Args:
        epoch: Pass over the data, from 0.
        window: Within the epoch.
        row: Within the window.
        data: Fingerprint of the trajectories and settings that these numbers belong to.
    """

    epoch: int = 0
    window: int = 0
    row: int = 0
    data: str = ""

    def as_json(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"epoch": self.epoch, "window": self.window, "row": self.row, "data": self.data}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Cursor:
        """Of a checkpoint.

        Raises:
            IncompatibleError: It is none.
        """
        numbers = [value.get(name) for name in ("epoch", "window", "row")]
        data = value.get("data")
        if not all(isinstance(number, int) and number >= 0 for number in numbers) or not isinstance(data, str):
            raise IncompatibleError("A checkpoint's place in the data cannot be understood", value=dict(value))
        return Cursor(epoch=value["epoch"], window=value["window"], row=value["row"], data=data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Some consecutive rows.

    Args:
        row: int32 `[piece]`, from 0 within these rows, non-decreasing.
        place: int32 `[piece]`, first place within the row.
        trajectory: int64 `[piece]`, number among the trajectories.
        start: int32 `[piece]`, first decision of the trajectory that is here.
        length: int32 `[piece]`, decisions.
        num_rows: How many rows.
    """

    row: NDArray[np.int32]
    place: NDArray[np.int32]
    trajectory: NDArray[np.int64]
    start: NDArray[np.int32]
    length: NDArray[np.int32]
    num_rows: int

    def between(self, first: int, end: int) -> Rows:
        """Rows `first` to `end - 1` of these, counted from 0 again."""
        begin, stop = np.searchsorted(self.row, [first, end])
        part = slice(begin, stop)
        return Rows(
            row=self.row[part] - np.int32(first),
            place=self.place[part],
            trajectory=self.trajectory[part],
            start=self.start[part],
            length=self.length[part],
            num_rows=end - first,
        )

    @staticmethod
    def together(parts: list[Rows]) -> Rows:
        """Several one after the other."""
        if len(parts) == 1:
            return parts[0]
        firsts = np.cumsum([0, *(part.num_rows for part in parts)])
        shifted = [part.row + np.int32(first) for part, first in zip(parts, firsts, strict=False)]
        return Rows(
            row=np.concatenate(shifted),
            place=np.concatenate([part.place for part in parts]),
            trajectory=np.concatenate([part.trajectory for part in parts]),
            start=np.concatenate([part.start for part in parts]),
            length=np.concatenate([part.length for part in parts]),
            num_rows=int(firsts[-1]),
        )


class Packing:
    """The sequence, and a place in it that `take` moves.

    Args:
        trajectories: What is packed.
        settings: How.
        cursor: Where to go on; at the beginning when None.

    Attributes:
        cursor: Where it stands.

    Raises:
        ConfigError: A setting is no positive number.
        IncompatibleError: The cursor belongs to other data, another choice of it, or other settings.
    """

    def __init__(self, trajectories: Trajectories, settings: PackingSettings, *, cursor: Cursor | None = None) -> None:
        _check(settings)
        self.settings = settings
        self._trajectories = trajectories
        self._data = (
            f"{trajectories.fingerprint}-{settings.row_decisions}-{settings.window_trajectories}-{settings.seed}"
        )
        self.cursor = cursor or Cursor(data=self._data)
        if self.cursor.data != self._data:
            raise _other_data(self.cursor.data, self._data)
        self._num_windows = -(-len(trajectories) // settings.window_trajectories)
        self._place: tuple[int, int] | None = None
        self._window: Rows
        if self.cursor.window >= self._num_windows or self.cursor.row >= self._current().num_rows:
            raise IncompatibleError("A checkpoint's place in the data does not exist", value=self.cursor.as_json())

    @property
    def num_windows(self) -> int:
        """In an epoch."""
        return self._num_windows

    def take(self) -> Rows:
        """The rows of the next step, of all ranks."""
        missing, parts = self.settings.rows_per_step, []
        while missing:
            window = self._current()
            end = min(self.cursor.row + missing, window.num_rows)
            parts.append(window.between(self.cursor.row, end))
            missing -= end - self.cursor.row
            self._advance(end, window.num_rows)
        return Rows.together(parts)

    def window(self, epoch: int, number: int) -> Rows:
        """All rows of one window."""
        first = number * self.settings.window_trajectories
        end = min(first + self.settings.window_trajectories, len(self._trajectories))
        order = Order(len(self._trajectories), seed=self.settings.seed, epoch=epoch)
        members = order.at(np.arange(first, end, dtype=np.int64))
        pieces = fit(self._trajectories.length[members], self.settings.row_decisions)
        seed = derive_seed(self.settings.seed, purpose=f"rows-{epoch}-{number}")
        # `turned[i]` is where row i goes: pieces are sorted by it again, those of one row staying together in order.
        turned = Order(pieces.num_rows, seed=seed, epoch=0).at(np.arange(pieces.num_rows, dtype=np.int64))
        row = turned[pieces.row].astype(np.int32)
        again = np.argsort(row, kind="stable")
        return Rows(
            row=row[again],
            place=pieces.place[again],
            trajectory=members[pieces.item[again]],
            start=pieces.start[again],
            length=pieces.length[again],
            num_rows=pieces.num_rows,
        )

    def _current(self) -> Rows:
        if self._place != (self.cursor.epoch, self.cursor.window):
            self._window = self.window(self.cursor.epoch, self.cursor.window)
            self._place = (self.cursor.epoch, self.cursor.window)
        return self._window

    def _advance(self, row: int, num_rows: int) -> None:
        at = replace(self.cursor, row=row)
        if at.row >= num_rows:
            at = replace(at, window=at.window + 1, row=0)
        if at.window >= self._num_windows:
            at = replace(at, epoch=at.epoch + 1, window=0)
        self.cursor = at


def slice_of(rows: int, part: int, parts: int) -> tuple[int, int]:
    """Where the `part`-th of `parts` slices of a step's rows begins and ends.

    Slices are equal where the rows divide evenly. Otherwise some have one row more than others, and where there are
    more slices than rows some have none: any number of ranks can share any step.
    """
    return part * rows // parts, (part + 1) * rows // parts


def largest_slice(rows: int, parts: int) -> int:
    """Rows of the largest of so many slices."""
    return -(-rows // parts)


def _check(settings: PackingSettings) -> None:
    for name in ("row_decisions", "rows_per_step", "window_trajectories"):
        if getattr(settings, name) < 1:
            raise ConfigError("A number must be at least 1", value=getattr(settings, name), where=name)


def _other_data(found: str, wanted: str) -> IncompatibleError:
    return IncompatibleError(
        "A checkpoint's place belongs to other data, another choice of it, or other packing",
        value=found,
        where=f"expected {wanted}",
        remedy="Go on with the data folder, selection, seed, row_decisions and window_trajectories of the run, or let "
        "it begin the data anew: --fresh.",
    )
