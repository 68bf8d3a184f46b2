"""Parsing records as a SLURM array.

Job: submit the array and the job that puts its parts together, and do one task's share. Place in the data flow:
`parts` -> this -> SLURM. Left out: how a part is made, and saying so.

Task t of T makes the parts t, t + T, t + 2T, ... The job after the array is the plain command on one machine: it makes
what tasks left undone, whatever became of them, and merges. So is running the command again by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gamefleet.cluster.jobs import JobRequest, Resources
from gamefleet.cluster.slurm.executor import SlurmExecutor
from gamefleet.errors import ConfigError
from gamefleet.topologies.recorded.parts import PartReport, Plan, make_part

TASK_VARIABLE = "SLURM_ARRAY_TASK_ID"
DEFAULT_TASKS = 32
MEMORY = "2G"
JOBS = "jobs"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmWishes:
    """What the jobs ask for; empty takes the site's default."""

    partition: str = ""
    account: str = ""
    qos: str = ""
    time_limit_s: int = 7200


def task_parts(
    folder: Path, plan: Plan, tasks: int, environment: Mapping[str, str]
) -> Iterator[tuple[int, PartReport]]:
    """Make one array task's share of the parts.

    Args:
        folder: With the plan.
        plan: What is parsed.
        tasks: Of the array.
        environment: Of the task.

    Yields:
        Number and counts of each part that is there now.

    Raises:
        ConfigError: This is no array task.
    """
    text = environment.get(TASK_VARIABLE, "")
    if not text.isdecimal() or int(text) >= tasks:
        raise ConfigError("This is no task of such an array", value=text, where=TASK_VARIABLE)
    for number in range(int(text), len(plan.parts), tasks):
        yield number, make_part(folder, plan, number)


def executor_for(folder: Path, environment: Mapping[str, str]) -> SlurmExecutor:
    """What hands over the jobs of an output folder."""
    return SlurmExecutor(script_folder=folder.absolute() / JOBS, environment=environment)


def array_request(folder: Path, plan: Plan, tasks: int, wishes: SlurmWishes) -> JobRequest:
    """The job of the array."""
    return _request(folder, plan, f"replays-parse-{plan.fingerprint[:8]}", wishes, [f"--task-of={tasks}"], tasks=tasks)


def merge_request(folder: Path, plan: Plan, array: str, wishes: SlurmWishes) -> JobRequest:
    """The job after it."""
    return _request(folder, plan, f"replays-merge-{plan.fingerprint[:8]}", wishes, ["--num-workers=1"], after=array)


def _request(
    folder: Path, plan: Plan, name: str, wishes: SlurmWishes, extra: list[str], *, tasks: int = 0, after: str = ""
) -> JobRequest:
    resources = Resources(
        partition=wishes.partition,
        account=wishes.account,
        qos=wishes.qos,
        time_limit_s=wishes.time_limit_s,
        cpus=1,
        gpus=0,
        memory=MEMORY,
        options=(f"--array=0-{tasks - 1}",) if tasks else (),
    )
    return JobRequest(
        name=name,
        command=[sys.executable, "-P", "-m", "gamefleet.cli.main", *command(folder), *extra],
        resources=resources,
        work_folder=Path.cwd(),
        log_folder=folder.absolute() / JOBS / "logs",
        after=after,
        comment=f"parses battles into {folder}",
    )


def command(folder: Path) -> list[str]:
    """The plain command that goes on with a folder's plan."""
    return ["replays", "parse", f"--output-dir={folder.absolute()}", "--as-planned"]
