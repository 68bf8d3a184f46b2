"""Settings of the game, free of emulator and torch so that `config show` starts fast.

Job: what a user may choose about the game and its rewards. Place in the data flow: part of the run's configuration;
workers rebuild it from JSON. Left out: how the settings act, which the modules named in each field say.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from gamefleet.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardWeights:
    """Weight of each reward term and the numbers that shape it (`reward.py` defines them; 0 turns a term off).

    Args:
        events: For each event of the story that is seen set for the first time.
        badges: For each badge.
        levels: For each level that the party's sum of levels rises, damped above `levels_damped_above`.
        exploration: For the first new tile of a map; later tiles of the same map pay less.
        maps: For each map that is entered for the first time in the episode.
        healing: For healing the whole party once, within an allowance that progress refills.
        catching: For each species owned for the first time.
        seen: For each species seen for the first time.
        stuck: Taken off at each step beyond `stuck_after_steps` without anything new.
        side_event_scale: Share of `events` that an event outside the story's main line pays.
        levels_damped_above: Party level sum from which a level pays a quarter.
        exploration_half_tiles: The n-th new tile of a map pays `1 / (1 + n / exploration_half_tiles)`.
        stuck_after_steps: Steps without any gain before `stuck` begins.
    """

    events: float = 2.0
    badges: float = 5.0
    levels: float = 0.2
    exploration: float = 0.1
    maps: float = 1.0
    healing: float = 0.3
    catching: float = 0.5
    seen: float = 0.1
    stuck: float = 0.0
    side_event_scale: float = 0.5
    levels_damped_above: int = 30
    exploration_half_tiles: int = 300
    stuck_after_steps: int = 200

    def __post_init__(self) -> None:
        """Refuse weights that would turn a reward into a punishment or divide by zero.

        Raises:
            ConfigError: A number is negative, or `exploration_half_tiles` is not positive.
        """
        for name, value in self.as_json().items():
            if value < 0 or (name == "exploration_half_tiles" and value == 0):
                raise ConfigError(
                    "A reward weight is out of range", value=value, where=f"game.rewards.{name}", remedy="Raise it."
                )

    def as_json(self) -> dict[str, Any]:
        """All settings as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class PokemonRedConfig:
    """What to play and how.

    Args:
        rom: Path of your own Pokémon Red ROM; empty plays the cartridge that comes with the package.
        start_state: Path of the state that every episode starts at: one that `gamefleet rollout --save-state` wrote, or
            a PyBoy `.state` file of the same ROM; empty starts at the beginning of the story.
        max_episode_steps: Steps (of 24 frames) after which an episode is truncated.
        auto_skip_text: Press A without spending the agent's steps while the game ignores the buttons (cut scenes).
        max_skipped_presses: Most presses that one step may spend on that.
        encounter_scale: Factor on the rate of wild encounters of each map that is entered, 0 (none) to 1.
        randomize_start: Let the seed of a reset decide the game's random numbers; False starts every episode alike.
        cell_tiles: Edge of a cell of the state archive, in tiles.
        stop_at_milestone: Name of the milestone that ends an episode (terminated); empty plays on.
        rewards: Weights of the reward terms.
    """

    rom: str = ""
    start_state: str = ""
    max_episode_steps: int = 2048
    auto_skip_text: bool = True
    max_skipped_presses: int = 60
    encounter_scale: float = 1.0
    randomize_start: bool = True
    cell_tiles: int = 4
    stop_at_milestone: str = ""
    rewards: RewardWeights = field(default_factory=RewardWeights)

    def __post_init__(self) -> None:
        """Refuse numbers out of range.

        Raises:
            ConfigError: Names the setting and its range.
        """
        ranges = {
            "max_episode_steps": (1, 2**31),
            "max_skipped_presses": (0, 1000),
            "encounter_scale": (0.0, 1.0),
            "cell_tiles": (1, 256),
        }
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(
                    "A setting of the game is out of range",
                    value=value,
                    where=f"game.{name}",
                    remedy=f"Choose a number from {low} to {high}.",
                )
