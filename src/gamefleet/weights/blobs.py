"""Blobs: content in a file beside a manifest.

Job: write them without copying them, and read them without trusting them. Place in the data flow: between `Content` and
the shared folder. Left out: manifests, and who may write where.

A blob is a `weights.snapshot` file. It is read into memory whole: a file under a memory map can vanish or shrink on a
network file system, which kills the reader.
"""

from __future__ import annotations

import errno
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xxhash

from gamefleet.errors import CheckpointError, CorruptCheckpointError
from gamefleet.files import open_atomic
from gamefleet.untrusted import NotPlainError, read_plain
from gamefleet.weights.content import Arrays, Content, from_arrays, to_arrays
from gamefleet.weights.manifests import Blob
from gamefleet.weights.shared_paths import blob_name
from gamefleet.weights.snapshot import Snapshot, Weights, decode, pieces

SUFFIX = ".safetensors"
BLOB_NAME = re.compile(r"[0-9]{6,12}-[0-9a-f]{12}\.safetensors")
CAP_BYTES = 16 << 30
"""No blob is larger: a manifest alone must not make a reader reserve all memory."""


class NotHereError(Exception):
    """A blob is not here: not yet under rsync, or no longer."""


def write_blob(
    folder: Path,
    number: int,
    content: Content,
    *,
    momentum: Arrays | None = None,
    run: str,
    step: int,
    compatibility: Mapping[str, Any],
) -> Blob:
    """Write content into a folder, under a name that nobody else uses.

    A random mark in the header makes two blobs differ even when their content does not, so that whoever finds its
    number taken can remove its own blob.

    Args:
        folder: Of the manifest.
        number: Of the manifest.
        content: What to write.
        momentum: Of the outer step.
        run: For the header: the member, or the fleet.
        step: For the header: the run's step, or the version.
        compatibility: For the header.

    Raises:
        StorageFullError: The disk or quota is full; the folder is as it was.
        RunFolderError: The folder is missing or not writable.
    """
    weights = Weights(version=number, arrays=to_arrays(content, momentum))
    mark = {"mark": secrets.token_hex(8)}
    parts = pieces(Snapshot(weights=weights, run=run, step=step, compatibility=compatibility, provenance=mark))
    digest = xxhash.xxh3_128()
    for part in parts:
        digest.update(part)
    xxh3 = digest.hexdigest()
    name = blob_name(number, xxh3, SUFFIX)
    with open_atomic(folder / name, syncs_folder=False) as stream:
        for part in parts:
            stream.write(part)
    return Blob(name=name, size_bytes=sum(len(part) for part in parts), xxh3=xxh3)


def read_blob(folder: Path, blob: Blob, *, cap_bytes: int = CAP_BYTES) -> tuple[Content, dict[str, Any]]:
    """Read and verify content and momentum.

    Args:
        folder: Of the manifest.
        blob: From the manifest.
        cap_bytes: The most that is read.

    Raises:
        NotHereError: There is no such file.
        CorruptCheckpointError: It is damaged, too large, or not what members share.
    """
    if BLOB_NAME.fullmatch(blob.name) is None:
        raise _damaged(f"The manifest names {blob.name[:80]!r}, which is no blob's name", folder)
    path = folder / blob.name
    if not 0 < blob.size_bytes <= cap_bytes:
        raise _damaged(f"The manifest says {blob.size_bytes} bytes, at most {cap_bytes} can be right", path)
    data = _read(path, blob.size_bytes)
    if len(data) != blob.size_bytes:
        raise _damaged(f"The blob holds {len(data)} bytes, its manifest says {blob.size_bytes}", path)
    if xxhash.xxh3_128_hexdigest(data) != blob.xxh3:
        raise _damaged("The blob fails its checksum", path)
    try:
        return from_arrays(decode(data, where=path).weights.arrays, where=path)
    except CorruptCheckpointError:
        raise
    except CheckpointError as error:
        raise _damaged(error.what, path) from error


def _read(path: Path, size_bytes: int) -> bytes:
    try:
        return read_plain(path, max_bytes=size_bytes)
    except NotPlainError as error:
        raise _damaged(f"The blob {error}", path) from error
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ESTALE, errno.ENOTDIR):
            raise NotHereError(path.name) from error
        raise _damaged(f"The blob cannot be read: {error.strerror}", path) from error


def _damaged(what: str, path: Path) -> CorruptCheckpointError:
    return CorruptCheckpointError(what, where=path, remedy="It is not merged; its member publishes again.")
