"""What a run says about itself: rounds in, metric rows out.

Job: gather episodes, updates and speeds between two reports and turn them into one flat row of numbers. Place in the
data flow: between a wiring's rounds and `runs.metrics`. Left out: where rows go. Every name is defined in
docs/metrics.md.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from gamefleet.actors.accounts import EpisodeSummary
from gamefleet.actors.steps import START
from gamefleet.runs.metrics import averages

if TYPE_CHECKING:
    from gamefleet.learners.value import UpdateResult

EPISODE_WINDOW = 50
"""Episodes over which the running means are taken: enough to smooth, few enough to follow learning."""

METRICS: dict[str, tuple[str, str]] = {
    "speed/steps_per_s": ("steps/s", "Recorded steps per second of wall time since the last row"),
    "speed/updates_per_s": ("updates/s", "Optimizer steps per second of wall time since the last row"),
    "learner/replay_ratio": ("1", "Trained slots per recorded step, since the run began"),
    "run/updates": ("updates", "Optimizer steps since the run began"),
    "run/episodes": ("episodes", "Finished episodes since the run began"),
    "run/replay_slots": ("slots", "Slots held by the replay"),
    "run/milestones_reached": ("milestones", "Different milestones reached by any episode of the run"),
    "episode/return": ("reward", "Mean sum of rewards over the last 50 finished episodes"),
    "episode/steps": ("steps", "Mean length of the last 50 finished episodes"),
    "episode/milestones": ("milestones", "Mean milestones that the last 50 finished episodes reached themselves"),
    "episode/cells": ("cells", "Mean number of different archive cells that the last 50 finished episodes saw"),
    "start/return": ("reward", "As episode/return, over the last 50 episodes from the game's beginning"),
    "start/milestones": ("milestones", "As episode/milestones, over the last 50 episodes from the game's beginning"),
    "start/cells": ("cells", "As episode/cells, over the last 50 episodes from the game's beginning"),
    "term/<name>": ("reward", "Mean sum of one reward term over the last 50 finished episodes"),
    "remote/idle_share": ("1", "Share of its time that the learner waited for orders, since it opened the run"),
    "remote/sent_bytes": ("bytes", "Sent to the learner since this attempt began"),
    "remote/received_bytes": ("bytes", "Received from the learner since this attempt began"),
    "remote/paused_s": ("s", "How long the learner was out of reach, since this attempt began"),
    "shared/version": ("versions", "Merged version that this member goes on from"),
    "shared/sync_s": ("s", "How long the last contribution and merge took"),
    "shared/foreign_steps": ("steps", "Steps taken in from other members since this attempt began"),
    "shared/foreign_slots": ("slots", "Slots of others' play held at present"),
    "shared/foreign_members": ("members", "Members whose play was taken in since this attempt began"),
    "shared/chunks_checked": ("chunks", "Pieces of others' play that were played again"),
    "shared/chunks_refused": ("chunks", "Pieces of others' play that were passed over"),
    "shared/members_dropped": ("members", "Members whose play turned out to be false"),
    "shared/chunks_sent": ("chunks", "Pieces of own play handed over since this attempt began"),
    "shared/chunks_dropped": ("chunks", "Pieces of own play that nobody had room for"),
}
"""Every metric of a row besides the learner's: unit and meaning."""


class Report:
    """Collects between two rows."""

    def __init__(self) -> None:
        self._episodes: deque[EpisodeSummary] = deque(maxlen=EPISODE_WINDOW)
        self._from_start: deque[EpisodeSummary] = deque(maxlen=EPISODE_WINDOW)
        self._updates: list[Mapping[str, float]] = []

    def observe(self, episodes: Iterable[EpisodeSummary], updates: Iterable[UpdateResult]) -> None:
        """Take in what a round brought."""
        for episode in episodes:
            self._episodes.append(episode)
            if episode.origin == START:
                self._from_start.append(episode)
        self._updates.extend(update.metrics for update in updates)

    def row(self) -> dict[str, float]:
        """The present numbers; those of updates are means since the last row."""
        row = averages(self._updates)
        self._updates.clear()
        row |= {f"episode/{name}": value for name, value in means(self._episodes).items()}
        row |= {f"start/{name}": value for name, value in means(self._from_start).items() if name != "steps"}
        terms = averages([episode.terms for episode in self._episodes])
        return row | {f"term/{name}": value for name, value in terms.items()}


def means(episodes: Collection[EpisodeSummary]) -> dict[str, float]:
    """Means over episodes; nothing when there are none."""
    return averages(
        {
            "return": episode.total_return,
            "steps": float(episode.num_steps),
            "milestones": float(len(episode.milestones)),
            "cells": float(episode.num_cells),
        }
        for episode in episodes
    )
