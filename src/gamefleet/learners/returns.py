"""n-step targets over windows that may hold episode boundaries, for episodic and for non-episodic heads.

Job: from rewards, boundary marks and bootstrap values to one target per trained slot. Place in the data flow: called by
`ValueLearner` between the target network and the loss. Left out: value rescaling and the choice of bootstrap action.

Axes: `batch`, `time` (unroll and look-ahead, without burn-in), `trained` (= time - num_steps).

Time convention: a slot with `is_last` holds an episode's final observation; its action and reward mean nothing, so it
is a place to bootstrap from and never a place to learn at.
"""
# ruff: noqa: F722 - axis names inside shape annotations are not Python expressions

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def episodic_targets(
    reward: Float[Tensor, "batch time"],
    value: Float[Tensor, "batch time"],
    is_last: Bool[Tensor, "batch time"],
    *,
    is_terminal: Bool[Tensor, "batch time"],
    num_steps: int,
    discount: float,
) -> Float[Tensor, "batch trained"]:
    """Sum of up to `num_steps` discounted rewards, then a bootstrap, cut where the episode ends.

    A return that meets the episode's last slot after m < num_steps rewards bootstraps there with discount^m, unless the
    slot is terminal: then what follows is worth zero.

    Args:
        reward: Caused by each slot's action.
        value: Bootstrap value of each slot, in units of reward.
        is_last: Last slots of episodes.
        is_terminal: Last slots whose value is zero.
        num_steps: Rewards per return.
        discount: Per step.

    Returns:
        Targets of the first `time - num_steps` slots; meaningless where `is_last` is set.

    Source: Sutton & Barto 2018, section 7.1; truncation as in Pardo et al. 2018, "Time Limits in RL".
    """
    num_trained = reward.shape[1] - num_steps
    bootstrap = value.masked_fill(is_terminal, 0.0)
    target = torch.zeros_like(reward[:, :num_trained])
    goes_on = torch.ones_like(is_last[:, :num_trained])
    for step in range(num_steps):
        there = slice(step, step + num_trained)
        ends = goes_on & is_last[:, there]
        goes_on = goes_on & ~is_last[:, there]
        gained = torch.where(goes_on, reward[:, there], torch.where(ends, bootstrap[:, there], 0.0))
        target = target + discount**step * gained
    return target + discount**num_steps * torch.where(goes_on, bootstrap[:, num_steps:], 0.0)


def endless_targets(
    reward: Float[Tensor, "batch time"],
    value: Float[Tensor, "batch time"],
    is_last: Bool[Tensor, "batch time"],
    *,
    num_steps: int,
    discount: float,
) -> Float[Tensor, "batch trained"]:
    """n-step targets that flow across episode ends: dying does not end curiosity.

    The step from an episode's last slot to the next episode's first one is no step of the game: it takes no time
    (discount 1) and pays nothing. So a return of `num_steps` slots that crosses k ends holds `num_steps - k` rewards.
    A bootstrap that falls on a last slot is taken from the slot after it, where that is in the window: the agent never
    acts in last slots, so their own values are never trained. Termination and truncation are the same thing here.

    Args:
        reward: Intrinsic reward of each slot's action; ignored at last slots.
        value: Bootstrap value of each slot, in units of intrinsic reward.
        is_last: Last slots of episodes.
        num_steps: Slots per return.
        discount: Per step.

    Returns:
        Targets of the first `time - num_steps` slots; meaningless where `is_last` is set.

    Source: RND (Burda et al. 2018), section 2.3: non-episodic intrinsic returns.
    """
    num_trained = reward.shape[1] - num_steps
    after = torch.cat([value[:, 1:], value[:, -1:]], dim=1)
    bootstrap = torch.where(is_last, after, value)
    gained = reward.masked_fill(is_last, 0.0)
    factor = torch.where(is_last, 1.0, discount).to(reward.dtype)
    target = torch.zeros_like(reward[:, :num_trained])
    weight = torch.ones_like(target)
    for step in range(num_steps):
        there = slice(step, step + num_trained)
        target = target + weight * gained[:, there]
        weight = weight * factor[:, there]
    return target + weight * bootstrap[:, num_steps:]
