"""Settings of runs on recorded play: the guide's defaults, the same errors as everywhere, constant global batches."""

from dataclasses import replace

import pytest

from gamefleet.errors import ConfigError
from gamefleet.testing.toys import recorded
from gamefleet.topologies.config import ask
from gamefleet.topologies.ddp_build import settled
from gamefleet.topologies.ddp_ranks import Place
from gamefleet.topologies.sequence_config import SequenceConfig, make_sequence_config
from gamefleet.topologies.sequence_data import divide


def config(**sections: object) -> SequenceConfig:
    return make_sequence_config(recorded.PACKAGE, dict(sections))


def test_defaults_are_those_of_the_guide() -> None:
    found = config()

    assert found.run.total_steps == 200_000
    assert found.run.checkpoint_interval_s == 15 * 60
    assert found.learner.learning_rate == 3e-4
    assert found.trainer.batch_size_per_gpu == 256


def test_resolved_settings_make_an_equal_configuration() -> None:
    found = config(data={"groups": ["gen9ou"], "min_rating": 1500}, learner={"objective": "exp"})

    assert make_sequence_config(recorded.PACKAGE, found.resolved()) == found


def test_an_unknown_name_is_answered_with_the_nearest_and_its_place() -> None:
    with pytest.raises(ConfigError, match=r"trainer.batch_size_per_gpo.*--set.*batch_size_per_gpu"):
        make_sequence_config(recorded.PACKAGE, ask(file=None, assignments=["trainer.batch_size_per_gpo=1"], flags={}))
    with pytest.raises(ConfigError, match=r"actors.*data"):
        config(actors={"num_envs": 1})


@pytest.mark.parametrize(("world", "per_rank"), [(1, 4), (2, 2), (4, 1), (8, 1), (16, 1)])
def test_the_global_batch_stays_the_same_on_other_numbers_of_ranks(world: int, per_rank: int) -> None:
    first = settled(config(run={"device": "cpu"}), Place(world=4))

    assert first.trainer.global_batch_size == 1024
    batches = divide(first, world)
    assert (batches.global_size, batches.rows_per_step, batches.per_rank) == (1024, 16, per_rank)
    assert settled(first, Place(world=world)) == first


def test_a_number_of_ranks_that_cannot_share_is_refused_with_those_that_can() -> None:
    first = settled(config(run={"device": "cpu"}), Place(world=4))

    with pytest.raises(ConfigError, match=r"3 ranks cannot share the 16 rows.*one of 1, 2, 4, 8, 16 ranks"):
        divide(first, 3)


def test_batches_are_made_of_whole_rows() -> None:
    with pytest.raises(ConfigError, match=r"multiple of data\.row_decisions = 64"):
        divide(config(trainer={"batch_size_per_gpu": 100}), 1)


def test_auto_becomes_a_size_when_a_run_starts() -> None:
    found = config(run={"device": "cpu"})

    assert settled(found, Place()).network.size == "tiny"
    assert settled(replace(found, network=replace(found.network, size="15M")), Place()).network.size == "15M"
