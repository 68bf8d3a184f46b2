"""Learning from records reaches what is known to be best, on packed rows of the recorded toy."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from gamefleet.experience.dataset import Dataset
from gamefleet.experience.dataset_format import RecordFacts
from gamefleet.experience.dataset_writer import DatasetWriter
from gamefleet.experience.loader import Loader
from gamefleet.experience.loader_pool import LoaderSettings
from gamefleet.experience.packing import PackingSettings
from gamefleet.experience.selection import Selection, choose
from gamefleet.learners.sequence import UPDATE_SUMS, SequenceLearner, counts
from gamefleet.learners.sequence_batch import row_batch
from gamefleet.learners.sequence_metrics import learning_row
from gamefleet.learners.sequence_settings import Objective, SequenceSettings
from gamefleet.testing.toys import recorded

BATCH = 256
ROW = 32


@pytest.fixture
def loader(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Loader]:
    records = {"plain": recorded.mock, "hidden": recorded.mock_hidden}[request.param]
    with DatasetWriter(tmp_path, kind="toy") as writer:
        for record in records(300, 0):
            lengths = (record.lengths[0], record.lengths[1])
            writer.add(record.data, RecordFacts(lengths=lengths, day=record.day, group=record.group))
        writer.finish({})
    dataset = Dataset(tmp_path)
    with Loader(
        dataset,
        choose(dataset, Selection()),
        recorded.read_view,
        packing=PackingSettings(row_decisions=ROW, rows_per_step=BATCH // ROW, window_trajectories=256),
        settings=LoaderSettings(num_workers=0),
    ) as opened:
        yield opened


def trained(loader: Loader, objective: Objective, *, steps: int) -> dict[str, float]:
    """Metrics of the last tenth of a training."""
    torch.manual_seed(0)
    settings = SequenceSettings(objective=objective, learning_rate=1e-2, reference_batch_size=BATCH)
    learner = SequenceLearner(recorded.make_network({}), settings, batch_size=BATCH, total_steps=steps)
    for step, packed in zip(range(steps), loader, strict=False):
        if step == steps - steps // 10:
            learner.take_sums()
        batch = row_batch(packed.arrays, packed.segment, packed.position, device=torch.device("cpu"))
        learner.update([batch], torch.from_numpy(counts([packed.arrays], [packed.segment])))
    assert learner.check() == (1.0, 0)
    return learning_row(dict(zip(UPDATE_SUMS, learner.take_sums().tolist(), strict=True)))


@pytest.mark.parametrize("loader", ["plain"], indirect=True)
def test_imitation_finds_every_action_and_foresees_every_winner(loader: Loader) -> None:
    row = trained(loader, "imitation", steps=100)

    assert row["policy/accuracy"] > 0.99
    assert row["policy/loss"] < 0.05
    assert row["value/accuracy"] > 0.99
    assert row["policy/weight"] == 1.0
    assert row["policy/impossible_share"] == 0.0


@pytest.mark.parametrize("loader", ["hidden"], indirect=True)
def test_imitation_of_winners_and_losers_alike_is_right_half_of_the_time(loader: Loader) -> None:
    row = trained(loader, "imitation", steps=100)

    assert 0.4 < row["policy/accuracy"] < 0.85
    assert row["policy/loss"] > 0.3


@pytest.mark.parametrize("loader", ["hidden"], indirect=True)
@pytest.mark.parametrize("objective", ["binary", "exp"])
def test_what_went_better_than_expected_is_learned_and_not_its_opposite(loader: Loader, objective: Objective) -> None:
    row = trained(loader, objective, steps=150)

    # Half of the actions are the winners': exactly those are done, and nothing of what the losers did.
    assert 0.45 < row["policy/accuracy"] < 0.55
    assert row["policy/entropy"] < 0.4
    assert row["policy/loss"] < (0.05 if objective == "binary" else 0.6)
