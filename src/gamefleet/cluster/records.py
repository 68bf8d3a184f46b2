"""Records of a fleet as a process reads them.

Job: read a JSON record, and each of them once. Place in the data flow: below `store`, which makes views of them. Left
out: what records mean, and writing them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from gamefleet.errors import RunFolderError

OBJECT = msgspec.json.Decoder(dict[str, Any])


def read_record(path: Path | str) -> dict[str, Any]:
    """A record, or nothing where there is none (yet).

    Raises:
        RunFolderError: It is there and damaged.
    """
    try:
        with open(path, "rb", buffering=0) as stream:
            return OBJECT.decode(stream.read())
    except FileNotFoundError:
        return {}
    except (ValueError, msgspec.DecodeError, NotADirectoryError) as error:
        raise RunFolderError(
            "A record of the fleet is damaged",
            where=Path(path),
            remedy="Restore it, or start the fleet under another name.",
        ) from error


class Records:
    """What one process has read: a record is written once, so a file server is asked for each once."""

    def __init__(self) -> None:
        self._contents: dict[str, dict[str, Any]] = {}
        self._present: set[str] = set()

    def read(self, path: str) -> dict[str, Any]:
        """A record, or nothing where there is none (yet); raises as `read_record` does."""
        if path in self._contents:
            return self._contents[path]
        if content := read_record(path):
            self._contents[path] = content
        return content

    def exists(self, path: str) -> bool:
        """Whether a record is there."""
        if path not in self._present and os.path.exists(path):
            self._present.add(path)
        return path in self._present
