"""Names, units and meanings of what learning from records reports, and how sums become them.

Job: the table that docs/metrics.md is checked against, and the arithmetic. Place in the data flow: sums of
`SequenceLearner` -> here -> rows of metrics. Left out: throughput, which is the trainer's.
"""

from __future__ import annotations

from collections.abc import Mapping

EVALUATED = ("policy/loss", "policy/accuracy", "value/loss", "value/accuracy")
"""What is measured on records set aside, too."""

METRICS: dict[str, tuple[str, str]] = {
    "policy/loss": ("nats", "Mean surprise at the shown actions, weighted as the objective says"),
    "policy/accuracy": ("1", "Share of the shown actions that the policy holds most likely"),
    "policy/entropy": ("nats", "Mean entropy of the policy where an action is shown"),
    "policy/weight": ("1", "Mean weight of the shown actions; 1 in imitation"),
    "policy/impossible_share": ("1", "Share of the shown actions that the observation calls illegal; left out"),
    "value/loss": ("nats", "Mean binary cross-entropy between the chance to win and the outcome"),
    "value/accuracy": ("1", "Share of the decisions at which the winner was foreseen"),
    "value/advantage": ("1", "Mean outcome minus the chance to win, over the shown actions"),
    "evaluation/policy_loss": ("nats", "As policy/loss, not weighted, on records set aside"),
    "evaluation/policy_accuracy": ("1", "As policy/accuracy, on records set aside"),
    "evaluation/value_loss": ("nats", "As value/loss, on records set aside"),
    "evaluation/value_accuracy": ("1", "As value/accuracy, on records set aside"),
}
"""Every metric of an update: unit and meaning."""


def evaluation_row(sums: Mapping[str, float]) -> dict[str, float]:
    """The `evaluation/` metrics of sums over records set aside; see `learning_row`."""
    row = learning_row(sums)
    return {f"evaluation/{name.replace('/', '_')}": row[name] for name in EVALUATED}


def learning_row(sums: Mapping[str, float]) -> dict[str, float]:
    """Means of sums under the names of `METRICS`.

    Args:
        sums: Of all ranks, under the names of `sequence_losses.SUMS`.
    """
    labels, decisions = max(1.0, sums["labels"]), max(1.0, sums["decisions"])
    return {
        "policy/loss": sums["policy_loss"] / labels,
        "policy/accuracy": sums["correct"] / labels,
        "policy/entropy": sums["entropy"] / labels,
        "policy/weight": sums["weight"] / labels,
        "policy/impossible_share": sums["impossible"] / max(1.0, sums["labels"] + sums["impossible"]),
        "value/loss": sums["value_loss"] / decisions,
        "value/accuracy": sums["forecast"] / decisions,
        "value/advantage": sums["advantage"] / labels,
    }
