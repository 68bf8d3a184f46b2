"""What an update reports: names, units, meanings, and the numbers themselves.

Job: the table that docs/metrics.md is checked against, and the scalars of one update. Place in the data flow:
`ValueLearner` fills it in, runs write it down. Left out: writing.
"""
# ruff: noqa: F722 - axis names inside shape annotations are not Python expressions

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from gamefleet.learners.evaluation import Evaluation

METRICS: dict[str, tuple[str, str]] = {
    "learner/loss": ("squashed reward²", "Extrinsic TD loss, summed over a window's slots, mean over windows"),
    "learner/intrinsic_loss": ("squashed reward²", "The same of the intrinsic head; only with curiosity"),
    "learner/td_error": ("squashed reward", "Mean |extrinsic TD error| of the trained slots"),
    "learner/q_mean": ("squashed reward", "Mean extrinsic value of the actions taken"),
    "learner/q_max": ("squashed reward", "Largest extrinsic value of the actions taken"),
    "learner/target_mean": ("squashed reward", "Mean extrinsic target"),
    "learner/gradient_norm": ("1", "Global norm of the network's gradient before clipping"),
    "learner/priority_mean": ("squashed reward", "Mean priority of the batch's windows"),
    "learner/priority_max": ("squashed reward", "Largest priority of the batch's windows"),
    "learner/skipped_updates": ("updates", "Updates skipped because of NaN or infinity, since the run began"),
    "curiosity/loss": ("1", "The predictor's mean squared error on the slots it learned from"),
    "curiosity/error": ("1", "Mean prediction error of the batch: how new it is, not normalised"),
    "curiosity/reward_mean": ("normalised reward", "Mean intrinsic reward of the batch"),
    "curiosity/return_std": ("1", "Running standard deviation of the discounted prediction error"),
    "curiosity/q_mean": ("squashed reward", "Mean intrinsic value of the actions taken"),
    "curiosity/gradient_norm": ("1", "Global norm of the predictor's gradient before clipping"),
}
"""Every metric that an update reports: unit and meaning."""


def summary(evaluation: Evaluation, losses: Float[Tensor, " heads"]) -> dict[str, Tensor]:
    """Scalars of one update under their metric names, still on the device."""
    count = evaluation.is_trained.sum().clamp(min=1)
    is_trained = evaluation.is_trained.unsqueeze(-1)
    values = evaluation.values.detach().masked_fill(~is_trained, 0.0)
    targets = evaluation.targets[..., 0].masked_fill(~evaluation.is_trained, 0.0)
    means = values.sum(dim=(0, 1)) / count
    scalars = {
        "learner/loss": losses[0],
        "learner/td_error": evaluation.errors[..., 0].abs().sum() / count,
        "learner/q_mean": means[0],
        "learner/q_max": values[..., 0].max(),
        "learner/target_mean": targets.sum() / count,
    }
    novelty = evaluation.novelty
    if novelty is None:
        return scalars
    return scalars | {
        "learner/intrinsic_loss": losses[1],
        "curiosity/loss": novelty.loss,
        "curiosity/error": novelty.error,
        "curiosity/reward_mean": novelty.reward.mean(),
        "curiosity/return_std": novelty.returns.std.squeeze(0),
        "curiosity/q_mean": means[1],
    }
