"""Chains of jobs as a rehearsal sees them: started, watched, hurt and stopped by the commands that users call.

Job: what rehearsals have in common. Place in the data flow: between a script of events (`rehearsal`,
`fleet_rehearsal`) and the command line against a local SLURM. Left out: which events, in which order.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gamefleet.testing.local_slurm import LocalSlurm

GAMEFLEET = (sys.executable, "-P", "-m", "gamefleet.cli.main")
PARTITION = "gpu-linuxlab"
PATIENCE_S = 240.0
LOOK_INTERVAL_S = 5.0
"""Each look takes half a second of a core that the runs need too."""

Chain = Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class Chains:
    """The chains of one fleet.

    Args:
        slurm: Up.
        name: Of the fleet.
        runs_folder: Where run folders are made, absolute.
        say: Tells whoever watches.
    """

    slurm: LocalSlurm
    name: str
    runs_folder: Path
    say: Callable[[str], None]
    began_at: float = field(default_factory=time.monotonic)

    def gamefleet(self, *words: str) -> str:
        """Run a command of ours against the SLURM; returns its output.

        Raises:
            RuntimeError: It failed; carries what it said.
        """
        done = subprocess.run(
            [*GAMEFLEET, *words], env=self.slurm.environment, capture_output=True, text=True, timeout=PATIENCE_S
        )
        if done.returncode:
            raise RuntimeError(f"gamefleet {' '.join(words)} failed: {done.stderr.strip()}")
        return done.stdout

    def fleet(self, command: str, *words: str) -> str:
        """Run `gamefleet fleet COMMAND` for this fleet."""
        return self.gamefleet("fleet", command, "--run", self.name, "--runs-folder", str(self.runs_folder), *words)

    def tell(self, text: str) -> None:
        """Say something with the time since the beginning."""
        self.say(f"[{self.seconds:5.0f} s] {text}")

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self.began_at

    def look(self) -> list[dict[str, Any]]:
        """All chains, as `status --json` shows them."""
        found: list[dict[str, Any]] = json.loads(self.fleet("status", "--json"))["chains"]
        return found

    def chain(self, member: str = "m0") -> dict[str, Any]:
        """One chain."""
        return next(chain for chain in self.look() if chain["chain"] == member)

    def until(self, condition: Callable[[Chain], bool], what: str, member: str = "m0") -> dict[str, Any]:
        """Wait for something to be true of a chain.

        Raises:
            RuntimeError: It did not come true.
        """
        give_up_at = time.monotonic() + PATIENCE_S
        while True:
            chain = self.chain(member)
            if condition(chain):
                return chain
            if chain["state"] in ("failed", "held") or time.monotonic() > give_up_at:
                raise RuntimeError(f"in vain: {what}. The chain is {chain['state']}: {chain['reason']}")
            time.sleep(LOOK_INTERVAL_S)

    def settled_leg(self, member: str = "m0") -> dict[str, Any]:
        """The newest leg, once it has saved something of its own."""

        def has_saved(chain: Chain) -> bool:
            row = chain["legs"][-1]
            return not row["leg"]["outcome"] and (row["stretch"] or {}).get("saved_step", -1) >= 0

        leg: dict[str, Any] = self.until(has_saved, "a checkpoint of the newest leg", member)["legs"][-1]["leg"]
        return leg

    def cancel_job(self, member: str = "m0") -> None:
        """`scancel` a leg that has trained for a while, and see the next one go on."""
        leg = self.settled_leg(member)
        self.slurm.run("scancel", leg["job"])
        self.await_next(leg, member)
        self.tell(f"leg {leg['number']} (job {leg['job']}) was cancelled; leg {leg['number'] + 1} goes on")

    def kill_node(self, member: str = "m0") -> None:
        """Let the node of a leg die: its daemon is killed, the job's processes go on and are fenced off."""
        leg = self.settled_leg(member)
        self.slurm.kill_node(leg["host"])
        self.tell(f"the node {leg['host']} of leg {leg['number']} (job {leg['job']}) was killed")
        self.await_next(leg, member)
        self.tell(f"leg {leg['number'] + 1} goes on elsewhere")
        self.slurm.start_node(leg["host"])

    def await_next(self, leg: Mapping[str, Any], member: str = "m0") -> None:
        """Wait until the leg after this one has finished a round."""
        self.until(lambda chain: is_training(chain, leg["number"] + 1), f"a leg after {leg['number']}", member)

    def stop(self) -> None:
        """End all chains by our own command."""
        self.fleet("stop")
        self.tell("stopped: the last leg of each chain saved and ended, nothing is left in the queue")


def saved_by_itself(row: Mapping[str, Any]) -> bool:
    """Whether a leg ended because its time was over, not because it was cancelled."""
    return row["leg"]["outcome"] == "saved" and bool(row["stretch"]) and "the job ends in" in row["stretch"]["reason"]


def is_training(chain: Chain, number: int) -> bool:
    """Whether a leg of this number, or a later one, has finished a round."""
    return any(
        row["leg"]["number"] >= number and (row["stretch"] or {}).get("began_training_at", 0) > 0
        for row in chain["legs"]
    )


def handovers(chain: Chain) -> list[dict[str, Any]]:
    """The hand-overs of a chain, oldest first."""
    return [row["handover"] for row in chain["legs"] if row["handover"]]
