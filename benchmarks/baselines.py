"""What do memory, curiosity and the state archive each bring on the cartridge?

Trains variants of the demo's settings on several seeds and evaluates them beside random and scripted play over the same
fixed episodes. Takes minutes per run and runs one after the other; `--collect` tabulates runs that are there.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import mean, stdev

from gamefleet.runs.curves import Curve, draw_curves, smooth
from gamefleet.runs.metrics import read_metrics
from gamefleet.runs.paths import RunPaths
from table import RESULTS, report

LONG = True
SEEDS = range(3)
EPISODES = 10
MAX_STEPS = 1024

VARIANTS: dict[str, list[str]] = {
    "feed-forward": ["network.core=none", "curriculum.kind=none"],
    "recurrent": ["curriculum.kind=none"],
    "recurrent + RND": ["curriculum.kind=none", "curiosity.enabled=true"],
    "recurrent + archive": ["curriculum.kind=archive"],
}
"""Name -> settings on top of configs/demo.toml."""


def main() -> None:
    """Train, evaluate, print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--write", action="store_true")
    arguments.add_argument("--steps", type=int, default=100_000)
    arguments.add_argument("--runs-folder", type=Path, default=Path("runs"))
    arguments.add_argument("--collect", action="store_true", help="only collect runs that are there")
    options = arguments.parse_args()
    if not options.collect:
        for seed in SEEDS:
            for variant in VARIANTS:
                train_and_evaluate(variant, seed, options)
    found = {name: [load(name, seed, options.runs_folder) for seed in SEEDS] for name in VARIANTS}
    evaluations = {name: [each for each in results if each] for name, results in found.items()}
    report(
        "baselines",
        f"What do memory, curiosity and the archive each bring? Milestones after {options.steps:,} training steps, "
        f"{EPISODES} fixed episodes of {MAX_STEPS} steps per seed.",
        [*reference_rows(evaluations), *(row_of(name, results) for name, results in evaluations.items() if results)],
        options.write,
    )
    if options.write:
        draw(options.runs_folder)


def run_name(variant: str, seed: int) -> str:
    """Name of a variant's run."""
    return f"baseline-{variant.replace(' + ', '-').replace(' ', '-').lower()}-{seed}"


def train_and_evaluate(variant: str, seed: int, options: argparse.Namespace) -> None:
    """Train one variant on one seed and write its evaluation into its media folder."""
    gamefleet = [sys.executable, "-m", "gamefleet.cli.main"]
    name = run_name(variant, seed)
    changes = [part for setting in VARIANTS[variant] for part in ("--set", setting)]
    train = ["train", "pokemon_red", "--config", "configs/demo.toml", "--run", name, "--seed", str(seed), "--fresh"]
    train += ["--total-steps", str(options.steps), "--no-video", "--set", f"run.runs_folder={options.runs_folder}"]
    subprocess.run([*gamefleet, *train, *changes], check=True)
    players = "random,scripted" if variant == next(iter(VARIANTS)) and seed == SEEDS[0] else ""
    output = options.runs_folder / name / "media" / "evaluation.json"
    evaluate = ["evaluate", "pokemon_red", "--run", name, "--runs-folder", str(options.runs_folder)]
    evaluate += ["--compare", players, "--episodes", str(EPISODES), "--max-steps", str(MAX_STEPS)]
    subprocess.run([*gamefleet, *evaluate, "--output", str(output)], check=True)


def load(variant: str, seed: int, folder: Path) -> dict[str, list[float]]:
    """Milestones per episode of each player of one evaluation; the run itself is called `trained`."""
    path = folder / run_name(variant, seed) / "media" / "evaluation.json"
    if not path.exists():
        return {}
    players = json.loads(path.read_text())["players"]
    names = ["trained", *list(players)[1:]]
    counts = [[len(result["summary"]["milestones"]) for result in results] for results in players.values()]
    return dict(zip(names, counts, strict=True))


def reference_rows(evaluations: dict[str, list[dict[str, list[float]]]]) -> list[dict[str, str | float]]:
    """Rows of random and scripted play, which one of the evaluations holds."""
    for results in evaluations.values():
        for players in results:
            if "random" in players:
                return [{"player": name, **numbers([players[name]])} for name in ("random", "scripted")]
    return []


def row_of(variant: str, results: list[dict[str, list[float]]]) -> dict[str, str | float]:
    """One line of the table."""
    return {"player": variant, **numbers([players["trained"] for players in results])}


def numbers(per_seed: list[list[float]]) -> dict[str, str | float]:
    """Mean over seeds of the mean over episodes, its spread, and every seed's mean."""
    means = [mean(values) for values in per_seed]
    return {
        "milestones": round(mean(means), 2),
        "standard deviation over seeds": round(stdev(means), 2) if len(means) > 1 else "-",
        "seeds": ", ".join(f"{value:.1f}" for value in means),
    }


def draw(folder: Path) -> None:
    """Draw the training curves of all runs into `benchmarks/results/baselines.png`."""
    panels: dict[str, dict[str, Curve]] = {}
    for variant in VARIANTS:
        lines: dict[str, Curve] = {}
        for seed in SEEDS:
            curve = read_metrics(RunPaths(folder / run_name(variant, seed)).metrics("train")).curve("start/milestones")
            if curve:
                lines[f"seed {seed}"] = smooth(curve)
        if lines:
            panels[f"{variant}: milestones from the beginning"] = lines
    draw_curves(RESULTS / "baselines.png", panels, title="Training on the cartridge")


if __name__ == "__main__":
    main()
