"""`gamefleet replays parse --slurm`: says what was handed over, and what an array task made.

Job: call and print. Place in the data flow: `replays_parse` -> this -> `topologies.recorded.array`. Left out: the jobs.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from gamefleet.errors import SubmitRefusedError

if TYPE_CHECKING:
    from gamefleet.games.showdown.replays.pipeline import Plan
    from gamefleet.topologies.recorded.array import SlurmWishes


def run_task(folder: Path, plan: Plan, tasks: int) -> None:
    """One array task's share of the parts.

    Raises:
        ConfigError: This is no array task.
    """
    from gamefleet.topologies.recorded.array import task_parts

    for number, report in task_parts(folder, plan, tasks, os.environ):
        print(f"part {number}: {report.records} of {report.rows} battles", flush=True)


def submit(folder: Path, plan: Plan, *, tasks: int, wishes: SlurmWishes) -> None:
    """Hand over the array and, after it, the merge; say how to follow them.

    Raises:
        SubmitRefusedError: SLURM said no.
        SchedulerSilentError: SLURM did not answer.
    """
    from gamefleet.topologies.recorded.array import DEFAULT_TASKS, JOBS, array_request, executor_for, merge_request
    from gamefleet.topologies.recorded.parts import is_merged, missing_parts

    if is_merged(folder, plan):
        print(f"Everything is in {folder} already.")
        return
    missing = missing_parts(folder, plan)
    count = min(tasks or DEFAULT_TASKS, max(1, len(missing)))
    executor = executor_for(folder, os.environ)
    array = ""
    if missing:
        array = executor.submit(array_request(folder, plan, count, wishes))
        print(f"Job {array}: {len(missing)} of {len(plan.parts)} parts in {count} array tasks.")
    try:
        after = executor.submit(merge_request(folder, plan, array, wishes))
    except SubmitRefusedError:
        print("The parts will be made; run this command again, without --slurm, to put them together.")
        raise
    print(f"Job {after} puts the parts together afterwards. Follow them: squeue -j {array or after},{after}")
    print(f"Their output: {folder / JOBS / 'logs'}")
