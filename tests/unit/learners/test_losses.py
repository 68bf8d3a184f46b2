import numpy as np
import pytest
import torch

from gamefleet.learners.losses import (
    chosen_values,
    double_q_values,
    importance_weights,
    squared_loss,
    window_priorities,
)
from gamefleet.models.rescaling import unscale


def test_the_online_network_chooses_and_the_target_network_values() -> None:
    online = torch.tensor([[[[1.0, 3.0, 2.0]]]])
    target = torch.tensor([[[[9.0, -1.0, 5.0]]]])
    torch.testing.assert_close(double_q_values(online, target), unscale(torch.tensor([[[-1.0]]])))


def test_each_head_chooses_with_its_own_values() -> None:
    online = torch.tensor([[[[1.0, 0.0], [0.0, 1.0]]]])
    target = torch.tensor([[[[0.5, 7.0], [7.0, 0.25]]]])
    torch.testing.assert_close(double_q_values(online, target), unscale(torch.tensor([[[0.5, 0.25]]])))


def test_values_of_taken_actions_are_picked_from_every_head() -> None:
    q = torch.arange(24.0).view(2, 2, 2, 3)
    action = torch.tensor([[0, 1], [2, 0]])
    assert chosen_values(q, action).tolist() == [[[0, 3], [7, 10]], [[14, 17], [18, 21]]]


def test_the_loss_sums_over_time_and_averages_over_sequences() -> None:
    errors = torch.tensor([[[1.0], [2.0]], [[0.0], [3.0]]])
    assert squared_loss(errors, torch.tensor([1.0, 1.0])).tolist() == [0.5 * (1 + 4 + 9) / 2]
    assert squared_loss(errors, torch.tensor([1.0, 0.5])).tolist() == [0.5 * (1 + 4 + 4.5) / 2]


def test_a_priority_is_nine_tenths_of_the_largest_and_one_tenth_of_the_mean_error() -> None:
    sizes = torch.tensor([[1.0, 3.0, 5.0, 100.0]])
    is_trained = torch.tensor([[True, True, True, False]])
    priority = window_priorities(sizes, is_trained, 0.9)
    assert priority.tolist() == pytest.approx([0.9 * 5 + 0.1 * 3])


def test_windows_with_nothing_to_learn_or_broken_numbers_have_no_priority() -> None:
    sizes = torch.tensor([[1.0, 1.0], [float("nan"), 1.0], [float("inf"), 1.0]])
    is_trained = torch.tensor([[False, False], [True, True], [True, True]])
    assert window_priorities(sizes, is_trained, 0.9).tolist() == [0.0, 0.0, 0.0]


def test_importance_weights_undo_the_sampling() -> None:
    probability = torch.tensor([0.1, 0.2, 0.4], dtype=torch.float64)
    np.testing.assert_allclose(importance_weights(probability, 10, 1.0), [1.0, 0.5, 0.25])
    np.testing.assert_allclose(importance_weights(probability, 10, 0.5), [1.0, 0.5**0.5, 0.5])
    assert importance_weights(probability, 10, 0.0).tolist() == [1.0, 1.0, 1.0]


def test_the_online_network_chooses_among_legal_actions() -> None:
    online = torch.tensor([[[[1.0, 3.0, 2.0]]]])
    target = torch.tensor([[[[0.1, 0.2, 0.3]]]])
    legal = torch.tensor([[[True, False, True]]])
    torch.testing.assert_close(double_q_values(online, target, legal), unscale(torch.tensor([[[0.3]]])))
    assert torch.isfinite(double_q_values(online, target, torch.zeros_like(legal))).all()
