"""Bootstrap values of a network without memory, at no more slots than targets need.

Job: find the slot that each trained slot's return ends at, and evaluate both networks there and nowhere else. Place in
the data flow: inside `Evaluator`, instead of running both networks over whole windows. Left out: the choice between the
two ways, and targets (`returns`).

Axes: `batch`, `time` (unroll and look-ahead), `trained` (= time - num_steps), `heads`.
"""
# ruff: noqa: F722 - axis names inside shape annotations are not Python expressions

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from gamefleet.learners.losses import double_q_values
from gamefleet.learners.tensors import Inputs
from gamefleet.models.recurrent import RecurrentQNetwork


def bootstrap_slots(is_last: Bool[Tensor, "batch time"], num_steps: int) -> Int64[Tensor, "batch trained"]:
    """Where each trained slot's return ends: the first last slot of the next `num_steps`, or the slot after those.

    Args:
        is_last: Last slots of episodes.
        num_steps: Rewards per return.
    """
    num_trained = is_last.shape[1] - num_steps
    first = torch.arange(num_trained, device=is_last.device)
    slots = (first + num_steps).expand(is_last.shape[0], -1)
    for step in reversed(range(num_steps)):
        slots = torch.where(is_last[:, step : step + num_trained], first + step, slots)
    return slots


def bootstrap_values(
    online: RecurrentQNetwork, target: RecurrentQNetwork, inputs: Inputs, slots: Int64[Tensor, "batch trained"]
) -> Float[Tensor, "batch time heads"]:
    """Double-Q values at some slots, in units of reward; zero at all others.

    Args:
        online: Chooses the actions.
        target: Says what they are worth.
        inputs: Of all slots of the windows, without burn-in.
        slots: Where values are needed.
    """
    there = gathered(inputs, slots)
    with torch.no_grad():
        values = double_q_values(
            memoryless_values(online, there), memoryless_values(target, there), online.legal_actions(there.obs)
        )
    everywhere = values.new_zeros(*inputs.is_first.shape, values.shape[-1])
    return everywhere.scatter(1, slots.unsqueeze(-1).expand_as(values), values)


def memoryless_values(network: RecurrentQNetwork, inputs: Inputs) -> Float[Tensor, "batch trained heads actions"]:
    """Squashed values of slots that need not follow each other."""
    no_state = torch.zeros(inputs.is_first.shape[0], 0, device=inputs.is_first.device)
    values: Tensor = network(inputs.obs, inputs.previous_action, inputs.previous_reward, inputs.is_first, no_state)[0]
    return values.float()


def gathered(inputs: Inputs, slots: Int64[Tensor, "batch trained"]) -> Inputs:
    """The inputs of some slots of each window."""
    rows = torch.arange(slots.shape[0], device=slots.device).unsqueeze(1)
    return Inputs(
        obs={name: array[rows, slots] for name, array in inputs.obs.items()},
        previous_action=inputs.previous_action[rows, slots],
        previous_reward=inputs.previous_reward[rows, slots],
        is_first=inputs.is_first[rows, slots],
    )
