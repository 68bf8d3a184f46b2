"""Records set aside, as the batches of one evaluation: the same decisions whatever the number of ranks.

Job: give each rank its part of an evaluation. Place in the data flow: dataset -> the trainer's evaluations. Left out:
which records are set aside (`experience.selection`), what is measured (`learners.sequence_metrics`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from gamefleet.experience.loader import Loader, PackedBatch
from gamefleet.experience.loader_pool import LoaderSettings
from gamefleet.experience.packing import Packing, PackingSettings, slice_of
from gamefleet.experience.selection import Trajectories
from gamefleet.games.base import GamePackage
from gamefleet.topologies.ddp.ranks import Place
from gamefleet.topologies.recorded.data import recorded_of
from gamefleet.topologies.sequence.config import SequenceConfig
from gamefleet.topologies.sequence.data import Batches, Corpus, packing_of, share_of, step_batches


def aside_batches(
    corpus: Corpus, package: GamePackage, config: SequenceConfig, *, place: Place, batches: Batches
) -> Iterator[PackedBatch]:
    """A rank's share of the first rows of what was set aside; all ranks together see each of them once."""
    if corpus.aside is None:
        return
    packing = packing_of(config, batches)
    wanted = rows_of(corpus.aside, packing, steps=config.evaluation.batches)
    parts = place.world * batches.per_rank
    with Loader(
        corpus.dataset,
        corpus.aside,
        recorded_of(package).read_view,
        packing=packing,
        share=share_of(place, batches),
        settings=LoaderSettings(num_workers=0),
    ) as loader:
        for first in range(0, wanted, packing.rows_per_step):
            for number, batch in enumerate(step_batches(loader)):
                begin, end = slice_of(packing.rows_per_step, place.rank * batches.per_rank + number, parts)
                if begin < end and first + begin < wanted:
                    yield with_rows(batch, wanted - first - begin)


def rows_of(aside: Trajectories, packing: PackingSettings, *, steps: int) -> int:
    """Rows of so many steps, or of one pass over what is set aside when that is less: nothing counts twice."""
    most, rows = steps * packing.rows_per_step, 0
    windows = Packing(aside, packing)
    for number in range(windows.num_windows):
        rows += windows.window(0, number).num_rows
        if rows >= most:
            return most
    return rows


def with_rows(batch: PackedBatch, count: int) -> PackedBatch:
    """A batch of the same form whose rows from `count` on are empty."""
    if count >= len(batch.segment):
        return batch
    is_kept = np.arange(len(batch.segment)) < count
    return replace(
        batch,
        segment=np.where(is_kept[:, None], batch.segment, np.int32(0)),
        pieces=batch.pieces[batch.pieces[:, 4] < count],
    )
