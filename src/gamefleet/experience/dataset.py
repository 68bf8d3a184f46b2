"""A dataset on disk: many records, each one compressed frame, found by number.

Job: read records and say what is known of them. Place in the data flow: `dataset_writer` -> files -> this -> `loader`.
Left out: what a record is (a game decodes it), which views are used (`selection`) and in which order (`packing`).

Records are read by position and not through a memory map: a file that shrinks while it is read, as happens on shared
folders, is then an error with a sentence and not the end of the process.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from gamefleet.errors import IncompatibleError
from gamefleet.experience.dataset_format import INDEX, Manifest, broken, read_dictionary, read_index, read_manifest
from gamefleet.experience.dataset_frames import decompressor, open_frame
from gamefleet.files import digest
from gamefleet.untrusted import OPEN_FILE

_PLACE = struct.Struct("<QIIH")
"""The first columns of `INDEX`: a tenth of the time that numpy takes for one row."""


class Dataset:
    """A finished dataset.

    Args:
        folder: Where its manifest lies.
        kind: What its records have to be; anything when empty.

    Attributes:
        folder: As given.
        manifest: What the folder says of itself.
        index: Rows of `dataset_format.INDEX`, one per record.
        dictionary: What frames are opened with; may be empty.

    Raises:
        DatasetError: It is not there, unfinished, or damaged as far as that shows without reading all of it.
        IncompatibleError: Its records are of another kind.
    """

    def __init__(self, folder: Path, *, kind: str = "") -> None:
        self.folder = folder
        self.manifest: Manifest = read_manifest(folder)
        if kind and self.manifest.kind != kind:
            raise IncompatibleError(
                f"A dataset holds records of kind {self.manifest.kind!r}, not {kind!r}",
                where=folder,
                remedy="Make it again with this version of gamefleet.",
            )
        self.index: NDArray[np.void] = read_index(folder, self.manifest)
        self._rows = self.index.view(np.uint8).data
        self._shards = [Shard(folder / facts.name, facts.bytes) for facts in self.manifest.shards]
        self.dictionary = read_dictionary(folder, self.manifest)
        self._decompressor = decompressor(self.dictionary)

    def __len__(self) -> int:
        return len(self.index)

    @property
    def fingerprint(self) -> str:
        """Changes when any record does: the checksum over the checksums of all files."""
        names = [self.manifest.index.xxh3, *(shard.xxh3 for shard in self.manifest.shards)]
        return xxhash.xxh3_128_hexdigest("".join(names).encode())

    def column(self, name: str) -> NDArray[Any]:
        """One column of the index, `[record]` or `[record, view]`."""
        return self.index[name]

    def read(self, number: int) -> bytes:
        """A record, verified.

        Args:
            number: From 0 to one below the length.

        Raises:
            DatasetError: Its shard is gone, shorter than it was, or damaged.
        """
        offset, stored, size, shard = _PLACE.unpack_from(self._rows, number * INDEX.itemsize)
        frame = self._shards[shard].read(offset, stored)
        return open_frame(self._decompressor, frame, size, where=f"record {number} in {self._shards[shard].path}")

    def verify(self) -> None:
        """Read all shards and compare their checksums.

        Raises:
            DatasetError: Names the first file that differs.
        """
        for shard, facts in zip(self._shards, self.manifest.shards, strict=True):
            if digest(shard.path) != facts.xxh3:
                raise broken("A shard of a dataset fails its checksum", shard.path)

    def close(self) -> None:
        """Let go of the files."""
        for shard in self._shards:
            shard.close()


class Shard:
    """One file of records, opened when it is first read.

    Args:
        path: Must be a plain file of exactly the size that the manifest says.
        num_bytes: That size.

    Raises:
        DatasetError: It is not.
    """

    def __init__(self, path: Path, num_bytes: int) -> None:
        self.path = path
        self.num_bytes = num_bytes
        self._descriptor: int | None = None
        if path.is_symlink() or not path.is_file():
            raise broken("A shard of a dataset is missing, or no plain file", path)
        found = path.stat().st_size
        if found != num_bytes:
            raise broken(f"A shard of a dataset holds {found} bytes, its manifest says {num_bytes}", path)

    def read(self, offset: int, num_bytes: int) -> bytes:
        """Bytes of the file; raises DatasetError when they are not there (any more)."""
        if self._descriptor is None:
            try:
                self._descriptor = os.open(self.path, OPEN_FILE)
            except OSError as error:
                raise broken(f"A shard of a dataset cannot be opened: {error.strerror}", self.path) from error
        try:
            data = os.pread(self._descriptor, num_bytes, offset)
        except OSError as error:
            raise broken(f"A shard of a dataset cannot be read: {error.strerror}", self.path) from error
        if len(data) != num_bytes:
            raise broken("A shard of a dataset has become shorter", self.path)
        return data

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
