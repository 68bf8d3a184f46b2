"""Chunks as files: how one is written so that a reader sees all of it or nothing, and read so that nothing can hurt.

Job: blob first, manifest last; read both with caps, whatever somebody else may have put there. Place in the data flow:
under `folder`. Left out: which chunk comes next, who has read what (`folder`, `folder_readers`), what a blob means.

What others wrote may be cut off, half arrived, a link, a pipe that nobody writes to, or gone since it was listed: each
is an answer of `read_blob`, none is an exception.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import xxhash

from gamefleet.files import TEMPORARY_PREFIX, write_bytes, write_json
from gamefleet.untrusted import NotPlainError, read_plain, remove
from gamefleet.weights.shared_paths import blob_name, numbered

MANIFEST_BYTES_CAP = 64 * 1024
BLOB_NAME = re.compile(r"[0-9]{6,12}-[0-9a-f]{12}\.chunk")
ENVIRONMENT_NAME = re.compile(r"e[0-9]{3,6}")
SUFFIX = ".chunk"
SEQ_CAP = 10**12


class ChunkManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a chunk beside it.

    Args:
        blob: Name of its file.
        bytes: Size of that file.
        xxh3: Checksum of that file, 32 hex digits.
    """

    blob: str
    bytes: int
    xxh3: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found in place of a chunk.

    Args:
        kind: `whole`; `gone` since it was listed; `arriving`: not all of it is here yet, or never will be; `damaged`:
            it is here and will never be right.
        data: The blob, when whole.
        reason: In words, otherwise.
    """

    kind: Literal["whole", "gone", "arriving", "damaged"]
    data: bytes = b""
    reason: str = ""


def write_chunk(folder: Path, seq: int, data: bytes) -> None:
    """Write a chunk into its environment's folder, which exists.

    Raises:
        StorageFullError: No space; at most a blob that nothing points to is left.
        RunFolderError: The folder is missing or not writable.
    """
    checksum = xxhash.xxh3_128_hexdigest(data)
    blob = blob_name(seq, checksum, SUFFIX)
    write_bytes(folder / blob, data)
    write_json(folder / manifest_name(seq), {"blob": blob, "bytes": len(data), "xxh3": checksum})


def manifest_name(seq: int) -> str:
    """The file that says that chunk `seq` is there."""
    return f"{seq:06d}.json"


def listed(folder: Path) -> dict[int, Path]:
    """The manifests in an environment's folder by their numbers, in order; empty where there is no such folder."""
    try:
        return {seq: folder / manifest_name(seq) for seq in numbered(folder)}
    except OSError:  # a server that is away just now
        return {}


def environments(folder: Path) -> list[str]:
    """Names of the environments below a member's experience folder, in order; empty where there is none."""
    try:
        return sorted(name for name in os.listdir(folder) if ENVIRONMENT_NAME.fullmatch(name))
    except OSError:
        return []


def read_chunk(manifest: Path, *, max_bytes: int) -> Finding:
    """Read the chunk that a manifest announces, and verify it.

    Args:
        manifest: As in `listed`.
        max_bytes: A larger blob is refused unread.
    """
    found = read_regular(manifest, max_bytes=MANIFEST_BYTES_CAP)
    if found.kind != "whole":
        return found
    try:
        facts = msgspec.json.decode(found.data, type=ChunkManifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return Finding(kind="arriving", reason=f"its manifest cannot be read: {error}")
    if not BLOB_NAME.fullmatch(facts.blob):
        return Finding(kind="damaged", reason=f"its manifest names the file {facts.blob[:80]!r}")
    if not 0 < facts.bytes <= max_bytes:
        return Finding(kind="damaged", reason=f"{facts.bytes} bytes are announced; at most {max_bytes} are taken")
    return _verified(read_regular(manifest.with_name(facts.blob), max_bytes=facts.bytes), facts)


def _verified(found: Finding, facts: ChunkManifest) -> Finding:
    if found.kind == "gone":
        return Finding(kind="arriving", reason="its manifest is here, its data is not")
    if found.kind != "whole":
        return found
    if len(found.data) < facts.bytes:
        return Finding(kind="arriving", reason=f"{len(found.data)} of its {facts.bytes} bytes are here")
    if xxhash.xxh3_128_hexdigest(found.data) != facts.xxh3:
        return Finding(kind="damaged", reason="it fails its checksum")
    return found


def read_regular(path: Path, *, max_bytes: int) -> Finding:
    """Read a plain file into memory; links, pipes and devices are refused without being opened for long."""
    try:
        return Finding(kind="whole", data=read_plain(path, max_bytes=max_bytes))
    except FileNotFoundError:
        return Finding(kind="gone", reason="it is gone")
    except NotPlainError as error:
        return Finding(kind="damaged", reason=f"{path.name} {error}")
    except OSError as error:  # a file that its owner removed on another machine (ESTALE), a server that went away
        return Finding(kind="arriving", reason=f"{path.name} cannot be read: {error.strerror}")


def remove_leftovers(folder: Path) -> None:
    """Remove blobs that no manifest announces and unfinished files; only the owner may, while it writes nothing."""
    announced = {f"{seq:06d}" for seq in listed(folder)}
    for name in os.listdir(folder):
        is_orphan = bool(BLOB_NAME.fullmatch(name)) and name.partition("-")[0] not in announced
        if is_orphan or name.startswith(TEMPORARY_PREFIX):
            remove(folder / name)


def remove_chunk(folder: Path, seq: int) -> None:
    """Remove a chunk, manifest first, so that no reader finds a manifest that will never have its blob."""
    remove(folder / manifest_name(seq))
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        if BLOB_NAME.fullmatch(name) and int(name.partition("-")[0]) == seq:
            remove(folder / name)
