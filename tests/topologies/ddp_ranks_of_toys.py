"""One rank of runs on the recorded toy: the program that tests start as several processes.

Called with a JSON list of runs, which all ranks carry out one after the other: `settings` over those below, `start`,
`stops` (rank, steps it may begin before it has to stop), `copy` (a run folder to copy there first, by rank 0) and the
`port` at which its ranks meet.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import torch

from gamefleet.errors import GamefleetError
from gamefleet.runs.deadline import Deadline
from gamefleet.runs.folder import read_resolved
from gamefleet.runs.paths import RunPaths
from gamefleet.runs.progress import PlainProgress
from gamefleet.testing.toys import recorded
from gamefleet.topologies.config import ask, merge
from gamefleet.topologies.ddp.build import settled
from gamefleet.topologies.ddp.group import Group, joined
from gamefleet.topologies.ddp.ranks import place_from
from gamefleet.topologies.ddp.wiring import RecordedOutcome, RecordedRun, train_recorded
from gamefleet.topologies.sequence.config import make_sequence_config

EXIT_STUCK = 6
BASE: dict[str, Any] = {
    "run": {"device": "cpu", "total_steps": 24, "metrics_interval_steps": 8},
    "data": {"mock": True, "mock_records": 120, "workers": 0, "row_decisions": 32, "window_trajectories": 64},
    "network": {"size": "tiny", "width": 16},
    "trainer": {"batch_size_per_gpu": 64},
    "learner": {"learning_rate": 1e-2, "reference_batch_size": 128},
    "evaluation": {"interval_steps": 12, "batches": 2},
}


def settings_of(changes: dict[str, Any]) -> dict[str, Any]:
    """The settings above with changes on top."""
    settings: dict[str, Any] = {}
    merge(settings, BASE)
    merge(settings, changes)
    return settings


def clock_of_stops(stops: list[int] | None, rank: int) -> Deadline:
    """A deadline after so many questions, at one rank only."""
    if stops is None or stops[0] != rank:
        return Deadline(max_runtime_s=None)
    ticks = itertools.count()
    return Deadline(max_runtime_s=float(stops[1]), monotonic=lambda: float(next(ticks)))


def end_stuck(sentence: str) -> None:
    """As the command line does it."""
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()
    os._exit(EXIT_STUCK)


def decided(run: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The run's settings: those of its folder, if it goes on there, with the changes on top."""
    if "copy" in run:
        shutil.copytree(run["copy"], folder)
    if run.get("start") != "resume":
        return settings_of(run["settings"])
    settings = read_resolved(RunPaths(folder))
    merge(settings, run["settings"])
    return settings


def carry_out(run: dict[str, Any], group: Group) -> RecordedOutcome:
    """One run, from its opening to its end."""
    folder = Path(run["settings"]["run"]["runs_folder"]) / run["settings"]["run"]["name"]
    decision = group.from_first(lambda: decided(run, folder), name="decision")
    asked = ask(file=None, assignments=[], flags={}, base=decision)
    config = settled(make_sequence_config(recorded.PACKAGE, asked), group.place)
    wanted = RecordedRun(
        package=recorded.PACKAGE, config=config, asked=asked.as_toml(), start=run.get("start", "first")
    )
    deadline = clock_of_stops(run.get("stops"), group.place.rank)
    progress = PlainProgress(sys.stderr, interval_s=0.0)
    return train_recorded(wanted, group, deadline=deadline, progress=progress, end=end_stuck)


def main() -> None:
    """Be a rank, as the environment says."""
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    torch.set_num_threads(1)
    place = place_from(os.environ)
    for run in json.loads(sys.argv[1]):
        environment_place = place_from({**os.environ, "MASTER_PORT": str(run["port"])})
        try:
            with joined(environment_place) as group:
                outcome = carry_out(run, group)
        except GamefleetError as error:
            sys.stderr.write(f"{error}\n")
            sys.exit(error.exit_code)
        sys.stdout.write(json.dumps([place.rank, outcome.status, outcome.step, outcome.reason]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
