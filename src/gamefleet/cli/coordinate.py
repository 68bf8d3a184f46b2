"""`gamefleet coordinate`: play here, and learn on another machine.

Job: decide which run, new or gone on with, with which settings, and hand over to `topologies.coordinator`. Place in the
data flow: the machine with the CPUs; `gamefleet learner serve` is the other end. Left out: playing, and the link.
"""

from __future__ import annotations

import importlib.util
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gamefleet.cli.options import ConfigOption, SetOption, ask_for
from gamefleet.cli.secret import Secret, TokenFileOption, TokenOption, TokenVariableOption, token_of
from gamefleet.cli.train import deadline_of, finished_already, run_exists, settings_for
from gamefleet.errors import ConfigError

if TYPE_CHECKING:
    from gamefleet.games.base import GamePackage
    from gamefleet.runs.folder import Start
    from gamefleet.topologies.config import Asked, RunConfig
    from gamefleet.topologies.training import Outcome
    from gamefleet.transport.token import Token

DEFAULT_GAME = "hanabi"
"""Of the guide that this command is for; any other can be named."""

DEFAULT_NUM_ITERATIONS = 1000
AUTO = "auto"

Manner = Literal["", "resume", "fresh"]


def coordinate(
    game: Annotated[str, typer.Argument(metavar="[GAME]", help="What to play; hanabi by default.")] = "",
    game_option: Annotated[str, typer.Option("--game", help="The same.")] = "",
    config: ConfigOption = None,
    assignments: SetOption = None,
    gpu_host: Annotated[str | None, typer.Option(help="The machine with the learner; localhost by default.")] = None,
    gpu_port: Annotated[int | None, typer.Option(help="Of the learner; 5555 by default.")] = None,
    auth_token: TokenOption = None,
    auth_token_file: TokenFileOption = None,
    auth_token_env: TokenVariableOption = "",
    run: Annotated[str | None, typer.Option(help="Name of the run and of its folder; the game's by default.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run; there must be one.")] = False,
    auto_resume: Annotated[
        bool, typer.Option("--auto-resume", help="Start the run or go on with it, as without this option.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start anew; a run of this name is moved aside.")] = False,
    num_iterations: Annotated[int | None, typer.Option(help="Iterations of the run; 1000 by default.")] = None,
    games_per_iteration: Annotated[int | None, typer.Option(help="Games in an iteration; 100 by default.")] = None,
    train_steps_per_iteration: Annotated[
        str, typer.Option(metavar="auto|N", help="Updates in an iteration; auto follows learner.replay_ratio.")
    ] = "",
    batch_size: Annotated[int | None, typer.Option(help="Of an update.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Of the optimizer.")] = None,
    num_workers: Annotated[str, typer.Option(metavar="auto|N", help="Processes that play; auto: one per CPU.")] = "",
    num_envs: Annotated[int | None, typer.Option(help="Games played at the same time.")] = None,
    inference: Annotated[
        str | None, typer.Option(help="Who chooses actions: learner, actor (this machine), or auto, which measures.")
    ] = None,
    use_wandb: Annotated[bool, typer.Option("--use-wandb/--no-use-wandb", help="Mirror metrics to W&B.")] = False,
    seed: Annotated[int | None, typer.Option(help="Of every random stream of the run.")] = None,
    max_runtime_seconds: Annotated[float | None, typer.Option(help="Save and stop after so many seconds.")] = None,
) -> None:
    """Play, keep what was played, and have a learner elsewhere learn from it; pause while it is away.

    The same command starts a run and goes on with it. It can be stopped and killed at any time.
    """
    flags = {
        "remote.gpu_host": gpu_host,
        "remote.gpu_port": gpu_port,
        "remote.inference": inference,
        "run.name": run,
        "run.seed": seed,
        "run.max_runtime_s": max_runtime_seconds,
        "run.num_iterations": num_iterations,
        "run.games_per_iteration": games_per_iteration,
        "learner.batch_size": batch_size,
        "learner.learning_rate": learning_rate,
        "actors.num_envs": num_envs,
        "actors.num_workers": count_or_auto("--num-workers", num_workers),
        "trackers.wandb": "online" if use_wandb else None,
    }
    asked = ask_for(config, assignments, flags)
    updates = count_or_auto("--train-steps-per-iteration", train_steps_per_iteration)
    if updates is not None:
        asked.settings.setdefault("run", {})["updates_per_iteration"] = None if updates == AUTO else updates
    secret = Secret(text=auth_token, file=auth_token_file, variable=auth_token_env, config=config)
    carry_on(asked, game or game_option, secret, manner=manner_of(resume, auto_resume, fresh))


def manner_of(resume: bool, auto_resume: bool, fresh: bool) -> Manner:
    """How a run of that name shall be treated.

    Raises:
        ConfigError: Two contradict each other.
    """
    if resume + auto_resume + fresh > 1:
        raise ConfigError("--resume, --auto-resume and --fresh exclude each other", remedy="Leave all but one out.")
    return "resume" if resume else "fresh" if fresh else ""


def count_or_auto(option: str, text: str) -> int | str | None:
    """A number, `auto`, or None when nothing was said.

    Raises:
        ConfigError: It is none of these.
    """
    if not text:
        return None
    if text != AUTO and not text.isdecimal():
        raise ConfigError(
            "This is neither a number nor auto", value=text, where=option, remedy="Write auto, or a number."
        )
    return text if text == AUTO else int(text)


def carry_on(asked: Asked, game: str, secret: Secret, *, manner: Manner) -> None:
    """Start a run or go on with it, and say how it ended."""
    from gamefleet.games import open_game

    package = open_game(game or asked.game_name or DEFAULT_GAME)
    asked.settings.setdefault("run", {}).setdefault("name", package.name)
    is_resumed = manner == "resume" or (manner == "" and run_exists(package, asked))
    if not is_resumed and "total_steps" not in asked.settings["run"]:
        asked.settings["run"].setdefault("num_iterations", DEFAULT_NUM_ITERATIONS)
    asked, settings = settings_for(package, asked, is_resumed=is_resumed)
    if is_resumed and (ending := finished_already(settings)):
        print(ending)
        return
    start: Start = "resume" if is_resumed else "fresh" if manner == "fresh" else "first"
    conclude(play_for(package, settings, asked, start, token_of(secret)))


def play_for(package: GamePackage, settings: RunConfig, asked: Asked, start: Start, token: Token) -> Outcome:
    """Coordinate with a deadline and progress on this terminal.

    Raises:
        MissingDependencyError: PyTorch is needed and not there.
    """
    # A scheduler repeats this signal, and the loop listens; before and after it there is nothing to save.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    deadline = deadline_of(settings, os.environ)
    if importlib.util.find_spec("torch") is None:  # to be said before anything is written
        from gamefleet.errors import MissingDependencyError

        small = "pip install torch --index-url https://download.pytorch.org/whl/cpu"
        raise MissingDependencyError("A coordinator needs PyTorch; the build without CUDA will do", remedy=small)
    from gamefleet.runs.progress import progress_on
    from gamefleet.topologies.coordinator import coordinate

    with progress_on() as progress:
        return coordinate(
            package,
            settings,
            asked=asked.as_toml(),
            start=start,
            deadline=deadline,
            progress=progress,
            token=token,
        )


def conclude(outcome: Outcome) -> None:
    """Say how it ended, and how it goes on."""
    print(f"{outcome.status} at step {outcome.step:,}: {outcome.reason}. Run folder: {outcome.folder}")
    if outcome.status == "stopped":
        print(f"Continue with: gamefleet coordinate {outcome_game(outcome.folder)} --run {outcome.folder.name}")


def outcome_game(folder: Path) -> str:
    """What a run plays."""
    from gamefleet.runs.folder import read_resolved
    from gamefleet.runs.paths import RunPaths

    resolved: dict[str, Any] = read_resolved(RunPaths(folder))
    return str(resolved["game_name"])
