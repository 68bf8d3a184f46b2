"""`gamefleet launch`: train from records on several nodes of a cluster, past the time limit of one job.

Job: parse, call, print. Place in the data flow: in front of `gamefleet train`, which every rank of every job runs. Left
out: what is asked of the cluster (`launch_plan`), which run goes on (`launch_runs`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeVar

import typer

from gamefleet.cli import train_options as recorded
from gamefleet.cli.launch_runs import RUNS
from gamefleet.cli.options import ConfigOption, ProfileOption, SetOption
from gamefleet.errors import ConfigError

Value = TypeVar("Value", int, float)

DEFAULT_GAME = "showdown"
DEFAULT_HOURS = 6.0

NodesArgument = Annotated[int | None, typer.Argument(metavar="NODES", help="Nodes; 1 by default.")]
GpusArgument = Annotated[int | None, typer.Argument(metavar="GPUS_PER_NODE", help="GPUs of each; 1 by default.")]
HoursArgument = Annotated[float | None, typer.Argument(metavar="HOURS", help="Of training; 6 by default, may be 0.5.")]
BatchArgument = Annotated[int | None, typer.Argument(metavar="BATCH_PER_GPU", help="Decisions per GPU and update.")]
NodesOption = Annotated[int | None, typer.Option("--nodes", help="The same as NODES.")]
GpusOption = Annotated[int | None, typer.Option("--gpus-per-node", help="The same as GPUS_PER_NODE.")]
HoursOption = Annotated[float | None, typer.Option("--time-limit-hours", help="The same as HOURS.")]
BatchOption = Annotated[int | None, typer.Option("--batch-size-per-gpu", help="The same as BATCH_PER_GPU.")]
MemoryOption = Annotated[int | None, typer.Option("--memory", metavar="GB", help="Per node; 32 per GPU by default.")]
CpusOption = Annotated[int | None, typer.Option("--cpus", help="Per GPU; a share of the node by default.")]
ExclusiveOption = Annotated[bool, typer.Option("--exclusive", help="No other job on these nodes.")]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Go on with the newest run, or with --run, on any number of GPUs.")
]
ExecutorOption = Annotated[str, typer.Option("--executor", help="slurm, or local: processes of this machine.")]


def launch(
    context: typer.Context,
    nodes: NodesArgument = None,
    gpus_per_node: GpusArgument = None,
    hours: HoursArgument = None,
    batch_per_gpu: BatchArgument = None,
    nodes_option: NodesOption = None,
    gpus_option: GpusOption = None,
    hours_option: HoursOption = None,
    batch_option: BatchOption = None,
    game: Annotated[str, typer.Option("--game", help="What to train.")] = DEFAULT_GAME,
    partition: Annotated[str, typer.Option("--partition", help="By default one that has such nodes.")] = "",
    account: Annotated[str, typer.Option("--account", help="Who pays; your default account by default.")] = "",
    qos: Annotated[str, typer.Option("--qos", help="Quality of service.")] = "",
    exclusive: ExclusiveOption = False,
    memory: MemoryOption = None,
    cpus: CpusOption = None,
    max_steps: recorded.StepsOption = None,
    learning_rate: recorded.RateOption = None,
    checkpoint_minutes: recorded.CheckpointOption = None,
    eval_every: recorded.EvalOption = None,
    data_dir: recorded.DataOption = None,
    max_samples: recorded.SamplesOption = None,
    min_elo: recorded.EloOption = None,
    run: Annotated[str, typer.Option("--run", help="Name of the run; invented when left out.")] = "",
    resume: ResumeOption = False,
    size: recorded.SizeOption = None,
    test_mode: recorded.TestOption = False,
    mock_data: recorded.MockOption = False,
    dry_run: recorded.DryRunOption = False,
    config: ConfigOption = None,
    assignments: SetOption = None,
    executor: ExecutorOption = "slurm",
    profile: ProfileOption = None,
    runs_folder: Annotated[Path, typer.Option("--runs-folder", help="Holds the run folders.")] = RUNS,
    notify: Annotated[str, typer.Option("--notify", metavar="COMMAND", help="Run at the end of the chain.")] = "",
) -> None:
    """Train on NODES x GPUS_PER_NODE GPUs for HOURS hours by SLURM jobs that follow each other."""
    from gamefleet.cli.launch_plan import LaunchRequest, carry
    from gamefleet.cli.launch_training import Training
    from gamefleet.cluster.launch_resources import LaunchSize

    learning = {"size": size, "max_steps": max_steps, "learning_rate": learning_rate, "test_mode": test_mode}
    batch = one_of("BATCH_PER_GPU", batch_per_gpu, batch_option)
    rhythm = {"batch_size_per_gpu": batch, "checkpoint_minutes": checkpoint_minutes, "eval_every": eval_every}
    folder = None if data_dir is None else data_dir.absolute()
    data = {"data_dir": folder, "max_samples": max_samples, "min_elo": min_elo, "mock_data": mock_data}
    training = Training(
        game=game,
        config=None if config is None else config.absolute(),
        assignments=tuple(assignments or ()),
        flags=recorded.RecordedFlags(**learning, **rhythm, **data),  # type: ignore[arg-type] # each has its option's type
        is_debug=bool(context.obj),
    )
    bill = {"partition": partition, "account": account, "qos": qos}
    wanted = LaunchSize(
        nodes=default(one_of("NODES", nodes, nodes_option), 1),
        gpus_per_node=default(one_of("GPUS_PER_NODE", gpus_per_node, gpus_option), 1),
        time_s=default(one_of("HOURS", hours, hours_option), DEFAULT_HOURS) * 3600,
        **bill,  # type: ignore[arg-type] # texts
        **{"exclusive": exclusive, "memory_gb": memory, "cpus": cpus},  # type: ignore[arg-type] # as above
    )
    check_data(data_dir)
    request = LaunchRequest(
        training=training,
        run=run,
        runs_folder=runs_folder,
        is_resumed=resume,
        size=wanted,
        executor=executor,
        profile=profile,
        notify=notify,
    )
    carry(request, is_dry_run=dry_run)


def one_of(name: str, argument: Value | None, option: Value | None) -> Value | None:
    """What was said, by position or by name.

    Raises:
        ConfigError: Both, and they differ.
    """
    if argument is not None and option is not None and argument != option:
        raise ConfigError(f"{name} was given twice", value=(argument, option), remedy="Say it once.")
    return option if argument is None else argument


def default(value: Value | None, otherwise: Value) -> Value:
    """A number that was said, even 0, or the other one."""
    return otherwise if value is None else value


def check_data(data_dir: Path | None) -> None:
    """Refuse a data folder that is not there.

    Raises:
        ConfigError: See above.
    """
    if data_dir is not None and not data_dir.is_dir():
        raise ConfigError(
            "There is no such data folder",
            value=str(data_dir),
            where="--data-dir",
            remedy="`gamefleet replays parse` writes one; it must be on a file system that all nodes see.",
        )
