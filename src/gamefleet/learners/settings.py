"""Settings of the learner, free of torch so that `config show` starts fast.

Job: numbers of recurrent double Q-learning and of curiosity, with the papers they come from. Place in the data flow:
parts of `RunConfig`; read by `ValueLearner` and `Curiosity`. Left out: window lengths (`experience/settings`) and the
network's shape (`models/settings`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gamefleet.errors import ConfigError

Precision = Literal["float32", "bfloat16"]

USUAL_REPLAY_RATIO = 4.0
"""More trained slots per recorded one get a warning. The README of off-belief learning (Hu et al. 2021) calls a ratio
below 4 fine and expects significantly worse final play above 10; benchmarks/results has our own measurements."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueSettings:
    """Recurrent double Q-learning; defaults are R2D2's (Kapturowski et al. 2019, table 2) except the batch size.

    Args:
        batch_size: Sequences per update (R2D2: 64).
        num_steps: Rewards in an n-step return, in steps.
        discount: Per step, of the extrinsic return.
        learning_rate: Of Adam.
        learning_rate_decay_updates: It falls in a straight line to a tenth over so many updates, then stays; 0: never.
        adam_epsilon: Of Adam; large, so that rarely used weights do not take full-size steps on noise.
        max_gradient_norm: Gradients are scaled down to this global norm.
        target_update_interval_updates: Updates between copies of the online into the target network.
        target_mix: When above 0, instead of copies, each update moves the target by this fraction towards the online.
        importance_exponent: Of importance weights; 0 (R2D2) turns them off.
        priority_max_share: A window's priority is this share of its largest |TD error| plus the rest of the mean one.
        precision: `bfloat16` runs the network's matrix products in bfloat16 on an accelerator; ignored on a CPU.
        max_skipped_updates: This many updates in a row without a finite gradient end the run.
        replay_ratio: Trained slots per recorded step; 1 trains on each step once on average. More learns more from the
            same games, until the values overfit to what is remembered.
        max_replay_ratio: A larger `replay_ratio` is refused.
        learning_starts_steps: Recorded steps before the first update.
        auxiliary_weight: What the encoder's auxiliary loss counts beside the TD loss; 0 leaves it out.
        augment: Learn from every window as the game's symmetries change it, another way each time.
    """

    batch_size: int = 32
    num_steps: int = 5
    discount: float = 0.997
    learning_rate: float = 1e-4
    learning_rate_decay_updates: int = 0
    adam_epsilon: float = 1e-3
    max_gradient_norm: float = 40.0
    target_update_interval_updates: int = 2500
    target_mix: float = 0.0
    importance_exponent: float = 0.0
    priority_max_share: float = 0.9
    precision: Precision = "float32"
    max_skipped_updates: int = 10
    replay_ratio: float = 1.0
    max_replay_ratio: float = 64.0
    learning_starts_steps: int = 5000
    auxiliary_weight: float = 0.0
    augment: bool = False

    def __post_init__(self) -> None:
        """Refuse values outside their range.

        Raises:
            ConfigError: Names the setting and its range.
        """
        for name in ("batch_size", "num_steps", "target_update_interval_updates", "max_skipped_updates"):
            check_range(f"learner.{name}", getattr(self, name), 1, float("inf"))
        for name in ("discount", "target_mix", "importance_exponent", "priority_max_share"):
            check_range(f"learner.{name}", getattr(self, name), 0.0, 1.0)
        check_range("learner.learning_rate_decay_updates", self.learning_rate_decay_updates, 0, float("inf"))
        check_range("learner.learning_starts_steps", self.learning_starts_steps, 0, float("inf"))
        check_range("learner.auxiliary_weight", self.auxiliary_weight, 0.0, float("inf"))
        for name in ("learning_rate", "adam_epsilon", "max_gradient_norm", "replay_ratio", "max_replay_ratio"):
            check_range(f"learner.{name}", getattr(self, name), 1e-12, float("inf"))
        check_replay_ratio(self.replay_ratio, self.max_replay_ratio)

    def learning_rate_share(self, updates: int) -> float:
        """Which share of the learning rate counts after so many updates."""
        if not self.learning_rate_decay_updates:
            return 1.0
        return 1.0 - 0.9 * min(1.0, updates / self.learning_rate_decay_updates)


@dataclass(frozen=True, slots=True, kw_only=True)
class CuriositySettings:
    """Random network distillation (Burda et al. 2018) with a value head of its own.

    Args:
        enabled: Adds the intrinsic head and trains it.
        weight: What one unit of normalised intrinsic return counts when a greedy action is chosen, in units of reward.
        discount: Per step, of the intrinsic return.
        output_size: Numbers that the predictor must predict.
        hidden_size: Hidden units of target and predictor.
        learning_rate: Of the predictor's Adam.
        train_share: Share of the slots of an update that the predictor learns from.
        clip: Whitened observations are clipped to +- this many standard deviations.
        warm_up_steps: Steps of random play that initialise the whitening.
    """

    enabled: bool = True
    weight: float = 0.1
    discount: float = 0.99
    output_size: int = 128
    hidden_size: int = 256
    learning_rate: float = 1e-4
    train_share: float = 0.25
    clip: float = 5.0
    warm_up_steps: int = 1000

    def __post_init__(self) -> None:
        """Refuse values outside their range.

        Raises:
            ConfigError: Names the setting and its range.
        """
        for name in ("output_size", "hidden_size"):
            check_range(f"curiosity.{name}", getattr(self, name), 1, float("inf"))
        for name in ("weight", "warm_up_steps"):
            check_range(f"curiosity.{name}", getattr(self, name), 0, float("inf"))
        check_range("curiosity.discount", self.discount, 0.0, 1.0 - 1e-6)
        check_range("curiosity.train_share", self.train_share, 1e-6, 1.0)
        for name in ("learning_rate", "clip"):
            check_range(f"curiosity.{name}", getattr(self, name), 1e-12, float("inf"))


def check_replay_ratio(ratio: float, most: float) -> None:
    """Raise `ConfigError` when the ratio is above what is allowed."""
    if ratio > most:
        raise ConfigError(
            f"Each step would be trained on {ratio:g} times on average, and {most:g} times are allowed",
            value=ratio,
            where="learner.replay_ratio",
            remedy="Play more games per update, which was measured to reach more in the same computing time, or raise "
            "learner.max_replay_ratio if games are what is scarce.",
        )


def replay_ratio_warning(ratio: float) -> str:
    """What to tell somebody who trains on each step so often; empty when that is usual."""
    if ratio <= USUAL_REPLAY_RATIO:
        return ""
    return (
        f"each step has been trained on {ratio:.1f} times on average (learner.replay_ratio). Above "
        f"{USUAL_REPLAY_RATIO:g} the values overfit to what is remembered; more games per update reach more in the "
        "same computing time (benchmarks/results has the measurements)."
    )


def check_range(name: str, value: int | float, low: int | float, high: int | float) -> None:
    """Raise `ConfigError` unless `low <= value <= high`."""
    if not low <= value <= high:
        raise ConfigError(
            "The value is out of range", value=value, where=name, remedy=f"Choose one from {low:g} to {high:g}."
        )
