"""What a launch's ranks will be told, checked before anything is submitted.

Job: the settings of the run on so many ranks, and the words of `gamefleet train`. Place in the data flow: `launch_plan`
asks. Left out: the cluster's side.

A setting with which no rank could start would otherwise be found out by three jobs in a row, each after its wait in the
queue.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gamefleet.cli.train_options import RecordedFlags
from gamefleet.errors import ConfigError

if TYPE_CHECKING:
    from gamefleet.topologies.config import Asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What is trained.

    Args:
        game: Which.
        config: A settings file; None for none.
        assignments: Settings, as `--set` takes them.
        flags: Options of `gamefleet train`.
        is_debug: Whether ranks show tracebacks.
    """

    game: str
    config: Path | None
    assignments: tuple[str, ...]
    flags: RecordedFlags
    is_debug: bool = False

    def words(self) -> list[str]:
        """The options with which each rank starts, besides the run's name and folder."""
        flags = self.flags
        valued = {
            "--size": flags.size,
            "--max-steps": flags.max_steps,
            "--learning-rate": flags.learning_rate,
            "--batch-size-per-gpu": flags.batch_size_per_gpu,
            "--checkpoint-minutes": flags.checkpoint_minutes,
            "--eval-every": flags.eval_every,
            "--data-dir": flags.data_dir,
            "--max-samples": flags.max_samples,
            "--min-elo": flags.min_elo,
            "--config": self.config,
        }
        words = [word for name, value in valued.items() if value is not None for word in (name, str(value))]
        bare = {"--test-mode": flags.test_mode, "--mock-data": flags.mock_data, "--debug": self.is_debug}
        words += [name for name, is_set in bare.items() if is_set]
        return words + [word for assignment in self.assignments for word in ("--set", assignment)]

    def asked(self, run: str | None = None) -> Asked:
        """The settings that are asked for, in a run of that name.

        Raises:
            ConfigError: The file, an assignment or an option cannot be understood.
        """
        from gamefleet.cli.train_decision import Wish

        return Wish(
            config=self.config, assignments=self.assignments, run=run, seed=None, device=None, flags=self.flags
        ).asked()

    def plan(self, root: Path, ranks: int) -> str:
        """What the run in a folder will do on so many ranks; a run that is there keeps its own settings.

        Raises:
            ConfigError: A setting is unknown or has a bad value.
        """
        from gamefleet.cli.train import layered_settings
        from gamefleet.games import open_game
        from gamefleet.learners.sequence_settings import step_sizes
        from gamefleet.runs.folder import is_run
        from gamefleet.runs.paths import RunPaths
        from gamefleet.topologies.config import merge
        from gamefleet.topologies.recorded.plan import check_size, data_in_words, network_in_words
        from gamefleet.topologies.sequence.config import make_sequence_config
        from gamefleet.topologies.sequence.data import divide

        package = open_game(self.game)
        if package.recorded is None:
            raise ConfigError(
                f"{package.name} is learned by playing, and a launch trains from records",
                value=self.game,
                where="--game",
                remedy="`gamefleet fleet start` carries runs that play.",
            )
        asked = self.asked(root.name)
        merge(asked.settings, {"run": {"runs_folder": str(root.parent)}})
        _, config = layered_settings(package, asked, is_resumed=is_run(RunPaths(root)), make=make_sequence_config)
        batches = divide(config, ranks)
        check_size(package, config.network.size)
        lines = [
            f"Network: {network_in_words(config.network.size)}.",
            f"Data: {data_in_words(package, config.data, root)}.",
            f"Training: {config.run.total_steps:,} steps, {batches.describe(ranks)}; "
            f"{step_sizes(config.learner, batches.global_size).sentence}.",
        ]
        return "\n".join(lines)
