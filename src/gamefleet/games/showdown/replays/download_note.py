"""What a raw folder says of the battles in it: where they come from, and what each part was made of.

Job: read the note, and tell which parts are still as they would be made now. Place in the data flow: under `download`,
which writes it. Left out: fetching.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from gamefleet.errors import ConfigError, RunFolderError
from gamefleet.files import digest, make_folder
from gamefleet.games.showdown.replays.sources import Unit

NOTE: Final = "DOWNLOAD.json"
NOTE_VERSION: Final = 1

WORD: Final = "Kept beside the battles so that their origin, terms and completeness can be told."


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which battles are kept.

    Args:
        max_games: At most so many; 0 for all.
        min_elo: One player has at least this rating, as far as can be told.
        formats: Ids such as `gen9ou`; all when empty.
    """

    max_games: int = 0
    min_elo: int = 0
    formats: tuple[str, ...] = ()


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One file of the folder.

    Attributes:
        number: Its number.
        name: File that holds what was kept; empty when nothing was.
        bytes: Of the file.
        xxh3: Of the file.
        rows: Read.
        kept: Battles in the file.
        rejects: Reason -> number left out.
        is_cut: Whether rows were left because there were enough.
        units: Names of what was read, in order.
    """

    number: int
    name: str
    bytes: int
    xxh3: str
    rows: int
    kept: int
    rejects: dict[str, int]
    is_cut: bool
    units: list[str]


class Note(msgspec.Struct, kw_only=True):
    """`DOWNLOAD.json`.

    Attributes:
        source: Name of the source.
        origin: Where from: repository and revision, or files.
        licence: What is known of the terms.
        citation: Whom to cite.
        min_elo: As wanted.
        formats: As wanted.
        parts: In order.
        about: For whoever finds the file.
        version: Of the note's form.
    """

    source: str
    origin: str
    licence: str
    citation: str
    min_elo: int
    formats: list[str]
    parts: list[Part] = []
    about: str = WORD
    version: int = NOTE_VERSION

    @property
    def kept(self) -> int:
        """Battles so far."""
        return sum(part.kept for part in self.parts)


def begin(folder: Path, note: Note, wanted: Wanted) -> Note:
    """Go on with the note of a folder, or begin one; parts that are no longer as noted are forgotten.

    Args:
        folder: The raw folder; made if missing.
        note: Without parts, as it would be begun.
        wanted: With more battles than before, the last part may have to be made again.

    Raises:
        ConfigError: The folder holds another download.
    """
    make_folder(folder)
    found = read_note(folder)
    if found is None:
        return note
    for name in ("source", "origin", "min_elo", "formats"):
        if getattr(found, name) != getattr(note, name):
            raise ConfigError(
                f"A folder holds another download: {name} {getattr(found, name)!r} then, {getattr(note, name)!r} now",
                where=folder,
                remedy="Choose another --output-dir, or remove the folder first.",
            )
    found.parts = list(itertools.takewhile(lambda part: is_there(folder, part), found.parts))
    if found.parts and found.parts[-1].is_cut and not is_enough(found, wanted):
        found.parts.pop()
    return found


def read_note(folder: Path) -> Note | None:
    """The note of a folder; None when it has none.

    Raises:
        RunFolderError: It cannot be understood, or a newer gamefleet wrote it.
    """
    try:
        note = msgspec.json.decode((folder / NOTE).read_bytes(), type=Note)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise RunFolderError(
            f"What was downloaded cannot be told: {error}",
            where=folder / NOTE,
            remedy="Remove the folder and download again.",
        ) from error
    if note.version > NOTE_VERSION:
        raise RunFolderError(
            f"This download was made by a newer gamefleet, whose notes have version {note.version}",
            where=folder / NOTE,
            remedy="Update gamefleet, or download into another folder.",
        )
    return note


def forget_changed(note: Note, units: Sequence[Sequence[Unit]]) -> None:
    """Forget parts from the first one on that would be made of other units now; their files stay until they are.

    Args:
        note: Of `begin`.
        units: Those of each part, as they are listed now; parts beyond them are left as they are.
    """
    for place in range(min(len(note.parts), len(units))):
        if _differs(note.parts[place], place, units):
            del note.parts[place:]
            break


def _differs(part: Part, place: int, units: Sequence[Sequence[Unit]]) -> bool:
    """Whether a part would be made of other units now."""
    names = [unit_name(unit) for unit in units[place]]
    # Where fewer units are listed than then, it is the list's last part that ends too early, and not the one here.
    is_last = place == len(units) - 1
    return part.units != names and not (is_last and part.units[: len(names)] == names)


def unit_name(unit: Unit) -> str:
    """How a note names a unit."""
    return unit.name if unit.group < 0 else f"{unit.name} {unit.group}"


def is_there(folder: Path, part: Part) -> bool:
    """Whether a part's file is as it was written."""
    path = folder / part.name
    return not part.name or (path.is_file() and path.stat().st_size == part.bytes and digest(path) == part.xxh3)


def is_enough(note: Note, wanted: Wanted) -> bool:
    """Whether as many battles are there as were wanted."""
    return bool(wanted.max_games) and note.kept >= wanted.max_games
