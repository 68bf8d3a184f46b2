"""Append-only JSON lines, the form of metrics and events.

Job: append whole lines so that a reader at any moment, and after any kind of death, loses at most the last one. Place
in the data flow: under `metrics` and `events`; one file has one writer. Left out: what the lines mean.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from gamefleet.files import Fence, explained


class LineWriter:
    """Appends one JSON object per line; each line reaches the operating system before `write` returns.

    Args:
        path: The file; its folder is made. What a killed predecessor left half-written is closed off by a newline.
        fence: Asked before each line; see `files.Fence`.

    Raises:
        RunFolderError: The folder is not writable, or this process may no longer write there.
    """

    def __init__(self, path: Path, *, fence: Fence | None = None) -> None:
        self._path = path
        self._fence = fence
        self._ask_fence()
        with explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
            size = os.fstat(self._descriptor).st_size
            if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
                os.write(self._descriptor, b"\n")

    def __enter__(self) -> LineWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, line: Mapping[str, Any]) -> None:
        """Append one object; numbers that are not finite become null, since JSON has none.

        Raises:
            StorageFullError: The disk or quota is full.
            RunFolderError: This process may no longer write here.
        """
        self._ask_fence()
        data = (json.dumps(_finite(line), separators=(",", ":"), allow_nan=False) + "\n").encode()
        with explained(self._path):
            while data:
                data = data[os.write(self._descriptor, data) :]

    def _ask_fence(self) -> None:
        if self._fence is not None:
            self._fence()

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """What a reader found.

    Args:
        rows: The objects, in the order of the file.
        num_ignored: Lines that are not whole JSON objects, such as one that a kill or a full disk cut off.
    """

    rows: tuple[dict[str, Any], ...]
    num_ignored: int


def read_lines(path: Path) -> Lines:
    """Read a file of JSON lines, also while it is being written; a missing file has no lines."""
    if not path.exists():
        return Lines(rows=(), num_ignored=0)
    texts = [text for text in path.read_bytes().split(b"\n") if text]
    rows = [row for row in map(_parse, texts) if row is not None]
    return Lines(rows=tuple(rows), num_ignored=len(texts) - len(rows))


def _parse(text: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(text)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if hasattr(value, "item") and not isinstance(value, str | int | float):
        return _finite(value.item())  # a NumPy scalar
    return value
