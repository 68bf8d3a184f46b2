import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gamefleet.models.rescaling import EPSILON, rescale, unscale


def h(x: float) -> float:
    return math.copysign(1.0, x) * (math.sqrt(abs(x) + 1.0) - 1.0) + EPSILON * x


def h_inverse_as_published(y: float) -> float:
    root = math.sqrt(1.0 + 4.0 * EPSILON * (abs(y) + 1.0 + EPSILON))
    return math.copysign(1.0, y) * (((root - 1.0) / (2.0 * EPSILON)) ** 2 - 1.0)


@given(st.floats(-1e6, 1e6))
def test_rescale_is_the_published_formula(x: float) -> None:
    assert float(rescale(torch.tensor([x], dtype=torch.float64))) == pytest.approx(h(x), rel=1e-9, abs=1e-12)


@given(st.floats(-1e3, 1e3))
def test_unscale_is_the_published_inverse(y: float) -> None:
    wanted = h_inverse_as_published(y)
    assert float(unscale(torch.tensor([y], dtype=torch.float64))) == pytest.approx(wanted, rel=1e-6, abs=1e-8)


@given(st.floats(-1e6, 1e6))
def test_unscale_undoes_rescale_in_single_precision(x: float) -> None:
    there = rescale(torch.tensor([x], dtype=torch.float32))
    assert float(unscale(there)) == pytest.approx(x, rel=1e-5, abs=1e-20)


def test_rescaling_keeps_the_order_and_the_sign() -> None:
    x = torch.linspace(-100, 100, 2001)
    y = rescale(x)
    assert (y.diff() > 0).all()
    assert (torch.sign(y) == torch.sign(x)).all()
    assert float(rescale(torch.zeros(1))) == 0.0


def test_known_values() -> None:
    np.testing.assert_allclose(rescale(torch.tensor([3.0, -8.0])), [1.003, -2.008], rtol=1e-6)
