"""One program on several nodes: the words that start it everywhere at once.

Job: make an `srun` command of a program's, and say what differs for a process that looks after one. Place in the data
flow: `gamefleet launch` writes the command into a chain, `leg` runs it on the job's first node. Left out: how the
processes find each other, which is the program's matter.

What SLURM 22.05 does with signals, as measured:

- SIGUSR1 to srun reaches every rank on every node.
- SIGTERM to srun kills all ranks at once, without a moment to save. So a leg asks for an end with SIGUSR1.
- `scancel JOB` and the time limit send SIGTERM to the ranks themselves, which have until KillWait.
- A rank that dies takes the others along (`--kill-on-bad-exit`), or they would wait for it in an all-reduce.

A rank that is still importing has no handlers and would die of the first signal, so its shell ignores them.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from gamefleet.cluster.jobs import Resources
from gamefleet.cluster.slurm.executor import JOB_END_VARIABLE, job_end

PROGRAM = "srun"
RANK = "trap '' USR1 TERM; exec \"$@\""


def spread(command: Sequence[str], resources: Resources) -> tuple[str, ...]:
    """The command that runs a program once per task of a job.

    Args:
        command: Program first.
        resources: Of the job; since SLURM 22.05 srun does not take `--cpus-per-task` over from the job.
    """
    return (
        PROGRAM,
        "--mpi=none",
        "--kill-on-bad-exit=1",
        f"--nodes={resources.nodes}",
        f"--ntasks={resources.nodes * resources.tasks_per_node}",
        f"--ntasks-per-node={resources.tasks_per_node}",
        f"--cpus-per-task={resources.cpus}",
        "bash",
        "-c",
        RANK,
        "rank",
        *command,
    )


def is_spread(command: Sequence[str]) -> bool:
    """Whether a command was made by `spread`."""
    return bool(command) and command[0] == PROGRAM


def end_of_job(command: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """When the job ends, as a variable for all ranks: each would otherwise ask the scheduler by itself."""
    if not is_spread(command) or environment.get(JOB_END_VARIABLE):
        return {}
    ends = job_end(environment)
    return {} if ends is None else {JOB_END_VARIABLE: str(int(ends))}


def shown(command: Sequence[str]) -> str:
    """A command for people, as a shell would take it."""
    return shlex.join(command)
