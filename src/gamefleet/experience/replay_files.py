"""The replay on disk: immutable, compressed, checksummed blocks that checkpoints share.

Job: save a replay of gigabytes for the price of what is new. Place in the data flow: between `Replay` and a
checkpoint's folder. Left out: what the arrays mean.

    replay/
    ├─ block-00000.zst    the same `BLOCK_SLOTS` ring slots of all streams and all arrays, zstd
    ├─ tables.zst         cursors, states, windows, priorities
    └─ index.json         written last: settings, sizes, checksums, its own too; without it the folder is no replay

A block that was not written to since the previous save is a hard link to that save's file. A random token in the index
says which save the unchanged marks refer to, so a block of a stranger is never linked. Where links are not to be had,
the block is written anew.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import xxhash
import zstandard
from numpy.typing import NDArray

from gamefleet.errors import CheckpointError, CorruptCheckpointError, IncompatibleError
from gamefleet.files import read_json, write_bytes, write_json
from gamefleet.identity import first_difference

FORMAT_VERSION = 1
BLOCK_SLOTS = 512
"""Ring slots per file: a few megabytes of Game Boy screens for eight environments before compression."""

COMPRESSION_LEVEL = 1
INDEX = "index.json"
TABLES = "tables.zst"


class Changes:
    """Which blocks were written to since the save that `token` names.

    Args:
        num_slots: Ring slots of a stream.
        token: Of the save; empty when there is none.
    """

    def __init__(self, num_slots: int, token: str = "") -> None:
        self.token = token
        self.is_changed = np.zeros(-(-num_slots // BLOCK_SLOTS), np.bool_)

    def note(self, slots: NDArray[np.int64] | int) -> None:
        """Mark the blocks of one or more ring slots."""
        self.is_changed[slots // BLOCK_SLOTS] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What there is to save, or to fill.

    Args:
        settings: JSON values that must be equal on a load.
        arrays: Large arrays `[stream, ring, ...]`.
        tables: Small arrays.
        facts: Other JSON values.
        num_written: Ring slots that hold something in any stream; the others are not saved.
    """

    settings: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]
    tables: Mapping[str, NDArray[Any]]
    facts: Mapping[str, Any]
    num_written: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What a load returns besides the arrays, which it fills in place."""

    tables: Mapping[str, NDArray[Any]]
    facts: Mapping[str, Any]
    changes: Changes


def save(folder: Path, previous: Path | None, content: Content, changes: Changes) -> Changes:
    """Write `content` into an empty folder.

    Args:
        folder: Exists and is empty.
        previous: Folder of an earlier save, or None.
        content: What to save.
        changes: Since the save of their token.

    Returns:
        Changes since this save: none.
    """
    known = reusable_blocks(previous, changes)
    files: dict[str, dict[str, Any]] = {}
    for block in range(num_blocks(content.num_written)):
        name = block_name(block)
        old = None if changes.is_changed[block] else known.get(name)
        if old is not None and previous is not None and has_linked(previous / name, folder / name, old["bytes"]):
            files[name] = old
        else:
            files[name] = write(folder / name, block_bytes(content, block))
    tables = safetensors.numpy.save({name: np.ascontiguousarray(table) for name, table in content.tables.items()})
    files[TABLES] = write(folder / TABLES, tables)
    token = secrets.token_hex(8)
    index = {
        "format_version": FORMAT_VERSION,
        "token": token,
        "settings": dict(content.settings),
        "facts": dict(content.facts),
        "num_written": content.num_written,
        "files": files,
    }
    write_json(folder / INDEX, {**index, "checksum": checksum_of(index)})
    return Changes(int(content.settings["num_slots"]), token)


def num_blocks(num_written: int) -> int:
    """Files that so many ring slots take."""
    return -(-num_written // BLOCK_SLOTS)


def block_name(block: int) -> str:
    """File name of a block."""
    return f"block-{block:05d}.zst"


def reusable_blocks(previous: Path | None, changes: Changes) -> dict[str, dict[str, Any]]:
    """Files of the previous save that unchanged blocks may link to; none when it is not the save of the marks."""
    if previous is None or not changes.token:
        return {}
    try:
        index = read_index(previous)
    except CheckpointError:
        return {}
    files: dict[str, dict[str, Any]] = index["files"]
    return files if index["token"] == changes.token else {}


def has_linked(source: Path, target: Path, expected_bytes: int) -> bool:
    """Hard-link a block, unless it is damaged at first sight or the file system refuses."""
    try:
        if source.stat().st_size != expected_bytes:
            return False
        os.link(source, target)
    except OSError:
        return False
    return True


def write(path: Path, data: bytes) -> dict[str, Any]:
    """Write compressed data and say what a reader must find."""
    compressed = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL).compress(data)
    write_bytes(path, compressed)
    return {"bytes": len(compressed), "xxh3": xxhash.xxh3_128_hexdigest(compressed)}


def block_bytes(content: Content, block: int) -> bytes:
    """The slots of one block, array after array."""
    span = block_span(content, block)
    return b"".join(np.ascontiguousarray(array[:, span]).tobytes() for array in content.arrays.values())


def block_span(content: Content, block: int) -> slice:
    """Ring slots of one block."""
    return slice(block * BLOCK_SLOTS, min((block + 1) * BLOCK_SLOTS, int(content.settings["num_slots"])))


def load(folder: Path, content: Content) -> Loaded:
    """Fill the arrays of `content` from a folder.

    Args:
        folder: What `save` wrote.
        content: Settings to compare with and arrays to fill; left half filled when a file is found damaged.

    Raises:
        CorruptCheckpointError: A file is missing, truncated or fails its checksum.
        IncompatibleError: It was saved with other settings or in another format; nothing was filled.
    """
    index = read_index(folder)
    difference = first_difference(content.settings, index["settings"])
    if difference:
        raise IncompatibleError(
            f"The saved replay does not fit: {difference}",
            where=folder,
            remedy="Take back that setting, or start anew with --fresh.",
        )
    for block in range(num_blocks(index["num_written"])):
        name = block_name(block)
        fill_block(content, block, read(folder / name, index["files"][name]))
    tables = safetensors.numpy.load(read(folder / TABLES, index["files"][TABLES]))
    changes = Changes(int(content.settings["num_slots"]), index["token"])
    return Loaded(tables=tables, facts=index["facts"], changes=changes)


def read_index(folder: Path) -> dict[str, Any]:
    """Read and verify the index.

    Raises:
        CorruptCheckpointError: It is missing, not readable or fails its checksum.
        IncompatibleError: It is of another format version.
    """
    path = folder / INDEX
    try:
        index = read_json(path)
    except FileNotFoundError as error:
        raise corrupt("The saved replay has no index", path) from error
    except ValueError as error:
        raise corrupt("The index of the saved replay is not readable", path) from error
    checksum = index.pop("checksum", None)
    if checksum != checksum_of(index):
        raise corrupt("The index of the saved replay fails its checksum", path)
    if index["format_version"] != FORMAT_VERSION:
        raise IncompatibleError(
            f"The saved replay has format {index['format_version']}, this version reads {FORMAT_VERSION}",
            where=folder,
            remedy="Use the version that wrote it, or start anew with --fresh.",
        )
    return index


def checksum_of(index: Mapping[str, Any]) -> str:
    """Checksum of an index's content, independent of how it is laid out as text."""
    return xxhash.xxh3_128_hexdigest(json.dumps(index, sort_keys=True).encode())


def read(path: Path, expected: Mapping[str, Any]) -> bytes:
    """Read and verify one file.

    Raises:
        CorruptCheckpointError: It is missing, truncated or fails its checksum.
    """
    try:
        compressed = path.read_bytes()
    except FileNotFoundError as error:
        raise corrupt("A file of the saved replay is missing", path) from error
    if len(compressed) != expected["bytes"]:
        raise corrupt(f"A file of the saved replay has {len(compressed)} instead of {expected['bytes']} bytes", path)
    if xxhash.xxh3_128_hexdigest(compressed) != expected["xxh3"]:
        raise corrupt("A file of the saved replay fails its checksum", path)
    return zstandard.ZstdDecompressor().decompress(compressed)


def fill_block(content: Content, block: int, data: bytes) -> None:
    """Put the bytes of one block where they belong."""
    span, start = block_span(content, block), 0
    for array in content.arrays.values():
        part = array[:, span]
        values = np.frombuffer(data, array.dtype, count=part.size, offset=start).reshape(part.shape)
        array[:, span] = values
        start += values.nbytes


def corrupt(what: str, path: Path) -> CorruptCheckpointError:
    """The error for a damaged file."""
    return CorruptCheckpointError(what, where=path, remedy="Use an older checkpoint, or start anew with --fresh.")
