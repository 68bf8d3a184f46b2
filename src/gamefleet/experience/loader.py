"""Packed batches for one rank, prepared ahead of time by worker processes.

Job: turn a dataset into an endless iterator of batches, in an order that does not depend on workers, ranks or
restarts. Place in the data flow: dataset -> `packing` -> this -> the trainer. Left out: tensors, pinned memory and
devices; what a record means.

This process only decides which pieces go where, which costs it microseconds per batch. Workers read, decompress, decode
and write into slots of one shared block of memory without a name (the kernel frees it with its last user, even after
SIGKILL). Batch n is filled by worker n modulo their number, so nothing has to be sorted. A finished slot is copied out
before it is handed over: what the trainer holds never changes under it.

Memory: `num_workers * prefetch_batches + 1` batches.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.errors import ConfigError
from gamefleet.experience.dataset import Dataset, Shard
from gamefleet.experience.loader_batch import (
    POSITION,
    SEGMENT,
    TASK_COLUMNS,
    Arrays,
    BatchSpec,
    Decode,
    Filler,
    spec_of,
)
from gamefleet.experience.loader_pool import LoaderSettings, Pool
from gamefleet.experience.loader_worker import find
from gamefleet.experience.packing import Cursor, Packing, PackingSettings, Rows, largest_slice, slice_of
from gamefleet.experience.selection import Trajectories


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Which part of every step's rows this loader gives; see `packing.slice_of`.

    Args:
        rank: From 0.
        world: Number of ranks.
        batches_per_step: The rank's rows of a step come in so many batches (gradient accumulation).
    """

    rank: int = 0
    world: int = 1
    batches_per_step: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedBatch:
    """One batch.

    Args:
        arrays: Of the game, `[row, place, ...]`; places where `segment` is 0 hold zeros and mean nothing. All batches
            of all ranks have as many rows: where a step's rows do not divide evenly, the last ones are empty, at times
            all of them.
        segment: int32 `[row, place]`: 0 where nothing is, else the number of the piece within its row, from 1.
        position: int32 `[row, place]`: number of the decision within its piece, from 0, below the row's length.
        pieces: int64 `[piece, 5]`: record, view, first decision, decisions, row; in order. For messages and tests.
        cursor_after: Where the run stands once this batch was learned from; before the last batch of a step that is
            where the step began, since steps are not cut.
        ends_step: Whether it is the last batch of its step.
        wait_s: How long the trainer had to wait for it, seconds.
    """

    arrays: Arrays
    segment: NDArray[np.int32]
    position: NDArray[np.int32]
    pieces: NDArray[np.int64]
    cursor_after: Cursor
    ends_step: bool
    wait_s: float

    @property
    def num_decisions(self) -> int:
        """Places that are filled."""
        return int(self.pieces[:, 3].sum())

    @property
    def efficiency(self) -> float:
        """Share of places that are filled, 0 to 1."""
        return self.num_decisions / self.segment.size


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """A batch that was asked for."""

    task: NDArray[np.int64]
    pieces: NDArray[np.int64]
    cursor_after: Cursor
    ends_step: bool


class Loader:
    """An endless iterator of `PackedBatch`; use it in a `with` block, or call `close`.

    Args:
        dataset: Where records are.
        trajectories: What `selection.choose` chose of it.
        decode: Of the game: a function at the top of an importable module, or its name as `module:function`.
        packing: What the sequence of rows depends on.
        share: Which part of it this loader gives; all of it when None.
        settings: How it works; see `LoaderSettings` for what None means.
        cursor: Where to go on; at the beginning when None.
        clock: In seconds; measures waiting.

    Raises:
        ConfigError: There is no such rank, or workers could not import `decode`.
        IncompatibleError: The cursor belongs to other data.
        DatasetError: The data is damaged.
        WorkerError: A worker does not start, died, or hangs.
    """

    def __init__(
        self,
        dataset: Dataset,
        trajectories: Trajectories,
        decode: Decode | str,
        *,
        packing: PackingSettings,
        share: Share | None = None,
        settings: LoaderSettings | None = None,
        cursor: Cursor | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._dataset, self._trajectories, self._clock = dataset, trajectories, clock
        share, settings = share or Share(), settings or LoaderSettings()
        self._share = share
        if not 0 <= share.rank < share.world:
            raise ConfigError("There is no such rank", value=share.rank, where=f"{share.world} ranks")
        self._packing = Packing(trajectories, packing, cursor=cursor)
        rows = largest_slice(packing.rows_per_step, share.world * share.batches_per_step)
        path = decode if isinstance(decode, str) else import_path(decode)
        function = find(path) if isinstance(decode, str) else decode
        probe = function(dataset.read(int(trajectories.record[0])), int(trajectories.view[0]))
        self.spec: BatchSpec = spec_of(probe, rows=rows, places=packing.row_decisions)
        self._waiting: deque[_Order] = deque()
        self._ordered: Iterator[_Order] = self._orders()
        self._filler = Filler(open_shards(dataset), function, dataset.dictionary)
        self._pool = (
            Pool(self.spec, settings, path, open_shards(dataset), dataset.dictionary) if settings.num_workers else None
        )

    def __iter__(self) -> Iterator[PackedBatch]:
        return self

    def __next__(self) -> PackedBatch:
        started = self._clock()
        block = self._inline() if self._pool is None else self._from_pool(self._pool)
        order = self._waiting.popleft()
        arrays = self.spec.over(block)
        return PackedBatch(
            segment=arrays.pop(SEGMENT),
            position=arrays.pop(POSITION),
            arrays=arrays,
            pieces=order.pieces,
            cursor_after=order.cursor_after,
            ends_step=order.ends_step,
            wait_s=self._clock() - started,
        )

    def __enter__(self) -> Loader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def worker_pids(self) -> tuple[int, ...]:
        """Process ids of the workers."""
        return self._pool.pids if self._pool else ()

    def close(self) -> None:
        """End the workers and let go of the files; the dataset stays open."""
        self._filler.close()
        if self._pool is not None:
            self._pool.close()

    def _inline(self) -> NDArray[np.uint8]:
        self._waiting.append(next(self._ordered))
        block = np.empty(self.spec.num_bytes, np.uint8)
        self._filler.fill(self.spec.over(block.data), self._waiting[0].task)
        return block

    def _from_pool(self, pool: Pool) -> NDArray[np.uint8]:
        while pool.has_room:
            self._waiting.append(next(self._ordered))
            pool.ask(self._waiting[-1].task)
        return pool.take()

    def _orders(self) -> Iterator[_Order]:
        """The batches of this share, forever."""
        share = self._share
        parts = share.batches_per_step
        while True:
            before = self._packing.cursor
            rows = self._packing.take()
            for number in range(parts):
                part = slice_of(rows.num_rows, share.rank * parts + number, share.world * parts)
                ends_step = number == parts - 1
                cursor = self._packing.cursor if ends_step else before
                yield self._order(rows.between(*part), cursor, ends_step)

    def _order(self, rows: Rows, cursor: Cursor, ends_step: bool) -> _Order:
        chosen = self._trajectories
        record, view = chosen.record[rows.trajectory], chosen.view[rows.trajectory].astype(np.int64)
        index = self._dataset.index[record]
        columns = {
            **{name: index[name] for name in ("shard", "offset", "stored", "size")},
            "view": view,
            "total": chosen.length[rows.trajectory],
            "start": rows.start,
            "length": rows.length,
            "row": rows.row,
            "place": rows.place,
            "segment": _numbers_within(rows.row),
        }
        task = np.stack([columns[name].astype(np.int64) for name in TASK_COLUMNS], axis=1)
        pieces = np.stack([record, view, rows.start, rows.length, rows.row], axis=1).astype(np.int64)
        return _Order(task=task, pieces=pieces, cursor_after=cursor, ends_step=ends_step)


def open_shards(dataset: Dataset) -> list[Shard]:
    """The files of a dataset, in the order of its index."""
    return [Shard(dataset.folder / facts.name, facts.bytes) for facts in dataset.manifest.shards]


def import_path(decode: Callable[..., Any]) -> str:
    """How a worker finds a function.

    Raises:
        ConfigError: It would not.
    """
    module, name = decode.__module__, decode.__qualname__
    if module == "__main__" or "." in name or getattr(sys.modules.get(module), name, None) is not decode:
        raise ConfigError(
            "Loader workers cannot import a function",
            value=f"{module}:{name}",
            remedy="Define it at the top of an importable module, or use 0 workers and name it as module:function.",
        )
    return f"{module}:{name}"


def _numbers_within(row: NDArray[np.int32]) -> NDArray[np.int64]:
    """1, 2, 3, ... for the pieces of each row."""
    first = np.searchsorted(row, row)
    return np.arange(len(row), dtype=np.int64) - first + 1
