"""Where a run of recorded play gets its records: a parsed folder, those that come with the game, or invented ones.

Job: find or make the dataset. Place in the data flow: before the loader; rank 0 makes, the others wait and open. Left
out: parsing what was downloaded (`gamefleet replays parse`), choosing records (`experience.selection`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gamefleet.errors import ConfigError
from gamefleet.experience.dataset_format import MANIFEST, RecordFacts
from gamefleet.experience.dataset_writer import DatasetWriter
from gamefleet.games.base import GamePackage
from gamefleet.games.recorded import Record, RecordedGame

PROCESSED: Final = "processed"
"""Folder in which `gamefleet replays parse` leaves its dataset, below the one that is named to it."""

MOCK_SEED: Final = 7


def recorded_of(package: GamePackage) -> RecordedGame:
    """What a game offers to whoever learns from records.

    Raises:
        ConfigError: Nothing.
    """
    if package.recorded is None:
        raise ConfigError("This game has no recorded play", value=package.name, remedy="Train it by playing.")
    return package.recorded


def kind_of(package: GamePackage) -> str:
    """What the records of a game are, as a dataset's manifest says it: the game and the version of its arrays."""
    return f"{package.name} {recorded_of(package).version}"


def dataset_folder(data_dir: str) -> Path:
    """The dataset in or below a folder that a user names.

    Raises:
        ConfigError: There is none.
    """
    named = Path(data_dir).expanduser()
    for folder in (named, named / PROCESSED):
        if (folder / MANIFEST).is_file():
            return folder
    raise ConfigError(
        "There are no parsed games in a folder",
        value=str(named),
        where="data.folder (--data-dir)",
        remedy=f"Make them with `gamefleet replays parse --input-dir {named}/raw --output-dir {named}/{PROCESSED}`, or "
        "leave the folder out to learn from the games that come with gamefleet.",
    )


def own_folder(folder: Path, *, num_mock: int = 0) -> Path:
    """Where `own_dataset` puts it."""
    return folder / (f"mock-data-{num_mock}" if num_mock else "data")


def own_dataset(package: GamePackage, folder: Path, *, num_mock: int = 0) -> Path:
    """A dataset of the records that come with a game, or of invented ones, written unless it is there.

    Args:
        package: The game.
        folder: For datasets of this run.
        num_mock: So many invented records; 0 for those that come with the game.

    Raises:
        ConfigError: No records come with the game.
        StorageFullError: The disk or quota is full.
    """
    chosen = own_folder(folder, num_mock=num_mock)
    if (chosen / MANIFEST).is_file():
        return chosen
    with DatasetWriter(chosen, kind=kind_of(package)) as writer:
        for record in _records(recorded_of(package), num_mock):
            writer.add(record.data, facts_of(record))
        writer.finish({"records": "mock" if num_mock else "embedded"})
    return chosen


def _records(recorded: RecordedGame, num_mock: int) -> Iterator[Record]:
    if num_mock:
        return recorded.mock(num_mock, MOCK_SEED)
    if recorded.embedded_records is None:
        raise ConfigError(
            "No recorded games come with this game",
            remedy="Name some with --data-dir, or try the machinery with --mock-data.",
        )
    return recorded.embedded_records()


def facts_of(record: Record) -> RecordFacts:
    """What the index keeps of a record."""
    first, second = record.lengths
    ratings = (max(record.ratings[0], -1), max(record.ratings[1], -1))
    return RecordFacts(lengths=(first, second), ratings=ratings, day=max(record.day, -1), group=record.group)
