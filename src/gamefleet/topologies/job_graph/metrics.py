"""What is measured of a skill while it is trained.

Job: names, units and meanings of the metrics in `metrics/skill_<index>_<name>.jsonl`. Place in the data flow: a
trainer's progress -> here -> the graph's folder -> the pages. Left out: writing (`runs.metrics`), and training.
"""

from __future__ import annotations

from gamefleet.skills.training import Progress

METRICS = {
    "skill/success_rate": ("1", "of the training episodes that ended lately"),
    "skill/return": ("reward", "mean return of the training episodes that ended lately"),
    "skill/seconds": ("s", "spent training this skill, over all jobs"),
    "skill/loss_<name>": ("1", "what the trainer calls by this name: losses, entropy, share of clipped updates"),
}
"""Metric -> (unit, meaning)."""


def values_of(progress: Progress) -> dict[str, float]:
    """One line of metrics; its step counts frames."""
    basic = {"success_rate": progress.success_rate, "return": progress.return_mean, "seconds": progress.seconds}
    losses = {f"loss_{name}": value for name, value in progress.losses.items()}
    return {f"skill/{name}": value for name, value in {**basic, **losses}.items()}
