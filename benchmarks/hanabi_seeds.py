"""What does `gamefleet train hanabi --config configs/hanabi_mini.toml` reach, seed by seed, and for how much time?

Runs the command once per seed, counts the processor time of the whole process (start, playing, learning, both
threads, checkpoints), and lets the last checkpoint play fixed deals greedily with `gamefleet evaluate`.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from table import report

LONG = True
EPISODES = 1000
MOST_POINTS = 6


def main() -> None:
    """Train, evaluate and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--write", action="store_true")
    arguments.add_argument("--runs-folder", type=Path, default=Path("runs"))
    arguments.add_argument("--collect", action="store_true", help="only make the table of the runs that are there")
    arguments.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    options = arguments.parse_args()
    if not options.collect:
        for seed in options.seeds:
            train(seed, options.runs_folder)
    rows = [row_of(seed, options.runs_folder) for seed in options.seeds]
    report(
        "hanabi_seeds",
        f"What does configs/hanabi_mini.toml reach, of {MOST_POINTS} points, greedily on {EPISODES} fixed deals?",
        rows,
        options.write,
    )


def command(*words: str) -> list[str]:
    """The command line that users type."""
    return [sys.executable, "-m", "gamefleet.cli.main", *words]


def train(seed: int, folder: Path) -> None:
    """One run and its evaluation, kept in the run's folder."""
    name = f"hanabi-mini-{seed}"
    before = children_s()
    words = ["train", "hanabi", "--config", "configs/hanabi_mini.toml", "--seed", str(seed), "--run", name, "--fresh"]
    subprocess.run(command(*words, "--no-video", "--set", f"run.runs_folder={folder}"), check=True)
    cpu_s = children_s() - before
    output = folder / name / "evaluation.json"
    words = ["evaluate", "hanabi", "--run", name, "--runs-folder", str(folder), "--episodes", str(EPISODES)]
    subprocess.run(command(*words, "--output", str(output)), check=True)
    (folder / name / "cpu_s.json").write_text(json.dumps(cpu_s))


def children_s() -> float:
    """Processor time of all processes that were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def row_of(seed: int, folder: Path) -> dict[str, str | float]:
    """One line of the table."""
    root = folder / f"hanabi-mini-{seed}"
    players: dict[str, list[dict[str, Any]]] = json.loads((root / "evaluation.json").read_text())["players"]
    scores = {name: [float(game["summary"]["total_return"]) for game in games] for name, games in players.items()}
    trained = next(values for name, values in scores.items() if name != "random")
    state = json.loads((root / "state.json").read_text())
    return {
        "seed": seed,
        "processor time in s": round(json.loads((root / "cpu_s.json").read_text())),
        "moves": f"{state['step'] / 1000:.0f} k",
        "updates": state["updates"],
        "score": round(mean(trained), 3),
        "95 % interval": f"± {1.96 * stdev(trained) / len(trained) ** 0.5:.3f}",
        "perfect games": f"{mean(score == MOST_POINTS for score in trained):.1%}",
        "lost games": f"{mean(score == 0 for score in trained):.1%}",
        "random play": round(mean(scores["random"]), 3),
    }


if __name__ == "__main__":
    main()
