"""`gamefleet train`: train an agent on one machine.

Job: decide which run, new or resumed, with which settings, and hand over to `topologies.training`. Left out: training.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gamefleet.cli.options import ConfigOption, GameArgument, SetOption, ask_for
from gamefleet.errors import ConfigError

if TYPE_CHECKING:
    from gamefleet.games.base import GamePackage
    from gamefleet.runs.folder import Start
    from gamefleet.topologies.config import Asked, RunConfig
    from gamefleet.topologies.training import Outcome


def train(
    game: GameArgument,
    config: ConfigOption = None,
    assignments: SetOption = None,
    run: Annotated[str | None, typer.Option(help="Name of the run and of its folder; invented when left out.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run exactly where it was saved.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start anew; a run of this name is moved aside.")] = False,
    seed: Annotated[int | None, typer.Option(help="Of every random stream of the run.")] = None,
    num_envs: Annotated[int | None, typer.Option(help="Games played at the same time.")] = None,
    total_steps: Annotated[int | None, typer.Option(help="Steps of the whole run, over all environments.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
    max_runtime_seconds: Annotated[float | None, typer.Option(help="Save and stop after so many seconds.")] = None,
    video: Annotated[bool, typer.Option("--video/--no-video", help="Write a video when all steps are done.")] = True,
) -> None:
    """Train an agent; it can be stopped at any time (Ctrl-C, SIGTERM, SIGUSR1) and resumed exactly."""
    from gamefleet.games import open_game

    package = open_game(game)
    flags = {
        "run.name": run,
        "run.seed": seed,
        "run.total_steps": total_steps,
        "run.device": device,
        "run.max_runtime_s": max_runtime_seconds,
        "actors.num_envs": num_envs,
    }
    if resume and fresh:
        raise ConfigError("--resume and --fresh exclude each other", remedy="Leave one of them out.")
    start: Start = "resume" if resume else "fresh" if fresh else "first"
    asked, settings = settings_for(package, ask_for(config, assignments, flags), is_resumed=resume)
    outcome = train_run(package, settings, asked, start)
    print(f"{outcome.status} at step {outcome.step:,}: {outcome.reason}. Run folder: {outcome.folder}")
    if outcome.status == "finished" and video:
        write_media(outcome)
    elif outcome.status == "stopped":
        print(f"Continue with: gamefleet train {game} --run {settings.run.name} --resume")


def settings_for(package: GamePackage, asked: Asked, *, is_resumed: bool) -> tuple[Asked, RunConfig]:
    """The settings of the run: a resumed one keeps its own, with what is asked for now on top.

    Raises:
        ConfigError: A run to resume has no name.
        RunFolderError: There is no such run.
    """
    from gamefleet.identity import fresh_run_name
    from gamefleet.runs.folder import read_resolved
    from gamefleet.runs.paths import RunPaths
    from gamefleet.topologies.config import Asked, make_config, merge

    settings = make_config(package, asked)
    if not is_resumed:
        name: dict[str, Any] = {"run": {"name": settings.run.name or fresh_run_name(package.name)}}
        merge(asked.settings, name)
        return asked, make_config(package, asked)
    if not settings.run.name:
        raise ConfigError("Which run shall be resumed?", remedy="Name it with --run (`gamefleet runs list`).")
    before = read_resolved(RunPaths(Path(settings.run.runs_folder) / settings.run.name))
    if before["game_name"] != package.name:
        raise ConfigError(
            f"The run {settings.run.name!r} plays {before['game_name']}",
            value=package.name,
            remedy="Name that game, or another run.",
        )
    # A limit of the last attempt is not one of this attempt.
    before["run"]["max_runtime_s"] = None
    merge(before, asked.settings)
    return Asked(settings=before), make_config(package, before)


def train_run(package: GamePackage, settings: RunConfig, asked: Asked, start: Start) -> Outcome:
    """Train with a deadline and progress on this terminal."""
    try:
        import torch  # noqa: F401 - its absence shall be said before anything is written
    except ImportError as error:
        from gamefleet.errors import MissingDependencyError

        raise MissingDependencyError("Training needs PyTorch", remedy="pip install 'gamefleet[torch]'") from error
    from gamefleet.runs.deadline import Deadline
    from gamefleet.runs.progress import progress_on
    from gamefleet.topologies.training import train as carry_run

    deadline = Deadline(max_runtime_s=settings.run.max_runtime_s, environment=os.environ)
    with progress_on() as progress:
        return carry_run(package, settings, asked=asked.as_toml(), start=start, deadline=deadline, progress=progress)


def write_media(outcome: Outcome) -> None:
    """Write a video and the curves of a finished run; a game without pictures gets curves only."""
    from gamefleet.errors import GamefleetError
    from gamefleet.runs.paths import RunPaths
    from gamefleet.topologies.evaluation import load_player
    from gamefleet.topologies.media import draw_run, record_player

    paths = RunPaths(outcome.folder)
    try:
        draw_run(paths, paths.media / "curves.png")
        player = load_player(str(outcome.checkpoint))
        record_player(player, [paths.media / f"step-{outcome.step:09d}.mp4"], max_frames=1000)
    except GamefleetError as error:
        print(f"No video: {error}")  # the run itself is whole
        return
    print(f"Video and curves: {paths.media}")
