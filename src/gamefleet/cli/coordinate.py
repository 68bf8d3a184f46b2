"""`gamefleet coordinate`: play here, and learn on another machine.

Job: decide which run, new or gone on with, with which settings, and hand over to `topologies.remote_learner`. Place in
the data flow: the machine with the CPUs; `gamefleet learner serve` is the other end. Left out: playing, and the link.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gamefleet.cli import coordinate_options as options
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

SAME = (
    "remote.gpu_host",
    "remote.gpu_port",
    "remote.inference",
    "run.seed",
    "run.max_runtime_s",
    "learner.batch_size",
    "learner.learning_rate",
    "actors.num_envs",
)
"""Settings whose options are taken as they are."""


def coordinate(
    game: options.GameArgument = "",
    game_option: options.GameOption = "",
    config: ConfigOption = None,
    assignments: SetOption = None,
    gpu_host: options.HostOption = None,
    gpu_port: options.PortOption = None,
    auth_token: TokenOption = None,
    auth_token_file: TokenFileOption = None,
    auth_token_env: TokenVariableOption = "",
    run: options.RunOption = "",
    resume: options.ResumeOption = False,
    auto_resume: options.AutoResumeOption = False,
    fresh: options.FreshOption = False,
    num_iterations: options.IterationsOption = None,
    games_per_iteration: options.GamesOption = None,
    train_steps_per_iteration: options.UpdatesOption = "",
    batch_size: options.BatchOption = None,
    learning_rate: options.RateOption = None,
    num_workers: options.WorkersOption = "",
    num_envs: options.EnvsOption = None,
    inference: options.InferenceOption = None,
    use_wandb: options.WandbOption = False,
    seed: options.SeedOption = None,
    max_runtime_seconds: options.RuntimeOption = None,
) -> None:
    """Play here and learn elsewhere: start a run or go on with it; it may be stopped and killed at any time."""
    flags: dict[str, Any] = {
        "run.name": run or None,
        "run.num_iterations": num_iterations,
        "run.games_per_iteration": games_per_iteration,
        "actors.num_workers": count_or_auto("--num-workers", num_workers),
        "trackers.wandb": "online" if use_wandb else None,
    }
    same = (gpu_host, gpu_port, inference, seed, max_runtime_seconds, batch_size, learning_rate, num_envs)
    flags |= dict(zip(SAME, same, strict=True))
    asked = add_updates(ask_for(config, assignments, flags), train_steps_per_iteration)
    secret = Secret(text=auth_token, file=auth_token_file, variable=auth_token_env, config=config)
    carry_on(asked, game or game_option, secret, manner=manner_of(resume, auto_resume, fresh))


def add_updates(asked: Asked, text: str) -> Asked:
    """Ask for a number of updates per iteration, or for none, where something was said; returns `asked`."""
    updates = count_or_auto("--train-steps-per-iteration", text)
    if updates is not None:
        asked.settings.setdefault("run", {})["updates_per_iteration"] = None if updates == AUTO else updates
    return asked


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
    print("\n".join(introduced(settings)), file=sys.stderr)
    if importlib.util.find_spec("torch") is None:  # to be said before anything is written
        from gamefleet.errors import MissingDependencyError

        small = "pip install torch --index-url https://download.pytorch.org/whl/cpu"
        raise MissingDependencyError("A coordinator needs PyTorch; the build without CUDA will do", remedy=small)
    from gamefleet.runs.progress import progress_on
    from gamefleet.topologies.remote_learner.coordinator import coordinate

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


def introduced(settings: RunConfig) -> list[str]:
    """What is about to begin, and what should be known of it before the first game."""
    from gamefleet.learners.settings import USUAL_REPLAY_RATIO

    run, remote = settings.run, settings.remote
    length = (
        "" if run.num_iterations is None else f", {run.num_iterations:,} iterations of {run.games_per_iteration} games"
    )
    folder = Path(run.runs_folder) / run.name
    lines = [f"{settings.game_name} in {folder}{length}; learner at {remote.gpu_host}:{remote.gpu_port}."]
    if run.updates_per_iteration is not None:
        slots = run.updates_per_iteration * settings.learner.batch_size * settings.replay.unroll
        steps = slots / run.games_per_iteration / USUAL_REPLAY_RATIO
        lines.append(
            f"train_steps_per_iteration = {run.updates_per_iteration} is a number of its own: unless games last "
            f"{steps:,.0f} steps or more, each step is trained on more than {USUAL_REPLAY_RATIO:g} times, and values "
            "overfit to what is remembered. `auto` follows learner.replay_ratio."
        )
    return lines


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
