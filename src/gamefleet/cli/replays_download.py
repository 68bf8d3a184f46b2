"""`gamefleet replays download`: battles of public collections or of files, into the folder `raw`.

Job: options in; licence, estimate, progress and a summary out. Place in the data flow: hub or files -> this ->
`gamefleet replays parse`. Left out: fetching (`games.showdown.replays.download`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gamefleet.errors import ConfigError

if TYPE_CHECKING:
    from gamefleet.games.showdown.replays.download_note import Note, Wanted
    from gamefleet.games.showdown.replays.licences import Source
    from gamefleet.games.showdown.replays.origins import Origin
    from gamefleet.games.showdown.replays.sources import Unit

DEFAULT_WORKERS = 4
MAX_WORKERS = 16
"""Requests at the same time; more are no faster, and each holds a row group in memory."""

SPARE_BATTLES = 20
"""Listed for each that is wanted: at most nineteen of twenty are left out by rating or format."""

PART_BATTLES = 1000
"""Per file; a row group that has more is a file of its own."""

PROGRESS_EVERY_S = 2.0


def download(
    output_dir: Annotated[Path, typer.Option(metavar="DIR", help="Battles are written to its folder raw.")],
    max_games: Annotated[int, typer.Option(min=0, help="Stop after so many battles; 0 for all.")] = 0,
    min_elo: Annotated[int, typer.Option(min=0, help="Keep battles in which one player has at least this rating.")] = 0,
    num_workers: Annotated[
        int, typer.Option(min=1, help=f"Requests at the same time, at most {MAX_WORKERS}.")
    ] = DEFAULT_WORKERS,
    source: Annotated[str, typer.Option(help="pokechamp, metamon-raw, replay-json or logs.")] = "pokechamp",
    formats: Annotated[
        list[str] | None, typer.Option("--format", metavar="FORMAT", help="Only this, e.g. gen9ou; may be repeated.")
    ] = None,
    from_path: Annotated[
        Path | None, typer.Option("--from", metavar="PATH", help="Read this file or folder instead of the hub.")
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Open no connection: read what the hub's client keeps on this machine.")
    ] = False,
    revision: Annotated[str, typer.Option(help="Commit of the collection; the newest when left out.")] = "",
) -> None:
    """Download recorded battles. A call that was cut can be repeated and goes on where it stopped."""
    from gamefleet.cli.replays_parse import RAW
    from gamefleet.games.showdown.replays.download_note import Wanted, begin
    from gamefleet.games.showdown.replays.licences import SIMULATOR, source_named

    chosen = source_named(source)
    wanted = Wanted(max_games=max_games, min_elo=min_elo, formats=tuple(sorted(formats or ())))
    folder = output_dir / RAW
    origin, where, licence = open_origin(chosen, from_path, offline, revision or begun_revision(folder))
    print(f"{chosen.name}: {chosen.about}\nFrom: {where}\nLicence: {licence}\nCite: {chosen.citation}\n{SIMULATOR}")
    note = begin(folder, fresh_note(chosen, where, licence, wanted), wanted)
    if note.kept:
        print(f"{note.kept} battles in {len(note.parts)} parts are there already.")
    fetch(folder, note, origin, wanted, min(num_workers, MAX_WORKERS))
    print(summary(folder, note))


def open_origin(source: Source, from_path: Path | None, offline: bool, revision: str) -> tuple[Origin, str, str]:
    """Where battles come from: the origin, its name, and what is known of its licence.

    Raises:
        ConfigError: The source has no address, and no files were named.
        HubError: The hub cannot be reached, or nothing is kept here with `--offline`.
    """
    from gamefleet.games.showdown.replays.hub import cached, look_up
    from gamefleet.games.showdown.replays.origins import Files, Hub

    if from_path is not None:
        return Files(from_path), f"files of {from_path}", source.licence_note
    if not source.repository:
        raise ConfigError(
            "This source is read from files", value=source.name, where="--source", remedy="Name them with --from PATH."
        )
    if offline:
        return Files(cached(source.repository)), f"{source.repository}, kept on this machine", source.licence_note
    collection = look_up(source.repository, revision)
    stated = f"{collection.licence} (as its page states today)" if collection.licence else source.licence_note
    where = f"{source.repository} at {collection.revision}"
    return Hub(collection, spare=SPARE_BATTLES), where, stated


def begun_revision(folder: Path) -> str:
    """The revision at which a download into this folder was begun; empty for none."""
    from gamefleet.games.showdown.replays.download_note import read_note

    note = read_note(folder)
    return note.origin.rpartition(" at ")[2] if note is not None and " at " in note.origin else ""


def fresh_note(source: Source, where: str, licence: str, wanted: Wanted) -> Note:
    """The note that a download begins with."""
    from gamefleet.games.showdown.replays.download_note import Note

    return Note(
        source=source.name,
        origin=where,
        licence=licence,
        citation=source.citation,
        min_elo=wanted.min_elo,
        formats=list(wanted.formats),
    )


def fetch(folder: Path, note: Note, origin: Origin, wanted: Wanted, num_workers: int) -> None:
    """Fetch what is missing; the first part says how long the rest takes."""
    from gamefleet.games.showdown.replays.download import download as work
    from gamefleet.games.showdown.replays.download_note import forget_changed, is_enough
    from gamefleet.games.showdown.replays.pipeline import divide

    if is_enough(note, wanted):
        return
    units = divide(origin.units(wanted.max_games), PART_BATTLES)
    before = len(note.parts)
    forget_changed(note, units)
    if len(note.parts) < before:
        print(f"{before - len(note.parts)} of them are made again: there is more to put into them now.")
    started = shown = time.monotonic()
    begun = len(note.parts)
    for _ in work(folder, note, origin, units[: begun + 1], wanted):
        pass
    estimate(folder, note, units, wanted, (time.monotonic() - started) / num_workers)
    for part in work(folder, note, origin, units, wanted, num_workers=num_workers):
        if time.monotonic() - shown >= PROGRESS_EVERY_S:
            shown = time.monotonic()
            rate = (len(note.parts) - begun) / (shown - started)
            print(
                f"part {part.number + 1} of at most {len(units)}, {note.kept} battles, {rate:.2f} parts/s", flush=True
            )


def estimate(folder: Path, note: Note, units: Sequence[Sequence[Unit]], wanted: Wanted, seconds: float) -> None:
    """Say how much is to come, by what is there and the `seconds` that a part takes.

    Raises:
        StorageFullError: The disk has not that much room.
    """
    import shutil

    from gamefleet.cli.replays_generate import clock
    from gamefleet.errors import StorageFullError

    done = len(note.parts)
    kept, size = note.kept / done, sum(part.bytes for part in note.parts) / done
    left = len(units) - done
    if wanted.max_games and kept:
        left = min(left, max(0, round((wanted.max_games - note.kept) / kept)))
    if left <= 0:
        return
    print(
        f"About {left} more parts: about {round(left * kept)} battles, {left * size / 1e6:.1f} MB of disk and "
        f"{clock(left * seconds)}, by the first one."
    )
    free = shutil.disk_usage(folder).free
    if free < left * size:
        raise StorageFullError(
            f"That needs about {left * size / 1e6:.0f} MB, {free / 1e6:.0f} MB are free",
            where=folder,
            remedy="Choose another --output-dir, or fewer battles: --max-games, --min-elo, --format.",
        )


def summary(folder: Path, note: Note) -> str:
    """What there is at the end."""
    from gamefleet.cli.replays_parse import rejects_line
    from gamefleet.games.showdown.replays.pipeline import PartReport

    total = PartReport()
    for part in note.parts:
        total = total.plus(PartReport(rows=part.rows, records=part.kept, rejects=part.rejects))
    size = sum(part.bytes for part in note.parts)
    return (
        f"{total.records} of {total.rows} battles are in {folder}: {size / 1e6:.1f} MB in {len(note.parts)} parts.\n"
        f"{rejects_line(total.rejects)}\nNext: gamefleet replays parse --input-dir {folder}"
    )
