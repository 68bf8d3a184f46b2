"""Names, units and meanings of the metrics that an update reports.

Job: the table that docs/metrics.md is checked against, for readers without torch too. Place in the data flow:
`metrics` fills in the values, pages show what they mean. Left out: the values.
"""

from __future__ import annotations

METRICS: dict[str, tuple[str, str]] = {
    "learner/loss": ("squashed reward²", "Extrinsic TD loss, summed over a window's slots, mean over windows"),
    "learner/intrinsic_loss": ("squashed reward²", "The same of the intrinsic head; only with curiosity"),
    "learner/td_error": ("squashed reward", "Mean |extrinsic TD error| of the trained slots"),
    "learner/q_mean": ("squashed reward", "Mean extrinsic value of the actions taken"),
    "learner/q_max": ("squashed reward", "Largest extrinsic value of the actions taken"),
    "learner/target_mean": ("squashed reward", "Mean extrinsic target"),
    "learner/auxiliary_loss": ("nats", "Mean auxiliary loss of the trained slots, not weighted; only with its weight"),
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
