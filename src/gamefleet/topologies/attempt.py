"""One attempt's open files, and what is written into them while it runs.

Job: rows of metrics, milestones, failed workers, where the time goes. Place in the data flow: rounds of a wiring ->
metrics, events and whoever watches. Left out: checkpoints and the end (`training`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gamefleet.actors.steps import WorkerFailure
from gamefleet.actors.trails import Trails
from gamefleet.learners.settings import replay_ratio_warning
from gamefleet.runs.checkpoint import CheckpointStore
from gamefleet.runs.deadline import Deadline
from gamefleet.runs.events import EventWriter
from gamefleet.runs.folder import OpenRun
from gamefleet.runs.metrics import MetricsWriter
from gamefleet.runs.progress import Progress
from gamefleet.runs.trackers import Trackers
from gamefleet.runs.visits import VisitsWriter
from gamefleet.topologies.config import RunConfig
from gamefleet.topologies.report import Report
from gamefleet.topologies.snapshot import Snapshot
from gamefleet.topologies.solo import Round
from gamefleet.topologies.wiring import Wiring


class Times:
    """Where the time of an attempt goes, for the account of the jobs that carried it.

    Args:
        wall: Clock in seconds since 1970.
    """

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self.trained_s = 0.0
        self.saving_s = 0.0
        self.first_round_at: float | None = None
        self.last_round_at: float | None = None

    def note_round(self, seconds: float) -> bool:
        """A round has just ended after so many seconds.

        Returns:
            Whether it was the first.
        """
        self.trained_s += seconds
        self.last_round_at = self._wall()
        is_first = self.first_round_at is None
        if is_first:
            self.first_round_at = self.last_round_at - seconds
        return is_first

    def note_save(self, seconds: float) -> None:
        """A checkpoint has just been written in so many seconds."""
        self.saving_s += seconds

    def as_json(self) -> dict[str, float | None]:
        """For the event that ends the attempt."""
        return {
            "trained_s": round(self.trained_s, 3),
            "saving_s": round(self.saving_s, 3),
            "first_round_at": self.first_round_at,
            "last_round_at": self.last_round_at,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The open files and objects of one attempt.

    Args:
        config: All settings.
        run: The held run folder.
        solo: The wiring.
        store: Checkpoints.
        metrics: The run's own metrics.
        events: What happened.
        trackers: Mirrors of the metrics.
        progress: Whoever watches.
        deadline: When to stop.
        visits: Where the players went.
        trails: Follows them.
        snapshot: Pictures the agent that is furthest.
        times: Where the attempt's time goes.
    """

    config: RunConfig
    run: OpenRun
    solo: Wiring
    store: CheckpointStore
    metrics: MetricsWriter
    events: EventWriter
    trackers: Trackers
    progress: Progress
    deadline: Deadline
    visits: VisitsWriter
    trails: Trails
    snapshot: Snapshot
    times: Times = field(default_factory=Times)


def tell_events(attempt: Attempt, played: Round) -> None:
    """Write down milestones, failed workers and what else a round has to tell."""
    for news in played.news:
        attempt.events.write(news.kind, step=attempt.solo.steps, **news.details)
        if news.sentence:
            attempt.progress.say(news.sentence)
    for moment in played.moments:
        for event in moment.milestones:
            attempt.events.write(
                "milestone_reached",
                step=event.total_steps,
                milestone=event.milestone,
                environment=event.env,
                origin=event.origin,
                path_steps=event.path_steps,
            )
            attempt.progress.say(f"milestone {event.milestone} at step {event.total_steps:,} (from {event.origin})")
        for failure in moment.failures:
            attempt.events.write("worker_restarted", step=attempt.solo.steps, **describe_failure(failure))
            attempt.progress.say(f"worker {failure.worker} {failure.reason} and was replaced; see the log")


def describe_failure(failure: WorkerFailure) -> Mapping[str, Any]:
    """A failed worker as JSON values."""
    return {
        "worker": failure.worker,
        "pid": failure.pid,
        "reason": failure.reason,
        "exit_code": failure.exit_code,
        "environments": list(failure.envs),
        "last_state": list(failure.last_state),
        "log_tail": failure.log_tail,
    }


class Rows:
    """Writes a row of metrics every so many steps.

    Args:
        attempt: Whose.
    """

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._report = Report()
        self._sharing: Mapping[str, float] = {}
        self._has_warned = False
        self._remember()

    def _remember(self) -> None:
        solo = self._attempt.solo
        self._last_step, self._last_updates, self._last_time = solo.steps, solo.updates, time.monotonic()

    def observe(self, played: Round) -> None:
        """Take in a round, and write a row when it is time."""
        episodes = (episode for moment in played.moments for episode in moment.episodes)
        self._report.observe(episodes, played.updates)
        self._sharing = played.sharing
        if self._attempt.solo.steps - self._last_step >= self._attempt.config.run.metrics_interval_steps:
            self.write()

    def write(self) -> None:
        """Write a row now, unless nothing has happened since the last one."""
        attempt, solo = self._attempt, self._attempt.solo
        if solo.steps == self._last_step:
            return
        row = {**self._report.row(), **self._totals(), **self._sharing}
        attempt.metrics.write(solo.steps, row)
        attempt.visits.write(solo.steps, attempt.trails.take())
        attempt.snapshot.write(attempt.run.paths.media, fence=attempt.run.fence)
        attempt.trackers.write(solo.steps, row)
        total = attempt.config.run.expected_steps(steps=solo.steps, episodes=solo.actor.total_episodes)
        attempt.progress.show(solo.steps, total, row)
        self._warn(row["learner/replay_ratio"])
        self._remember()

    def _warn(self, replay_ratio: float) -> None:
        """Say once that so much training on so little play was measured to hurt."""
        warning = replay_ratio_warning(replay_ratio)
        if warning and not self._has_warned:
            self._has_warned = True
            self._attempt.progress.say(warning)

    def _totals(self) -> dict[str, float]:
        solo, config = self._attempt.solo, self._attempt.config
        trained_slots = solo.updates * config.learner.batch_size * config.replay.unroll
        elapsed = max(time.monotonic() - self._last_time, 1e-9)
        return {
            "speed/steps_per_s": (solo.steps - self._last_step) / elapsed,
            "speed/updates_per_s": (solo.updates - self._last_updates) / elapsed,
            "learner/replay_ratio": trained_slots / max(1, solo.steps),
            "run/updates": float(solo.updates),
            "run/episodes": float(solo.actor.total_episodes),
            "run/replay_slots": float(solo.replay.num_stored),
            "run/milestones_reached": float(len(solo.actor.firsts.steps)),
        }
