"""A game may say how much its outcome counts as a target of each decision."""

import math

import numpy as np
import pytest
import torch

from gamefleet.learners.sequence_batch import OUTCOME_WEIGHT, row_batch
from gamefleet.learners.sequence_losses import sequence_losses
from gamefleet.learners.sequence_settings import SequenceSettings
from gamefleet.models.decoder import SequenceOutput

SEGMENT = np.array([[1, 1, 1, 0]], np.int32)


def test_the_value_learns_less_where_the_outcome_counts_less_and_nothing_else_changes() -> None:
    arrays = {
        "action": np.array([[0, 1, 2, 0]], np.int16),
        "outcome": np.ones((1, 4), np.float32),
    }
    weight = np.array([[1.0, 0.5, 0.0, 1.0]], np.float32)
    value = torch.zeros(1, 4, requires_grad=True)
    output = SequenceOutput(logits=torch.zeros(1, 4, 4), value=value)
    batches = [
        row_batch(content, SEGMENT, np.zeros_like(SEGMENT), device=torch.device("cpu"))
        for content in (arrays, arrays | {OUTCOME_WEIGHT: weight})
    ]

    plain, weighted = (sequence_losses(output, batch, SequenceSettings()) for batch in batches)
    torch.autograd.backward(weighted["value_loss"])

    assert plain["value_loss"].item() == pytest.approx(3 * math.log(2))
    assert weighted["value_loss"].item() == pytest.approx(1.5 * math.log(2))
    assert value.grad is not None
    np.testing.assert_allclose(value.grad.numpy(), [[-0.5, -0.25, 0, 0]])
    for name in ("policy_loss", "decisions", "labels", "forecast"):
        assert plain[name].item() == weighted[name].item()
