"""The cluster rehearsal: a real SLURM on this machine carries a real run through limits, a scancel and a lost node.

Job: show on one machine what a cluster will do to a run, and that nothing of it is lost. Place in the data flow:
`make cluster-demo`, and in its shorter form a test; it only calls the commands that a user calls. Left out: GPUs, other
machines, other people's jobs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gamefleet.testing.local_slurm import LocalSlurm, LocalSlurmSettings

GAMEFLEET = (sys.executable, "-m", "gamefleet.cli.main")
PARTITION = "gpu-linuxlab"
TIME_LIMIT = "0:01:00"
"""The shortest that SLURM has; it looks at limits every 30 s, the run ends itself before."""

PATIENCE_S = 240.0


@dataclass(slots=True, kw_only=True)
class Rehearsal:
    """One rehearsal.

    Args:
        slurm: Up.
        name: Of the run.
        runs_folder: Where its folder is made.
        config: Settings file.
        say: Tells whoever watches.
    """

    slurm: LocalSlurm
    name: str
    runs_folder: Path
    config: Path
    say: Callable[[str], None]
    began_at: float = field(default_factory=time.monotonic)

    def gamefleet(self, *words: str) -> str:
        """Run a command of ours against the SLURM; returns its output."""
        done = subprocess.run(
            [*GAMEFLEET, *words], env=self.slurm.environment, capture_output=True, text=True, timeout=PATIENCE_S
        )
        if done.returncode:
            raise RuntimeError(f"gamefleet {' '.join(words)} failed: {done.stderr.strip()}")
        return done.stdout

    def tell(self, text: str) -> None:
        """Say something with the time since the beginning."""
        self.say(f"[{time.monotonic() - self.began_at:5.0f} s] {text}")

    def chain(self) -> dict[str, Any]:
        """The one chain, as `status --json` shows it."""
        output = self.gamefleet("fleet", "status", "--run", self.name, "--runs-folder", str(self.runs_folder), "--json")
        found: dict[str, Any] = json.loads(output)["chains"][0]
        return found

    def until(self, condition: Callable[[Mapping[str, Any]], bool], what: str) -> dict[str, Any]:
        """Wait for something to be true of the chain."""
        give_up_at = time.monotonic() + PATIENCE_S
        while True:
            chain = self.chain()
            if condition(chain):
                return chain
            if chain["state"] in ("failed", "held") or time.monotonic() > give_up_at:
                raise RuntimeError(f"in vain: {what}. The chain is {chain['state']}: {chain['reason']}")
            time.sleep(5.0)  # each look takes half a second of a core that the run needs too

    def start(self) -> None:
        """Submit the first job."""
        self.gamefleet(
            *("fleet", "start", "--config", str(self.config), "--run", self.name, "--partition", PARTITION),
            *("--time-limit", TIME_LIMIT, "--cpus", "2", "--set", f"run.runs_folder={self.runs_folder}"),
            *("--set", "run.total_steps=100_000_000", "--set", "run.checkpoint_interval_steps=4_000"),
        )
        self.tell(f"started {self.name}: jobs of {TIME_LIMIT} on the partition {PARTITION}")

    def see_limit(self) -> None:
        """Wait until one more leg has ended before its limit, saved, and was followed."""
        wanted = sum(saved_by_itself(row) for row in self.chain()["legs"]) + 1
        chain = self.until(
            lambda chain: sum(saved_by_itself(row) for row in chain["legs"][:-1]) >= wanted, "a time limit"
        )
        self.tell(f"a leg saved before its time limit; now at leg {len(chain['legs'])}")

    def cancel_job(self) -> None:
        """`scancel` a leg that has trained for a while."""
        leg = self.settled_leg()
        self.slurm.run("scancel", leg["job"])
        self.until(lambda chain: is_training(chain, leg["number"] + 1), "a leg after the cancelled one")
        self.tell(f"leg {leg['number']} (job {leg['job']}) was cancelled; leg {leg['number'] + 1} goes on")

    def kill_node(self) -> None:
        """Let the node of a leg die: its daemon is killed, the job's processes go on and are fenced off."""
        leg = self.settled_leg()
        self.slurm.kill_node(leg["host"])
        self.tell(f"the node {leg['host']} of leg {leg['number']} (job {leg['job']}) was killed")
        self.until(lambda chain: is_training(chain, leg["number"] + 1), "a leg after the lost node")
        self.tell(f"leg {leg['number'] + 1} goes on elsewhere")
        self.slurm.start_node(leg["host"])

    def settled_leg(self) -> dict[str, Any]:
        """The newest leg, once it has saved something of its own."""

        def has_saved(chain: Mapping[str, Any]) -> bool:
            row = chain["legs"][-1]
            return not row["leg"]["outcome"] and (row["stretch"] or {}).get("saved_step", -1) >= 0

        leg: dict[str, Any] = self.until(has_saved, "a checkpoint of the newest leg")["legs"][-1]["leg"]
        return leg

    def stop(self) -> dict[str, Any]:
        """End the chain by our own command; returns its account."""
        self.gamefleet("fleet", "stop", "--run", self.name, "--runs-folder", str(self.runs_folder))
        self.tell("stopped: the last leg saved and ended, nothing is left in the queue")
        return self.chain()


def saved_by_itself(row: Mapping[str, Any]) -> bool:
    """Whether a leg ended because its time was over, not because it was cancelled."""
    return row["leg"]["outcome"] == "saved" and bool(row["stretch"]) and "the job ends in" in row["stretch"]["reason"]


def is_training(chain: Mapping[str, Any], number: int) -> bool:
    """Whether a leg of this number, or a later one, has finished a round."""
    return any(
        row["leg"]["number"] >= number and (row["stretch"] or {}).get("began_training_at", 0) > 0
        for row in chain["legs"]
    )


def summary(chain: Mapping[str, Any]) -> dict[str, Any]:
    """What the rehearsal showed."""
    handovers = [row["handover"] for row in chain["legs"] if row["handover"]]
    whole = [handover for handover in handovers if handover["gap_s"] is not None]
    return {
        "legs": len(chain["legs"]),
        "handovers": len(handovers),
        "gaps_s": [round(handover["gap_s"], 1) for handover in whole],
        "ours_s": [round(handover["ours_s"], 1) for handover in whole if handover["ours_s"] is not None],
        "steps": chain["step"],
        "lost_steps": sum(handover["lost_steps"] for handover in handovers),
        "repeated_steps": sum(handover["repeated_steps"] for handover in handovers),
        "milestones": chain["milestones"],
    }


def rehearse(config: Path, runs_folder: Path, *, limits: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Go through all of it.

    Args:
        config: Settings file.
        runs_folder: Where the run folder is made.
        limits: Time limits to go across.
        say: Tells whoever watches.

    Returns:
        What it showed; see `summary`.

    Raises:
        RuntimeError: Something did not happen in time.
    """
    with LocalSlurm(LocalSlurmSettings(has_accounting=True)) as slurm:
        name = f"cluster-demo-{time.strftime('%Y%m%d-%H%M%S')}"
        rehearsal = Rehearsal(slurm=slurm, name=name, runs_folder=runs_folder.absolute(), config=config, say=say)
        rehearsal.tell("a SLURM with four nodes is up")
        rehearsal.start()
        for _ in range(limits - limits // 2):
            rehearsal.see_limit()
        rehearsal.cancel_job()
        rehearsal.kill_node()
        for _ in range(limits // 2):
            rehearsal.see_limit()
        chain = rehearsal.stop()
        words = ("fleet", "status", "--run", name, "--runs-folder", str(rehearsal.runs_folder), "--legs")
        say(rehearsal.gamefleet(*words))
    return summary(chain)


def main(arguments: Sequence[str] | None = None) -> int:
    """Rehearse, print the account, and fail if anything was lost."""
    parser = argparse.ArgumentParser(description="Rehearse a cluster on this machine.")
    parser.add_argument("--config", type=Path, default=Path("configs/demo.toml"))
    parser.add_argument("--runs-folder", type=Path, default=Path("runs"))
    parser.add_argument("--limits", type=int, default=3, help="time limits to go across")
    asked = parser.parse_args(arguments)
    found = rehearse(asked.config, asked.runs_folder, limits=asked.limits, say=lambda text: print(text, flush=True))
    print(
        f"{found['legs']} legs, {found['handovers']} hand-overs, {found['steps']:,} steps, "
        f"{found['milestones']} milestones"
    )
    print(f"steps lost: {found['lost_steps']}; played again after a kill: {found['repeated_steps']:,}")
    print(
        f"from the last round of a leg to the first of the next: {found['gaps_s']} s, of which ours {found['ours_s']} s"
    )
    return int(found["lost_steps"] != 0)


if __name__ == "__main__":
    sys.exit(main())
