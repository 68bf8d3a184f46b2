"""TD errors, their loss and what they are worth as replay priorities.

Job: the small formulas between Q-values and numbers to minimise or to sample by. Place in the data flow: inside
`ValueLearner.update`. Left out: networks, returns (`returns`) and everything with state.

Axes: `batch`, `time`, `heads`, `actions`.
"""
# ruff: noqa: F722 - axis names inside shape annotations are not Python expressions

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from gamefleet.models.rescaling import unscale


def double_q_values(
    online: Float[Tensor, "batch time heads actions"],
    target: Float[Tensor, "batch time heads actions"],
    legal: Bool[Tensor, "batch time actions"] | None = None,
) -> Float[Tensor, "batch time heads"]:
    """Bootstrap values: the online network chooses the action, the target network says what it is worth.

    Each head chooses with its own values. The alternative, one choice from the mixed values for both heads, would make
    each head the value of the behaviour; this makes it the best of its own reward, so that the extrinsic head stays a
    pure answer to the game and can be evaluated without curiosity, and a change of the weight invalidates nothing.

    Args:
        online: Squashed values of the online network.
        target: Squashed values of the target network.
        legal: Actions to choose from; all when None. Where none is legal, which a game only says where nothing follows,
            the value means nothing.

    Returns:
        Values in units of reward.

    Source: van Hasselt et al. 2016, equation 4; one argmax per head as in Agent57 (Badia et al. 2020), section 3.1.
    """
    if legal is not None:
        online = online.masked_fill(~legal.unsqueeze(-2), -torch.inf)
    best = online.argmax(dim=-1, keepdim=True)
    return unscale(target.gather(-1, best).squeeze(-1))


def chosen_values(
    q: Float[Tensor, "batch time heads actions"], action: Int64[Tensor, "batch time"]
) -> Float[Tensor, "batch time heads"]:
    """Each head's value of the action that was taken."""
    index = action[:, :, None, None].expand(-1, -1, q.shape[2], 1)
    return q.gather(-1, index).squeeze(-1)


def squared_loss(
    errors: Float[Tensor, "batch time heads"], weights: Float[Tensor, " batch"]
) -> Float[Tensor, " heads"]:
    """Half the squared errors, summed over time and averaged over sequences, one number per head.

    The sum over time is R2D2's: with Adam's large epsilon the size of the gradient matters, and the published step
    size and epsilon belong to it.

    Args:
        errors: TD errors, zero where nothing is to be learned.
        weights: Importance weight of each sequence.

    Source: R2D2 (Kapturowski et al. 2019); the sum as in dqn_zoo's r2d2 agent.
    """
    return 0.5 * torch.einsum("bth,b->h", errors.square(), weights) / errors.shape[0]


def weighted_mean(losses: Float[Tensor, "batch time"], weights: Float[Tensor, " batch"]) -> Float[Tensor, ""]:
    """Losses summed over time and averaged over sequences, as `squared_loss` does.

    Args:
        losses: Zero where nothing is to be learned.
        weights: Importance weight of each sequence.
    """
    return torch.einsum("bt,b->", losses, weights) / losses.shape[0]


def window_priorities(
    sizes: Float[Tensor, "batch time"], is_trained: Bool[Tensor, "batch time"], max_share: float
) -> Float[Tensor, " batch"]:
    """Priority of each window: `max_share * max + (1 - max_share) * mean` of its |TD errors|.

    Args:
        sizes: |TD error| of each slot.
        is_trained: Slots that count; a window without any has priority 0.
        max_share: R2D2 uses 0.9, so that one surprise in a window is not averaged away.

    Returns:
        Priorities; 0 instead of what is not finite, so that a window with broken numbers is not drawn again and again.

    Source: R2D2 (Kapturowski et al. 2019), section 2.3.
    """
    counted = sizes.masked_fill(~is_trained, 0.0)
    mean = counted.sum(dim=1) / is_trained.sum(dim=1).clamp(min=1)
    mixed = max_share * counted.amax(dim=1) + (1.0 - max_share) * mean
    return torch.nan_to_num(mixed, nan=0.0, posinf=0.0)


def importance_weights(
    probability: Float64[Tensor, " batch"], num_windows: int, exponent: float
) -> Float[Tensor, " batch"]:
    """Weights that undo the bias of prioritised sampling, the largest of the batch scaled to 1.

    Args:
        probability: With which each window was drawn.
        num_windows: Windows that could have been drawn.
        exponent: 1 undoes it fully, 0 gives ones.

    Source: Schaul et al. 2016, "Prioritized Experience Replay", section 3.4.
    """
    weights = (num_windows * probability) ** -exponent
    return (weights / weights.max()).float()
