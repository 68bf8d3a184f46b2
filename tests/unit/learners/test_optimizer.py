import math

import pytest
import torch
from torch import nn

from gamefleet.errors import IncompatibleError
from gamefleet.learners.optimizer import ClippedAdam


def make(values: list[float]) -> tuple[nn.Parameter, ClippedAdam]:
    parameter = nn.Parameter(torch.tensor(values))
    optimizer = ClippedAdam({"x": parameter}, learning_rate=0.1, epsilon=1e-3, max_norm=5.0)
    return parameter, optimizer


def test_steps_follow_adams_formula_after_clipping() -> None:
    parameter, optimizer = make([1.0, 2.0])
    mean, square, x = [0.0, 0.0], [0.0, 0.0], [1.0, 2.0]
    for step, gradient in enumerate([[3.0, 4.0], [30.0, -40.0]], start=1):
        parameter.grad = torch.tensor(gradient)
        assert float(optimizer.clip()) == pytest.approx(math.hypot(*gradient))
        optimizer.step()
        assert parameter.grad is None
        scale = min(1.0, 5.0 / math.hypot(*gradient))
        for i in range(2):
            g = gradient[i] * scale
            mean[i] = 0.9 * mean[i] + 0.1 * g
            square[i] = 0.999 * square[i] + 0.001 * g * g
            root = math.sqrt(square[i] / (1 - 0.999**step))
            x[i] -= 0.1 * mean[i] / (1 - 0.9**step) / (root + 1e-3)
        assert parameter.tolist() == pytest.approx(x, rel=1e-5)


def test_it_goes_on_exactly_after_a_restart() -> None:
    first, optimizer = make([1.0, 2.0])
    first.grad = torch.tensor([1.0, 2.0])
    optimizer.step()
    second, other = make(first.tolist())
    other.import_state(optimizer.export_state())
    for parameter, adam in ((first, optimizer), (second, other)):
        parameter.grad = torch.tensor([-0.5, 0.5])
        adam.step()
    assert torch.equal(first, second)


def test_the_state_of_other_parameters_is_refused() -> None:
    _, optimizer = make([1.0])
    with pytest.raises(IncompatibleError):
        optimizer.import_state({"y": {}})


def test_a_share_of_the_learning_rate_makes_smaller_steps() -> None:
    moved = []
    for share in (1.0, 0.25):
        parameter = nn.Parameter(torch.zeros(3))
        optimizer = ClippedAdam({"w": parameter}, learning_rate=0.1, epsilon=1e-8, max_norm=10.0)
        parameter.grad = torch.ones(3)
        optimizer.step(share)
        moved.append(parameter.detach().clone())
    torch.testing.assert_close(moved[1], 0.25 * moved[0])
