"""Does the demo's agent beat random play, whatever the seed?

Runs `gamefleet demo` once per seed and collects the milestones that trained, random and scripted players reached over
the same evaluation episodes. Takes about seven minutes per seed on two idle cores.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import mean

from table import report

LONG = True
SEEDS = range(5)


def main() -> None:
    """Run and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--write", action="store_true")
    arguments.add_argument("--runs-folder", type=Path, default=Path("runs"))
    arguments.add_argument("--collect", action="store_true", help="only collect runs that are there")
    options = arguments.parse_args()
    if not options.collect:
        for seed in SEEDS:
            run_demo(seed, options.runs_folder)
    rows = [row_of(seed, options.runs_folder) for seed in SEEDS]
    report(
        "demo_seeds",
        "Does the demo's agent beat random play, whatever the seed? Mean milestones of 10 fixed evaluation episodes.",
        rows,
        options.write,
    )


def run_demo(seed: int, folder: Path) -> None:
    """Train and evaluate one seed."""
    command = [sys.executable, "-m", "gamefleet.cli.main", "demo", "--seed", str(seed), "--run", f"demo-seed-{seed}"]
    subprocess.run([*command, "--set", f"run.runs_folder={folder}"], check=True)


def row_of(seed: int, folder: Path) -> dict[str, str | float]:
    """One line of the table."""
    media = folder / f"demo-seed-{seed}" / "media"
    players = json.loads((media / "evaluation.json").read_text())["players"]
    counts = {name: [len(result["summary"]["milestones"]) for result in results] for name, results in players.items()}
    wins = sum(ours > theirs for ours, theirs in zip(counts["trained"], counts["random"], strict=True))
    return {
        "seed": seed,
        **{name: round(mean(values), 2) for name, values in counts.items()},
        "episodes in which trained beats random": f"{wins} of {len(counts['trained'])}",
        "fewest and most of trained": f"{min(counts['trained'])} to {max(counts['trained'])}",
    }


if __name__ == "__main__":
    main()
