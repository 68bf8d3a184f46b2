"""How well does the Hanabi agent learn, and what does each part of it contribute?

Trains variants of one settings file, each with several seeds, on one core, and lets the network play fixed deals at
marks of processor time. Processor time is that of the whole process while it plays and learns, both threads together;
evaluation is not counted. Results of single runs are kept, so that the table can be made again and runs can be added.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import mean
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from table import report

LONG = True
CONFIG = Path(__file__).resolve().parents[1] / "configs" / "hanabi_mini.toml"
EVALUATION_GAMES = 1000

SHORTER = ("learner.learning_rate_decay_updates=1200",)
"""What is changed for all: the learning rate falls as fast as the runs are short."""

VARIANTS: Mapping[str, tuple[str, ...]] = {
    "as configured": (),
    "replay ratio 1": ("learner.replay_ratio=1.0",),
    "replay ratio 8": ("learner.replay_ratio=8.0",),
    "replay ratio 20": ("learner.replay_ratio=20.0",),
    "1-step returns": ("learner.num_steps=1",),
    "4-step returns": ("learner.num_steps=4",),
    "auxiliary loss 0.1": ("learner.auxiliary_weight=0.1",),
    "greedy action heard (SAD)": ("game.sad=true",),
    "colours exchanged": ("learner.augment=true",),
    "without beliefs": ("network.encoder.beliefs=false",),
    "SAD, auxiliary loss 0.1": ("game.sad=true", "learner.auxiliary_weight=0.1"),
}
"""What is changed in the settings file."""


def main() -> None:
    """Train and print, or do one run of it."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--write", action="store_true", help="write the table into benchmarks/results")
    arguments.add_argument("--folder", type=Path, default=Path("runs/hanabi_learning"), help="results of single runs")
    arguments.add_argument("--collect", action="store_true", help="only make the table of the runs that are there")
    arguments.add_argument("--variants", nargs="*", default=list(VARIANTS))
    arguments.add_argument("--seeds", nargs="*", type=int, default=[0, 1])
    arguments.add_argument("--cpu-seconds", type=float, default=45.0, help="processor time of one run")
    arguments.add_argument(
        "--one", action="store_true", help="do the first variant with the first seed in this process"
    )
    options = arguments.parse_args()
    if options.one:
        train(options.variants[0], options.seeds[0], options.cpu_seconds, options.folder)
        return
    if not options.collect:
        for variant, seed in ((variant, seed) for seed in options.seeds for variant in options.variants):
            command = [sys.executable, __file__, "--one", "--variants", variant, "--seeds", str(seed)]
            command += ["--cpu-seconds", str(options.cpu_seconds), "--folder", str(options.folder)]
            subprocess.run(command, check=True)
    rows = [row_of(variant, options.folder, options.cpu_seconds) for variant in VARIANTS]
    report(
        "hanabi_learning",
        "What does each part of the Hanabi agent contribute? Score of 6 in the mini variant (2 colours, 3 ranks),"
        f" played greedily on {EVALUATION_GAMES} fixed deals, after {options.cpu_seconds:g} s of processor time.",
        [row for row in rows if row],
        options.write,
    )


def result_file(folder: Path, variant: str, seed: int, cpu_seconds: float) -> Path:
    """Where a run's curve is kept."""
    return folder / f"{variant.replace(' ', '_')}-{cpu_seconds:g}s-{seed}.jsonl"


def train(variant: str, seed: int, cpu_seconds: float, folder: Path) -> None:
    """One run: a line per quarter of its time."""
    from gamefleet.games import open_game
    from gamefleet.topologies.build import build_solo
    from gamefleet.topologies.config import ask, make_config

    package = open_game("hanabi")
    asked = ask(file=CONFIG, assignments=(*SHORTER, *VARIANTS[variant]), flags={"run.seed": seed})
    config = make_config(package, asked)
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    with build_solo(package, config) as solo:
        for spent in marks(solo, [cpu_seconds * quarter / 4 for quarter in (1, 2, 3, 4)]):
            result = {"cpu_s": round(spent, 1), "steps": solo.steps, "updates": solo.updates}
            lines.append({**result, **played(package, config, solo.learner.network)})
            print(variant, seed, json.dumps(lines[-1]), flush=True)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    result_file(folder, variant, seed, cpu_seconds).write_text(text)


def marks(solo: Any, times_s: list[float]) -> Iterator[float]:
    """Run rounds; yields the processor time spent in them, each time that a mark is passed."""
    spent = 0.0
    for mark in times_s:
        while spent < mark:
            before = time.process_time()
            solo.run_round()
            spent += time.process_time() - before
        yield spent


def played(package: Any, config: Any, network: Any) -> dict[str, float]:
    """Score of greedy play, half the width of its 95 % interval, and shares of perfect and of lost games."""
    import numpy as np

    from gamefleet.topologies.evaluation import Player, evaluation_seeds, play_seeds

    player = Player(name="trained", checkpoint=None, package=package, config=config, network=network)
    seeds = evaluation_seeds(EVALUATION_GAMES)
    results = play_seeds(player, seeds=seeds, max_steps=config.game.max_episode_steps)
    scores = np.array([result.summary.total_return for result in results])
    return {
        "score": round(float(scores.mean()), 3),
        "half_width": round(float(1.96 * scores.std(ddof=1) / len(scores) ** 0.5), 3),
        "perfect": float((scores == config.game.max_score).mean()),
        "lost": float((scores == 0).mean()),
    }


def row_of(variant: str, folder: Path, cpu_seconds: float) -> dict[str, str | float]:
    """One line of the table; empty when there is no such run."""
    names = sorted(folder.glob(result_file(folder, variant, 0, cpu_seconds).name.replace("-0.jsonl", "-*.jsonl")))
    curves = [[json.loads(line) for line in name.read_text().splitlines()] for name in names]
    if not curves:
        return {}
    last = [curve[-1] for curve in curves]
    return {
        "variant": variant,
        "seeds": len(curves),
        "score": round(mean(line["score"] for line in last), 2),
        "score per seed (95 %)": ", ".join(f"{line['score']:.2f} ± {line['half_width']:.2f}" for line in last),
        "perfect games": f"{mean(line['perfect'] for line in last):.0%}",
        "lost games": f"{mean(line['lost'] for line in last):.0%}",
        "mean score after each quarter": ", ".join(
            f"{mean(curve[quarter]['score'] for curve in curves):.2f}" for quarter in range(4)
        ),
        "moves": f"{mean(line['steps'] for line in last) / 1000:.0f} k",
        "updates": round(mean(line["updates"] for line in last)),
    }


if __name__ == "__main__":
    main()
