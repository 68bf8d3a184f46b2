"""Records on disk as an endless sequence of steps, the same for any number of ranks.

Job: find or make the dataset, choose from it, and open the loader of a rank. Place in the data flow: settings and a
game's package -> packed batches of a step. Left out: how rows are packed and read (`experience`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gamefleet.errors import ConfigError
from gamefleet.experience.dataset import Dataset
from gamefleet.experience.loader import Loader, PackedBatch, Share
from gamefleet.experience.loader_pool import LoaderSettings
from gamefleet.experience.packing import Cursor, PackingSettings, largest_slice
from gamefleet.experience.selection import NothingChosenError, Selection, Trajectories, choose
from gamefleet.games.base import GamePackage
from gamefleet.topologies.ddp.ranks import Place
from gamefleet.topologies.recorded.data import dataset_folder, kind_of, own_dataset, recorded_of
from gamefleet.topologies.sequence.config import SequenceConfig
from gamefleet.topologies.sequence.settings import DataSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """How a step's decisions are divided.

    Args:
        global_size: Decisions per step, over all ranks.
        row_decisions: Decision places in a row.
        per_rank: Micro-batches of each rank, the same number at all of them: they exchange gradients after the last.
    """

    global_size: int
    row_decisions: int
    per_rank: int

    @property
    def rows_per_step(self) -> int:
        """Rows that all ranks together learn from in a step."""
        return self.global_size // self.row_decisions

    def rows_per_batch(self, world: int) -> int:
        """Rows of a micro-batch on so many ranks; some are empty where a step's rows do not divide evenly."""
        return largest_slice(self.rows_per_step, world * self.per_rank)

    def describe(self, world: int) -> str:
        """The division, for people."""
        rows, parts = self.rows_per_step, world * self.per_rank
        each = self.rows_per_batch(world) * self.row_decisions
        times = f" in {self.per_rank} micro-batches" if self.per_rank > 1 else ""
        said = f"{self.global_size:,} decisions per step = {world} ranks x "
        if rows % parts == 0:
            return f"{said}{each * self.per_rank:,}{times} of {each:,}"
        most = largest_slice(rows, world) * self.row_decisions
        idle = f"; {world - rows} of them without work, as a step is {rows} rows" if world > rows else ""
        return f"{said}up to {most:,}{times} of up to {each:,}{idle}"


def divide(config: SequenceConfig, world: int) -> Batches:
    """Divide the global batch among ranks and micro-batches; any number of ranks can share it.

    Args:
        config: All settings; `trainer.global_batch_size` is set once a run has begun.
        world: Number of ranks.

    Raises:
        ConfigError: The batch is not made of whole rows.
    """
    row, most = config.data.row_decisions, config.trainer.batch_size_per_gpu
    size = config.trainer.global_batch_size or world * most
    is_begun = bool(config.trainer.global_batch_size)
    if size % row or most < row or (most % row and not is_begun):
        name = "global_batch_size" if is_begun and size % row else "batch_size_per_gpu"
        raise ConfigError(
            f"Batches are made of whole rows of {row} decisions",
            value=size if name == "global_batch_size" else most,
            where=f"trainer.{name}",
            remedy=f"Choose a multiple of data.row_decisions = {row}.",
        )
    per_rank = -(-largest_slice(size // row, world) // (most // row))
    return Batches(global_size=size, row_decisions=row, per_rank=per_rank)


def prepare(package: GamePackage, settings: DataSettings, run_folder: Path) -> Path:
    """The dataset's folder; records that come with the game, or mock ones, are written into the run's first.

    Raises:
        ConfigError: The folder holds none.
    """
    if settings.folder and not settings.mock:
        return dataset_folder(settings.folder)
    return own_dataset(package, run_folder, num_mock=settings.mock_records if settings.mock else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """A dataset and what was chosen of it.

    Args:
        dataset: On disk.
        chosen: To learn from.
        aside: For evaluation, None when nothing was set aside.
    """

    dataset: Dataset
    chosen: Trajectories
    aside: Trajectories | None

    def describe(self) -> str:
        """For people."""
        aside = f", {self.aside.num_decisions:,} more set aside" if self.aside else ""
        return (
            f"{self.chosen.num_decisions:,} decisions in {len(self.chosen):,} trajectories of {len(self.dataset):,} "
            f"records in {self.dataset.folder}{aside}"
        )


def open_corpus(package: GamePackage, folder: Path, settings: DataSettings) -> Corpus:
    """Open a dataset and choose from it.

    Raises:
        DatasetError: It is not there, damaged, or of another game or version.
        ConfigError: Nothing fits what is chosen.
    """
    dataset = Dataset(folder, kind=kind_of(package))
    selection = Selection(
        min_rating=settings.min_rating,
        groups=settings.groups,
        since_day=settings.since_day,
        until_day=settings.until_day,
        max_samples=settings.max_samples,
    )
    parts, aside = settings.holdout_every, None
    if parts:
        with suppress(NothingChosenError):  # too few to set any aside
            aside = choose(dataset, selection, holdout=(1, parts))
    return Corpus(dataset=dataset, chosen=choose(dataset, selection, holdout=(0, parts)), aside=aside)


@contextmanager
def open_loader(
    corpus: Corpus,
    package: GamePackage,
    config: SequenceConfig,
    *,
    place: Place,
    batches: Batches,
    cursor: Cursor | None,
) -> Iterator[Loader]:
    """The loader of a rank; it goes on at the cursor."""
    with Loader(
        corpus.dataset,
        corpus.chosen,
        recorded_of(package).read_view,
        packing=packing_of(config, batches),
        share=share_of(place, batches),
        settings=LoaderSettings(
            num_workers=config.data.workers,
            prefetch_batches=config.data.prefetch_batches,
            hang_timeout_s=config.trainer.hang_timeout_s,
        ),
        cursor=cursor,
    ) as loader:
        yield loader


def share_of(place: Place, batches: Batches) -> Share:
    """Which part of a step is a rank's."""
    return Share(rank=place.rank, world=place.world, batches_per_step=batches.per_rank)


def packing_of(config: SequenceConfig, batches: Batches) -> PackingSettings:
    """What the sequence of rows depends on."""
    return PackingSettings(
        row_decisions=config.data.row_decisions,
        rows_per_step=batches.rows_per_step,
        window_trajectories=config.data.window_trajectories,
        seed=config.run.seed,
    )


def step_batches(loader: Loader) -> list[PackedBatch]:
    """This rank's micro-batches of the next step."""
    taken = [next(loader)]
    while not taken[-1].ends_step:
        taken.append(next(loader))
    return taken
