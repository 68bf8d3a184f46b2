"""Settings of the run and of its trackers.

Job: what a run is called, how long it lasts, how often it is saved, where it computes and who mirrors its metrics.
Place in the data flow: parts of `RunConfig`. Left out: everything about games and learning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gamefleet.errors import ConfigError

Device = Literal["auto", "cpu", "cuda", "mps"]
WandbMode = Literal["off", "online", "offline"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """One run, whatever it trains.

    Args:
        name: Name of the run and of its folder; empty invents one from the game, the date and four random digits.
        runs_folder: Folder that holds the run folders.
        seed: Every random stream of the run derives from it.
        total_steps: The run is finished after this many steps, over all environments and attempts.
        num_iterations: When given, the run is finished after this many iterations instead.
        games_per_iteration: Episodes that make an iteration.
        updates_per_iteration: When given, so many updates are made per iteration, whatever `learner.replay_ratio` says.
        checkpoint_interval_steps: Steps between checkpoints (postponed where saving would take over a tenth of the
            time).
        checkpoint_interval_s: At most this long between checkpoints, in seconds, however slow the steps are.
        keep_checkpoints: Newest checkpoints that are kept.
        max_runtime_s: Save and stop after this many seconds of this attempt; null for no limit.
        metrics_interval_steps: Steps between metrics lines.
        device: Where the learner computes; `auto` takes CUDA, then MPS, then the CPU.
    """

    name: str = ""
    runs_folder: str = "runs"
    seed: int = 0
    total_steps: int = 5_000_000
    num_iterations: int | None = None
    games_per_iteration: int = 100
    updates_per_iteration: int | None = None
    checkpoint_interval_steps: int = 10_000
    checkpoint_interval_s: float = 600.0
    keep_checkpoints: int = 3
    max_runtime_s: float | None = None
    metrics_interval_steps: int = 1_000
    device: Device = "auto"

    def __post_init__(self) -> None:
        """Refuse values outside their range.

        Raises:
            ConfigError: Names the setting and its range.
        """
        counts = ("total_steps", "checkpoint_interval_steps", "keep_checkpoints", "metrics_interval_steps")
        for name in (*counts, "num_iterations", "games_per_iteration", "updates_per_iteration"):
            if getattr(self, name) is not None:
                require_at_least(name, getattr(self, name), 1)
        require_at_least("checkpoint_interval_s", self.checkpoint_interval_s, 1)
        if self.max_runtime_s is not None:
            require_at_least("max_runtime_s", self.max_runtime_s, 1)
        if self.name in (".", "..") or any(character in self.name for character in "/\\\0"):
            raise ConfigError(
                "A run's name must be a plain folder name",
                value=self.name,
                where="run.name",
                remedy="Put the folder into run.runs_folder and leave slashes out of the name.",
            )

    @property
    def total_episodes(self) -> int | None:
        """Episodes after which the run is finished; None when its length is counted in steps."""
        return None if self.num_iterations is None else self.num_iterations * self.games_per_iteration

    def is_done(self, *, steps: int, episodes: int) -> bool:
        """Whether a run that has come so far is finished."""
        if self.total_episodes is not None:
            return episodes >= self.total_episodes
        return steps >= self.total_steps

    def expected_steps(self, *, steps: int, episodes: int) -> int:
        """Steps at which the run ends, as far as that can be told from what it did so far; 0 when it cannot."""
        if self.total_episodes is None:
            return self.total_steps
        return round(steps * self.total_episodes / episodes) if episodes else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerSettings:
    """Mirrors of the metrics; the run's own files are written whatever is chosen here.

    Args:
        wandb: `offline` writes files that `wandb sync` uploads later; one run id over all attempts.
        tensorboard: Write TensorBoard files below the run folder.
        trackio: Write to trackio's local store.
        project: Project name at wandb and trackio.
    """

    wandb: WandbMode = "off"
    tensorboard: bool = False
    trackio: bool = False
    project: str = "gamefleet"


def require_at_least(name: str, value: float, least: float) -> None:
    """Raise `ConfigError` when `run.<name>` is below `least`."""
    if not value >= least:
        raise ConfigError(
            "The value is too small", value=value, where=f"run.{name}", remedy=f"Choose {least:g} or more."
        )
