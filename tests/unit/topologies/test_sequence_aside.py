"""Evaluations look at the same decisions on any number of ranks, at none twice; jumps of the learning rate are told."""

from pathlib import Path

import pytest

from gamefleet.testing.toys import recorded
from gamefleet.topologies.ddp.ranks import Place
from gamefleet.topologies.sequence.aside import aside_batches
from gamefleet.topologies.sequence.config import SequenceConfig, make_sequence_config, rate_jump
from gamefleet.topologies.sequence.data import divide, open_corpus, prepare

PACKAGE = recorded.PACKAGE


def config(*, batches: int) -> SequenceConfig:
    data = {"mock": True, "mock_records": 200, "holdout_every": 5, "row_decisions": 32, "window_trajectories": 30}
    trainer = {"batch_size_per_gpu": 64, "global_batch_size": 256}
    return make_sequence_config(PACKAGE, {"data": data, "trainer": trainer, "evaluation": {"batches": batches}})


def looked_at(folder: Path, settings: SequenceConfig, world: int) -> list[tuple[int, ...]]:
    """Record, view, first decision and length of each piece that any rank examines."""
    corpus = open_corpus(PACKAGE, prepare(PACKAGE, settings.data, folder), settings.data)
    batches, found, places = divide(settings, world), [], 0
    rows = batches.rows_per_batch(world)
    for rank in range(world):
        for batch in aside_batches(corpus, PACKAGE, settings, place=Place(rank=rank, world=world), batches=batches):
            found += [tuple(piece[:4]) for piece in batch.pieces.tolist()]
            places += int((batch.segment > 0).sum())
            assert batch.segment.shape == (rows, 32)
    assert places == sum(piece[3] for piece in found)
    return sorted(found)


@pytest.mark.parametrize("batches", [1, 3, 1000])
def test_every_number_of_ranks_looks_at_the_same_decisions_once(tmp_path: Path, batches: int) -> None:
    settings = config(batches=batches)
    alone = looked_at(tmp_path, settings, 1)

    assert len(set(alone)) == len(alone)
    assert all(looked_at(tmp_path, settings, world) == alone for world in (2, 3, 4, 5, 8, 11))


def test_more_than_there_is_means_all_of_it(tmp_path: Path) -> None:
    settings = config(batches=1000)
    corpus = open_corpus(PACKAGE, prepare(PACKAGE, settings.data, tmp_path), settings.data)
    assert corpus.aside is not None

    assert sum(piece[3] for piece in looked_at(tmp_path, settings, 2)) == corpus.aside.num_decisions


def test_another_length_of_a_run_that_moves_its_learning_rate_is_told() -> None:
    longer = make_sequence_config(PACKAGE, {"run": {"total_steps": 2000}})
    constant = make_sequence_config(PACKAGE, {"run": {"total_steps": 2000}, "learner": {"schedule": "constant"}})
    changes = {"run.total_steps": [1000, 2000]}

    assert "jumps from 10% to 56% of its peak" in rate_jump(longer, changes, 1000)
    assert rate_jump(longer, {}, 1000) == rate_jump(constant, changes, 1000) == ""
