"""`gamefleet train`: train an agent on one machine.

Job: decide which run, new or resumed, with which settings, and hand over to `topologies.training`. Left out: training.
"""

from __future__ import annotations

import importlib.util
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from gamefleet.cli import train_options as recorded
from gamefleet.cli.options import ConfigOption, GameArgument, SetOption, ask_for
from gamefleet.errors import ConfigError

if TYPE_CHECKING:
    from gamefleet.games.base import GamePackage
    from gamefleet.runs.deadline import Deadline
    from gamefleet.runs.folder import Start
    from gamefleet.topologies.config import Asked, RunConfig
    from gamefleet.topologies.sequence.config import SequenceConfig
    from gamefleet.topologies.training import Outcome

    MakeConfig = Callable[[GamePackage, Any], RunConfig | SequenceConfig]

Config = TypeVar("Config", "RunConfig", "SequenceConfig")

JOB_VARIABLE = "SLURM_JOB_ID"


def train(
    context: typer.Context,
    game: GameArgument,
    config: ConfigOption = None,
    assignments: SetOption = None,
    run: Annotated[str | None, typer.Option(help="Name of the run and of its folder; invented when left out.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run exactly where it was saved; from records the newest one.")
    ] = False,
    auto_resume: Annotated[
        bool, typer.Option("--auto-resume", help="Start the run, or continue it where it was saved if it exists.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start anew; a run of this name is moved aside.")] = False,
    seed: Annotated[int | None, typer.Option(help="Of every random stream of the run.")] = None,
    num_envs: Annotated[int | None, typer.Option(help="Games played at the same time.")] = None,
    total_steps: Annotated[int | None, typer.Option(help="Steps of the whole run, over all environments.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
    max_runtime_seconds: Annotated[float | None, typer.Option(help="Save and stop after so many seconds.")] = None,
    video: Annotated[bool, typer.Option("--video/--no-video", help="Write a video when all steps are done.")] = True,
    size: recorded.SizeOption = None,
    max_steps: recorded.StepsOption = None,
    learning_rate: recorded.RateOption = None,
    batch_size_per_gpu: recorded.BatchOption = None,
    time_limit_hours: recorded.HoursOption = None,
    checkpoint_minutes: recorded.CheckpointOption = None,
    eval_every: recorded.EvalOption = None,
    data_dir: recorded.DataOption = None,
    max_samples: recorded.SamplesOption = None,
    min_elo: recorded.EloOption = None,
    nodes: recorded.NodesOption = None,
    gpus_per_node: recorded.GpusOption = None,
    memory: recorded.MemoryOption = None,
    partition: recorded.PartitionOption = None,
    account: recorded.AccountOption = None,
    mock_data: recorded.MockOption = False,
    test_mode: recorded.TestOption = False,
    dry_run: recorded.DryRunOption = False,
) -> None:
    """Train an agent; it can be stopped at any time (Ctrl-C, SIGTERM, SIGUSR1) and resumed exactly."""
    given = recorded.flags_among(locals())
    from gamefleet.games import open_game

    package = open_game(game)
    if package.recorded is not None:
        from gamefleet.cli.train_decision import Wish
        from gamefleet.cli.train_recorded import train_from_records

        recorded.refuse(package.name, "is learned from records", {"--num-envs": num_envs, "--total-steps": total_steps})
        wish = Wish(config=config, assignments=tuple(assignments or ()), run=run, seed=seed, device=device, flags=given)
        wish = wish.with_runtime(max_runtime_seconds).with_start(resume=resume, auto_resume=auto_resume, fresh=fresh)
        train_from_records(package, wish, context)
        return
    recorded.refuse(package.name, "is learned by playing", given.named())
    flags = {
        "run.name": run,
        "run.seed": seed,
        "run.total_steps": total_steps,
        "run.device": device,
        "run.max_runtime_s": max_runtime_seconds,
        "actors.num_envs": num_envs,
    }
    one_start_only(resume, auto_resume, fresh)
    asked = ask_for(config, assignments, flags)
    is_resumed = resume or (auto_resume and run_exists(package, asked))
    asked, settings = settings_for(package, asked, is_resumed=is_resumed)
    if auto_resume and (ending := finished_already(settings)):
        print(ending)
        return
    start: Start = "resume" if is_resumed else "fresh" if fresh else "first"
    conclude(train_run(package, settings, asked, start), game, video=video)


def one_start_only(resume: bool, auto_resume: bool, fresh: bool) -> None:
    """Refuse contradictions.

    Raises:
        ConfigError: More than one of them is set.
    """
    if resume + auto_resume + fresh > 1:
        raise ConfigError("--resume, --auto-resume and --fresh exclude each other", remedy="Leave all but one out.")


def conclude(outcome: Outcome, game: str, *, video: bool) -> None:
    """Say how it ended, and show the agent of a finished run or say how a stopped one goes on."""
    print(f"{outcome.status} at step {outcome.step:,}: {outcome.reason}. Run folder: {outcome.folder}")
    if outcome.status == "finished" and video:
        write_media(outcome)
    elif outcome.status == "stopped":
        print(f"Continue with: gamefleet train {game} --run {outcome.folder.name} --resume")


def run_exists(package: GamePackage, asked: Asked, *, make: MakeConfig | None = None) -> bool:
    """Whether there is a run of the name that is asked for.

    Args:
        package: The game.
        asked: Settings.
        make: Makes a configuration of them; `make_config` when None.

    Raises:
        ConfigError: No name is asked for; a job script would start another run each time.
    """
    from gamefleet.runs.folder import is_run
    from gamefleet.runs.paths import RunPaths
    from gamefleet.topologies.config import make_config

    settings = (make or make_config)(package, asked).run
    if not settings.name:
        raise ConfigError("Which run shall be started or resumed?", remedy="Name it with --run.")
    return is_run(RunPaths(Path(settings.runs_folder) / settings.name))


def finished_already(settings: RunConfig | SequenceConfig) -> str:
    """What to say of a run that has made all its steps; empty when there is something to do."""
    from gamefleet.runs.folder import read_state
    from gamefleet.runs.paths import RunPaths

    paths = RunPaths(Path(settings.run.runs_folder) / settings.run.name)
    state = read_state(paths)
    done = {"steps": int(state.get("step", 0)), "episodes": int(state.get("episodes", 0))}
    if state.get("status") != "finished" or not settings.run.is_done(**done):
        return ""
    return f"The run {paths.name!r} has finished already, at step {int(state['step']):,}. Run folder: {paths.root}"


def settings_for(package: GamePackage, asked: Asked, *, is_resumed: bool) -> tuple[Asked, RunConfig]:
    """The settings of a run that plays; see `layered_settings`."""
    from gamefleet.topologies.config import make_config

    return layered_settings(package, asked, is_resumed=is_resumed, make=make_config)


def layered_settings(
    package: GamePackage, asked: Asked, *, is_resumed: bool, make: Callable[[GamePackage, Any], Config]
) -> tuple[Asked, Config]:
    """The settings of the run: a resumed one keeps its own, with what is asked for now on top.

    Args:
        package: The game.
        asked: Settings.
        is_resumed: Whether the run goes on.
        make: Makes a configuration of them.

    Raises:
        ConfigError: A run to resume has no name.
        RunFolderError: There is no such run.
    """
    from gamefleet.identity import fresh_run_name
    from gamefleet.runs.folder import read_resolved
    from gamefleet.runs.paths import RunPaths
    from gamefleet.topologies.config import Asked, merge

    settings = make(package, asked)
    if not is_resumed:
        name: dict[str, Any] = {"run": {"name": settings.run.name or fresh_run_name(package.name)}}
        merge(asked.settings, name)
        return asked, make(package, asked)
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
    return Asked(settings=before), make(package, before)


def train_run(package: GamePackage, settings: RunConfig, asked: Asked, start: Start) -> Outcome:
    """Train with a deadline and progress on this terminal."""
    from gamefleet.runs.leg import leg_from

    # A scheduler repeats this signal, and the loop listens; before and after it there is nothing to save.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    leg, deadline = leg_from(os.environ), deadline_of(settings, os.environ)
    if importlib.util.find_spec("torch") is None:  # to be said before anything is written
        from gamefleet.errors import MissingDependencyError

        raise MissingDependencyError("Training needs PyTorch", remedy="pip install 'gamefleet[torch]'")
    from gamefleet.runs.progress import progress_on
    from gamefleet.topologies.collector import out_of_the_collectors_way
    from gamefleet.topologies.training import train as carry_run

    with out_of_the_collectors_way(is_paused=False), progress_on() as progress:
        return carry_run(
            package,
            settings,
            asked=asked.as_toml(),
            start=start,
            deadline=deadline,
            progress=progress,
            leg=leg,
            job=os.environ.get(JOB_VARIABLE, ""),
        )


def deadline_of(settings: RunConfig | SequenceConfig, environment: Mapping[str, str]) -> Deadline:
    """When this attempt must stop: by the settings, and by the end of the SLURM job around it."""
    from gamefleet.runs.deadline import Deadline, job_end, runtime_limit

    is_in_job = bool(environment.get(JOB_VARIABLE))
    ends = job_end(environment)
    if ends is None and is_in_job:
        from gamefleet.cluster.slurm.executor import job_end as ask_scheduler

        ends = ask_scheduler(environment)
    limit = runtime_limit(settings.run.max_runtime_s, is_in_job=is_in_job, job_end=ends)
    return Deadline(max_runtime_s=limit, job_end=ends)


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
