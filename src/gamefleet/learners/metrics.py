"""What an update reports: names, units, meanings, and the numbers themselves.

Job: the scalars of one update; their table is `metric_names`. Place in the data flow:
`ValueLearner` fills it in, runs write it down. Left out: writing.
"""
# ruff: noqa: F722 - axis names inside shape annotations are not Python expressions

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from gamefleet.learners.evaluation import Evaluation
from gamefleet.learners.metric_names import METRICS as METRICS


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
    if evaluation.auxiliary is not None:
        scalars |= {"learner/auxiliary_loss": evaluation.auxiliary.detach().sum() / count}
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
