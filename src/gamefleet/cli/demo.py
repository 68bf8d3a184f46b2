"""`gamefleet demo`: train on the built-in game and show that it learned.

Job: the whole way in one command: train, compare with random and scripted players, draw curves, record a video. Place
in the data flow: the other sub-commands, one after the other. Left out: anything of its own; the settings are those of
the file it is given.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from gamefleet.cli.evaluate import compare_results, play_all, print_table, write_results
from gamefleet.cli.options import SetOption, ask_for
from gamefleet.cli.train import settings_for, train_run

GAME = "pokemon_red"
EPSILON = 0.05


def demo(
    config: Annotated[Path, typer.Option("--config", metavar="FILE", help="Settings.")] = Path("configs/demo.toml"),
    assignments: SetOption = None,
    run: Annotated[str, typer.Option(help="Name of the run; one that is there is moved aside.")] = "demo",
    seed: Annotated[int, typer.Option(help="Of the run.")] = 0,
    episodes: Annotated[int, typer.Option(min=1, help="Fixed seeds that every player plays once.")] = 10,
    max_steps: Annotated[int, typer.Option(min=1, help="Steps of an evaluation episode.")] = 1024,
) -> None:
    """Train on the built-in game for about five minutes, then compare, draw and film the agent."""
    from gamefleet.games import open_game
    from gamefleet.runs.paths import RunPaths
    from gamefleet.topologies.evaluation import load_player
    from gamefleet.topologies.media import draw_run, record_player

    package = open_game(GAME)
    asked = ask_for(config, assignments, {"run.name": run, "run.seed": seed})
    asked, settings = settings_for(package, asked, is_resumed=False)
    started = time.monotonic()
    print(f"Training for {settings.run.total_steps:,} steps on {settings.actors.num_envs} games ...", flush=True)
    print(f"Watch it, in another terminal: gamefleet dashboard {settings.run.runs_folder}", flush=True)
    outcome = train_run(package, settings, asked, "fresh")
    print(f"{outcome.status} at step {outcome.step:,} after {time.monotonic() - started:.0f} s: {outcome.reason}")
    if outcome.status != "finished":
        raise typer.Exit(code=1)
    names = {str(outcome.folder): "trained", "random": "random", "scripted": "scripted"}
    print(f"Comparing over {episodes} fixed seeds of at most {max_steps} steps from the beginning ...", flush=True)
    played = play_all(list(names), GAME, {}, episodes=episodes, max_steps=max_steps, epsilon=EPSILON)
    results = dict(zip(names.values(), played.values(), strict=True))
    print_table(compare_results(GAME, results))
    paths = RunPaths(outcome.folder)
    write_results(paths.media / "evaluation.json", results, max_steps=max_steps, epsilon=EPSILON)
    baselines = {
        name: sum(len(result.summary.milestones) for result in results[name]) / episodes
        for name in ("random", "scripted")
    }
    draw_run(paths, paths.media / "curves.png", baselines=baselines)
    player = load_player(str(outcome.checkpoint))
    record_player(player, [paths.media / "trained.mp4", paths.media / "trained.gif"], max_frames=600)
    print(f"Curves, video and results: {paths.media}")
