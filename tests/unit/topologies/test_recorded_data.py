"""A run finds its records where it is told, and takes no others."""

from pathlib import Path

import pytest

from gamefleet.errors import ConfigError, GamefleetError
from gamefleet.experience.dataset import Dataset
from gamefleet.experience.dataset_writer import DatasetWriter
from gamefleet.games import open_game
from gamefleet.topologies.recorded.data import dataset_folder, facts_of, kind_of, own_dataset
from gamefleet.topologies.sequence.data import open_corpus
from gamefleet.topologies.sequence.settings import DataSettings

GAME = open_game("showdown")


def test_a_folder_is_named_or_holds_what_parse_leaves_there(tmp_path: Path) -> None:
    made = own_dataset(GAME, tmp_path, num_mock=3)
    made.rename(tmp_path / "processed")

    assert dataset_folder(str(tmp_path)) == dataset_folder(str(tmp_path / "processed")) == tmp_path / "processed"


def test_a_folder_without_records_is_refused_with_the_command_that_makes_them(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gamefleet replays parse"):
        dataset_folder(str(tmp_path))


def test_a_dataset_of_one_s_own_is_written_once(tmp_path: Path) -> None:
    first = own_dataset(GAME, tmp_path, num_mock=3)
    before = (first / "MANIFEST.json").stat().st_mtime_ns

    assert own_dataset(GAME, tmp_path, num_mock=3) == first
    assert (first / "MANIFEST.json").stat().st_mtime_ns == before
    assert len(Dataset(first, kind=kind_of(GAME))) == 3


def test_a_dataset_of_another_game_or_version_is_refused(tmp_path: Path) -> None:
    assert GAME.recorded is not None
    with DatasetWriter(tmp_path, kind="checkers 3") as writer:
        for record in GAME.recorded.mock(2, 0):
            writer.add(record.data, facts_of(record))
        writer.finish({})

    with pytest.raises(GamefleetError, match="checkers 3"):
        open_corpus(GAME, tmp_path, DataSettings())


def test_so_few_records_that_none_can_be_set_aside_are_all_learned_from(tmp_path: Path) -> None:
    corpus = open_corpus(GAME, own_dataset(GAME, tmp_path, num_mock=10), DataSettings(holdout_every=50))

    assert corpus.aside is None
    assert len(corpus.chosen) == 20


def test_every_so_many_th_of_the_chosen_records_is_set_aside(tmp_path: Path) -> None:
    corpus = open_corpus(GAME, own_dataset(GAME, tmp_path, num_mock=10), DataSettings(holdout_every=5))

    assert corpus.aside is not None
    assert (len(corpus.aside), len(corpus.chosen)) == (4, 16)
    assert not set(corpus.aside.record.tolist()) & set(corpus.chosen.record.tolist())
