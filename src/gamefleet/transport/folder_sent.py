"""A member's experience folder, seen by its owner: numbered chunks, bounded, removed when they have been read.

Job: give each chunk of an environment the next number, hold back what nobody has read beyond the bound, and remove what
is no longer needed. Place in the data flow: under `folder.FolderExperienceSender`. Left out: what a chunk holds.

Numbers are never used twice, also after a crash: they go on after the newest manifest and after what any learner says
to have read, and the newest chunk of each environment is never removed. A folder that is missing is not made anew above
the member's own: below a mount point that has just lost its disk it would fill the wrong one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gamefleet.files import make_folder
from gamefleet.transport.folder_files import (
    environments,
    listed,
    remove_chunk,
    remove_leftovers,
    write_chunk,
)
from gamefleet.transport.folder_readers import Readers

MEGABYTE = 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class SentBounds:
    """How much may lie in the folder, and for how long.

    Args:
        capacity_bytes: Chunks that no live learner has read hold at most this much; a larger one passes alone.
        grace_s: A chunk that somebody has read stays this long for the learners that are slower.
    """

    capacity_bytes: int = 64 * MEGABYTE
    grace_s: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    num_bytes: int
    sent_at: float


class SentChunks:
    """See the module's docstring.

    Args:
        folder: The member's experience folder; the one above it exists.
        readers: Who reads it.
        settings: Bounds.
        monotonic: Clock in seconds.
    """

    def __init__(self, folder: Path, readers: Readers, settings: SentBounds, *, monotonic: Callable[[], float]) -> None:
        self._folder = folder
        self._readers = readers
        self._settings = settings
        self._monotonic = monotonic
        self._sent: dict[str, dict[int, _Sent]] = {}
        self._next: dict[str, int] = {}
        readers.look()
        for environment in environments(folder):
            remove_leftovers(folder / environment)
            self._recall(environment)

    @property
    def unread_bytes(self) -> int:
        """Of chunks that no live learner has read; call `look` for news."""
        return sum(
            sent.num_bytes
            for environment, chunks in self._sent.items()
            for reached in [self._readers.read_by_one(environment)]
            for seq, sent in chunks.items()
            if seq > reached
        )

    @property
    def num_readers(self) -> int:
        """Learners that are at work."""
        return self._readers.num_live

    def look(self) -> None:
        """See what has been read meanwhile, and remove what is no longer needed."""
        self._readers.look()
        for environment in self._sent:
            self._tidy(environment)

    def has_room(self, num_bytes: int) -> bool:
        """Whether a chunk of this size may be written now."""
        unread = self.unread_bytes
        return not unread or unread + num_bytes <= self._settings.capacity_bytes

    def next_seq(self, environment: str) -> int:
        """The number of the chunk that is written next."""
        if environment not in self._next:
            self._recall(environment)
        return self._next[environment]

    def write(self, environment: str, data: bytes) -> None:
        """Write the next chunk of an environment.

        Raises:
            StorageFullError: No space; the number is used for the next try.
            RunFolderError: The folder cannot be written to, or is gone.
        """
        folder, seq = self._folder / environment, self.next_seq(environment)
        make_folder(self._folder, parents=False)
        make_folder(folder, parents=False)
        write_chunk(folder, seq, data)
        self._next[environment] = seq + 1
        self._sent[environment][seq] = _Sent(num_bytes=len(data), sent_at=self._monotonic())

    def _recall(self, environment: str) -> None:
        """Learn what earlier processes of this member have written."""
        now = self._monotonic()
        folder = self._folder / environment
        sizes = {seq: _size_of(folder, seq) for seq in listed(folder)}
        self._sent[environment] = {seq: _Sent(num_bytes=size, sent_at=now) for seq, size in sizes.items()}
        self._next[environment] = 1 + max([*sizes, self._readers.ever_read(environment)], default=-1)

    def _tidy(self, environment: str) -> None:
        chunks, now = self._sent[environment], self._monotonic()
        by_all, by_one = self._readers.read_by_all(environment), self._readers.read_by_one(environment)
        for seq in sorted(chunks)[:-1]:
            is_old = now - chunks[seq].sent_at > self._settings.grace_s
            if seq <= by_all or (seq <= by_one and is_old):
                remove_chunk(self._folder / environment, seq)
                del chunks[seq]


def _size_of(folder: Path, seq: int) -> int:
    return sum(_size(path) for path in folder.glob(f"{seq:06d}-*.chunk"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
