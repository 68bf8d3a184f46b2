"""The executors by name.

Job: make the one that a fleet uses. Place in the data flow: `fleet.json` names it. Left out: what they do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gamefleet.cluster.fleet_paths import FleetPaths
from gamefleet.cluster.jobs import Executor
from gamefleet.errors import ConfigError, nearest

EXECUTORS = ("slurm", "local", "tmux")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduler:
    """An executor, and what it says of jobs that wait.

    Args:
        executor: Where jobs run.
        never_starts: Reason of a pending job -> why it can never start; empty when it can.
        explain: Reason of a pending job -> in plain words.
    """

    executor: Executor
    never_starts: Callable[[str], str]
    explain: Callable[[str], str]

    @staticmethod
    def named(name: str, paths: FleetPaths, environment: Mapping[str, str]) -> Scheduler:
        """Make one.

        Args:
            name: One of `EXECUTORS`.
            paths: Of the fleet; scripts and local jobs are kept there.
            environment: Of this process; jobs inherit it.

        Raises:
            ConfigError: There is none of that name.
            MissingDependencyError: tmux or its library is not there.
        """
        if name == "slurm":
            return _slurm(paths, environment)
        if name not in EXECUTORS:
            raise ConfigError("No such executor", value=name, where="--executor", remedy=nearest(name, EXECUTORS))
        return Scheduler(
            executor=_local(name, paths, environment), never_starts=lambda reason: "", explain=lambda reason: reason
        )


def _slurm(paths: FleetPaths, environment: Mapping[str, str]) -> Scheduler:
    from gamefleet.cluster.slurm.executor import SlurmExecutor
    from gamefleet.cluster.slurm.words import explain_reason, why_never

    executor = SlurmExecutor(script_folder=paths.scripts, environment=environment)
    return Scheduler(executor=executor, never_starts=why_never, explain=explain_reason)


def _local(name: str, paths: FleetPaths, environment: Mapping[str, str]) -> Executor:
    if name == "tmux":
        from gamefleet.cluster.tmux import TmuxExecutor

        return TmuxExecutor(paths.jobs, environment=environment)
    from gamefleet.cluster.local.executor import LocalExecutor

    return LocalExecutor(paths.jobs, environment=environment)
