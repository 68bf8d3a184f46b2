"""Legs: the fence of a run that a chain of jobs carries.

Job: say whether the job around this process is still the newest of its chain. Place in the data flow: `claim` asks
before every commit to the run folder. Left out: who makes legs and when; jobs of a chain are the cluster's matter.

Each job of a chain makes the next folder `legs/0001`, `legs/0002`, ... and starts the training process with the path of
its own in `GAMEFLEET_LEG`. `mkdir` succeeds for exactly one process on every shared file system, and a higher number
outranks a lower one at once: after a lost node the old processes really do go on writing, with a heartbeat that looks
alive.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gamefleet.errors import ConfigError, RunFolderError
from gamefleet.runs.paths import found

LEG_VARIABLE = "GAMEFLEET_LEG"
LEG_FOLDER = re.compile(r"(\d{4,})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One job's part of a chain.

    Args:
        chain: Path of the folder that holds the chain's legs, as it was given: legs of one chain are compared by it.
        number: From 1; higher numbers outrank lower ones.
    """

    chain: str
    number: int

    @property
    def folder(self) -> Path:
        """The leg's own folder."""
        return Path(self.chain) / f"{self.number:04d}"

    def fence(self) -> None:
        """Fail when another leg took the run over; see `files.Fence`.

        The folder is listed rather than the next number asked for: file servers' clients remember for up to a minute
        that a name did not exist, while opening a folder asks whether it has changed.

        Raises:
            RunFolderError: This process may no longer write to the run.
        """
        numbers = [number for number, _ in found(Path(self.chain), LEG_FOLDER)]
        if numbers and numbers[-1] > self.number:
            raise RunFolderError(
                f"Leg {self.number} no longer holds this run: leg {numbers[-1]} took over",
                where=self.chain,
                remedy="This process stops, and the run goes on in the newer job.",
            )
        if self.number not in numbers:
            raise RunFolderError(
                f"Leg {self.number} no longer holds this run: its folder has vanished",
                where=self.folder,
                remedy="This process stops, because somebody moved or removed the run. Start it where it lies now.",
            )

    def supersedes(self, claimed: object) -> bool:
        """Whether a claim, by the `leg` it recorded, belongs to an earlier leg of the same chain.

        Args:
            claimed: What `as_json` returned for the claim's leg, or None.
        """
        if not isinstance(claimed, Mapping) or claimed.get("chain") != self.chain:
            return False
        number = claimed.get("number")
        return isinstance(number, int) and number < self.number

    def as_json(self) -> dict[str, Any]:
        """For the claim file."""
        return {"chain": self.chain, "number": self.number}


def leg_from(environment: Mapping[str, str]) -> Leg | None:
    """The leg that the job around this process made.

    Args:
        environment: Environment variables; `GAMEFLEET_LEG` is the absolute path of a folder such as `.../legs/0007`.

    Returns:
        None outside of a chain.

    Raises:
        ConfigError: The variable names no leg that exists.
    """
    text = environment.get(LEG_VARIABLE, "")
    if not text:
        return None
    path = Path(text)
    match = LEG_FOLDER.fullmatch(path.name)
    if not path.is_absolute() or match is None or not path.is_dir():
        raise ConfigError(
            "This is not the folder of a leg",
            value=text,
            where=LEG_VARIABLE,
            remedy="Unset the variable: jobs of a chain set it, nobody else should.",
        )
    return Leg(chain=str(path.parent), number=int(match.group(1)))
