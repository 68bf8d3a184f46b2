"""Settings of runs on recorded play: the guide's defaults, the same errors as everywhere, constant global batches."""

from dataclasses import replace

import pytest

from gamefleet.errors import ConfigError
from gamefleet.testing.toys import recorded
from gamefleet.topologies.config import ask
from gamefleet.topologies.ddp.build import settled
from gamefleet.topologies.ddp.ranks import Place
from gamefleet.topologies.sequence.config import SequenceConfig, make_sequence_config
from gamefleet.topologies.sequence.data import divide


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


@pytest.mark.parametrize(("world", "per_rank"), [(1, 4), (2, 2), (3, 2), (4, 1), (5, 1), (8, 1), (16, 1), (32, 1)])
def test_the_global_batch_stays_the_same_on_other_numbers_of_ranks(world: int, per_rank: int) -> None:
    first = settled(config(run={"device": "cpu"}), Place(world=4))

    assert first.trainer.global_batch_size == 1024
    batches = divide(first, world)
    assert (batches.global_size, batches.rows_per_step, batches.per_rank) == (1024, 16, per_rank)
    assert settled(first, Place(world=world)) == first


@pytest.mark.parametrize(
    ("world", "said"),
    [
        (1, "1,024 decisions per step = 1 ranks x 1,024 in 4 micro-batches of 256"),
        (3, "1,024 decisions per step = 3 ranks x up to 384 in 2 micro-batches of up to 192"),
        (5, "1,024 decisions per step = 5 ranks x up to 256 of up to 256"),
        (16, "1,024 decisions per step = 16 ranks x 64 of 64"),
        (
            32,
            "1,024 decisions per step = 32 ranks x up to 64 of up to 64; 16 of them without work, as a step is 16 rows",
        ),
    ],
)
def test_how_a_batch_is_shared_is_told_on_any_number_of_ranks(world: int, said: str) -> None:
    first = settled(config(run={"device": "cpu"}), Place(world=4))

    assert divide(first, world).describe(world).startswith(said)


@pytest.mark.parametrize("most", [64, 128, 192, 256, 640])
def test_every_rank_makes_as_few_passes_as_its_share_needs(most: int) -> None:
    first = settled(config(run={"device": "cpu"}), Place(world=4))
    now = replace(first, trainer=replace(first.trainer, batch_size_per_gpu=most))

    for world in range(1, 40):
        batches = divide(now, world)
        assert batches.rows_per_batch(world) * 64 <= most
        assert (batches.per_rank - 1) * most < -(-16 // world) * 64


@pytest.mark.parametrize("world", [1, 16])
def test_batches_are_made_of_whole_rows(world: int) -> None:
    with pytest.raises(ConfigError, match=r"100 \(trainer\.batch_size_per_gpu\).*multiple of data\.row_decisions = 64"):
        divide(config(trainer={"batch_size_per_gpu": 100}), world)
    with pytest.raises(ConfigError, match=r"100 \(trainer\.global_batch_size\).*multiple of data\.row_decisions = 64"):
        divide(config(trainer={"global_batch_size": 100}), world)


def test_auto_becomes_a_size_when_a_run_starts() -> None:
    found = config(run={"device": "cpu"})

    assert settled(found, Place()).network.size == "tiny"
    assert settled(replace(found, network=replace(found.network, size="15M")), Place()).network.size == "15M"
