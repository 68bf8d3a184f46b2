"""Does the tiny network learn to play from generated battles, within a quarter of an hour of one CPU?

Generates battles of the strongest scripted policy, parses them, trains with several seeds by the commands that users
type, and lets each network play mirrored battles against scripted players. Processor time is that of the training
command with all its processes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from table import Row, report

LONG = True
CONFIG = Path(__file__).resolve().parents[1] / "configs" / "showdown_tiny.toml"
OPPONENTS = ("random", "poke-env-max-power", "max-damage", "heuristic")
"""Weakest first; the networks learn from battles of the last one."""

BATTLE_SEED = 1
LADDER_SEED = 1000
"""Its teams and chances are no others' than the ladder's."""

CURVE_POINTS = 6


def main() -> None:
    """Generate, train, play, print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--write", action="store_true", help="write the tables into benchmarks/results")
    arguments.add_argument("--folder", type=Path, default=Path("runs/showdown_learning"), help="battles, runs, results")
    arguments.add_argument("--collect", action="store_true", help="only make the tables of the runs that are there")
    arguments.add_argument("--format", default="gen1ou")
    arguments.add_argument("--battles", type=int, default=4000)
    arguments.add_argument("--steps", type=int, default=800)
    arguments.add_argument("--blocks", type=int, default=100, help="per opponent; two games with the sides exchanged")
    arguments.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    options = arguments.parse_args()
    if not options.collect:
        for seed in options.seeds:
            carry_out(options, seed)
    rows = [row_of(options, seed) for seed in options.seeds]
    how = f"{options.battles:,} {options.format} battles of `{OPPONENTS[-1]}` against itself, {options.steps:,} steps"
    question = f"Does the tiny network learn to play from {how}?"
    report(
        "showdown_learning",
        f"{question} Share of the points against each opponent in mirrored battles, 95 % interval over blocks",
        rows,
        options.write,
    )
    report(
        "showdown_learning_curve",
        "How does agreement with the policy that is learned from grow? Share of held-out choices that are the likeliest"
        " action",
        [row for seed in options.seeds for row in curve_of(options, seed)],
        options.write,
    )
    report(
        "showdown_ladder",
        f"How strong are the networks of all seeds on one ladder of {options.format}, on its own scale?",
        list(ladder_of(options)),
        options.write,
    )


def carry_out(options: argparse.Namespace, seed: int) -> None:
    """Everything of one seed that is not there yet."""
    folder, run = options.folder, f"seed{seed}"
    data = folder / options.format
    if not (data / "processed" / "MANIFEST.json").is_file():
        made = ["--output-dir", data, "--max-games", options.battles, "--format", options.format, "--seed", BATTLE_SEED]
        gamefleet("replays", "generate", *made, "--policy", OPPONENTS[-1])
        gamefleet("replays", "parse", "--input-dir", data / "raw", "--output-dir", data / "processed")
    summary = folder / f"{options.format}-{run}.json"
    if not summary.is_file():
        settings = ["--config", CONFIG, "--data-dir", data, "--max-steps", options.steps, "--seed", seed]
        place = ["--set", f"run.runs_folder={folder / options.format / 'runs'}", "--run", run, "--fresh"]
        before = children_s()
        gamefleet("train", "showdown", *settings, *place)
        summary.write_text(json.dumps({"cpu_s": children_s() - before}))
    place = ["--folder", folder / options.format / "ladder", "--runs-folder", folder / options.format / "runs"]
    players = [word for opponent in (run, *OPPONENTS) for word in ("--player", opponent)]
    wanted = ["--format", options.format, "--blocks", options.blocks, "--seed", LADDER_SEED]
    gamefleet("ladder", "run", *players, "--against", run, *wanted, *place)


def gamefleet(*words: Any) -> None:
    """Type a command."""
    command = [sys.executable, "-m", "gamefleet.cli.main", *map(str, words)]
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def children_s() -> float:
    """Processor time of all processes that were waited for, seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def row_of(options: argparse.Namespace, seed: int) -> Row:
    """A seed's share of the points against each opponent."""
    cpu_s = json.loads((options.folder / f"{options.format}-seed{seed}.json").read_text())["cpu_s"]
    row: Row = {"format": options.format, "seed": str(seed), "CPU minutes of training": cpu_s / 60}
    num_blocks = set()
    for opponent in OPPONENTS:
        shares = np.array(list(block_shares(options, f"seed{seed}@", opponent)))
        num_blocks.add(len(shares))
        half = 1.96 * shares.std(ddof=1) / np.sqrt(len(shares))
        row[f"against {opponent}"] = f"{100 * shares.mean():.1f} ± {100 * half:.1f} %"
    row["games per opponent"] = " to ".join(str(2 * number) for number in sorted(num_blocks))
    return row


def block_shares(options: argparse.Namespace, run: str, opponent: str) -> Iterator[float]:
    """Mean score of the network in each block against an opponent."""
    blocks: dict[int, list[float]] = {}
    for path in sorted((options.folder / options.format / "ladder").glob("*.jsonl")):
        for line in path.read_text().splitlines():
            result: Mapping[str, Any] = json.loads(line)
            first, second = result["first"], result["second"]
            if first.startswith(run) and second == opponent:
                blocks.setdefault(result["block"], []).append(result["score"])
            if second.startswith(run) and first == opponent:
                blocks.setdefault(result["block"], []).append(1 - result["score"])
    yield from (sum(scores) / len(scores) for scores in blocks.values())


def curve_of(options: argparse.Namespace, seed: int) -> Iterator[Row]:
    """Some points of a seed's curve."""
    path = options.folder / options.format / "runs" / f"seed{seed}" / "metrics" / "train.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines = [line for line in lines if "evaluation/policy_accuracy" in line.get("values", {})]
    points = np.linspace(0, len(lines) - 1, CURVE_POINTS).round().astype(int).tolist() if lines else []
    for index in sorted(set(points)):
        values = lines[index]["values"]
        yield {
            "seed": str(seed),
            "step": lines[index]["step"],
            "decisions": values["run/decisions"],
            "held-out agreement": values["evaluation/policy_accuracy"],
            "held-out value loss": values["evaluation/value_loss"],
        }


def ladder_of(options: argparse.Namespace) -> Iterator[Row]:
    """What `gamefleet ladder show` says of all players."""
    folder = options.folder / options.format / "ladder"
    command = [sys.executable, "-m", "gamefleet", "ladder", "show", "--folder", str(folder), "--json"]
    shown = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    for player in shown["players"]:
        glicko = player["glicko"]
        yield {
            "player": player["player"] + (" (anchor)" if player["player"] == shown["anchor"] else ""),
            "games": player["games"],
            "points": player["score"],
            "Elo": f"{player['elo']:.0f} ± {player['half_width']:.0f}",
            "GXE": f"{player['gxe']:.1f} %",
            "Glicko-1": f"{glicko['rating']:.0f} ± {glicko['deviation']:.0f}",
        }


if __name__ == "__main__":
    main()
