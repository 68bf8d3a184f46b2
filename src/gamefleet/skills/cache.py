"""Answers that were paid for, and what servers were found to understand, on disk.

Job: keep both in a folder of the user, so that the same question is asked once. Place in the data flow: `client` looks
here before it asks. Left out: which answers are worth keeping (`client`).

An answer's name is the SHA-256 of everything that shapes it: address, model, dialect, messages, schema and settings.
The key is none of it. A file that cannot be read counts as not there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gamefleet.files import make_folder, read_json, write_json
from gamefleet.skills.dialect import Dialect, canonical, dialect_as_json

VERSION = 1
"""Of the files here; those of another version are not looked at."""

CACHE_VARIABLE = "GAMEFLEET_PROPOSALS_CACHE"
"""Names another folder; empty: nothing is kept."""


def default_folder(environment: Mapping[str, str]) -> Path | None:
    """Where answers are kept, or None.

    Args:
        environment: Variables of the process.
    """
    if CACHE_VARIABLE in environment:
        return Path(environment[CACHE_VARIABLE]) if environment[CACHE_VARIABLE] else None
    home = environment.get("XDG_CACHE_HOME") or str(Path(environment.get("HOME", "~")).expanduser() / ".cache")
    return Path(home) / "gamefleet" / "proposals"


def answer_key(*, base_url: str, dialect: Dialect, request: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """64 hex digits: equal for equal questions.

    Args:
        base_url: Of the server.
        dialect: How it is asked.
        request: The request in that dialect.
        schema: Which is not part of the request in every dialect.
    """
    whole = {
        "version": VERSION,
        "base_url": base_url,
        "dialect": dialect_as_json(dialect),
        "request": dict(request),
        "schema": dict(schema),
    }
    return hashlib.sha256(canonical(whole)).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerCache:
    """A folder of answers and dialects.

    Args:
        folder: Made when it is first needed; None keeps nothing.
    """

    folder: Path | None

    def answer(self, key: str) -> str | None:
        """The text of an answer, if it is there."""
        text = self._read(self._answer_path(key)).get("text")
        return text if isinstance(text, str) else None

    def keep_answer(self, key: str, text: str, request: Mapping[str, Any], usage: Mapping[str, Any]) -> None:
        """Keep an answer with its question.

        Raises:
            StorageFullError: The disk or quota is full.
            RunFolderError: The folder cannot be written.
        """
        value = {"version": VERSION, "text": text, "request": dict(request), "usage": dict(usage)}
        self._write(self._answer_path(key), value)

    def dialect(self, base_url: str, model: str) -> Dialect | None:
        """What a server was found to understand, if it was asked."""
        found = self._read(self._dialect_path(base_url, model)).get("dialect")
        with suppress(TypeError, ValueError):  # another version's fields
            return Dialect(**found) if isinstance(found, dict) else None
        return None

    def keep_dialect(self, base_url: str, model: str, dialect: Dialect) -> None:
        """Keep what a server was found to understand; raises as `keep_answer` does."""
        value = {"version": VERSION, "base_url": base_url, "model": model, "dialect": dialect_as_json(dialect)}
        self._write(self._dialect_path(base_url, model), value)

    def forget_dialect(self, base_url: str, model: str) -> None:
        """Have the server asked again."""
        path = self._dialect_path(base_url, model)
        if path is not None:
            path.unlink(missing_ok=True)

    def _answer_path(self, key: str) -> Path | None:
        return None if self.folder is None else self.folder / "answers" / key[:2] / f"{key}.json"

    def _dialect_path(self, base_url: str, model: str) -> Path | None:
        name = hashlib.sha256(canonical([base_url, model])).hexdigest()
        return None if self.folder is None else self.folder / "dialects" / f"{name}.json"

    def _read(self, path: Path | None) -> dict[str, Any]:
        if path is None:
            return {}
        try:
            value = read_json(path)
        except (OSError, ValueError, RecursionError):
            return {}
        return value if value.get("version") == VERSION else {}

    def _write(self, path: Path | None, value: Mapping[str, Any]) -> None:
        if path is not None:
            make_folder(path.parent)
            write_json(path, value)
