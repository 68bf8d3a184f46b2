"""How many processes and games a machine has room for.

Job: cores and memory that may be used, with the reason in words. Place in the data flow: first half of the rule of
`autotune`. Left out: which of the numbers that fit is chosen.
"""

from __future__ import annotations

from dataclasses import dataclass

from gamefleet.cluster.hardware import Hardware
from gamefleet.cluster.measurements import GIB, Needs

KEPT_CORES = 1
KEPT_RAM_BYTES = 4 * GIB
PLANNED_SHARE = 0.5
"""Of the memory above what the machine keeps."""

JOB_SHARE = 0.8
"""Of a job's or container's memory: at the limit a process is killed, not slowed down."""

FREE_SHARE = 0.9
"""Of the memory that is free at the moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What may be used.

    Args:
        max_workers: Processes that play.
        max_envs: Games that fit the memory.
        planned_bytes: Memory that may be planned.
        cores_reason: In words.
        memory_reason: In words.
    """

    max_workers: int
    max_envs: int
    planned_bytes: int
    cores_reason: str
    memory_reason: str


def find_limits(hardware: Hardware, needs: Needs) -> Limits:
    """How many processes and games the machine has room for; at least one of each."""
    cores, cores_reason = usable_cores(hardware)
    planned, memory_reason = planned_bytes(hardware)
    fitting = int((planned - needs.learner_bytes) // bytes_per_env(needs))
    return Limits(
        max_workers=max(1, cores - 1),
        max_envs=max(1, fitting),
        planned_bytes=planned,
        cores_reason=cores_reason,
        memory_reason=memory_reason if fitting > 0 else f"{memory_reason}; that is hardly enough, expect swapping",
    )


def bytes_per_env(needs: Needs) -> int:
    """Memory of one more game: its process and its share of the replay."""
    return needs.env_bytes + needs.steps_per_env * needs.slot_bytes


def usable_cores(hardware: Hardware) -> tuple[int, str]:
    """Cores for all of our processes, and why so many."""
    fast, slow = hardware.performance_cores, hardware.efficiency_cores
    all_cores = fast + slow // 2 if fast else hardware.cpus
    words = f"{fast} fast and {slow} slow cores count as {all_cores}" if fast and slow else f"{all_cores} cores"
    if hardware.granted_cpus <= all_cores - KEPT_CORES:
        return hardware.granted_cpus, f"{hardware.granted_cpus} of {hardware.cpus} cores are granted"
    return all_cores - KEPT_CORES, f"{words}, less {KEPT_CORES} for the system"


def planned_bytes(hardware: Hardware) -> tuple[int, str]:
    """Memory that may be planned, and why so much: the least of what machine, job and moment allow."""
    above = max(0, hardware.ram_bytes - KEPT_RAM_BYTES)
    kept = f"half of the {gb(above)} that {gb(hardware.ram_bytes)} RAM leave above {gb(KEPT_RAM_BYTES)} for the system"
    options = [(int(above * PLANNED_SHARE), kept)]
    if hardware.granted_ram_bytes is not None:
        limit = hardware.granted_ram_bytes
        options.append((int(limit * JOB_SHARE), f"{JOB_SHARE:.0%} of the {gb(limit)} of {hardware.granted_ram_source}"))
    if hardware.free_ram_bytes is not None:
        free = hardware.free_ram_bytes
        options.append((int(free * FREE_SHARE), f"{FREE_SHARE:.0%} of the {gb(free)} that are free now"))
    return min(options)


def gb(size: int) -> str:
    """A size for people, in units of 2^30 bytes."""
    return f"{size / GIB:.1f} GB"
