"""What this machine has for several trainings at once.

Job: the memory of each GPU, so that it can be shared out. Place in the data flow: asked once at the start of a
scheduler whose jobs run here. Left out: CPUs, which jobs share by themselves.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence

from gamefleet.cluster.commands import CommandRunner
from gamefleet.errors import MissingDependencyError, SchedulerSilentError

QUESTION: Sequence[str] = ("nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits")


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
