"""Raw battles in whatever form they come, as rows of one form.

Job: read parquet, JSON lines (plain or zstd), JSON and plain logs, and rename their columns. Place in the data flow:
files of `raw/` -> this -> the parser; `download` uses it too. Left out: fetching files, and what a log means.

A row is a mapping with `log` and, as far as known, `id`, `formatid`, `uploadtime` (seconds since 1970), `month_year`,
`rating` and `elo` (a range such as `1200-1399`). Which collection a file comes from shows in its columns.

A *unit* is what is read at a time: one file, or one row group of a parquet file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec
import zstandard

from gamefleet.errors import ConfigError
from gamefleet.games.showdown.replays.sources_notes import NOTES, noted_counts
from gamefleet.games.showdown.replays.sources_parquet import SourceError, open_parquet, raw_rows

Row = Mapping[str, Any]

PARQUET, LINES, PACKED_LINES, JSON, LOG = ".parquet", ".jsonl", ".jsonl.zst", ".json", ".log"
SUFFIXES: Final = (PARQUET, PACKED_LINES, LINES, JSON, LOG)

MAX_LINE_BYTES: Final = 64 * 2**20
MAX_LOG_CHARACTERS: Final = 8 * 2**20
"""Battles of a thousand turns take less than a tenth."""

MAX_WHOLE_BYTES: Final = {LOG: 4 * MAX_LOG_CHARACTERS, JSON: 256 * 2**20}
"""Of files that are read in one piece."""

MAX_DIGITS: Final = 18
"""Of numbers that are written as text."""

_CHUNK_BYTES: Final = 16 * 2**10
"""Compressed, so many bytes become 512 MB at worst."""

_DATED_ID = re.compile(r"(.*)-(\d{4}-\d{2}-\d{2})")


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """What is read at a time.

    Attributes:
        name: Of the file, relative to the raw folder.
        num_bytes: Of the file.
        group: Row group of a parquet file; -1 for all of a file.
        num_rows: Battles, as far as known without reading; else 0.
    """

    name: str
    num_bytes: int
    group: int = -1
    num_rows: int = 0


def units_of(folder: Path) -> list[Unit]:
    """Everything below a folder that may hold battles, in the order of names.

    Raises:
        ConfigError: There is nothing.
        SourceError: A parquet file is damaged.
    """
    blobs = _blobs(folder)
    paths = [
        path for path in sorted(folder.rglob("*")) if path.name.endswith(SUFFIXES) and _is_data(folder, path, blobs)
    ]
    if not paths:
        raise ConfigError(
            "There are no battles in a folder",
            where=folder,
            remedy=f"Files end in {', '.join(SUFFIXES)}. Get some: gamefleet replays download, or replays generate.",
        )
    counts = noted_counts(folder)
    return [unit for path in paths for unit in _units_of_file(path, path.relative_to(folder).as_posix(), counts)]


def _blobs(folder: Path) -> tuple[Path, ...]:
    """Where the hub's client keeps what the snapshot in this folder links to; empty for any other folder."""
    whole = folder.resolve()
    return tuple(above.parent / "blobs" for above in (whole, *whole.parents) if above.name == "snapshots")


def _is_data(folder: Path, path: Path, blobs: tuple[Path, ...]) -> bool:
    """Whether a path is a file that belongs to the data: our own notes begin with a word in capitals or a dot.

    Of links only those of the hub's client count: any other leads to what is there already, or out of the data.
    """
    parts = path.relative_to(folder).parts
    is_ours = path.name in NOTES or any(part.startswith(".") for part in parts)
    if is_ours or not path.is_file():
        return False
    return not path.is_symlink() or any(path.resolve().is_relative_to(kept) for kept in blobs)


def _units_of_file(path: Path, name: str, counts: Mapping[str, int]) -> list[Unit]:
    num_bytes = path.stat().st_size
    if not name.endswith(PARQUET):
        return [Unit(name=name, num_bytes=num_bytes, num_rows=counts.get(name, 0))]
    with open(path, "rb") as stream:
        metadata = open_parquet(stream, name).metadata
        groups = range(metadata.num_row_groups)
        return [
            Unit(name=name, num_bytes=num_bytes, group=group, num_rows=metadata.row_group(group).num_rows)
            for group in groups
        ]


def read_unit(folder: Path, unit: Unit) -> Iterator[Row | None]:
    """The rows of a unit; None in place of a line that is no JSON object.

    Raises:
        SourceError: The file is gone, has another size than when it was listed, or is damaged.
    """
    path = folder / unit.name
    try:
        if path.stat().st_size != unit.num_bytes:
            raise SourceError(
                f"A file of raw battles no longer has the {unit.num_bytes} bytes that it had",
                where=path,
                remedy="Parse into another folder, or get the file again.",
            )
        with open(path, "rb") as stream:
            yield from _rows(stream, unit)
    except (OSError, zstandard.ZstdError) as error:
        raise SourceError(
            f"A file of raw battles cannot be read: {error}", where=path, remedy="Get it again."
        ) from error


def _rows(stream: BinaryIO, unit: Unit) -> Iterator[Row | None]:
    if unit.name.endswith(PARQUET):
        yield from map(canonical, raw_rows(open_parquet(stream, unit.name), unit.group, unit.name))
    elif unit.name.endswith(LOG):
        yield {"id": Path(unit.name).stem, "log": _whole(stream, unit.name, LOG).decode(errors="replace")}
    elif unit.name.endswith(JSON):
        yield from _json_rows(_whole(stream, unit.name, JSON))
    else:
        is_packed = unit.name.endswith(PACKED_LINES)
        for line in _lines(_unpacked(stream, unit.name) if is_packed else _chunks(stream), unit.name):
            yield from _json_rows(line)


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK_BYTES):
        yield chunk


def _unpacked(stream: BinaryIO, name: str) -> Iterator[bytes]:
    """The content of zstd frames one after the other; unlike the library's own reader, not silent about a cut one."""
    frames = zstandard.ZstdDecompressor(max_window_size=2**27)
    frame = frames.decompressobj()
    is_within = False
    for chunk in _chunks(stream):
        rest = chunk
        while rest:
            if frame.eof:
                frame = frames.decompressobj()
            yield frame.decompress(rest)
            rest, is_within = frame.unused_data, not frame.eof
    if is_within:
        raise SourceError("A compressed file of raw battles was cut short", where=name, remedy="Get it again.")


def _lines(chunks: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Lines of at most `MAX_LINE_BYTES` that hold anything."""
    rest = bytearray()
    for chunk in chunks:
        *whole, last = chunk.split(b"\n")
        for part in whole:
            rest += part
            if rest.strip():
                yield bytes(rest)
            rest.clear()
        rest += last
        if len(rest) > MAX_LINE_BYTES:
            raise SourceError(f"A line has more than {MAX_LINE_BYTES} bytes", where=name, remedy="Get the file again.")
    if rest.strip():
        yield bytes(rest)


def _whole(stream: BinaryIO, name: str, suffix: str) -> bytes:
    most = MAX_WHOLE_BYTES[suffix]
    data = stream.read(most + 1)
    if len(data) > most:
        raise SourceError(
            f"A {suffix} file has more than {most} bytes, and such files are read in one piece",
            where=name,
            remedy=f"Write one battle per line, as {LINES} or {PACKED_LINES}.",
        )
    return data


def _json_rows(data: bytes) -> Iterator[Row | None]:
    try:
        found = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        yield None
        return
    for value in found if isinstance(found, list) else [found]:
        yield canonical(value) if isinstance(value, dict) else None


def canonical(row: Row) -> dict[str, Any]:
    """A row of any collection, by the names of this module; values that are None are left out."""
    renamed = {"text": "log", "gamemode": "formatid", "battle_id": "id"}
    found = {renamed.get(name, name): value for name, value in row.items() if value is not None and value != ""}
    dated = _DATED_ID.fullmatch(str(found.get("id", "")))
    if dated and "uploadtime" not in found:
        day = datetime.fromisoformat(dated[2]).replace(tzinfo=UTC) if _is_date(dated[2]) else None
        found |= {"uploadtime": int(day.timestamp())} if day else {}
    uploaded = found.get("uploadtime")
    if isinstance(uploaded, str) and uploaded.isdecimal() and len(uploaded) <= MAX_DIGITS:
        found["uploadtime"] = int(uploaded)
    return found


def _is_date(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
