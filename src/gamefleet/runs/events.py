"""Events: what happened, as opposed to how much.

Job: append milestones, starts, stops, checkpoints and warnings to one file per writer. Place in the data flow: the
training loop writes, `runs list` and the dashboard read. Left out: numbers over time (`metrics`) and prose (`logs`).
"""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import Any

from gamefleet.files import Fence
from gamefleet.runs.lines import Lines, LineWriter, read_lines

RECENT_SAVES = 100
"""So many saves of the past say how long one takes; a disk that was busy last week shall not count for ever."""

EVENTS = {
    "attempt_started": "this process claimed the run folder; `resumed_step` is -1 for a start from nothing; in a job "
    "`job` is the scheduler's id, in a chain `leg` the job's number",
    "training_began": "the attempt's first round is done, `seconds` after the process started; it began at "
    "`first_round_at`",
    "attempt_ended": "this process gave the run folder back; `outcome` and `reason` say why, `trained_s` and "
    "`saving_s` what it spent on rounds and on saves, `first_round_at` and `last_round_at` when rounds began and ended",
    "settings_changed": "a resumed run has other settings; `changes` maps each key to its old and new value",
    "checkpoint_saved": "a checkpoint is whole; `seconds` and `bytes` say what it cost, `trained_s` how long the "
    "attempt had spent on rounds by then",
    "checkpoint_rejected": "a checkpoint was unreadable and set aside; an older one is used",
    "checkpoint_failed": "a checkpoint could not be written, for `reason`; it is tried again, and the attempt ends "
    "after `failures` = 5 in a row",
    "milestone_reached": "an environment reached `milestone` for the first time in this run",
    "worker_restarted": "an environment worker crashed or hung and was replaced",
    "tracker_failed": "a mirror of the metrics failed; training goes on without it",
    "member_joined": "the run became `member` of a shared folder, at its merged `version`",
    "sharing_failed": "the shared folder cannot be used, for `reason`; training goes on alone",
    "sharing_again": "the shared folder can be used again",
    "experience_quarantined": "what another member said to have played is not what its game gives; nothing more of it "
    "is taken in",
    "experience_unchecked": "others' play cannot be played again here, for `reason`; none is taken in until it can",
    "version_refused": "the evaluation gate found merged `version` worse, for `reason`; the fleet went back to "
    "`good_version`",
    "learner_lost": "the learner at `where` cannot be reached, for `reason`; the run pauses",
    "learner_back": "the learner at `where` is back after `seconds`; the run goes on",
    "work_dropped": "this member went on from merged `version` without its own unmerged work, for `reason`",
}
"""Kind -> meaning, for docs/metrics.md."""


class EventWriter:
    """Writes the events of one role.

    Args:
        path: `RunPaths.events(writer)`.
        attempt: Number of this attempt.
        fence: Asked before each line; see `files.Fence`.
    """

    def __init__(self, path: Path, *, attempt: int, fence: Fence | None = None) -> None:
        self._lines = LineWriter(path, fence=fence)
        self._attempt = attempt

    def __enter__(self) -> EventWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, kind: str, *, step: int | None = None, **details: Any) -> None:
        """Append one event.

        Args:
            kind: A key of `EVENTS`.
            step: Steps of the run so far, where that means something.
            details: JSON values.
        """
        assert kind in EVENTS, f"{kind} is not in EVENTS"
        self._lines.write({"time": time.time(), "kind": kind, "attempt": self._attempt, "step": step, **details})

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


def read_events(path: Path) -> Lines:
    """Read one writer's events, also while they are being written; a missing file has none."""
    return read_lines(path)


def slowest_save_s(path: Path) -> float:
    """Seconds that the slowest of a writer's recent checkpoints took, over all attempts; 0 when there are none."""
    saves = [row for row in read_events(path).rows if row.get("kind") == "checkpoint_saved"]
    return max((float(row.get("seconds") or 0.0) for row in saves[-RECENT_SAVES:]), default=0.0)
