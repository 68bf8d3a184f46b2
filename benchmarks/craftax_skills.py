"""How long does the chain of six skills take, from nothing, and how good is it in fresh worlds?

Runs `gamefleet skills run` once per seed with the embedded catalogue, two skills at the same time, and collects steps,
seconds and success rates from the results that the run leaves. Seconds are those of the wall, compiling included where
the programs were not kept from before; other work on the machine makes them longer, steps and rates stay the same.
Rates are of worlds that nobody trained in; "confirmed" ones were played after it was decided that the skill is good
enough.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from table import Row, report

LONG = True
SEEDS = (0, 1, 2)
ENV_NAME = "Craftax-Classic-Symbolic-v1"


def main() -> None:
    """Run and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--write", action="store_true")
    arguments.add_argument("--folder", type=Path, default=Path("runs/craftax_skills"))
    arguments.add_argument("--seeds", type=int, nargs="*", default=SEEDS)
    arguments.add_argument("--parallel", type=int, default=2)
    arguments.add_argument("--collect", action="store_true", help="only collect runs that are there")
    options = arguments.parse_args()
    rows: list[Row] = []
    for seed in options.seeds:
        folder = options.folder / f"seed_{seed}"
        if not options.collect:
            run(seed, folder, options.parallel)
        rows += rows_of(seed, folder)
    question = "How long does the chain of six skills take, and how good is it in fresh worlds?"
    report("craftax_skills", question, rows, options.write)


def run(seed: int, folder: Path, parallel: int) -> None:
    """One graph; its wall time is kept beside it."""
    command = [sys.executable, "-m", "gamefleet.cli.main", "skills", "run", "--env_name", ENV_NAME]
    command += ["--graph-path", str(folder), "--max_nodes", "6", "--max_parallel_skills", str(parallel)]
    command += ["--proposer", "catalogue", "--executor", "local", "--seed", str(seed)]
    began = time.monotonic()
    subprocess.run(command, check=True)
    (folder / "wall_s.txt").write_text(f"{time.monotonic() - began:.1f}\n")


def rows_of(seed: int, folder: Path) -> list[Row]:
    """One row per skill, and one for the whole."""
    results = [json.loads(path.read_text()) for path in sorted(folder.glob("skills/*/result.json"))]
    rows: list[Row] = [row_of(seed, result) for result in results]
    wall = float((folder / "wall_s.txt").read_text())
    steps = float(sum(int(one["frames"]) for one in results))
    return [*rows, {"seed": float(seed), "skill": "all, from start to end", "steps": steps, "seconds": round(wall)}]


def row_of(seed: int, result: dict[str, Any]) -> Row:
    """A skill's row."""
    confirmed = result.get("statistics", {}).get("confirmation", [])
    successes, reached = (sum(int(one[key]) for one in confirmed) for key in ("successes", "reached"))
    return {
        "seed": float(seed),
        "skill": result["skill_name"],
        "steps": float(result["frames"]),
        "seconds": round(float(result["seconds"])),
        "evaluated": f"{result['successes']} of {result['episodes']}",
        "rate": round(float(result["successes"]) / max(1, int(result["episodes"])), 3),
        "at least": round(float(result["lower_bound"]), 3),
        "confirmed": f"{successes} of {reached}" if reached else "",
        "of worlds begun": f"{result['successes']} of {result['started']}",
    }


if __name__ == "__main__":
    main()
