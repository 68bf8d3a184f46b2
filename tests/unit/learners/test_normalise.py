import numpy as np
import torch

from gamefleet.learners.normalise import Moments


def test_moments_of_batches_are_the_moments_of_everything() -> None:
    rows = np.random.default_rng(0).normal(3.0, [1.0, 10.0], size=(100, 2)).astype(np.float32)
    moments = Moments.empty(2, torch.device("cpu"))
    for part in np.split(rows, [1, 10, 60]):
        moments = moments.including(torch.from_numpy(part))
    np.testing.assert_allclose(moments.mean, rows.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(moments.std, rows.std(axis=0), rtol=1e-5)
    assert moments.count == 100


def test_before_anything_was_seen_whitening_changes_nothing() -> None:
    moments = Moments.empty(3, torch.device("cpu"))
    assert moments.mean.tolist() == [0.0, 0.0, 0.0]
    assert moments.std.tolist() == [1.0, 1.0, 1.0]


def test_moments_go_on_exactly_after_a_restart() -> None:
    moments = Moments.empty(2, torch.device("cpu")).including(torch.randn(7, 2))
    again = Moments.from_state(moments.export_state(), torch.device("cpu"))
    more = torch.randn(5, 2)
    assert torch.equal(moments.including(more).std, again.including(more).std)
