"""One batch of packed rows in memory: its arrays, and how pieces of trajectories are written into them.

Job: lay out a block of memory and fill it from records. Place in the data flow: workers fill blocks, the loader hands
them out. Left out: which pieces (`packing`), processes (`loader_worker`), what a record means (`decode` of a game).

Axes: `row`, `place` (decision places of a row), `piece`, `time` (decisions of a trajectory).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gamefleet.experience.dataset import Shard
from gamefleet.experience.dataset_format import DatasetError
from gamefleet.experience.dataset_frames import decompressor, open_frame

Decode = Callable[[bytes, int], Mapping[str, NDArray[Any]]]
"""(record, view) -> arrays `[time, ...]`, always of the same names, types and shapes behind the first axis."""

Arrays = dict[str, NDArray[Any]]

SEGMENT, POSITION = "segment", "position"
ALIGNMENT_BYTES = 64

TASK_COLUMNS = ("shard", "offset", "stored", "size", "view", "total", "start", "length", "row", "place", "segment")
"""int64 columns of a task, one row per piece: where its record lies, what of it is wanted, and where it goes."""


class ArraySpec(msgspec.Struct, frozen=True, array_like=True):
    """One array of a batch: `[row, place, *shape]`."""

    name: str
    dtype: str
    shape: list[int]


class BatchSpec(msgspec.Struct, frozen=True, kw_only=True):
    """All arrays of a batch, those of the game first, then `segment` and `position`.

    Attributes:
        rows: Rows of a batch.
        places: Decisions of a row.
        arrays: In the order in which they lie in the block.
    """

    rows: int
    places: int
    arrays: list[ArraySpec]

    @property
    def num_bytes(self) -> int:
        """Of the block."""
        return sum(self._padded(array) for array in self.arrays)

    def over(self, block: Any) -> Arrays:
        """Views into a block of `num_bytes` writable bytes."""
        found: Arrays = {}
        begin = 0
        for array in self.arrays:
            shape = (self.rows, self.places, *array.shape)
            found[array.name] = np.ndarray(shape, array.dtype, block, begin)
            begin += self._padded(array)
        return found

    def _padded(self, array: ArraySpec) -> int:
        size = self.rows * self.places * math.prod(array.shape) * np.dtype(array.dtype).itemsize
        return -(-size // ALIGNMENT_BYTES) * ALIGNMENT_BYTES


def spec_of(decoded: Mapping[str, NDArray[Any]], *, rows: int, places: int) -> BatchSpec:
    """The layout of batches, from one decoded trajectory.

    Raises:
        DatasetError: A game's array has a name that the loader uses, or no numbers.
    """
    for name, array in decoded.items():
        if name in (SEGMENT, POSITION) or array.dtype.kind not in "biuf":
            raise DatasetError("A game decodes an array that cannot be batched", value=(name, str(array.dtype)))
    arrays = [ArraySpec(name, array.dtype.name, list(array.shape[1:])) for name, array in decoded.items()]
    own = [ArraySpec(SEGMENT, "int32", []), ArraySpec(POSITION, "int32", [])]
    return BatchSpec(rows=rows, places=places, arrays=arrays + own)


class Filler:
    """Reads records and writes their pieces into arrays.

    Args:
        shards: Files of the dataset, in the order that tasks number.
        decode: Of the game.
        dictionary: Of the dataset.
    """

    def __init__(self, shards: Sequence[Shard], decode: Decode, dictionary: bytes) -> None:
        self._shards = shards
        self._decode = decode
        self._decompressor = decompressor(dictionary)

    def fill(self, arrays: Arrays, task: NDArray[np.int64]) -> None:
        """Overwrite a batch with the pieces of a task; places that get none are 0.

        Args:
            arrays: `BatchSpec.over` a block.
            task: int64 `[piece, TASK_COLUMNS]`.

        Raises:
            DatasetError: A record cannot be read, or is not what its index says.
        """
        for array in arrays.values():
            array[...] = 0
        for piece in task.tolist():
            self._put(arrays, *piece)

    def close(self) -> None:
        """Let go of the files."""
        for shard in self._shards:
            shard.close()

    def _put(self, arrays: Arrays, shard: int, offset: int, stored: int, *rest: int) -> None:
        size, view, total, start, length, row, place, segment = rest
        where = f"{self._shards[shard].path} at byte {offset}"
        record = open_frame(self._decompressor, self._shards[shard].read(offset, stored), size, where=where)
        decoded = self._decode(record, view)
        target = slice(place, place + length)
        for name, array in decoded.items():
            places = arrays.get(name)
            if places is None or array.dtype != places.dtype or array.shape != (total, *places.shape[2:]):
                raise _unlike(name, array, total, where)
            places[row, target] = array[start : start + length]
        arrays[SEGMENT][row, target] = segment
        arrays[POSITION][row, target] = np.arange(length, dtype=np.int32)


def _unlike(name: str, array: NDArray[Any], total: int, where: str) -> DatasetError:
    return DatasetError(
        f"A record has {name} as {array.dtype} {array.shape}; its index says {total} decisions, or others differ",
        where=where,
        remedy="Make the dataset again with this version of gamefleet.",
    )
