"""Options of `gamefleet train` that only games with recorded play have.

Job: declare them once, with what they set; `launch` takes most of them, too. Place in the data flow: command line ->
`train` -> `train_recorded`. Left out: training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import typer

from gamefleet.errors import ConfigError

PANEL = "Games that are learned from records"


def of_records(*names: str, text: str, metavar: str | None = None) -> Any:
    """An option that other games do not have.

    Args:
        names: Of the option.
        text: Its help.
        metavar: What its value is called.
    """
    return typer.Option(*names, help=text, metavar=metavar, rich_help_panel=PANEL)


SizeOption = Annotated[str | None, of_records("--size", text="Of the network: tiny, 15M, 50M, 200M.")]
StepsOption = Annotated[int | None, of_records("--max-steps", text="Updates of the whole run; 200000 by default.")]
RateOption = Annotated[float | None, of_records("--learning-rate", text="3e-4 by default; follows the batch size.")]
CheckpointOption = Annotated[
    float | None, of_records("--checkpoint-minutes", text="Between two checkpoints; 15 by default.")
]
EvalOption = Annotated[
    int | None, of_records("--eval-every", text="Updates between evaluations, 0 for none; 5000 by default.")
]
DataOption = Annotated[
    Path | None,
    of_records(
        "--data-dir",
        text="Parsed records, or the folder of their `processed`; those that come with gamefleet by default.",
    ),
]
SamplesOption = Annotated[int | None, of_records("--max-samples", text="Learn from so many decisions at most.")]
EloOption = Annotated[int | None, of_records("--min-elo", text="Leave weaker players out.")]
MockOption = Annotated[bool, of_records("--mock-data", text="Learn from invented records.")]
TestOption = Annotated[bool, of_records("--test-mode", text="A short run: 1,000 updates.")]
DryRunOption = Annotated[bool, of_records("--dry-run", text="Say what would be done; write and submit nothing.")]
BatchOption = Annotated[
    int | None, of_records("--batch-size-per-gpu", text="Decisions per GPU at a time; 256 by default.")
]
HoursOption = Annotated[float | None, of_records("--time-limit-hours", text="Save and stop after so many hours.")]
NodesOption = Annotated[int | None, of_records("--nodes", text="Above 1 outside of a job: as `gamefleet launch`.")]
GpusOption = Annotated[int | None, of_records("--gpus-per-node", text="Ranks on this machine, outside of a job.")]
MemoryOption = Annotated[int | None, of_records("--memory", metavar="GB", text="Per node, of jobs.")]
PartitionOption = Annotated[str | None, of_records("--partition", text="Train there, as `gamefleet launch`.")]
AccountOption = Annotated[str | None, of_records("--account", text="Who pays, as `gamefleet launch`.")]

TEST_STEPS = 1000
TEST_INTERVAL_STEPS = 250
"""Of evaluations in a test, where nothing else is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedFlags:
    """What was given of these options; None and False where nothing was."""

    size: str | None = None
    max_steps: int | None = None
    learning_rate: float | None = None
    batch_size_per_gpu: int | None = None
    time_limit_hours: float | None = None
    checkpoint_minutes: float | None = None
    eval_every: int | None = None
    data_dir: Path | None = None
    max_samples: int | None = None
    min_elo: int | None = None
    nodes: int | None = None
    gpus_per_node: int | None = None
    memory: int | None = None
    partition: str | None = None
    account: str | None = None
    mock_data: bool = False
    test_mode: bool = False
    dry_run: bool = False

    def named(self) -> dict[str, Any]:
        """Option -> what was given."""
        return {f"--{field.name.replace('_', '-')}": getattr(self, field.name) for field in fields(self)}

    def settings(self) -> dict[str, Any]:
        """Dotted names of settings -> values; None where nothing was given.

        Raises:
            ConfigError: Two options contradict each other.
        """
        if self.data_dir is not None and self.mock_data:
            raise ConfigError("--data-dir and --mock-data exclude each other", remedy="Leave one out.")
        test = self.test_mode
        return {
            "network.size": self.size,
            "run.total_steps": self.max_steps or (TEST_STEPS if test else None),
            "run.max_runtime_s": None if self.time_limit_hours is None else self.time_limit_hours * 3600,
            "run.checkpoint_interval_s": None if self.checkpoint_minutes is None else self.checkpoint_minutes * 60,
            "evaluation.interval_steps": TEST_INTERVAL_STEPS if test and self.eval_every is None else self.eval_every,
            "learner.learning_rate": self.learning_rate,
            "trainer.batch_size_per_gpu": self.batch_size_per_gpu,
            "trainer.nodes": self.nodes,
            "trainer.gpus_per_node": self.gpus_per_node,
            "data.folder": None if self.data_dir is None else str(self.data_dir.absolute()),
            "data.mock": self.mock_data or (None if self.data_dir is None else False),
            "data.max_samples": self.max_samples,
            "data.min_rating": self.min_elo,
        }


def flags_among(options: Mapping[str, Any]) -> RecordedFlags:
    """What was given of these options.

    Args:
        options: All options of the command, by the names of its parameters.
    """
    return RecordedFlags(**{field.name: options[field.name] for field in fields(RecordedFlags)})


def refuse(game: str, why: str, given: Mapping[str, Any]) -> None:
    """Refuse options that mean nothing for a game.

    Args:
        game: Its name.
        why: What the game is instead.
        given: Option -> what was given, None or False for nothing.

    Raises:
        ConfigError: Names the first that was given.
    """
    for option, value in given.items():
        if value is not None and value is not False:
            raise ConfigError(
                f"{game} {why}, and this option means nothing there",
                value=value,
                where=option,
                remedy="Leave it out. `gamefleet train --help` says which options are for which games.",
            )
