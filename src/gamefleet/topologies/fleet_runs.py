"""How a fleet's chains see the runs that they carry, and how a fleet that was started is opened.

Job: give `cluster`, which knows nothing about training, the two questions it asks about a run. Place in the data flow:
every `gamefleet fleet` command and every job of a chain begins here, so it imports next to nothing. Left out: planning
a fleet (`fleet`).
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from gamefleet.cluster.executors import Scheduler
from gamefleet.cluster.fleet import STEPS_NONE, Fleet, FleetFacts, RunProbe, read_facts
from gamefleet.cluster.fleet_paths import FleetPaths
from gamefleet.runs.folder import read_state
from gamefleet.runs.paths import RunPaths


def look_into_runs() -> RunProbe:
    """How chains see the runs that they carry."""
    return RunProbe(step=newest_step, is_finished=is_finished)


def newest_step(run_folder: Path) -> int:
    """Step of a run's newest checkpoint, by its name; `STEPS_NONE` without one."""
    found = RunPaths(run_folder).found_checkpoints()
    return found[-1][0] if found else STEPS_NONE


def is_finished(run_folder: Path) -> bool:
    """Whether a run has made all of its steps."""
    state = read_state(RunPaths(run_folder))
    return state.get("status") == "finished"


def open_fleet(root: Path, environment: Mapping[str, str]) -> Fleet:
    """A fleet that was started, ready to be moved on by this process.

    Args:
        root: The folder `runs/NAME`.
        environment: Of this process.

    Raises:
        RunFolderError: There is no fleet, or its facts are damaged.
        MissingDependencyError: Its executor is not there.
    """
    paths = FleetPaths(root.absolute())
    return fleet_of(paths, read_facts(paths), environment)


def fleet_of(paths: FleetPaths, facts: FleetFacts, environment: Mapping[str, str]) -> Fleet:
    """The same for facts that are at hand."""
    scheduler = Scheduler.named(facts.executor, paths, environment)
    return Fleet(
        paths=paths,
        facts=facts,
        executor=scheduler.executor,
        probe=look_into_runs(),
        clock=time.time,
        who=f"process {os.getpid()} on {socket.gethostname()}",
        never_starts=scheduler.never_starts,
    )
