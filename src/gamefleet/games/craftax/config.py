"""Settings of the game, free of numpy and JAX so that `config show` starts fast.

Job: what a user may choose about the game. Place in the data flow: part of the run's configuration; workers rebuild it
from JSON. Left out: how the settings act.
"""

from __future__ import annotations

from dataclasses import dataclass

from gamefleet.errors import ConfigError
from gamefleet.games.craftax.variants import CLASSIC, Variant, variant_of


@dataclass(frozen=True, slots=True, kw_only=True)
class CraftaxConfig:
    """What to play.

    Args:
        env_name: `Craftax-Classic-Symbolic-v1` or `Craftax-Symbolic-v1`.
        max_episode_steps: Steps after which an episode is truncated; 0: as the game says, 10,000 and 100,000.
        health_weight: Reward for each point of health, lost ones count negative.
    """

    env_name: str = CLASSIC.env_name
    max_episode_steps: int = 0
    health_weight: float = 0.1

    def __post_init__(self) -> None:
        """Fill in what was left open, and refuse what cannot be.

        Raises:
            ConfigError: There is no such environment, or the number of steps is negative or beyond the game's own.
        """
        variant = variant_of(self.env_name)
        if not 0 <= self.max_episode_steps <= variant.max_steps:
            raise ConfigError(
                f"{self.env_name} goes on for at most {variant.max_steps} steps", value=self.max_episode_steps
            )
        object.__setattr__(self, "max_episode_steps", self.max_episode_steps or variant.max_steps)

    @property
    def variant(self) -> Variant:
        """Sizes and names."""
        return variant_of(self.env_name)
