"""The only writer of files that other processes read.

Job: make a file appear whole or not at all, on local disks and on NFS: temporary name in the same folder, write, check
the byte count, fsync, rename, fsync the folder. Place in the data flow: a leaf under checkpoints, metrics, weights and
shared folders. Left out: what the bytes mean, and locks (none are safe on the shared folders that users have).

Readers ignore names that start with `.tmp-` and anything they cannot verify.

In a folder that a group shares (setgid and writable for the group) new files and folders are the group's too, whatever
the umask of whoever makes them: nobody has to remember to set one.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import xxhash

from gamefleet.errors import RunFolderError, StorageFullError

TEMPORARY_PREFIX = ".tmp-"

OPEN_TO_GROUP = (
    "chgrp -R {group} {folder} && chmod -R g+rwX,o-rwx {folder} && find {folder} -type d -exec chmod g+s {{}} +"
)
"""What the owner of a folder types so that a group shares it."""

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
            # Its name need not survive a power cut, so the folder is synced only once, after the link.
            _create_exclusively(temporary, text)
            check_size(temporary, len(text))
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
            _open_to_group(stream.fileno(), path.parent)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
    except FileExistsError:
        return False
    return True


def group_mode(folder: Path) -> int | None:
    """The permissions of a folder that a group shares; None when no group does.

    Raises:
        OSError: The folder is missing or hidden.
    """
    mode = stat.S_IMODE(folder.stat().st_mode)
    return mode if mode & stat.S_ISGID and mode & stat.S_IWGRP else None


def _open_to_group(descriptor: int, folder: Path) -> None:
    """Give a new file the permissions of its folder if a group shares that; nobody else ever gets to write it."""
    mode = group_mode(folder)
    if mode is not None:
        with suppress(OSError):  # file systems that keep no modes of their own
            os.fchmod(descriptor, mode & 0o664)


def make_folder(folder: Path, *, parents: bool = True) -> None:
    """Make a folder, unless it is there; where a group shares the one above, for that group.

    Args:
        folder: The folder.
        parents: Make those above it likewise.

    Raises:
        StorageFullError: The disk or quota is full.
        RunFolderError: It cannot be made.
    """
    with explained(folder):
        if folder.is_dir():
            return
        if folder.exists():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
        if parents:
            make_folder(folder.parent)
        mode = group_mode(folder.parent)
        if mode is None:
            folder.mkdir(exist_ok=True)
        else:
            _make_group_folder(folder, mode & ~stat.S_IWOTH)


def _make_group_folder(folder: Path, mode: int) -> None:
    """Make a folder that has its permissions from the moment when others see it."""
    temporary = folder.with_name(f"{TEMPORARY_PREFIX}{folder.name}-{secrets.token_hex(6)}")
    temporary.mkdir()
    try:
        with suppress(PermissionError):  # file systems that keep no modes of their own
            temporary.chmod(mode)
        os.rename(temporary, folder)  # in the place of an empty folder, too
    except OSError:
        if not folder.is_dir():
            raise
    finally:
        with suppress(OSError):
            temporary.rmdir()


@contextmanager
def open_atomic(path: Path, *, fence: Fence | None = None, syncs_folder: bool = True) -> Iterator[BinaryIO]:
    """Open a temporary file that becomes `path` when the block ends without an error.

    Args:
        path: The final name; its folder must exist.
        fence: Asked right before the rename; see `Fence`.
        syncs_folder: Make the name survive a power cut at once; not needed for a blob that nobody looks for before its
            manifest, which is written next into the same folder and synced with it.

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
                _open_to_group(stream.fileno(), path.parent)
                yield stream
                stream.flush()
                expected = stream.tell()
                os.fsync(stream.fileno())
            check_size(temporary, expected)
            if fence is not None:
                fence()
            os.replace(temporary, path)
            if syncs_folder:
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
                remedy=f"{_owner_words(path)}Choose a folder you may write to "
                "(--run, --graph-path or --set run.runs_folder=DIR).",
            ) from error
        raise


def _owner_words(path: Path) -> str:
    """How to get into a folder that belongs to somebody else; empty for one of our own, and one that cannot be seen."""
    with suppress(OSError, KeyError):
        folder = next(place for place in path.parents if place.exists())
        if os.geteuid() in (0, folder.stat().st_uid):
            return ""
        if group_mode(folder) is not None:
            group = folder.group()
            return (
                f"{folder} is of group {group}: become a member (`sudo usermod -aG {group} $USER`) and log in again. "
            )
        command = OPEN_TO_GROUP.format(group="GROUP", folder="DIR")
        return f"{folder} is {folder.owner()}'s, who can open a shared folder DIR to a group of both: `{command}`. "
    return ""


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
