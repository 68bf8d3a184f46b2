"""Raw battles out of public collections or files, filtered, into the folder `raw`.

Job: read units one after the other, keep the rows that are wanted, and note what was done. Place in the data flow:
`hub` or files -> this -> `raw/*.jsonl.zst` -> `pipeline`. Left out: looking into battles beyond their introduction.

A few units (row groups or files) become one part. A part appears whole, and `DOWNLOAD.json`, replaced after each,
says what it holds: a download that was cut goes on behind the last part that is there, at the same revision. Battles
come in the order of the collection, so the same command gives the same files whatever was in between. Where fewer
battles were wanted before, fewer units were listed, and the last part may have ended with the list: it is made again.
"""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import xxhash
import zstandard

from gamefleet.files import write_bytes
from gamefleet.games.showdown.replays.download_note import (
    NOTE,
    Note,
    Part,
    Wanted,
    forget_changed,
    is_enough,
    unit_name,
)
from gamefleet.games.showdown.replays.filters import refusal
from gamefleet.games.showdown.replays.origins import Origin
from gamefleet.games.showdown.replays.sources import Row, Unit
from gamefleet.games.showdown.replays.sources_parquet import SourceError

LEVEL: Final = 9


def download(
    folder: Path, note: Note, origin: Origin, units: Sequence[Sequence[Unit]], wanted: Wanted, *, num_workers: int = 1
) -> Iterator[Part]:
    """Fetch what is missing.

    Args:
        folder: The raw folder.
        note: Of `begin`; gets every part as it is written.
        origin: Where units are read.
        units: Those of each part, in order.
        wanted: Which battles are kept.
        num_workers: Parts that are fetched at the same time; each takes its rows' memory.

    Yields:
        Every part after it has been written and noted.

    Raises:
        SourceError: A unit is damaged.
        HubError: The hub cannot be reached any more.
        StorageFullError: The disk or quota is full.
    """
    forget_changed(note, units)
    rest = iter(range(len(note.parts), len(units)))
    pending: deque[tuple[int, Future[_Kept]]] = deque()
    with ThreadPoolExecutor(num_workers) as threads:
        try:
            while not is_enough(note, wanted):
                for number in itertools.islice(rest, num_workers - len(pending)):
                    pending.append((number, threads.submit(_fetch, origin, units[number], wanted)))
                if not pending:
                    return
                number, found = pending.popleft()
                yield _write(folder, note, number, found.result(), wanted)
        finally:
            for _, future in pending:
                future.cancel()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """The rows of one part that are wanted, and what was left out."""

    units: list[str]
    rows: list[Row]
    num_read: int
    rejects: dict[str, int]


def _fetch(origin: Origin, units: Sequence[Unit], wanted: Wanted) -> _Kept:
    rejects: Counter[str] = Counter()
    kept: list[Row] = []
    num_read = 0
    for row in itertools.chain.from_iterable(origin.rows(unit, wanted.formats) for unit in units):
        num_read += 1
        reason = "unreadable_line" if row is None else refusal(row, min_elo=wanted.min_elo, formats=wanted.formats)
        if reason or row is None:
            rejects[reason] += 1
        else:
            kept.append(row)
    names = [unit_name(unit) for unit in units]
    return _Kept(units=names, rows=kept, num_read=num_read, rejects=dict(sorted(rejects.items())))


def _write(folder: Path, note: Note, number: int, found: _Kept, wanted: Wanted) -> Part:
    room = wanted.max_games - note.kept if wanted.max_games else len(found.rows)
    rows = found.rows[:room]
    place, data = folder / f"part-{number:05d}.jsonl.zst", b""
    if rows:
        data = packed(rows)
        write_bytes(place, data)
    else:
        place.unlink(missing_ok=True)  # of a part that was forgotten
    part = Part(
        number=number,
        name=place.name if rows else "",
        bytes=len(data),
        xxh3=xxhash.xxh3_128_hexdigest(data) if rows else "",
        rows=found.num_read,
        kept=len(rows),
        rejects=found.rejects,
        is_cut=len(rows) < len(found.rows),
        units=found.units,
    )
    note.parts.append(part)
    write_bytes(folder / NOTE, msgspec.json.format(msgspec.json.encode(note), indent=1) + b"\n")
    return part


def packed(rows: Sequence[Row]) -> bytes:
    """Rows as compressed JSON lines, one frame, the same bytes for the same rows."""
    try:
        lines = b"".join(msgspec.json.encode(row, order="sorted") + b"\n" for row in rows)
    except (TypeError, ValueError) as error:
        raise SourceError(f"A row holds something that is no JSON: {error}", remedy="Leave its file out.") from error
    return zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compress(lines)
