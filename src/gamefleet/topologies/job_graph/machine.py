"""What this machine has for several trainings at once.

Job: its cores and the memory of each GPU, so that they can be shared out; and keeping the scheduler's own process off
the GPUs. Place in the data flow: asked once at the start of a scheduler whose jobs run here; on SLURM this is a login
node, which has nothing to share. Left out: sharing.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from gamefleet.actors.cpus import usable_cpus
from gamefleet.cluster.commands import CommandRunner
from gamefleet.errors import MissingDependencyError, SchedulerSilentError

QUESTION: Sequence[str] = ("nvidia-smi", "--query-gpu=index,uuid,memory.total", "--format=csv,noheader,nounits")

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""Names the GPUs that programs may see, by number or by UUID, of which the beginning is enough."""

PLATFORMS = "JAX_PLATFORMS"
"""Read by JAX when it is imported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU.

    Args:
        name: As a job's `CUDA_VISIBLE_DEVICES` has it: the user's own word where there is one, or the UUID, since CUDA
            and nvidia-smi may number the GPUs of one machine differently.
        number: Of nvidia-smi.
        gb: Its memory in GB.
    """

    name: str
    number: str
    gb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What jobs may have.

    Args:
        gpus_gb: Memory of each GPU; empty where it is not counted.
        gpu_names: Of each GPU; see `Gpu.name`.
        cpus: Cores; 0 where they are not counted.
    """

    gpus_gb: tuple[float, ...] = ()
    gpu_names: tuple[str, ...] = ()
    cpus: int = 0


def this_machine(environment: Mapping[str, str]) -> Machine:
    """What this machine has."""
    gpus = find_gpus(environment)
    return Machine(
        gpus_gb=tuple(gpu.gb for gpu in gpus),
        gpu_names=tuple(gpu.name for gpu in gpus),
        cpus=usable_cpus(environment),
    )


def find_gpus(environment: Mapping[str, str]) -> tuple[Gpu, ...]:
    """The GPUs that jobs may use; empty where there are none or nothing is known.

    Args:
        environment: Of this process; `CUDA_VISIBLE_DEVICES` may allow some only.
    """
    if shutil.which("nvidia-smi", path=environment.get("PATH", "")) is None:
        return ()
    try:
        answer = CommandRunner(environment)(QUESTION)
    except (MissingDependencyError, SchedulerSilentError):
        return ()
    gpus = parse_gpus(answer.out) if answer.status == 0 else ()
    return visible(gpus, environment[VISIBLE]) if VISIBLE in environment else gpus


def parse_gpus(text: str) -> tuple[Gpu, ...]:
    """The program's answer: number, UUID and MiB in each line."""
    rows = [[word.strip() for word in line.split(",")] for line in text.splitlines()]
    return tuple(
        Gpu(name=row[1], number=row[0], gb=int(row[2]) * 2**20 / 1e9)
        for row in rows
        if len(row) == 3 and row[2].isdigit()
    )


def visible(gpus: Sequence[Gpu], wanted: str) -> tuple[Gpu, ...]:
    """The GPUs that `CUDA_VISIBLE_DEVICES` names, as CUDA reads it: nothing counts from the first unknown word on.

    Args:
        gpus: Those of the machine, by their UUIDs.
        wanted: Numbers and UUIDs with commas; empty or -1 for none.
    """
    found: list[Gpu] = []
    for word in map(str.strip, wanted.split(",")):
        is_uuid = word.startswith("GPU-")
        named = [gpu for gpu in gpus if (gpu.name.startswith(word) if is_uuid else gpu.number == word)]
        if len(named) != 1:
            break
        found.append(replace(named[0], name=word))
    return tuple(found)


@contextmanager
def gpus_left_to_jobs(environment: MutableMapping[str, str]) -> Iterator[dict[str, str]]:
    """Keep JAX in this process to the CPU: a scheduler that verifies proposals would take most of a GPU from its jobs.

    It has to be entered before JAX is imported.

    Args:
        environment: Of this process; JAX's platforms are changed in it meanwhile.

    Yields:
        The variables for jobs, as they were.
    """
    before = dict(environment)
    environment[PLATFORMS] = "cpu"
    try:
        yield before
    finally:
        del environment[PLATFORMS]
        if PLATFORMS in before:
            environment[PLATFORMS] = before[PLATFORMS]
