"""Settings of the game, free of numpy so that `config show` starts fast.

Job: what a user may choose about live battles. Place in the data flow: part of the run's configuration; workers rebuild
it from JSON. Left out: learning from recorded battles, whose settings belong to the trainer.
"""

from __future__ import annotations

from dataclasses import dataclass

from gamefleet.errors import ConfigError, nearest

OPPONENTS = ("random", "max-damage", "heuristic")
"""Policies inside the simulator's process, weakest first."""

_POSITIVE = ("win_reward", "max_episode_steps")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowdownConfig:
    """What to play, and against whom.

    Args:
        battle_format: A singles format of Pokémon Showdown; the simulator says which ones it knows.
        opponent: A name of `OPPONENTS`.
        win_reward: Paid for a won battle, and taken for a lost one; a tie pays nothing.
        faint_reward: Paid for each opposing Pokémon that faints, and taken for each own one.
        hp_reward: Paid for taking all HP of one opposing Pokémon, and taken for losing those of an own one.
        max_episode_steps: Decisions after which an episode is truncated.
    """

    battle_format: str = "gen1randombattle"
    opponent: str = "max-damage"
    win_reward: float = 1.0
    faint_reward: float = 0.0
    hp_reward: float = 0.0
    max_episode_steps: int = 1000

    def __post_init__(self) -> None:
        if self.opponent not in OPPONENTS:
            remedy = nearest(self.opponent, OPPONENTS)
            raise ConfigError("Unknown opponent", value=self.opponent, where="game.opponent", remedy=remedy)
        for name in _POSITIVE:
            if not getattr(self, name) > 0:
                raise ConfigError("The value must be positive", value=getattr(self, name), where=f"game.{name}")
        if not self.battle_format.startswith("gen"):
            raise ConfigError(
                "A battle format begins with its generation",
                value=self.battle_format,
                where="game.battle_format",
                remedy="For example gen1randombattle or gen9ou.",
            )
