"""The run folder of a run on recorded play, as rank 0 writes it.

Job: rows, events, checkpoints, `state.json`. Place in the data flow: the loop tells, files come out. Left out: the loop
(`training`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from gamefleet.errors import GamefleetError, RunFolderError
from gamefleet.runs.age import process_age_s
from gamefleet.runs.checkpoint import CheckpointStore
from gamefleet.runs.deadline import Deadline
from gamefleet.runs.events import EventWriter, slowest_save_s
from gamefleet.runs.folder import OpenRun
from gamefleet.runs.metrics import FROM_START, MetricsWriter
from gamefleet.runs.schedule import CheckpointSchedule
from gamefleet.runs.trackers import Trackers
from gamefleet.topologies.mirrors import mirrors
from gamefleet.topologies.restoring import carried_by
from gamefleet.topologies.sequence.config import SequenceConfig
from gamefleet.topologies.sequence.saving import MOST_FAILURES, Saved, Saver
from gamefleet.topologies.sequence.training import SequenceAttempt

log = logging.getLogger(__name__)

ROLE = "train"
"""Name of this role's metrics, events and log files, the same for every wiring."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """The open files of an attempt.

    Args:
        run: The held run folder.
        metrics: Rows.
        events: What happened.
        trackers: Mirrors of the rows.
        saver: Writes checkpoints.
        schedule: When they are due.
        deadline: Learns how long they take.
    """

    run: OpenRun
    metrics: MetricsWriter
    events: EventWriter
    trackers: Trackers
    saver: Saver
    schedule: CheckpointSchedule
    deadline: Deadline

    def tell_began(self, attempt: SequenceAttempt) -> None:
        """The first step of the attempt is done."""
        facts = {"seconds": round(process_age_s(), 3), "first_round_at": attempt.times.first_round_at}
        self.events.write("training_began", step=attempt.step, **facts)

    def write_row(self, attempt: SequenceAttempt, row: Mapping[str, float]) -> None:
        """A row of metrics."""
        self.metrics.write(attempt.step, row)
        self.trackers.write(attempt.step, row)
        attempt.progress.show(attempt.step, attempt.config.run.total_steps, row)

    def save_if_due(self, attempt: SequenceAttempt) -> float:
        """Begin a checkpoint when it is time, unless one is still being written; tell of one that became durable.

        Returns:
            Seconds that training waited.
        """
        started = time.monotonic()
        self._settle(attempt, self.saver.finished)
        if self.saver.failures >= MOST_FAILURES:
            raise RunFolderError(
                f"{MOST_FAILURES} checkpoints in a row could not be written",
                where=self.run.paths.root,
                remedy="The events and the log say why. Mend it, then --resume goes on from the last one that could.",
            )
        is_due = self.saver.wants_retry if self.saver.failures else self.schedule.is_due(attempt.step)
        if is_due and not self.saver.is_busy:
            self._begin(attempt, status="running", reason="")
        return time.monotonic() - started

    def save_last(self, attempt: SequenceAttempt, *, status: str, reason: str) -> None:
        """Write the attempt's last checkpoint and wait until it is durable, whatever became of the one before."""
        self._settle(attempt, self.saver.finish)
        self._begin(attempt, status=status, reason=reason)
        self._tell_saved(attempt, self.saver.finish())
        self.write_state(attempt, status=status, reason=reason)
        self.events.write("attempt_ended", step=attempt.step, outcome=status, reason=reason, **attempt.times.as_json())

    def _begin(self, attempt: SequenceAttempt, *, status: str, reason: str) -> None:
        state = {"updates": attempt.step, "decisions": attempt.decisions, "ranks": attempt.group.place.world}
        before = self.saver.begin(attempt.standing(), attempt.learner.state_tensors(), state=state)
        self._tell_saved(attempt, before)
        self.schedule.note_save(attempt.step, 0.0)

    def _settle(self, attempt: SequenceAttempt, finish: Callable[[], Saved | None]) -> None:
        """Tell of a checkpoint that became durable; one that could not be written is an event, and tried again."""
        try:
            saved = finish()
        except (GamefleetError, OSError) as error:
            self.run.fence()  # another process may have the run: nothing is to be tried again then
            log.warning("a checkpoint could not be written: %s", error)
            with suppress(GamefleetError, OSError):  # the same disk
                self.events.write(
                    "checkpoint_failed", step=attempt.step, reason=str(error), failures=self.saver.failures
                )
            return
        self._tell_saved(attempt, saved)

    def _tell_saved(self, attempt: SequenceAttempt, saved: Saved | None) -> None:
        if saved is None:
            return
        self.deadline.note_save(saved.seconds)
        attempt.times.note_save(saved.copy_s)
        self.events.write(
            "checkpoint_saved",
            step=saved.checkpoint.step,
            seconds=round(saved.seconds, 3),
            bytes=saved.num_bytes,
            trained_s=round(attempt.times.trained_s, 3),
        )
        self.write_state(attempt, status="running", reason="")

    def write_state(self, attempt: SequenceAttempt, *, status: str, reason: str) -> None:
        """Replace `state.json`."""
        self.run.write_state(
            total_steps=attempt.config.run.total_steps,
            status=status,
            reason=reason,
            step=attempt.step,
            updates=attempt.step,
            episodes=0,
            decisions=attempt.decisions,
            ranks=attempt.group.place.world,
            milestones={},
        )


@contextmanager
def opened_writer(
    config: SequenceConfig,
    run: OpenRun,
    store: CheckpointStore,
    *,
    resumed_step: int,
    deadline: Deadline,
    facts: Mapping[str, Any],
) -> Iterator[Writer]:
    """Open the attempt's files and say that it has started.

    Args:
        config: All settings.
        run: The held run folder.
        store: Its checkpoints.
        resumed_step: Of the checkpoint that the attempt goes on from, or `FROM_START`.
        deadline: When to stop.
        facts: More for the event, such as the number of ranks and what was rejected.
    """
    with ExitStack() as stack:
        deadline.note_save(slowest_save_s(run.paths.events(ROLE)))
        events = stack.enter_context(EventWriter(run.paths.events(ROLE), attempt=run.attempt, fence=run.fence))
        tell_start(run, events, resumed_step, facts)
        metrics = stack.enter_context(
            MetricsWriter(run.paths.metrics(ROLE), attempt=run.attempt, resumed_step=resumed_step, fence=run.fence)
        )
        trackers = stack.enter_context(
            mirrors(run, config.trackers, config.resolved(), events, resumed_step=resumed_step)
        )
        yield Writer(
            run=run,
            metrics=metrics,
            events=events,
            trackers=trackers,
            saver=stack.enter_context(Saver(store)),
            schedule=schedule_of(config, resumed_step),
            deadline=deadline,
        )


def schedule_of(config: SequenceConfig, resumed_step: int) -> CheckpointSchedule:
    """When checkpoints are due."""
    settings = config.run
    return CheckpointSchedule(
        interval_steps=settings.checkpoint_interval_steps,
        interval_s=settings.checkpoint_interval_s,
        step=max(resumed_step, 0),
    )


def tell_start(run: OpenRun, events: EventWriter, resumed_step: int, facts: Mapping[str, Any]) -> None:
    """Write down that the attempt has started, from where, and with which other settings."""
    details = {"resumed_step": resumed_step, **facts, **carried_by(run)}
    events.write("attempt_started", step=max(resumed_step, 0), **details)
    if run.changed_settings and resumed_step != FROM_START:
        events.write("settings_changed", step=max(resumed_step, 0), changes=dict(run.changed_settings))
