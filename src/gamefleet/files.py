"""The only writer of files that other processes read.

Job: make a file appear whole or not at all, on local disks and on NFS: temporary name in the same folder, write, check
the byte count, fsync, rename, fsync the folder. Place in the data flow: a leaf under checkpoints, metrics, weights and
shared folders. Left out: what the bytes mean, and locks (none are safe on the shared folders that users have).

Readers ignore names that start with `.tmp-` and anything they cannot verify.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import xxhash

from gamefleet.errors import RunFolderError, StorageFullError

TEMPORARY_PREFIX = ".tmp-"

Fence = Callable[[], None]
"""Called right before a rename; raises when this process may no longer write here (another leg took over)."""


def write_bytes(path: Path, data: bytes, *, fence: Fence | None = None) -> None:
    """Replace `path` with `data`, atomically and durably.

    Args:
        path: The final name; its folder must exist.
        data: The whole content.
        fence: Asked right before the rename; see `Fence`.

    Raises:
        StorageFullError: The disk or quota is full; `path` is as it was.
        RunFolderError: The folder is missing or not writable; `path` is as it was.
    """
    with open_atomic(path, fence=fence) as stream:
        stream.write(data)


def write_json(path: Path, value: Mapping[str, Any], *, fence: Fence | None = None) -> None:
    """Replace `path` with `value` as indented, key-sorted JSON; raises as `write_bytes` does."""
    text = json.dumps(value, indent=2, sort_keys=True, allow_nan=False)
    write_bytes(path, (text + "\n").encode(), fence=fence)


def create_once(path: Path, value: Mapping[str, Any]) -> bool:
    """Write `value` as JSON unless `path` exists: of several processes exactly one succeeds, and nobody sees half.

    Made by a hard link, which fails when the name is taken, on NFS too; where links are not possible, by `O_EXCL`.

    Returns:
        Whether this call made the file.

    Raises:
        StorageFullError: The disk or quota is full.
        RunFolderError: The folder is missing or not writable.
    """
    text = (json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{path.name}-{secrets.token_hex(6)}")
    with explained(path):
        try:
            write_bytes(temporary, text)
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
                raise
            return _create_exclusively(path, text)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        sync_folder(path.parent)
    return True


def _create_exclusively(path: Path, data: bytes) -> bool:
    try:
        with open(path, "xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
    except FileExistsError:
        return False
    return True


@contextmanager
def open_atomic(path: Path, *, fence: Fence | None = None) -> Iterator[BinaryIO]:
    """Open a temporary file that becomes `path` when the block ends without an error.

    Yields:
        A binary stream; what was written to it is counted, synced and renamed at the end.

    Raises:
        StorageFullError: The disk or quota is full; `path` is as it was.
        RunFolderError: The folder is missing or not writable; `path` is as it was.
    """
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{path.name}-{secrets.token_hex(6)}")
    try:
        with explained(path):
            with open(temporary, "xb") as stream:
                yield stream
                stream.flush()
                expected = stream.tell()
                os.fsync(stream.fileno())
            check_size(temporary, expected)
            if fence is not None:
                fence()
            os.replace(temporary, path)
            sync_folder(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def check_size(path: Path, expected_bytes: int) -> None:
    """Fail unless `path` holds `expected_bytes`: some quota-limited file systems report a short write only here.

    Raises:
        StorageFullError: The size differs.
    """
    found = path.stat().st_size
    if found != expected_bytes:
        raise StorageFullError(
            f"Wrote {expected_bytes} bytes but the file holds {found}",
            where=path,
            remedy="The disk or your quota is probably full: free some space and start again with --resume.",
        )


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals inside the block into errors that say what to do.

    Raises:
        StorageFullError: No space or quota left.
        RunFolderError: Permission denied, read-only file system, missing or unusable folder.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StorageFullError(
                f"No space left while writing {path.name}",
                where=path.parent,
                remedy="Nothing was replaced. Free some space (`gamefleet runs list` shows sizes) and resume.",
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR):
            raise RunFolderError(
                f"Cannot write {path.name}: {error.strerror}",
                where=path.parent,
                remedy="Choose a folder you may write to (--run or --set run.runs_folder=DIR).",
            ) from error
        raise


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut; file systems that cannot sync folders are let be."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object that `write_json` wrote.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not a JSON object.
    """
    value = json.loads(path.read_text())
    if not isinstance(value, dict):
        raise ValueError(f"{path} holds a {type(value).__name__}, not a JSON object")
    return value


def digest(path: Path) -> str:
    """The xxh3-128 checksum of a file's content, in hex."""
    checksum = xxhash.xxh3_128()
    with open(path, "rb") as stream:
        while chunk := stream.read(1 << 20):
            checksum.update(chunk)
    return checksum.hexdigest()


def remove_folder(folder: Path) -> None:
    """Delete a folder so that no reader can take it for whole: it first gets a temporary name."""
    doomed = folder.with_name(f"{TEMPORARY_PREFIX}{folder.name}-{secrets.token_hex(6)}")
    os.replace(folder, doomed)
    shutil.rmtree(doomed)
