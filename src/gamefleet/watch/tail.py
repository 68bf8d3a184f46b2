"""The lines of a file that grows, a piece at a time.

Job: hand over whole lines of an append-only file as they come, with memory that does not depend on the file. Place in
the data flow: under the readers of metrics, events and visits. Left out: what a line means.

Whatever lies under the name may be anything: a file that is replaced or cut off, binary rubbish, a line without an end,
a pipe. None of it may cost more than a sentence.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gamefleet.untrusted import OPEN_FILE

CHUNK_BYTES = 1 << 20
LONGEST_LINE_BYTES = 1 << 20
"""Longer lines are passed over, and counted."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line.

    Args:
        offset: Where it begins in the file, bytes.
        text: Without its newline; empty for one that was too long.
    """

    offset: int
    text: bytes


@dataclass(slots=True, kw_only=True)
class Tail:
    """How far one file was read.

    Args:
        path: The file; it may be missing, and come later.
        offset: Everything before it was handed over.
        size: Of the file at the last look, bytes.
        cut: Bytes after the last newline: a line that is being written, or that a kill cut off.
        trouble: Why the file cannot be read; empty when it can.
        restarts: How often another file was found under the name, or a shorter one.
    """

    path: Path
    offset: int = 0
    size: int = 0
    cut: int = 0
    trouble: str = ""
    restarts: int = 0
    _key: tuple[int, int] | None = None
    _skips: bool = field(default=False)

    @property
    def is_at_end(self) -> bool:
        """Whether everything that was there at the last look is handed over."""
        return self.offset + self.cut >= self.size

    @property
    def share(self) -> float:
        """How much of the file was taken in, 0 to 1."""
        return 1.0 if self.is_at_end else self.offset / self.size

    def rewind(self) -> None:
        """Begin again at the front."""
        self.offset, self.cut, self._skips = 0, 0, False

    def look(self) -> bool:
        """See whether there is more; returns whether the file is another one than before."""
        try:
            facts = os.stat(self.path, follow_symlinks=False)
        except FileNotFoundError:
            is_other = self._key is not None
            self._key, self.size, self.trouble = None, 0, ""
        except OSError as error:
            self.trouble = f"{self.path.name} cannot be read: {error.strerror or error}"
            return False
        else:
            key = (facts.st_dev, facts.st_ino)
            is_plain = stat.S_ISREG(facts.st_mode)
            is_other = self._key is not None and (key != self._key or facts.st_size < self.offset + self.cut)
            self._key, self.size = key, facts.st_size if is_plain else 0
            self.trouble = "" if is_plain else f"{self.path.name} is no plain file"
        if is_other:
            self.restarts += 1
            self.rewind()
        return is_other

    def lines(self) -> Iterator[Line]:
        """The whole lines of the next piece, about `CHUNK_BYTES` of them; none when there is nothing more."""
        if self.is_at_end or self.trouble:
            return
        # No further than was looked at: an attempt that began since then might take back what was read with it.
        data = self._read(self.offset, min(CHUNK_BYTES + LONGEST_LINE_BYTES, self.size - self.offset))
        end = data.rfind(b"\n", 0, CHUNK_BYTES) + 1 or data.find(b"\n") + 1
        if not end:
            yield from self._without_end(data)
            return
        start, self.cut, skips = self.offset, 0, self._skips
        self.offset, self._skips = start + end, False
        position = 0
        for text in data[: end - 1].split(b"\n"):
            if skips:
                yield Line(start + position, b"")
                skips = False
            elif text:
                yield Line(start + position, text)
            position += len(text) + 1
        self.cut = self._cut_of(data, end)

    def _cut_of(self, data: bytes, end: int) -> int:
        """Bytes of an unfinished line, when everything to the end of the file was read."""
        rest = data[end:]
        return len(rest) if self.offset + len(rest) >= self.size and b"\n" not in rest else 0

    def _without_end(self, data: bytes) -> Iterator[Line]:
        """A piece without a newline: the beginning of a line, or the inside of one that is too long."""
        if len(data) > LONGEST_LINE_BYTES or self._skips:
            self._skips = True
            self.offset += len(data)
            self.cut = 0
        else:
            self.cut = len(data)
        yield from ()

    def newest(self, max_bytes: int = 1 << 16) -> list[bytes]:
        """The last whole lines of the file, without changing how far it was read."""
        start = max(0, self.size - max_bytes)
        texts = self._read(start, max_bytes).split(b"\n")
        return [text for text in texts[1 if start else 0 : -1] if text]

    def find_all(self, needle: bytes, start: int, stop: int) -> Iterator[Line]:
        """The lines between two offsets that hold some bytes; far faster than looking at each line."""
        position = start
        while position < stop:
            data = self._read(position, min(4 * CHUNK_BYTES, stop - position))
            end = data.rfind(b"\n") + 1
            if not end:
                position += max(len(data), 1)  # the inside of a line that is too long
                continue
            yield from _lines_with(data[:end], needle, position)
            position += end

    def _read(self, offset: int, count: int) -> bytes:
        if self.trouble or not self.size:
            return b""
        try:
            descriptor = os.open(self.path, OPEN_FILE)
        except OSError as error:
            self.trouble = f"{self.path.name} cannot be read: {error.strerror or error}"
            return b""
        try:
            return os.pread(descriptor, count, offset)
        except OSError as error:
            self.trouble = f"{self.path.name} cannot be read: {error.strerror or error}"
            return b""
        finally:
            os.close(descriptor)


def _lines_with(data: bytes, needle: bytes, offset: int) -> Iterator[Line]:
    at = data.find(needle)
    while at >= 0:
        begin, end = data.rfind(b"\n", 0, at) + 1, data.find(b"\n", at)
        yield Line(offset + begin, data[begin:end])
        at = data.find(needle, end)


def unreadable(count: int) -> str:
    """That so many lines of a file could not be read, for people."""
    return f"{count} line{'s' if count > 1 else ''} could not be read"
