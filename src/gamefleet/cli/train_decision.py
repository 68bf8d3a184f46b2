"""Which run on recorded play goes on or begins, and with which settings.

Job: turn the command line into a decision that rank 0 makes once for all ranks. Place in the data flow: options ->
`train_recorded` -> here. Left out: training.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gamefleet.cli.options import ask_for
from gamefleet.cli.train_options import RecordedFlags
from gamefleet.errors import ConfigError

if TYPE_CHECKING:
    from gamefleet.games.base import GamePackage
    from gamefleet.topologies.config import Asked
    from gamefleet.topologies.ddp.ranks import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the command line asks for.

    Args:
        config: A file of settings.
        assignments: Of `--set`.
        run: Name of the run.
        seed: Of the run.
        device: Where to compute.
        flags: Options that only such games have.
        max_runtime_s: Save and stop after so many seconds.
        start: `resume`, `auto`, `fresh` or `first`.
    """

    config: Path | None
    assignments: tuple[str, ...]
    run: str | None
    seed: int | None
    device: str | None
    flags: RecordedFlags
    max_runtime_s: float | None = None
    start: str = "first"

    def with_runtime(self, seconds: float | None) -> Wish:
        """The same with a limit in seconds.

        Raises:
            ConfigError: One in hours is given, too.
        """
        if seconds is not None and self.flags.time_limit_hours is not None:
            raise ConfigError(
                "--time-limit-hours and --max-runtime-seconds exclude each other", remedy="Leave one out."
            )
        return replace(self, max_runtime_s=seconds)

    def with_start(self, *, resume: bool, auto_resume: bool, fresh: bool) -> Wish:
        """The same with how the run starts.

        Raises:
            ConfigError: More than one way.
        """
        from gamefleet.cli.train import one_start_only

        one_start_only(resume, auto_resume, fresh)
        ways = {"resume": resume, "auto": auto_resume, "fresh": fresh}
        return replace(self, start=next((way for way, is_wanted in ways.items() if is_wanted), "first"))

    def asked(self) -> Asked:
        """The settings that it asks for."""
        settings = self.flags.settings()
        if self.max_runtime_s is not None:
            settings["run.max_runtime_s"] = self.max_runtime_s
        named = {"run.name": self.run, "run.seed": self.seed, "run.device": self.device}
        return ask_for(self.config, list(self.assignments), {**named, **settings})


def decided(package: GamePackage, wish: Wish, place: Place) -> dict[str, Any]:
    """Which run goes on or begins, with which settings; the other ranks are told.

    Raises:
        ConfigError: Settings that do not fit.
        RunFolderError: There is no such run.
    """
    from gamefleet.cli.train import finished_already, layered_settings, run_exists
    from gamefleet.topologies.ddp.build import settled
    from gamefleet.topologies.recorded.plan import check_size, data_in_words, is_selected
    from gamefleet.topologies.sequence.config import make_sequence_config

    asked = wish.asked()
    if wish.start == "resume":
        name_newest(package, asked)
    is_resumed = wish.start == "resume" or (
        wish.start == "auto" and run_exists(package, asked, make=make_sequence_config)
    )
    asked, config = layered_settings(package, asked, is_resumed=is_resumed, make=make_sequence_config)
    ending = finished_already(config) if wish.start == "auto" else ""
    check_size(package, config.network.size)
    if is_selected(config.data) and not ending:
        data_in_words(package, config.data, Path(config.run.runs_folder) / config.run.name)
    config = settled(config, place)
    start = "resume" if is_resumed else "fresh" if wish.start == "fresh" else "first"
    return {"settings": config.resolved(), "asked": asked.as_toml(), "start": start, "ending": ending}


def name_newest(package: GamePackage, asked: Asked) -> None:
    """A bare --resume means the run of this game that was worked at last.

    Raises:
        RunFolderError: There is none.
    """
    from gamefleet.cli.launch_runs import run_of
    from gamefleet.topologies.config import merge
    from gamefleet.topologies.sequence.config import make_sequence_config

    config = make_sequence_config(package, asked)
    if not config.run.name:
        name = run_of(package.name, "", Path(config.run.runs_folder), is_resumed=True)
        merge(asked.settings, {"run": {"name": name}})


def plan_in_words(package: GamePackage, wish: Wish, place: Place) -> str:
    """What would be done; raises as `decided`."""
    from gamefleet.learners.sequence_settings import step_sizes
    from gamefleet.topologies.recorded.plan import data_in_words
    from gamefleet.topologies.sequence.config import make_sequence_config
    from gamefleet.topologies.sequence.data import divide

    decision = decided(package, wish, place)
    if decision["ending"]:
        return str(decision["ending"])
    config = make_sequence_config(package, decision["settings"])
    root = Path(config.run.runs_folder) / config.run.name
    batches = divide(config, place.world)
    lines = [
        "Nothing was written or started.",
        f"Run: {beginning(root, decision['start'])}.",
        f"Network: {config.network.size}. Data: {data_in_words(package, config.data, root)}.",
        f"Batch: {batches.describe(place.world)}.",
        f"Steps: {config.run.total_steps:,}, a checkpoint every {config.run.checkpoint_interval_s / 60:g} minutes, "
        f"{evaluations(config.evaluation.interval_steps)}.",
        f"Optimizer: {step_sizes(config.learner, batches.global_size).sentence}.",
    ]
    return "\n".join(lines)


def beginning(root: Path, start: str) -> str:
    """Where the run in a folder begins or goes on."""
    from gamefleet.runs.folder import read_state
    from gamefleet.runs.paths import RunPaths

    if start == "resume":
        return f"{root.name}, which goes on at step {int(read_state(RunPaths(root)).get('step', 0)):,}"
    return f"{root.name}, anew"


def evaluations(interval_steps: int) -> str:
    """How often it is measured."""
    return f"an evaluation every {interval_steps:,} steps" if interval_steps else "no evaluations"
