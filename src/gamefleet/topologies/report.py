"""What a run says about itself: rounds in, metric rows out.

Job: gather episodes, updates and speeds between two reports and turn them into one flat row of numbers. Place in the
data flow: between a wiring's rounds and `runs.metrics`. Left out: where rows go. Every name is defined in
docs/metrics.md.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gamefleet.actors.actor import EpisodeSummary
from gamefleet.learners.value import UpdateResult

EPISODE_WINDOW = 50
"""Episodes over which the running means are taken: enough to smooth, few enough to follow learning."""

METRICS = {
    "steps_per_s": ("steps/s", "Recorded steps per second of wall time since the last row."),
    "updates_per_s": ("updates/s", "Optimizer steps per second of wall time since the last row."),
    "updates": ("updates", "Optimizer steps since the start of the run."),
    "episodes": ("episodes", "Finished episodes since the start of the run."),
    "replay_steps": ("slots", "Slots held by the replay."),
    "lag_updates": ("updates", "Updates between the acting and the learning weights, after the round."),
    "episode_return": ("reward", "Mean sum of rewards over the last 50 finished episodes."),
    "episode_steps": ("steps", "Mean length of the last 50 finished episodes."),
    "episode_milestones": ("milestones", "Mean milestones held at the end of the last 50 finished episodes."),
    "start_return": ("reward", "As episode_return, over episodes that began at the game's beginning."),
    "start_milestones": ("milestones", "As episode_milestones, over episodes that began at the game's beginning."),
    "milestones_reached": ("milestones", "Different milestones reached by any episode of the run."),
    "term/<name>": ("reward", "Mean sum of one reward term over the last 50 finished episodes."),
}


class Report:
    """Collects between two rows.

    Args:
        terms: Names of the reward terms, in the order of `EpisodeSummary.terms`.
    """

    def __init__(self, terms: Sequence[str]) -> None:
        self._terms = tuple(terms)
        self._episodes: deque[EpisodeSummary] = deque(maxlen=EPISODE_WINDOW)
        self._from_start: deque[EpisodeSummary] = deque(maxlen=EPISODE_WINDOW)
        self._updates: list[Mapping[str, float]] = []

    def observe(self, episodes: Sequence[EpisodeSummary], updates: Sequence[UpdateResult]) -> None:
        """Take in what a round brought."""
        self._episodes.extend(episodes)
        self._from_start.extend(episode for episode in episodes if episode.origin == "start")
        self._updates.extend(update.metrics for update in updates)

    def row(self) -> dict[str, float]:
        """The numbers of the present window; the update metrics are means since the last row."""
        row = {**self._update_means(), **self._episode_means()}
        self._updates.clear()
        return row

    def _update_means(self) -> dict[str, float]:
        names = {name for metrics in self._updates for name in metrics}
        return {
            name: float(np.mean([metrics[name] for metrics in self._updates if name in metrics]))
            for name in sorted(names)
        }

    def _episode_means(self) -> dict[str, float]:
        row: dict[str, float] = {}
        if self._episodes:
            row["episode_return"] = mean(episode.total_reward for episode in self._episodes)
            row["episode_steps"] = mean(episode.steps for episode in self._episodes)
            row["episode_milestones"] = mean(len(episode.milestones) for episode in self._episodes)
            sums = np.mean([episode.terms for episode in self._episodes], axis=0)
            row.update({f"term/{name}": float(value) for name, value in zip(self._terms, sums, strict=True)})
        if self._from_start:
            row["start_return"] = mean(episode.total_reward for episode in self._from_start)
            row["start_milestones"] = mean(len(episode.milestones) for episode in self._from_start)
        return row


def mean(values: Any) -> float:
    """The mean of an iterable of numbers."""
    return float(np.mean(list(values)))
