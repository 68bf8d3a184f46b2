"""The value rescaling h and its inverse.

Job: squash returns so that one network learns small and large ones without clipping rewards. Place in the data flow:
networks output h(value); the learner's targets and the mixing of heads go through the inverse. Left out: nothing else.

Source: Pohlen et al. 2018, "Observe and Look Further", Proposition A.2; epsilon as in R2D2 (Kapturowski et al. 2019).
"""
# ruff: noqa: F722 - axis names inside shape annotations are not Python expressions

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

EPSILON = 1e-3


def rescale(x: Float[Tensor, "*axes"], epsilon: float = EPSILON) -> Float[Tensor, "*axes"]:
    """h(x) = sign(x) (sqrt(|x| + 1) - 1) + epsilon x.

    Args:
        x: Values in units of reward.
        epsilon: Slope that keeps h invertible with a Lipschitz-continuous inverse.

    Returns:
        The squashed values.
    """
    # sqrt(1 + |x|) - 1 loses half its digits near zero; |x| / (sqrt(1 + |x|) + 1) is the same number without the loss.
    return x / (torch.sqrt(1.0 + x.abs()) + 1.0) + epsilon * x


def unscale(y: Float[Tensor, "*axes"], epsilon: float = EPSILON) -> Float[Tensor, "*axes"]:
    """The exact inverse of `rescale`.

    Args:
        y: Squashed values, for example a network's output.
        epsilon: As in `rescale`.

    Returns:
        Values in units of reward.
    """
    # Pohlen's form divides a difference of nearly equal numbers by 2 epsilon: in float32 it is off by 1e-4 near zero.
    # With s = sqrt(1 + |x|): epsilon s^2 + s - (1 + epsilon + |y|) = 0, so s - 1 = 2 |y| / (1 + 2 epsilon + root)
    # with root = sqrt((1 + 2 epsilon)^2 + 4 epsilon |y|), and |x| = (s - 1) (s + 1).
    size = y.abs()
    base = 1.0 + 2.0 * epsilon
    step = 2.0 * size / (base + torch.sqrt(base * base + 4.0 * epsilon * size))
    return torch.sign(y) * step * (step + 2.0)
