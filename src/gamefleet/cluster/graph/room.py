"""What jobs take of this machine, and whether one more fits.

Job: count slots, cores and the memory of GPUs. Place in the data flow: `advance` asks before it starts a job. Left out:
measuring a machine (the loop passes its size in `Limits`), and enforcing what a job was given.

What is not counted (a size of 0, no GPUs named) never refuses anything: on SLURM the scheduler counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gamefleet.cluster.graph.state import Limits, Needs, Node

NO_GPU = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What is free.

    Args:
        slots: Further jobs.
        cpus: Cores; infinite when they are not counted.
        gpus_gb: Free memory of each GPU; empty when it is not counted.
    """

    slots: int
    cpus: float
    gpus_gb: tuple[float, ...]

    def place(self, needs: Needs) -> int | None:
        """The GPU with the most free memory, `NO_GPU` where none is needed or counted; None when it does not fit."""
        if self.slots < 1 or needs.cpus > self.cpus:
            return None
        if not self.gpus_gb or not needs.gpu_memory_gb:
            return NO_GPU
        gpu = max(range(len(self.gpus_gb)), key=self.gpus_gb.__getitem__)
        return gpu if needs.gpu_memory_gb <= self.gpus_gb[gpu] else None

    def without(self, needs: Needs, gpu: int) -> Room:
        """What is left when one more job runs."""
        gpus = tuple(free - needs.gpu_memory_gb if number == gpu else free for number, free in enumerate(self.gpus_gb))
        return Room(slots=self.slots - 1, cpus=self.cpus - needs.cpus, gpus_gb=gpus)


def whole(limits: Limits) -> Room:
    """The machine without any job."""
    return Room(slots=limits.max_parallel_skills, cpus=limits.cpus or float("inf"), gpus_gb=limits.gpus_gb)


def room_beside(limits: Limits, at_work: Iterable[Node]) -> Room:
    """What is left beside jobs at work; less than nothing where limits were lowered meanwhile."""
    room = whole(limits)
    for node in at_work:
        job = node.job
        room = room.without(needs_of(node, limits), NO_GPU if job is None else job.gpu)
    return room


def needs_of(node: Node, limits: Limits) -> Needs:
    """What a skill's job takes."""
    return node.needs or limits.needs


def never_fits(needs: Needs, limits: Limits) -> str:
    """Why a job could not even have an empty machine; empty when it could."""
    if limits.cpus and needs.cpus > limits.cpus:
        return f"it needs {needs.cpus:g} cores, jobs here may have {limits.cpus:g}"
    if limits.gpus_gb and needs.gpu_memory_gb > max(limits.gpus_gb):
        return f"it needs {needs.gpu_memory_gb:g} GB of a GPU, the largest share here is {max(limits.gpus_gb):g} GB"
    return ""
