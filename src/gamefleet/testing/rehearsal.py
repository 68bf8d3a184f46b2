"""The cluster rehearsal: a real SLURM on this machine carries a real run through limits, a scancel and a lost node.

Job: show on one machine what a cluster will do to a run, and that nothing of it is lost. Place in the data flow:
`make cluster-demo`, and in its shorter form a test; it only calls the commands that a user calls. Left out: GPUs, other
machines, other people's jobs.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gamefleet.testing.local_slurm import LocalSlurm, LocalSlurmSettings
from gamefleet.testing.rehearsal_chains import PARTITION, Chain, Chains, handovers, saved_by_itself

TIME_LIMIT = "0:01:00"
"""The shortest that SLURM has; it looks at limits every 30 s, the run ends itself before."""


def start(chains: Chains, config: Path) -> None:
    """Submit the first job."""
    chains.gamefleet(
        *("fleet", "start", "--config", str(config), "--run", chains.name, "--partition", PARTITION),
        *("--time-limit", TIME_LIMIT, "--cpus", "2", "--set", f"run.runs_folder={chains.runs_folder}"),
        *("--set", "run.total_steps=100_000_000", "--set", "run.checkpoint_interval_steps=4_000"),
    )
    chains.tell(f"started {chains.name}: jobs of {TIME_LIMIT} on the partition {PARTITION}")


def see_limit(chains: Chains) -> None:
    """Wait until one more leg has ended before its limit, saved, and was followed."""
    wanted = sum(saved_by_itself(row) for row in chains.chain()["legs"]) + 1
    chain = chains.until(lambda chain: sum(map(saved_by_itself, chain["legs"][:-1])) >= wanted, "a time limit")
    chains.tell(f"a leg saved before its time limit; now at leg {len(chain['legs'])}")


def summary(chain: Chain) -> dict[str, Any]:
    """What the rehearsal showed."""
    found = handovers(chain)
    whole = [handover for handover in found if handover["gap_s"] is not None]
    return {
        "legs": len(chain["legs"]),
        "handovers": len(found),
        "gaps_s": [round(handover["gap_s"], 1) for handover in whole],
        "ours_s": [round(handover["ours_s"], 1) for handover in whole if handover["ours_s"] is not None],
        "steps": chain["step"],
        "lost_steps": sum(handover["lost_steps"] for handover in found),
        "repeated_steps": sum(handover["repeated_steps"] for handover in found),
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
        chains = Chains(slurm=slurm, name=name, runs_folder=runs_folder.absolute(), say=say)
        chains.tell("a SLURM with four nodes is up")
        start(chains, config)
        for _ in range(limits - limits // 2):
            see_limit(chains)
        chains.cancel_job()
        chains.kill_node()
        for _ in range(limits // 2):
            see_limit(chains)
        chains.stop()
        chain = chains.chain()
        say(chains.fleet("status", "--legs"))
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
