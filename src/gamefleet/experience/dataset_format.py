"""Files of a dataset: their names, the index's columns, the manifest, and the rules by which they are believed.

Job: what writer, merge and reader agree on. Place in the data flow: a leaf under `dataset`, `dataset_writer` and
`dataset_merge`. Left out: reading and writing records.

    FOLDER/
    ├─ shard-00000.bin ...   records one after the other, one zstd frame with a checksum each
    ├─ index.bin             one row per record, see `INDEX`
    ├─ dictionary.bin        what frames have in common, for zstd; may be missing
    └─ MANIFEST.json         names, sizes and xxh3-128 of the files above; written last: without it there is no dataset

A manifest names plain files of its own folder only; sizes are compared before anything is read, and no record is
opened that states another size than its row.

Axes: `record`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

from gamefleet.errors import GamefleetError
from gamefleet.untrusted import NotPlainError, read_plain

MANIFEST = "MANIFEST.json"
INDEX_NAME = "index.bin"
DICTIONARY_NAME = "dictionary.bin"
FORMAT = "gamefleet dataset 1"
SHARD_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\.bin")

MAX_MANIFEST_BYTES = 64 * 2**20
MAX_INDEX_BYTES = 64 * 2**30
MAX_DICTIONARY_BYTES = 2**20
MAX_RECORD_BYTES = 16 * 2**20
"""Of one record, opened; a battle of the greatest length takes less than a tenth."""

MAX_LENGTH = 2**16 - 1
NUM_VIEWS = 2
UNKNOWN_RATING = -1
UNKNOWN_DAY = -1

INDEX = np.dtype(
    [
        ("offset", "<u8"),  # in the shard, bytes
        ("stored", "<u4"),  # length of the frame, bytes
        ("size", "<u4"),  # length of the record, bytes
        ("shard", "<u2"),  # number in the manifest's list
        ("group", "<u2"),  # number in the manifest's list
        ("lengths", "<u2", (NUM_VIEWS,)),  # decisions of each view
        ("ratings", "<i2", (NUM_VIEWS,)),  # of each view's player; UNKNOWN_RATING
        ("day", "<u2"),  # since 1970-01-01; 0 when not known
        ("reserved", "<u2"),
    ]
)
"""32 bytes per record; read as one block, so that 2 million records are there in a few hundredths of a second."""


class DatasetError(GamefleetError):
    """A dataset is not there, damaged, unfinished, or lies about itself."""

    exit_code = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFacts:
    """What is known of a record without opening it.

    Args:
        lengths: Decisions of each view, 0 to 65,535; a view without any is never drawn.
        ratings: Of each view's player; -1 when not known.
        day: Days since 1970-01-01; -1 when not known.
        group: For example the format of a battle; records are chosen by it.
    """

    lengths: tuple[int, int]
    ratings: tuple[int, int] = (UNKNOWN_RATING, UNKNOWN_RATING)
    day: int = UNKNOWN_DAY
    group: str = ""


class FileFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file as the manifest describes it: xxh3 is its xxh3-128 in hex."""

    name: str
    bytes: int
    xxh3: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The manifest.

    Attributes:
        format: `FORMAT`.
        kind: What a record is, and its version; the reader may insist on it.
        num_records: Rows of the index.
        num_decisions: Of all views.
        groups: Names that the index numbers.
        shards: In the order that the index numbers.
        index: The index.
        facts: Whatever the maker wants to be known, for example counts of what was left out and why.
        dictionary: What frames were compressed with; None for nothing.
    """

    format: str
    kind: str
    num_records: int
    num_decisions: int
    groups: list[str]
    shards: list[FileFacts]
    index: FileFacts
    facts: dict[str, Any]
    dictionary: FileFacts | None = None


def read_manifest(folder: Path) -> Manifest:
    """Read and check a manifest, without the files that it names.

    Raises:
        DatasetError: There is none, or it is damaged, of another version, or names files elsewhere.
    """
    path = folder / MANIFEST
    try:
        manifest = msgspec.json.decode(read_plain(path, max_bytes=MAX_MANIFEST_BYTES), type=Manifest)
    except FileNotFoundError as error:
        raise missing(folder) from error
    except (NotPlainError, OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise broken(f"The manifest of a dataset cannot be read: {error}", path) from error
    _check(manifest, path)
    return manifest


def read_index(folder: Path, manifest: Manifest) -> NDArray[np.void]:
    """Read the index that a manifest names, and check every row against the shards' sizes.

    Returns:
        Rows of `INDEX` `[record]`.

    Raises:
        DatasetError: It is damaged, or a row points out of its shard.
    """
    path = folder / INDEX_NAME
    try:
        data = read_plain(path, max_bytes=min(manifest.index.bytes, MAX_INDEX_BYTES))
    except (NotPlainError, OSError) as error:
        raise broken(f"The index of a dataset cannot be read: {error}", path) from error
    if len(data) != manifest.index.bytes or xxhash.xxh3_128_hexdigest(data) != manifest.index.xxh3:
        raise broken("The index of a dataset fails its checksum", path)
    index = np.frombuffer(data, INDEX)
    _check_rows(index, manifest, path)
    return index


def read_dictionary(folder: Path, manifest: Manifest) -> bytes:
    """The dictionary that a manifest names; empty for none.

    Raises:
        DatasetError: It is missing, damaged, or larger than one may be.
    """
    facts = manifest.dictionary
    if facts is None:
        return b""
    path = folder / DICTIONARY_NAME
    try:
        data = read_plain(path, max_bytes=min(facts.bytes, MAX_DICTIONARY_BYTES))
    except (NotPlainError, OSError) as error:
        raise broken(f"The dictionary of a dataset cannot be read: {error}", path) from error
    if len(data) != facts.bytes or xxhash.xxh3_128_hexdigest(data) != facts.xxh3:
        raise broken("The dictionary of a dataset fails its checksum", path)
    return data


def _check(manifest: Manifest, path: Path) -> None:
    if manifest.format != FORMAT:
        raise broken(f"A dataset has the format {manifest.format[:40]!r}, not {FORMAT!r}", path)
    names = [shard.name for shard in manifest.shards]
    if len(set(names)) != len(names) or not all(map(SHARD_NAME.fullmatch, names)):
        raise broken("The manifest of a dataset names a shard twice, or in another folder", path)
    if manifest.index.name != INDEX_NAME or manifest.index.bytes != manifest.num_records * INDEX.itemsize:
        raise broken("The manifest of a dataset describes an index of another size", path)
    if manifest.dictionary is not None and manifest.dictionary.name != DICTIONARY_NAME:
        raise broken("The manifest of a dataset names a dictionary elsewhere", path)
    if min([0, *(shard.bytes for shard in manifest.shards)]) < 0:
        raise broken("The manifest of a dataset names a file of negative size", path)


def _check_rows(index: NDArray[np.void], manifest: Manifest, path: Path) -> None:
    if not len(index):
        return
    if index["shard"].max() >= len(manifest.shards) or index["group"].max() >= len(manifest.groups):
        raise broken("The index of a dataset numbers a shard or group that does not exist", path)
    ends = np.array([shard.bytes for shard in manifest.shards], np.uint64)[index["shard"]]
    # Compared by subtraction: a sum could wrap around.
    if (index["stored"] > ends).any() or (index["offset"] > ends - index["stored"]).any():
        raise broken("The index of a dataset points out of a shard", path)
    if index["size"].max() > MAX_RECORD_BYTES:
        raise broken(f"The index of a dataset claims a record of more than {MAX_RECORD_BYTES} bytes", path)


def missing(folder: Path) -> DatasetError:
    """The error for a folder without a manifest: nothing, or an unfinished dataset."""
    what = "holds no finished dataset" if folder.is_dir() else "does not exist"
    return DatasetError(
        f"A dataset's folder {what}",
        where=folder,
        remedy=f"A dataset is there once its {MANIFEST} is. Give the folder that holds it, or finish making it.",
    )


def broken(what: str, where: object) -> DatasetError:
    """The error for a dataset that cannot be believed."""
    return DatasetError(what, where=where, remedy="Make or copy the dataset again; its parts that are whole are kept.")
