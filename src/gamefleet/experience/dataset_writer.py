"""Writing a dataset: records in, shards, index and manifest out.

Job: compress records and make their files appear whole, the manifest last. Place in the data flow: whoever parses or
generates records -> this -> `dataset`. Left out: putting several datasets together (`dataset_merge`).

The same records in the same order give the same bytes, so that work that was cut off can simply be done again.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import msgspec
import numpy as np
import xxhash

from gamefleet.experience.dataset_format import (
    DICTIONARY_NAME,
    FORMAT,
    INDEX,
    INDEX_NAME,
    MANIFEST,
    MAX_LENGTH,
    MAX_RECORD_BYTES,
    UNKNOWN_DAY,
    UNKNOWN_RATING,
    DatasetError,
    FileFacts,
    Manifest,
    RecordFacts,
)
from gamefleet.experience.dataset_frames import compressor
from gamefleet.files import TEMPORARY_PREFIX, make_folder, open_atomic, write_bytes

SHARD_BYTES = 256 * 2**20
MAX_SHARDS = MAX_GROUPS = 2**16 - 1
MAX_RATING = 2**15 - 1
MAX_DAY = 2**16 - 1


class DatasetWriter:
    """A dataset that is being written; use it in a `with` block and call `finish` at its end.

    A folder belongs to one writer at a time. What an earlier one left unfinished there is removed.

    Args:
        folder: Where; made if it is missing.
        kind: What a record is, and its version.
        shard_bytes: A shard is closed once it holds so much.
        stem: Shards are called `STEM-00000.bin` and so on.
        dictionary: Of `dataset_frames.learn_dictionary`; kept beside the shards.
    """

    def __init__(
        self,
        folder: Path,
        *,
        kind: str,
        shard_bytes: int = SHARD_BYTES,
        stem: str = "shard",
        dictionary: bytes = b"",
    ) -> None:
        self._folder, self._kind, self._shard_bytes, self._stem = folder, kind, shard_bytes, stem
        self._dictionary = dictionary
        self._compressor = compressor(dictionary)
        self._rows: list[bytes] = []
        self._groups: dict[str, int] = {}
        self._shards: list[FileFacts] = []
        self._open = ExitStack()
        self._stream: BinaryIO | None = None
        self._offset = 0
        self._checksum = xxhash.xxh3_128()
        make_folder(folder)
        _remove_leftovers(folder)

    def __enter__(self) -> DatasetWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # An error inside the block ends the shard in work without giving it its name.
        self._open.__exit__(kind, error, trace)

    @property
    def num_records(self) -> int:
        """Added so far."""
        return len(self._rows)

    def add(self, record: bytes, facts: RecordFacts) -> None:
        """Append one record.

        Raises:
            DatasetError: It is larger or longer than a reader would take.
            StorageFullError: The disk or quota is full.
        """
        check_record(record, facts)
        frame = self._compressor.compress(record)
        if self._stream is not None and self._offset + len(frame) > self._shard_bytes:
            self._close_shard()
        stream = self._stream or self._open_shard()
        row = np.zeros((), INDEX)
        row["offset"], row["stored"], row["size"] = self._offset, len(frame), len(record)
        row["shard"], row["group"] = len(self._shards), self._groups.setdefault(facts.group, len(self._groups))
        row["lengths"], row["ratings"], row["day"] = facts.lengths, facts.ratings, max(facts.day, 0)
        stream.write(frame)
        self._checksum.update(frame)
        self._offset += len(frame)
        self._rows.append(row.tobytes())

    def finish(self, facts: Mapping[str, Any]) -> Manifest:
        """Write the index and, last, the manifest: from now on the dataset is there.

        Args:
            facts: Plain JSON values for the manifest.
        """
        if self._stream is not None:
            self._close_shard()
        data = b"".join(self._rows)
        return write_index(
            self._folder,
            np.frombuffer(data, INDEX),
            kind=self._kind,
            groups=list(self._groups),
            shards=self._shards,
            facts=facts,
            dictionary=self._dictionary,
        )

    def _open_shard(self) -> BinaryIO:
        if len(self._shards) >= MAX_SHARDS:
            raise DatasetError("A dataset has too many shards", value=MAX_SHARDS, where=self._folder)
        self._stream = self._open.enter_context(open_atomic(self._folder / self._shard_name(), syncs_folder=False))
        return self._stream

    def _shard_name(self) -> str:
        return f"{self._stem}-{len(self._shards):05d}.bin"

    def _close_shard(self) -> None:
        self._open.close()
        name = self._shard_name()
        self._shards.append(FileFacts(name=name, bytes=self._offset, xxh3=self._checksum.hexdigest()))
        self._stream, self._offset, self._checksum = None, 0, xxhash.xxh3_128()


def write_index(
    folder: Path,
    index: np.ndarray[Any, np.dtype[np.void]],
    *,
    kind: str,
    groups: list[str],
    shards: list[FileFacts],
    facts: Mapping[str, Any],
    dictionary: bytes = b"",
) -> Manifest:
    """Write index and manifest beside shards that are there.

    Args:
        folder: Of the dataset.
        index: Rows of `INDEX` `[record]`.
        kind: As in `DatasetWriter`.
        groups: Names that the rows number.
        shards: In the order that the rows number.
        facts: As in `DatasetWriter.finish`.
        dictionary: As in `DatasetWriter`.
    """
    data = index.tobytes()
    manifest = Manifest(
        format=FORMAT,
        kind=kind,
        num_records=len(index),
        num_decisions=int(index["lengths"].sum(dtype=np.int64)) if len(index) else 0,
        groups=groups,
        shards=shards,
        index=file_facts(INDEX_NAME, data),
        facts=dict(facts),
        dictionary=file_facts(DICTIONARY_NAME, dictionary) if dictionary else None,
    )
    # The old manifest, if any, goes first: at no moment does one describe files that are not those beside it.
    (folder / MANIFEST).unlink(missing_ok=True)
    if dictionary:
        write_bytes(folder / DICTIONARY_NAME, dictionary)
    write_bytes(folder / INDEX_NAME, data)
    write_bytes(folder / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
    return manifest


def file_facts(name: str, data: bytes) -> FileFacts:
    """What the manifest says of a file with this content."""
    return FileFacts(name=name, bytes=len(data), xxh3=xxhash.xxh3_128_hexdigest(data))


def check_record(record: bytes, facts: RecordFacts) -> None:
    """See that a record can be stored.

    Raises:
        DatasetError: It is larger or longer than a reader would take, or its facts cannot be.
    """
    if not 0 < len(record) <= MAX_RECORD_BYTES:
        raise DatasetError("A record is empty or too large", value=len(record), remedy="Leave it out.")
    if not all(0 <= length <= MAX_LENGTH for length in facts.lengths):
        raise DatasetError("A record has a view of a length that cannot be", value=facts.lengths)
    if (
        not all(UNKNOWN_RATING <= rating <= MAX_RATING for rating in facts.ratings)
        or not UNKNOWN_DAY <= facts.day <= MAX_DAY
    ):
        raise DatasetError("A record has a rating or day that cannot be", value=(facts.ratings, facts.day))


def _remove_leftovers(folder: Path) -> None:
    for path in folder.glob(f"{TEMPORARY_PREFIX}*"):
        path.unlink(missing_ok=True)
