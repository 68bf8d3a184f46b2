"""What this machine has for several trainings at once.

Job: its cores and the memory of each GPU, so that they can be shared out. Place in the data flow: asked once at the
start of a scheduler whose jobs run here; on SLURM this is a login node, which has nothing to share. Left out: sharing.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gamefleet.actors.cpus import usable_cpus
from gamefleet.cluster.commands import CommandRunner
from gamefleet.errors import MissingDependencyError, SchedulerSilentError

QUESTION: Sequence[str] = ("nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What jobs may have.

    Args:
        gpus_gb: Memory of each GPU; empty where it is not counted.
        cpus: Cores; 0 where they are not counted.
    """

    gpus_gb: tuple[float, ...] = ()
    cpus: int = 0


def this_machine(environment: Mapping[str, str]) -> Machine:
    """What this machine has."""
    return Machine(gpus_gb=gpu_sizes_gb(environment), cpus=usable_cpus(environment))


def gpu_sizes_gb(environment: Mapping[str, str]) -> tuple[float, ...]:
    """Memory of each GPU in GB, by number; empty where there is none or nothing is known."""
    if shutil.which("nvidia-smi", path=environment.get("PATH", "")) is None:
        return ()
    try:
        answer = CommandRunner(environment)(QUESTION)
    except (MissingDependencyError, SchedulerSilentError):
        return ()
    return parse_sizes(answer.out) if answer.status == 0 else ()


def parse_sizes(text: str) -> tuple[float, ...]:
    """The program's answer, one number of MiB in each line."""
    return tuple(int(line) * 2**20 / 1e9 for line in text.split() if line.isdigit())
