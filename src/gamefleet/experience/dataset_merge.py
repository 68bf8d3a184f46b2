"""Several datasets become one.

Job: join the shards of parts that were written apart into few large files, and their indexes into one. Place in the
data flow: parts that workers wrote -> this -> the dataset that is trained on. Left out: how the work was divided.

Every byte of a part is checked against its manifest on the way. The same parts in the same order give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import xxhash
from numpy.typing import NDArray

from gamefleet.errors import IncompatibleError
from gamefleet.experience.dataset_format import (
    FileFacts,
    Manifest,
    broken,
    read_dictionary,
    read_index,
    read_manifest,
)
from gamefleet.experience.dataset_writer import SHARD_BYTES, write_index
from gamefleet.files import make_folder, open_atomic

_CHUNK_BYTES = 1 << 20


def merge(folder: Path, parts: Sequence[Path], facts: Mapping[str, Any], *, shard_bytes: int = SHARD_BYTES) -> Manifest:
    """Write one dataset with the records of several, in their order.

    Args:
        folder: Where; files of an earlier attempt are replaced.
        parts: Folders of finished datasets, at least one.
        facts: For the manifest.
        shard_bytes: Files of parts are joined up to this size.

    Raises:
        DatasetError: A part is unfinished or damaged.
        IncompatibleError: Parts hold records of different kinds, or have different dictionaries.
        StorageFullError: The disk or quota is full.
    """
    make_folder(folder)
    manifests = [read_manifest(part) for part in parts]
    kinds = sorted({manifest.kind for manifest in manifests})
    if len(kinds) != 1:
        raise IncompatibleError("Parts of a dataset hold records of different kinds", value=kinds, where=folder)
    dictionaries = {manifest.dictionary for manifest in manifests}
    if len(dictionaries) != 1:
        raise IncompatibleError("Parts of a dataset were compressed with different dictionaries", where=folder)
    groups = sorted({group for manifest in manifests for group in manifest.groups})
    joiner = _Joiner(folder, shard_bytes)
    rows = [
        _moved(part, manifest, joiner.append(part, manifest), groups)
        for part, manifest in zip(parts, manifests, strict=True)
    ]
    return write_index(
        folder,
        np.concatenate(rows),
        kind=kinds[0],
        groups=groups,
        shards=joiner.finish(),
        facts=facts,
        dictionary=read_dictionary(parts[0], manifests[0]),
    )


def _moved(part: Path, manifest: Manifest, places: list[tuple[int, int]], groups: list[str]) -> NDArray[np.void]:
    """A part's index with the places that its shards have now."""
    index = read_index(part, manifest).copy()
    if not len(index):
        return index
    place = np.array(places, np.uint64)[index["shard"]]
    index["shard"] = place[:, 0]
    index["offset"] += place[:, 1]
    index["group"] = np.array([groups.index(group) for group in manifest.groups])[index["group"]]
    return index


class _Joiner:
    """Appends files to files."""

    def __init__(self, folder: Path, shard_bytes: int) -> None:
        self._folder, self._shard_bytes = folder, shard_bytes
        self._shards: list[FileFacts] = []
        self._open = ExitStack()
        self._stream: BinaryIO | None = None
        self._size = 0
        self._checksum = xxhash.xxh3_128()

    def append(self, part: Path, manifest: Manifest) -> list[tuple[int, int]]:
        """Copy a part's shards; returns (number, offset) of where each lies now."""
        with ExitStack() as on_error:
            on_error.push(self._open.__exit__)
            places = [self._append_file(part / facts.name, facts) for facts in manifest.shards]
            on_error.pop_all()
        return places

    def finish(self) -> list[FileFacts]:
        """The shards that were made."""
        self._close()
        return self._shards

    def _append_file(self, path: Path, facts: FileFacts) -> tuple[int, int]:
        if self._stream is not None and self._size + facts.bytes > self._shard_bytes:
            self._close()
        if self._stream is None:
            self._stream = self._open.enter_context(open_atomic(self._folder / self._name(), syncs_folder=False))
        place = (len(self._shards), self._size)
        for chunk in _checked(path, facts):
            self._stream.write(chunk)
            self._checksum.update(chunk)
        self._size += facts.bytes
        return place

    def _close(self) -> None:
        if self._stream is None:
            return
        self._open.close()
        self._shards.append(FileFacts(name=self._name(), bytes=self._size, xxh3=self._checksum.hexdigest()))
        self._stream, self._size, self._checksum = None, 0, xxhash.xxh3_128()

    def _name(self) -> str:
        return f"shard-{len(self._shards):05d}.bin"


def _checked(path: Path, facts: FileFacts) -> Iterator[bytes]:
    """The content of a file, which at its end has turned out to be what the manifest says."""
    checksum, size = xxhash.xxh3_128(), 0
    try:
        with open(path, "rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                checksum.update(chunk)
                size += len(chunk)
                yield chunk
    except OSError as error:
        raise broken(f"A part of a dataset cannot be read: {error.strerror}", path) from error
    if size != facts.bytes or checksum.hexdigest() != facts.xxh3:
        raise broken("A part of a dataset fails its checksum", path)
