"""Who this process is among the ranks of a run.

Job: read rank, number of ranks and meeting place from the environment that torchrun or srun made. Place in the data
flow: the first question of `gamefleet train` for recorded play. Left out: what ranks do together (`group`), and
starting them (`local`).
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gamefleet.errors import ConfigError

FIRST_PORT, NUM_PORTS = 20_000, 12_000
"""Where ranks meet when nobody says it: at a port that follows from the job's number, below those from 32768 on, which
Linux gives to whoever connects."""

FIRST_ENTRY = re.compile(r"(?:[^\[\],]|\[[^\]]*\])*")
"""Up to the first comma outside of brackets."""

TORCHRUN = "TORCHELASTIC_RUN_ID"
"""torchrun sets it, also for the processes that it starts in each task of a step."""

NUMBERS = re.compile(r"\[([^\],-]*)[^\]]*\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One process among others.

    Args:
        rank: From 0.
        world: Number of ranks.
        local_rank: From 0 on each machine; which accelerator is this rank's.
        address: Host at which rank 0 listens; empty for one rank.
        port: Port there.
        origin: What started the ranks: `torchrun`, `srun`, `environment` (something else that set the variables of
            torchrun) or `alone`.
        host: This machine's name.
        note: What people should know about how this was found out; empty for nothing.
    """

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    address: str = ""
    port: int = 0
    origin: str = "alone"
    host: str = ""
    note: str = ""

    @property
    def is_first(self) -> bool:
        """Whether this rank speaks for all: it alone writes to the run folder."""
        return self.rank == 0

    def __str__(self) -> str:
        return f"rank {self.rank} of {self.world} on {self.host or socket.gethostname()}"


def is_known(host: str) -> bool:
    """Whether a host name has an address."""
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        return False
    return True


def place_from(environment: Mapping[str, str], *, has_address: Callable[[str], bool] = is_known) -> Place:
    """Find out from the environment; without any sign of other ranks, this is the only one.

    Args:
        environment: Environment variables.
        has_address: Asked about the first node of an srun step.

    Raises:
        ConfigError: The variables contradict each other.
    """
    host = environment.get("SLURMD_NODENAME") or socket.gethostname()
    is_named = "RANK" in environment and "WORLD_SIZE" in environment
    is_step = number(environment, "SLURM_STEP_NUM_TASKS", default="1") > 1
    if is_named and (not is_step or TORCHRUN in environment):
        return checked(
            Place(
                rank=number(environment, "RANK"),
                world=number(environment, "WORLD_SIZE"),
                local_rank=number(environment, "LOCAL_RANK", default="0"),
                address=environment.get("MASTER_ADDR", "127.0.0.1"),
                port=number(environment, "MASTER_PORT", default="29500"),
                origin="torchrun" if TORCHRUN in environment else "environment",
                host=host,
            )
        )
    if is_step:
        return checked(place_in_step(environment, host, has_address, note=left_over(environment) if is_named else ""))
    return Place(host=host)


def place_in_step(environment: Mapping[str, str], host: str, has_address: Callable[[str], bool], *, note: str) -> Place:
    """One task of an srun step; with a note about variables left over, the place they name is not its own either."""
    own = {name: value for name, value in environment.items() if not (note and name.startswith("MASTER_"))}
    return Place(
        rank=number(own, "SLURM_PROCID"),
        world=number(own, "SLURM_STEP_NUM_TASKS"),
        local_rank=number(own, "SLURM_LOCALID", default="0"),
        address=step_address(own, has_address),
        port=step_port(own),
        origin="srun",
        host=host,
        note=note,
    )


def left_over(environment: Mapping[str, str]) -> str:
    """What to say of variables that a shell outside of the step has set: every task of it would be the same rank."""
    same = (("RANK", "SLURM_PROCID"), ("WORLD_SIZE", "SLURM_STEP_NUM_TASKS"))
    if all(environment[ours] == environment.get(theirs) for ours, theirs in same):
        return ""
    return (
        f"RANK={environment['RANK']} and WORLD_SIZE={environment['WORLD_SIZE']} are not those of this srun step and "
        "count for nothing: it has its own. Unset them where the job was submitted."
    )


def number(environment: Mapping[str, str], name: str, *, default: str = "") -> int:
    """A variable that holds a count.

    Raises:
        ConfigError: It is missing or no number.
    """
    text = environment.get(name, default)
    if not (text.isascii() and text.isdecimal()):
        raise ConfigError(
            "A variable of the launcher must be a number",
            value=text,
            where=name,
            remedy="Start the ranks by torchrun, srun or `gamefleet launch`, which set it, or unset all of them.",
        )
    return int(text)


def checked(place: Place) -> Place:
    """The same place, unless it cannot be."""
    if not 0 <= place.rank < place.world:
        raise ConfigError(
            "There is no such rank",
            value=place.rank,
            where=f"{place.world} ranks",
            remedy="Unset RANK and WORLD_SIZE, or start the ranks by torchrun.",
        )
    return place


def step_address(environment: Mapping[str, str], has_address: Callable[[str], bool]) -> str:
    """Where the ranks of an srun step meet: what `MASTER_ADDR` says, or the step's first node.

    Where node names have no addresses, as on a cluster that is all on one machine, the address from which the step was
    started: that is a job's first node, too.
    """
    if address := environment.get("MASTER_ADDR"):
        return address
    names = environment.get("SLURM_STEP_NODELIST") or environment.get("SLURM_JOB_NODELIST", "")
    first = first_node(names)
    if first and has_address(first):
        return first
    return environment.get("SLURM_LAUNCH_NODE_IPADDR") or first or "127.0.0.1"


def step_port(environment: Mapping[str, str]) -> int:
    """What `MASTER_PORT` says, or one that follows from job and step."""
    if "MASTER_PORT" in environment:
        return number(environment, "MASTER_PORT")
    job, step = (number(environment, name, default="0") for name in ("SLURM_JOB_ID", "SLURM_STEP_ID"))
    return FIRST_PORT + (job * 31 + step) % NUM_PORTS


def first_node(names: str) -> str:
    """The first name in SLURM's short form of a list, for example `n03` of `n[03-05,9],m1`."""
    entry = FIRST_ENTRY.match(names)
    return NUMBERS.sub(r"\1", entry.group()) if entry else ""
