"""What a run on recorded play is about to learn from, and with which network, before anything is written.

Job: find out what settings would only be refused for once ranks have met, or jobs have waited in a queue. Place in the
data flow: settings -> a sentence for people, or an error. Left out: batches (`sequence.data`), the cluster.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from gamefleet.errors import ConfigError, nearest
from gamefleet.experience.dataset_format import MANIFEST
from gamefleet.experience.selection import NothingChosenError
from gamefleet.games.base import GamePackage
from gamefleet.topologies.recorded.data import dataset_folder, own_dataset, own_folder, recorded_of
from gamefleet.topologies.sequence.data import open_corpus
from gamefleet.topologies.sequence.settings import DataSettings

AUTO = "auto"


def check_size(package: GamePackage, size: str) -> None:
    """Refuse a size of network that the game does not have.

    Raises:
        ConfigError: Names those that it has.
    """
    sizes = recorded_of(package).sizes
    if size != AUTO and size not in sizes:
        raise ConfigError(
            "There is no such size", value=size, where="network.size (--size)", remedy=nearest(size, sizes)
        )


def network_in_words(size: str) -> str:
    """Which network it is."""
    return "200M on a GPU, tiny on a CPU" if size == AUTO else size


def data_in_words(package: GamePackage, settings: DataSettings, run_folder: Path) -> str:
    """Where the records are from, and how much of them will be learned from.

    Args:
        package: The game.
        settings: What is chosen.
        run_folder: Of the run; what comes with the game is there once it has begun.

    Raises:
        ConfigError: There are no records, or nothing fits what is chosen.
        DatasetError: They are damaged, or of another game or version.
    """
    if settings.folder and not settings.mock:
        folder = dataset_folder(settings.folder)
        return f"{amount(package, folder, settings)} in {folder}"
    num_mock = settings.mock_records if settings.mock else 0
    if num_mock and not is_selected(settings):
        return f"{num_mock:,} invented records"
    there = own_folder(run_folder, num_mock=num_mock)
    if (there / MANIFEST).is_file():
        said = amount(package, there, settings)
    else:
        said = amount_of_own(package, settings, num_mock)
    return f"{said}, invented ones" if num_mock else f"{said}, those that come with gamefleet; --data-dir names others"


def amount_of_own(package: GamePackage, settings: DataSettings, num_mock: int) -> str:
    """What a run would write into its folder; raises as `data_in_words`."""
    with tempfile.TemporaryDirectory() as place:
        try:
            return amount(package, own_dataset(package, Path(place), num_mock=num_mock), settings)
        except NothingChosenError as error:
            raise ConfigError(error.what, where="the records that come with gamefleet", remedy=error.remedy) from error


def is_selected(settings: DataSettings) -> bool:
    """Whether it is possible that nothing is left to learn from."""
    return bool(
        settings.folder
        or settings.min_rating
        or settings.groups
        or settings.since_day
        or settings.until_day
        or settings.max_samples
    )


def amount(package: GamePackage, folder: Path, settings: DataSettings) -> str:
    """How many records a dataset has, and how many decisions will be learned from; raises as `data_in_words`."""
    corpus = open_corpus(package, folder, settings)
    try:
        return f"{corpus.chosen.num_decisions:,} decisions of {len(corpus.dataset):,} records"
    finally:
        corpus.dataset.close()
