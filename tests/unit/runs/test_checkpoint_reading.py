"""Whoever reads a run that trains meanwhile reads a checkpoint that is there."""

from pathlib import Path

import numpy as np
import pytest

from gamefleet.errors import CheckpointError, CorruptCheckpointError
from gamefleet.runs.checkpoint import CheckpointStore
from gamefleet.runs.checkpoint_reading import MOST_TRIES, open_checkpoint, read_found
from gamefleet.runs.paths import RunPaths


def save(store: CheckpointStore, step: int) -> None:
    store.save(step, {"model": {"weight": np.full(3, step, np.float32)}})


def weight(folder: Path) -> float:
    return float(open_checkpoint(folder).part("model")["weight"][0])


@pytest.mark.parametrize("meant", ["run", "checkpoints"])
def test_a_checkpoint_that_goes_while_it_is_read_is_followed_by_the_newest(
    store: CheckpointStore, paths: RunPaths, meant: str
) -> None:
    save(store, 1)
    asked: list[str] = []

    def read(folder: Path) -> float:
        asked.append(folder.name)
        if len(asked) == 1:  # the run saves as often as it keeps, and forgets this one
            for step in (2, 3, 4):
                save(store, step)
        return weight(folder)

    assert read_found(paths.root if meant == "run" else paths.checkpoints, read) == 4.0
    assert asked == ["step-000000001", "step-000000004"]


def test_a_checkpoint_that_stays_and_is_damaged_is_read_once(store: CheckpointStore, paths: RunPaths) -> None:
    save(store, 1)
    asked: list[Path] = []

    def read(folder: Path) -> float:
        asked.append(folder)
        raise CorruptCheckpointError("It is torn", where=folder)

    with pytest.raises(CorruptCheckpointError, match="It is torn"):
        read_found(paths.root, read)
    assert len(asked) == 1


def test_a_checkpoint_that_was_named_and_is_gone_is_not_replaced_by_another(
    store: CheckpointStore, paths: RunPaths
) -> None:
    for step in (1, 2, 3, 4):
        save(store, step)

    with pytest.raises(CheckpointError, match="There is no checkpoint here"):
        read_found(paths.checkpoint(1), weight)


def test_a_run_that_saves_faster_than_it_can_be_read_ends_the_reading(store: CheckpointStore, paths: RunPaths) -> None:
    save(store, 1)
    asked: list[Path] = []

    def read(folder: Path) -> float:
        asked.append(folder)
        newest = 10 * len(asked)
        for step in (newest, newest + 1, newest + 2):
            save(store, step)
        return weight(folder)

    with pytest.raises(CorruptCheckpointError):
        read_found(paths.root, read)
    assert len(asked) == MOST_TRIES
