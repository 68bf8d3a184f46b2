"""The replay player is told what a network thinks of each decision."""

import numpy as np
import pytest

from gamefleet.games.showdown import RECORDED
from gamefleet.games.showdown.replays.trace import unpack


def test_a_record_is_described_with_a_network_s_opinion_of_every_decision() -> None:
    assert RECORDED.describe is not None
    assert RECORDED.embedded_records is not None
    shape = {"size": "tiny", "layers": 1, "width": 32, "heads": 2, "feedforward": 32, "embedding_size": 8}
    record = next(RECORDED.embedded_records())

    told = RECORDED.describe(record.data, RECORDED.make_network(shape), "cpu")["battle"]

    assert len(told["frames"]) == len(unpack(record.data).rows)
    asked = [side for frame in told["frames"] for side in frame["sides"] if side["asked"]]
    assert len(asked) == sum(record.lengths)
    for side in asked:
        assert 0 <= side["policy"]["win"] <= 1
        chances = [chance for _, chance in side["policy"]["actions"]]
        assert chances == sorted(chances, reverse=True)
        assert np.sum(chances) == pytest.approx(1, abs=0.01)
