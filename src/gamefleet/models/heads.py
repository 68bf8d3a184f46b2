"""Q-value heads on top of a shared core.

Job: turn features into one row of action values per head. Place in the data flow: last layers of `RecurrentQNetwork`.
Left out: what the heads are trained on (`learners`).

Axes: `batch`, `time`, `features`, `heads` (0 extrinsic, 1 intrinsic), `actions`.
"""
# ruff: noqa: F722 - axis names inside shape annotations are not Python expressions

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class QHead(nn.Module):
    """Action values of one head, dueling or plain.

    Args:
        num_features: Width of the input.
        num_actions: Number of actions.
        hidden_size: Hidden units of each stream; 0 makes the head linear.
        dueling: Q = V + A - mean A instead of Q directly.

    Source: Wang et al. 2016, "Dueling Network Architectures", equation 9.
    """

    def __init__(self, num_features: int, num_actions: int, *, hidden_size: int, dueling: bool) -> None:
        super().__init__()
        num_streams = 2 if dueling else 1
        self.hidden = nn.Linear(num_features, num_streams * hidden_size) if hidden_size else None
        width = hidden_size or num_features
        self.advantage = nn.Linear(width, num_actions)
        self.value = nn.Linear(width, 1) if dueling else None

    def forward(self, features: Float[Tensor, "*axes features"]) -> Float[Tensor, "*axes actions"]:
        """Action values, squashed by `rescaling.rescale`."""
        # One matrix product for both streams is faster than two of half the width.
        streams = features if self.hidden is None else torch.relu(self.hidden(features))
        if self.value is None:
            advantages: Tensor = self.advantage(streams)
            return advantages
        for_advantage, for_value = (streams, streams) if self.hidden is None else streams.chunk(2, dim=-1)
        advantages = self.advantage(for_advantage)
        values: Tensor = self.value(for_value)
        return values + advantages - advantages.mean(dim=-1, keepdim=True)


class QHeads(nn.Module):
    """Several independent heads on the same features.

    Args:
        num_features: Width of the input.
        num_actions: Number of actions.
        num_heads: 1, or 2 with curiosity.
        hidden_size: As in `QHead`.
        dueling: As in `QHead`.
    """

    def __init__(self, num_features: int, num_actions: int, *, num_heads: int, hidden_size: int, dueling: bool) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            QHead(num_features, num_actions, hidden_size=hidden_size, dueling=dueling) for _ in range(num_heads)
        )

    def forward(self, features: Float[Tensor, "*axes features"]) -> Float[Tensor, "*axes heads actions"]:
        """Action values of all heads."""
        return torch.stack([head(features) for head in self.heads], dim=-2)
