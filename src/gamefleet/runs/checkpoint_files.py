"""The files of a checkpoint: what a manifest says of them, and whether that is true.

Job: describe files while saving, verify them before loading. Place in the data flow: under `checkpoint`. Left out:
which checkpoint is used.

A file that is a hard link into the previous checkpoint is neither synced nor read again: its description is known.
This is what makes frequent checkpoints of a large replay cheap; the price is that such files share their fate.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xxhash

from gamefleet.errors import CorruptCheckpointError, GamefleetError
from gamefleet.files import Fence, digest, read_json, sync_folder, write_json
from gamefleet.runs.paths import CHECKPOINT_MANIFEST, REPLAY_FOLDER

Description = dict[str, Any]
"""`bytes` and `xxh3` of one file."""


def write_manifest_file(folder: Path, manifest: Mapping[str, Any], *, fence: Fence | None = None) -> None:
    """Write the manifest together with a checksum of itself."""
    write_json(folder / CHECKPOINT_MANIFEST, {**manifest, "checksum": _checksum(manifest)}, fence=fence)


def read_manifest_file(folder: Path) -> dict[str, Any]:
    """Read the manifest of a checkpoint.

    Raises:
        CorruptCheckpointError: It is missing, not JSON, or fails its checksum.
    """
    path = folder / CHECKPOINT_MANIFEST
    try:
        manifest = read_json(path)
        checksum = manifest.pop("checksum", None)
    except FileNotFoundError as error:
        raise _corrupt("The checkpoint has no manifest", path) from error
    except ValueError as error:
        raise _corrupt("The checkpoint's manifest is not readable", path) from error
    if checksum != _checksum(manifest):
        raise _corrupt("The checkpoint's manifest fails its checksum", path)
    return manifest


def verify(path: Path, expected: Mapping[str, Any]) -> None:
    """Compare one file with its description.

    Raises:
        CorruptCheckpointError: It is missing, has another size or another checksum.
    """
    verify_size(path, expected)
    if digest(path) != expected["xxh3"]:
        raise _corrupt("A file of the checkpoint fails its checksum", path)


def verify_size(path: Path, expected: Mapping[str, Any]) -> None:
    """Compare one file with its description without reading it.

    Raises:
        CorruptCheckpointError: It is missing or has another size.
    """
    if not path.is_file():
        raise _corrupt("A file of the checkpoint is missing", path)
    size = path.stat().st_size
    if size != expected["bytes"]:
        raise _corrupt(f"A file of the checkpoint has {size} instead of {expected['bytes']} bytes", path)


def _corrupt(what: str, path: Path) -> CorruptCheckpointError:
    return CorruptCheckpointError(what, where=path, remedy="Use another checkpoint, or start anew with --fresh.")


def _checksum(manifest: Mapping[str, Any]) -> str:
    return xxhash.xxh3_128_hexdigest(json.dumps(manifest, sort_keys=True).encode())


def describe_files(folder: Path, previous: Path | None) -> dict[str, Description]:
    """Size and checksum of every file, synced to the disk; hard links into `previous` keep what is known of them."""
    known = _known_files(previous)
    described = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        stat = path.stat()
        described[name] = known.get((stat.st_dev, stat.st_ino)) or {"bytes": stat.st_size, "xxh3": _sync(path)}
    for inner in {path.parent for path in folder.rglob("*")} | {folder}:
        sync_folder(inner)
    return described


def _known_files(checkpoint: Path | None) -> dict[tuple[int, int], Description]:
    """(device, inode) -> description of the files of an older checkpoint; empty when its manifest is not readable."""
    if checkpoint is None:
        return {}
    try:
        files = read_manifest_file(checkpoint)["files"]
        stats = {name: (checkpoint / name).stat() for name in files}
    except (GamefleetError, OSError):
        return {}
    return {(stats[name].st_dev, stats[name].st_ino): files[name] for name in files}


def _sync(path: Path) -> str:
    """Sync a file and return its checksum."""
    with open(path, "rb") as stream:
        os.fsync(stream.fileno())
    return digest(path)


def replay_of(checkpoint: Path | None) -> Path | None:
    """The replay inside a checkpoint, None when there is none."""
    if checkpoint is None or not (checkpoint / REPLAY_FOLDER).is_dir():
        return None
    return checkpoint / REPLAY_FOLDER


def is_milestone(folder: Path) -> bool:
    """Whether a checkpoint is kept for good."""
    try:
        return bool(read_manifest_file(folder).get("milestone"))
    except CorruptCheckpointError:
        return True  # not ours to delete: `load_newest` sets it aside and says so


def attempt_of(folder: Path) -> int | None:
    """The attempt that wrote a checkpoint, 0 where that was not noted yet; None when its manifest is damaged."""
    try:
        return int(read_manifest_file(folder).get("attempt", 0))
    except CorruptCheckpointError:
        return None
