"""What do members gain from sharing a folder, at equal total samples?

Lets 1, 2 and 4 members learn a toy that needs memory, or the cartridge, through a real shared folder, taking turns in
one process. All members together record a fixed number of steps, so a fleet of four has a quarter of the updates per
network; what would be four machines' time is the number of steps per member. `--task` chooses; results of all runs lie
in a JSON file, so that a study can be continued.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

from gamefleet.actors.evaluate import evaluate
from gamefleet.actors.policy import network_policy
from gamefleet.actors.vector import make_vector
from gamefleet.games import open_game
from gamefleet.games.base import GamePackage
from gamefleet.runs.curves import draw_curves
from gamefleet.testing.toys import corridor
from gamefleet.topologies.config import RunConfig, make_config, merge
from gamefleet.topologies.foreign_config import read_settings_file
from gamefleet.topologies.wiring import Wiring, built_wiring
from table import RESULTS, Row, report

LONG = True
SEEDS = (0, 1, 2)

ALONE: dict[str, Any] = {"enabled": False}
AVERAGE: dict[str, Any] = {"accept_experience": False, "merge": {"rule": "average"}}
EXPERIENCE: dict[str, Any] = {"share_weights": False, "share_experience": True}

VARIANTS: dict[str, tuple[int, dict[str, Any]]] = {
    "1 member": (1, ALONE),
    "2, apart": (2, ALONE),
    "2, average": (2, AVERAGE),
    "2, polyak 0.5": (2, {**AVERAGE, "merge": {"rule": "polyak", "tau": 0.5}}),
    "2, outer step": (2, {**AVERAGE, "merge": {"rule": "outer"}}),
    "2, experience": (2, EXPERIENCE),
    "4, apart": (4, ALONE),
    "4, average": (4, AVERAGE),
    "4, polyak 0.5": (4, {**AVERAGE, "merge": {"rule": "polyak", "tau": 0.5}}),
    "4, outer step": (4, {**AVERAGE, "merge": {"rule": "outer"}}),
    "4, experience": (4, EXPERIENCE),
    "4, average + experience": (4, {**AVERAGE, "accept_experience": True, "share_experience": True}),
}
"""Name -> members and what they share."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is learned.

    Args:
        package: The game.
        settings: Of one member alone.
        total_steps: Recorded steps of all members together.
        sync_updates: Updates between contributions.
        chunk_steps: Of shared experience.
        points: Evaluations over the whole of it.
        episodes: Per evaluation.
        max_steps: Of an evaluation's episode.
        epsilon: Of an evaluation.
    """

    package: GamePackage
    settings: Mapping[str, Any]
    total_steps: int
    sync_updates: int
    chunk_steps: int
    points: int
    episodes: int
    max_steps: int
    epsilon: float


def toy() -> Task:
    """The corridor of `tests/learning`: a cue at the beginning decides where to turn at the end."""
    settings = {
        "game": {"length": 4},
        "network": {"core": "gru", "hidden_size": 32, "head_size": 0},
        "learner": {
            "num_steps": 3,
            "discount": 0.9,
            "learning_rate": 2e-3,
            "adam_epsilon": 1e-5,
            "target_update_interval_updates": 50,
            "replay_ratio": 32.0,
            "learning_starts_steps": 500,
        },
        "curiosity": {"enabled": False},
        "replay": {"capacity_steps": 20_000, "unroll": 10, "burn_in": 10, "priority_exponent": 0.6},
        "actors": {
            "num_envs": 8,
            "num_workers": 0,
            "refresh_every_steps": 8,
            "epsilon_base": 0.1,
            "epsilon_alpha": 0.0,
        },
        "curriculum": {"kind": "none"},
    }
    settings["actors"]["epsilon_alpha"] = 0.0  # every game explores alike, as in the tests
    return Task(
        package=corridor.PACKAGE,
        settings=settings,
        total_steps=12_000,
        sync_updates=25,
        chunk_steps=40,
        points=20,
        episodes=40,
        max_steps=50,
        epsilon=0.0,
    )


def cartridge() -> Task:
    """The demo's settings."""
    settings = dict(read_settings_file(Path(__file__).parents[1] / "configs" / "demo.toml").settings)
    merge(settings, {"actors": {"num_workers": 0}})
    return Task(
        package=open_game("pokemon_red"),
        settings=settings,
        total_steps=40_000,
        sync_updates=25,
        chunk_steps=100,
        points=8,
        episodes=4,
        max_steps=300,
        epsilon=0.05,
    )


TASKS = {"toy": toy, "cartridge": cartridge}


def main() -> None:
    """Run what is missing, tabulate, draw."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--write", action="store_true")
    arguments.add_argument("--task", choices=sorted(TASKS), default="toy")
    arguments.add_argument("--steps", type=int, help="recorded steps of all members together")
    arguments.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    arguments.add_argument("--only", nargs="+", choices=sorted(VARIANTS), help="these variants")
    arguments.add_argument("--runs", type=Path, default=Path("runs/sharing_study"), help="folder of the results")
    options = arguments.parse_args()
    names = options.only or list(VARIANTS)
    for seed in options.seeds:
        for name in names:
            path = options.runs / f"{options.task}-{options.steps or 'all'}-{name.replace(' ', '_')}-{seed}.json"
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(run(TASKS[options.task](), name, seed, options.steps)))
                print(f"{path.stem} done", file=sys.stderr, flush=True)
    found = {name: load(options, name) for name in names}
    total = options.steps or TASKS[options.task]().total_steps
    question = f"What do members gain from sharing a folder? The {options.task}, {total:,} steps in all"
    report(
        f"sharing_{options.task}", question, [row(name, runs) for name, runs in found.items() if runs], options.write
    )
    if options.write:
        draw(found, options.task)


def load(options: argparse.Namespace, name: str) -> list[dict[str, Any]]:
    """The results of one variant."""
    pattern = f"{options.task}-{options.steps or 'all'}-{name.replace(' ', '_')}-*.json"
    return [json.loads(path.read_text()) for path in sorted(options.runs.glob(pattern))]


def run(task: Task, name: str, seed: int, steps: int | None) -> dict[str, Any]:
    """One fleet's learning.

    Returns:
        `curve`: (steps of all members, mean score of the members' networks, milestones reached by any), `seconds` of
        CPU time, `versions` that were merged.
    """
    count, sharing = VARIANTS[name]
    total = steps or task.total_steps
    started = time.process_time()
    curve = []
    with tempfile.TemporaryDirectory() as folder, members(task, Path(folder), count, sharing, seed, total) as fleet:
        next_at = 0
        while sum(wiring.steps for wiring in fleet) < total:
            for wiring in fleet:
                wiring.run_round()
            played = sum(wiring.steps for wiring in fleet)
            if played >= next_at or played >= total:
                next_at = played + total // task.points
                curve.append((played, fmean(score(task, wiring) for wiring in fleet), milestones(fleet)))
        versions = len(list((Path(folder) / "shared" / "merged").glob("*.json")))
    return {"curve": curve, "seconds": time.process_time() - started, "versions": versions}


@contextmanager
def members(
    task: Task, folder: Path, count: int, sharing: Mapping[str, Any], seed: int, total: int
) -> Iterator[list[Wiring]]:
    """The members of one fleet; they differ in their seeds and in nothing else."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                built_wiring(
                    task.package, config_of(task, folder, index, count, sharing, seed, total), log_folder=folder
                )
            )
            for index in range(count)
        ]


def config_of(
    task: Task, folder: Path, index: int, count: int, sharing: Mapping[str, Any], seed: int, total: int
) -> RunConfig:
    """One member's settings: the fleet's first updates come after as many samples as those of one member would."""
    settings: dict[str, Any] = {}
    merge(settings, task.settings)
    merge(settings, {"run": {"name": f"m{index}", "seed": seed * 100 + index, "device": "cpu", "total_steps": total}})
    merge(settings, {"learner": {"learning_starts_steps": settings["learner"]["learning_starts_steps"] // count}})
    common = {
        "enabled": True,
        "shared_dir": str(folder / "shared"),
        "sync_interval_updates": task.sync_updates,
        "chunk_steps": task.chunk_steps,
        "max_foreign_share": (count - 1) / count,
        "verify_first": 0,
        "verify_share": 0.0,
        "gate": {"every_versions": 0},
    }
    merge(settings, {"collaboration": {**common, **sharing}})
    return make_config(task.package, settings)


def score(task: Task, wiring: Wiring) -> float:
    """Mean return of a member's network over fixed seeds."""
    config = make_config(task.package, task.settings)
    vector = make_vector(task.package, config.game, num_envs=min(task.episodes, 8), num_workers=0)
    solo = getattr(wiring, "solo", wiring)
    policy = network_policy(solo.learner.network, epsilons=np.full(vector.num_envs, task.epsilon), seed=1)
    seeds = list(range(10_000, 10_000 + task.episodes))
    results = evaluate(vector, policy, seeds=seeds, max_steps=task.max_steps)
    vector.close()
    return fmean(result.summary.total_return for result in results)


def milestones(fleet: Sequence[Wiring]) -> int:
    """Different milestones that any member's play has reached."""
    return len({name for wiring in fleet for name in wiring.actor.firsts.steps})


def row(name: str, runs: Sequence[Mapping[str, Any]]) -> Row:
    """One variant over its seeds; the area is the mean of the curve, which rewards learning early."""
    finals = [run["curve"][-1][1] for run in runs]
    areas = [fmean(point[1] for point in run["curve"]) for run in runs]
    return {
        "members": name,
        "final score": fmean(finals),
        "sd": stdev(finals) if len(finals) > 1 else 0.0,
        "mean of the curve": fmean(areas),
        "milestones": fmean(run["curve"][-1][2] for run in runs),
        "merges": fmean(max(0, run["versions"] - 1) for run in runs),
        "seeds": len(runs),
    }


def draw(found: Mapping[str, Sequence[Mapping[str, Any]]], task: str) -> None:
    """Mean curves over seeds, fleets of two and of four apart."""
    panels: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for size in ("2", "4"):
        lines = {name: runs for name, runs in found.items() if runs and name[0] in ("1", size)}
        panels[f"score, {size} members"] = {name: averaged(runs, 1) for name, runs in lines.items()}
        panels[f"milestones, {size} members"] = {name: averaged(runs, 2) for name, runs in lines.items()}
    if task == "toy":
        panels = {name: lines for name, lines in panels.items() if name.startswith("score")}
    draw_curves(RESULTS / f"sharing_{task}.png", panels, title=f"{task}: steps of all members together")


def averaged(runs: Sequence[Mapping[str, Any]], column: int) -> list[tuple[float, float]]:
    """The mean of several curves, point by point."""
    curves = [run["curve"] for run in runs]
    return [
        (fmean(point[0] for point in points), fmean(point[column] for point in points))
        for points in zip(*curves, strict=False)
    ]


if __name__ == "__main__":
    main()
