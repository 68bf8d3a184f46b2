"""Losses and scores of learning from recorded play.

Job: compare what a network says with what was chosen and how games ended. Place in the data flow: inside
`SequenceLearner`. Left out: networks, optimizers, ranks.

Everything is a sum over decisions: sums of micro-batches and ranks add up to those of the whole batch, so that the
result does not depend on how a batch was divided.

Axes: `rows`, `decisions` of a row, `actions`.
"""
# ruff: noqa: F722 - axis names inside shape annotations are not Python expressions

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from gamefleet.learners.sequence_batch import RowBatch
from gamefleet.learners.sequence_settings import SequenceSettings
from gamefleet.models.decoder import SequenceOutput

SUMS = (
    "labels",
    "decisions",
    "policy_loss",
    "value_loss",
    "correct",
    "entropy",
    "forecast",
    "advantage",
    "weight",
    "impossible",
    "tokens_seen",
)
"""Names of the sums, in the order of a vector of them."""


def sequence_losses(output: SequenceOutput, batch: RowBatch, settings: SequenceSettings) -> Mapping[str, Tensor]:
    """Sums over a batch; `policy_loss` and `value_loss` carry gradients.

    Args:
        output: What the network says about the batch.
        batch: Packed rows.
        settings: Which loss.

    Returns:
        Scalars under the names of `SUMS`: `labels` are the shown actions that the observation allows, `impossible` the
        others; `correct` counts labels with the highest logit, `forecast` decisions whose winner was foreseen;
        `tokens_seen` is the sum of squared lengths of segments, in decisions.
    """
    logits, value = output.logits.float(), output.value.float()
    index = batch.action.clamp(min=0).unsqueeze(-1)
    is_possible = logits.gather(-1, index).squeeze(-1) > -torch.inf
    is_label = batch.is_shown & is_possible
    chance = torch.sigmoid(value.detach())
    advantage = batch.outcome - chance
    weight = action_weight(advantage, settings) * is_label
    value_loss = F.binary_cross_entropy_with_logits(value, batch.outcome, reduction="none") * batch.outcome_weight
    is_foreseen = (chance > 0.5) == (batch.outcome > 0.5)
    return {
        "labels": is_label.sum(),
        "decisions": batch.is_decision.sum(),
        "policy_loss": (weight * surprise(logits, index)).sum(),
        "value_loss": (value_loss * batch.is_decision).sum(),
        "correct": ((logits.argmax(-1) == batch.action) & is_label).sum(),
        "entropy": (entropy(logits) * is_label).sum().detach(),
        "forecast": (is_foreseen & batch.is_decision).sum(),
        "advantage": (advantage * is_label).sum(),
        "weight": weight.sum(),
        "impossible": (batch.is_shown & ~is_possible).sum(),
        "tokens_seen": squared_lengths(batch),
    }


def action_weight(
    advantage: Float[Tensor, "rows decisions"], settings: SequenceSettings
) -> Float[Tensor, "rows decisions"]:
    """What each action counts, by how much better the game ended than expected.

    Source: Grigsby et al. 2025, "Human-Level Competitive Pokémon via Scalable Offline Reinforcement Learning with
    Transformers" (Metamon), binary and exponential filters; Wang et al. 2020, "Critic Regularized Regression".
    """
    if settings.objective == "binary":
        return (advantage > 0).float()
    if settings.objective == "exp":
        return (advantage / settings.advantage_temperature).exp().clamp(max=settings.max_action_weight)
    return torch.ones_like(advantage)


def surprise(logits: Float[Tensor, "rows decisions actions"], index: Tensor) -> Float[Tensor, "rows decisions"]:
    """Minus the logarithm of the chosen actions' chances; 0 where an action is impossible, also as a gradient."""
    chosen = log_chances(logits).gather(-1, index).squeeze(-1)
    return -torch.where(chosen > -torch.inf, chosen, 0.0)


def entropy(logits: Float[Tensor, "rows decisions actions"]) -> Float[Tensor, "rows decisions"]:
    """Of the policy, in nats; illegal actions add nothing."""
    logarithms = log_chances(logits)
    return -(logarithms.exp() * logarithms.masked_fill(logarithms == -torch.inf, 0.0)).sum(-1)


def log_chances(logits: Float[Tensor, "rows decisions actions"]) -> Float[Tensor, "rows decisions actions"]:
    """Logarithms of chances; all equal at places where no action is legal, such as empty ones."""
    is_dead = (logits == -torch.inf).all(-1, keepdim=True)
    return logits.masked_fill(is_dead, 0.0).log_softmax(-1)


def squared_lengths(batch: RowBatch) -> Tensor:
    """Sum of the squared lengths of all segments: for every decision, how many its segment has."""
    is_same = batch.segment.unsqueeze(-1) == batch.segment.unsqueeze(-2)
    return (is_same & batch.is_decision.unsqueeze(-1)).sum()
