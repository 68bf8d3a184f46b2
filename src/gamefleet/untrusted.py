"""Reading and removing files in folders that others can write to.

Job: take no link, wait for no pipe, read no more than was granted, and remove nothing that only looks as if it lay
below. Place in the data flow: a leaf under everything that looks into a shared folder. Left out: what the bytes mean.

Whoever may write into a folder may put anything under any name there: a link to somebody's home, a pipe that nobody
writes to, a file of a terabyte. None of it may cost its readers more than a sentence.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
OPEN_FOLDER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC


class NotPlainError(ValueError):
    """There is something, but no plain file of a size that was granted; the text says what."""


def read_plain(path: Path, *, max_bytes: int) -> bytes:
    """Read a plain file into memory.

    Args:
        path: Its last part must be no link; the folders above it may be.
        max_bytes: Size that is granted.

    Raises:
        FileNotFoundError: There is no such file.
        OSError: It cannot be opened or read.
        NotPlainError: It is a link, a pipe, a device or a folder, or larger.
    """
    if path.is_symlink():
        raise NotPlainError("is a link")
    descriptor = os.open(path, OPEN_FILE)
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise NotPlainError("is no plain file")
        if facts.st_size > max_bytes:
            raise NotPlainError(f"holds {facts.st_size} bytes, more than {max_bytes}")
        with open(descriptor, "rb", closefd=False) as stream:
            return stream.read(max_bytes)
    finally:
        os.close(descriptor)


def is_real_folder(path: Path) -> bool:
    """Whether there is a folder, and not a link to one."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def remove_below(root: Path, folder: Path, is_doomed: Callable[[str, float], bool]) -> int:
    """Remove plain files of one folder, without following any link between `root` and them.

    Args:
        root: A folder that is trusted.
        folder: A folder below it, or `root` itself.
        is_doomed: Says by a file's name and its time of change (seconds since 1970) whether it goes.

    Returns:
        How many are gone. A folder that is missing or a link has none; a file that cannot be removed stays.
    """
    try:
        with _opened(root, folder.relative_to(root).parts) as descriptor:
            return sum(_remove(descriptor, name) for name in _plain(descriptor, is_doomed))
    except OSError:
        return 0


def remove(path: Path) -> None:
    """Remove a file; one that is gone, or that a network file system holds on to, is let be."""
    with suppress(OSError):
        path.unlink()


@contextmanager
def _opened(root: Path, parts: tuple[str, ...]) -> Iterator[int]:
    """The descriptor of a folder, each of whose parts below `root` is a real folder at the moment it is passed."""
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts:
            inner = os.open(part, OPEN_FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def _plain(descriptor: int, is_doomed: Callable[[str, float], bool]) -> list[str]:
    names = []
    for name in sorted(os.listdir(descriptor)):
        with suppress(OSError):
            facts = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            if stat.S_ISREG(facts.st_mode) and is_doomed(name, facts.st_mtime):
                names.append(name)
    return names


def _remove(descriptor: int, name: str) -> bool:
    try:
        os.unlink(name, dir_fd=descriptor)
    except OSError:  # gone already, or held on to by a file server
        return False
    return True
