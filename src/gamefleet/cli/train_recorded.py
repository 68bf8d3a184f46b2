"""`gamefleet train` for games that are learned from records: one rank or many.

Job: find out who this process is, hand over to ranks or jobs where that is asked for, and train. Left out: which run it
is (`train_decision`), training (`topologies.ddp`), jobs (`launch`).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from gamefleet.cli.train_decision import Wish, decided, plan_in_words
from gamefleet.errors import ConfigError, MissingDependencyError, WorkerError

if TYPE_CHECKING:
    from gamefleet.games.base import GamePackage
    from gamefleet.runs.progress import Progress
    from gamefleet.topologies.ddp.group import Group
    from gamefleet.topologies.ddp.ranks import Place
    from gamefleet.topologies.ddp.wiring import RecordedOutcome, RecordedRun
    from gamefleet.topologies.sequence.config import SequenceConfig

JOB_VARIABLE = "SLURM_JOB_ID"
STEP_VARIABLE = "SLURM_STEP_ID"


def train_from_records(package: GamePackage, wish: Wish, context: typer.Context) -> None:
    """Train, or start who trains."""
    from gamefleet.topologies.ddp.local import ask_to_end, end_with_parent
    from gamefleet.topologies.ddp.ranks import place_from
    from gamefleet.topologies.sequence.config import make_sequence_config

    # A scheduler repeats this signal, and the loop listens; before and after it there is nothing to save.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    config = make_sequence_config(package, wish.asked())
    if needs_jobs(wish, config, os.environ):
        hand_over(wish, config, context)
        return
    without_effect = told_of_jobs(wish, os.environ)
    check_torch()
    end_with_parent(os.environ, ask_to_end)
    place = place_from(os.environ)
    for note in filter(None, (place.note, without_effect)):
        say(place, f"note: {note}")
    ranks = config.trainer.gpus_per_node
    if place.origin == "alone" and ranks > 1 and not wish.flags.dry_run:
        start_ranks(ranks)
        return
    planned = replace(place, world=ranks) if place.origin == "alone" else place
    if wish.flags.dry_run:
        print(plan_in_words(package, wish, planned))
        return
    train_here(package, wish, place)


def needs_jobs(wish: Wish, config: SequenceConfig, environment: Mapping[str, str]) -> bool:
    """Whether jobs have to be submitted for this.

    Raises:
        ConfigError: Several nodes are asked for inside a job, by a process that is no rank.
    """
    is_for_jobs = config.trainer.nodes > 1 or wish.flags.partition is not None or wish.flags.account is not None
    if is_rank(environment) or not is_for_jobs:
        return False
    if JOB_VARIABLE in environment:
        raise ConfigError(
            "This is one process inside a job",
            value=config.trainer.nodes,
            where="--nodes",
            remedy="Start one per GPU: srun --ntasks-per-node=GPUS gamefleet train ..., or use `gamefleet launch`.",
        )
    return True


def is_rank(environment: Mapping[str, str]) -> bool:
    """Whether a launcher has started this process."""
    return "RANK" in environment or STEP_VARIABLE in environment


def told_of_jobs(wish: Wish, environment: Mapping[str, str]) -> str:
    """What to say of options that only a job can be asked for, where this process submits none; empty for nothing.

    Raises:
        ConfigError: One is given, and no launcher is around that could have heeded it.
    """
    flags = wish.flags
    given = {"--memory": flags.memory, "--partition": flags.partition, "--account": flags.account}
    options = [option for option, value in given.items() if value is not None]
    if not options:
        return ""
    if is_rank(environment):
        return f"{' and '.join(options)} would be asked of a job that is submitted; this is a rank and submits none"
    raise ConfigError(
        f"{options[0]} is asked of jobs, and this would train here without submitting one",
        value=given[options[0]],
        where=options[0],
        remedy="Leave it out, or let jobs be submitted: with --nodes or --partition, or by `gamefleet launch`.",
    )


def refuse_for_jobs(wish: Wish) -> None:
    """Refuse what jobs decide by themselves.

    Raises:
        ConfigError: An option has no equivalent there.
    """
    if wish.start in ("fresh", "auto") or wish.device:
        raise ConfigError(
            "--fresh, --auto-resume and --device are not for runs that jobs carry",
            remedy="Each job goes on with the run by itself and uses its GPUs. Give a new run another name with --run.",
        )


def hand_over(wish: Wish, config: SequenceConfig, context: typer.Context) -> None:
    """Do what `gamefleet launch` does; raises as `refuse_for_jobs` does."""
    from gamefleet.cli.launch import launch

    refuse_for_jobs(wish)
    flags = wish.flags
    hours = flags.time_limit_hours if wish.max_runtime_s is None else wish.max_runtime_s / 3600
    seed = [] if wish.seed is None else [f"run.seed={wish.seed}"]
    launch(
        context,
        nodes_option=config.trainer.nodes,
        gpus_option=config.trainer.gpus_per_node,
        hours_option=hours,
        batch_option=flags.batch_size_per_gpu,
        game=config.game_name,
        partition=flags.partition or "",
        account=flags.account or "",
        memory=flags.memory,
        size=flags.size,
        max_steps=flags.max_steps,
        learning_rate=flags.learning_rate,
        checkpoint_minutes=flags.checkpoint_minutes,
        eval_every=flags.eval_every,
        data_dir=flags.data_dir,
        max_samples=flags.max_samples,
        min_elo=flags.min_elo,
        run=wish.run or "",
        resume=wish.start == "resume",
        test_mode=flags.test_mode,
        mock_data=flags.mock_data,
        dry_run=flags.dry_run,
        config=wish.config,
        assignments=[*wish.assignments, *seed],
    )


def check_torch() -> None:
    """Say that PyTorch is missing before anything is written.

    Raises:
        MissingDependencyError: It is.
    """
    import importlib.util

    if importlib.util.find_spec("torch") is None:
        raise MissingDependencyError("Training needs PyTorch", remedy="pip install 'gamefleet[torch]'")


def start_ranks(count: int) -> None:
    """Start ranks on this machine with the same command line and end as they end."""
    from gamefleet.topologies.ddp.local import rank_command, run_local_ranks

    status = run_local_ranks(rank_command(sys.argv[1:]), count, os.environ)
    if status:
        raise typer.Exit(status)


def train_here(package: GamePackage, wish: Wish, place: Place) -> None:
    """Train as one rank, with the settings that rank 0 decides on."""
    from gamefleet.runs.leg import leg_from
    from gamefleet.topologies.collector import out_of_the_collectors_way
    from gamefleet.topologies.ddp.group import joined
    from gamefleet.topologies.ddp.wiring import RecordedRun
    from gamefleet.topologies.sequence.config import make_sequence_config

    with quiet_where_told(), joined(place) as group, out_of_the_collectors_way(is_paused=False):
        decision = group.from_first(lambda: decided(package, wish, place), name="decision")
        if ending := decision["ending"]:
            say(place, ending)
            return
        wanted = RecordedRun(
            package=package,
            config=make_sequence_config(package, decision["settings"]),
            asked=decision["asked"],
            start=decision["start"],
            leg=leg_from(os.environ) if place.is_first else None,
            job=os.environ.get(JOB_VARIABLE, ""),
        )
        outcome = carried(wanted, group)
    say(place, f"{outcome.status} at step {outcome.step:,}: {outcome.reason}. Run folder: {outcome.folder}")
    if outcome.status == "stopped":
        say(place, f"Continue with: gamefleet train {package.name} --run {outcome.folder.name} --resume")
        end_of_stopped(place, outcome)


@contextmanager
def quiet_where_told() -> Iterator[None]:
    """End without a word where another rank says why: people read one message, and not one per rank."""
    from gamefleet.topologies.ddp.group import RankLostError

    try:
        yield
    except RankLostError as error:
        if not error.is_told:
            raise
        raise typer.Exit(error.exit_code) from error


def end_of_stopped(place: Place, outcome: RecordedOutcome) -> None:
    """Torchrun sends SIGTERM when other ranks come or go: success would tell it that the run is over."""
    if place.origin == "torchrun" and outcome.reason == f"signal {signal.Signals.SIGTERM.name}":
        raise typer.Exit(128 + signal.SIGTERM)


def say(place: Place, text: str) -> None:
    """One rank speaks for all."""
    if place.is_first:
        print(text)


def carried(wanted: RecordedRun, group: Group) -> RecordedOutcome:
    """Train with a deadline, and with progress on this terminal at rank 0."""
    import torch

    from gamefleet.cli.train import deadline_of
    from gamefleet.runs.progress import PlainProgress, progress_on
    from gamefleet.topologies.build import wished_threads
    from gamefleet.topologies.ddp.wiring import train_recorded

    torch.set_num_threads(wished_threads(os.environ))
    deadline = deadline_of(wanted.config, os.environ)

    def train(progress: Progress) -> RecordedOutcome:
        return train_recorded(wanted, group, deadline=deadline, progress=progress, end=end_stuck)

    if not group.place.is_first:
        with open(os.devnull, "w") as nowhere:
            return train(PlainProgress(nowhere))
    with progress_on() as progress:
        return train(progress)


def end_stuck(sentence: str) -> None:
    """End a process whose main thread does not come back; nothing less would end it."""
    print(sentence, file=sys.stderr, flush=True)
    os._exit(WorkerError.exit_code)
