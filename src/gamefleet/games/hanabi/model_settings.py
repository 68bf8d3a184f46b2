"""Settings of the network's front and of learning that suit this game, free of torch so that `config show` starts fast.

Job: what a user may choose about the encoder, and what follows from the game. Place in the data flow: section
`network.encoder` of the run's configuration; read by `model`. Left out: the network itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from gamefleet.errors import ConfigError, nearest
from gamefleet.games.hanabi.config import HanabiConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSettings:
    """Shape of the transformer over cards, colours and moves.

    The limits decide the shape of the weights: one network with the limits of the whole game can play every variant
    within them. A limit of 0 is the game's own number, which makes smaller and faster weights for that variant alone.

    Args:
        d_model: Numbers per token.
        num_heads: Heads of attention; divides `d_model`.
        num_layers: Transformer blocks.
        d_hidden: Units between the two layers of a block; 0: four times `d_model`.
        max_players: Most players that the weights have room for.
        max_colors: Most colours.
        max_ranks: Most ranks.
        max_hand_size: Most cards in a hand.
        max_moves: Most remembered moves (`game.history_moves`).
        beliefs: Tell each token how likely its card is each card, and how likely it can be played now or never, as
            counting the cards out of sight says; without it the network must learn to count.
        dueling: Add one value of the whole situation to the values of all actions.
        game: Settings of the game that is played, which the game fills in.
    """

    d_model: int = 128
    num_heads: int = 4
    num_layers: int = 4
    d_hidden: int = 0
    max_players: int = 5
    max_colors: int = 5
    max_ranks: int = 5
    max_hand_size: int = 5
    max_moves: int = 4
    beliefs: bool = True
    dueling: bool = True
    game: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what no network can be built from.

        Raises:
            ConfigError: Names the setting.
        """
        for name, least in (("d_model", 1), ("num_heads", 1), ("num_layers", 0), ("d_hidden", 0)):
            if getattr(self, name) < least:
                raise ConfigError(
                    f"The network needs at least {least}",
                    value=getattr(self, name),
                    where=f"network.encoder.{name}",
                    remedy="Raise it.",
                )
        if self.d_model % self.num_heads:
            raise ConfigError(
                f"{self.d_model} numbers per token cannot be shared out among the heads",
                value=self.num_heads,
                where="network.encoder.num_heads",
                remedy="Choose a divisor of network.encoder.d_model.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the weights have room for.

    Args:
        players: Players.
        colors: Colours.
        ranks: Ranks.
        hand_size: Cards in a hand.
        moves: Remembered moves.
    """

    players: int
    colors: int
    ranks: int
    hand_size: int
    moves: int

    @property
    def kinds(self) -> int:
        """Different cards."""
        return self.colors * self.ranks

    @property
    def values(self) -> int:
        """What a hint can name."""
        return self.colors + self.ranks


def parse_settings(settings: Mapping[str, Any]) -> EncoderSettings:
    """Check the settings of `network.encoder`.

    Raises:
        ConfigError: A name is unknown or a value has another type.
    """
    kinds = {entry.name: entry.default for entry in fields(EncoderSettings)}
    for name, value in settings.items():
        if name not in kinds:
            raise ConfigError(
                "There is no such setting", value=f"network.encoder.{name}", remedy=nearest(str(name), kinds)
            )
        if name != "game" and type(value) is not type(kinds[name]):
            raise ConfigError(
                f"The value must be of type {type(kinds[name]).__name__}",
                value=value,
                where=f"network.encoder.{name}",
                remedy="See `gamefleet config show`.",
            )
    return EncoderSettings(**settings)


def limits_of(settings: EncoderSettings, config: HanabiConfig) -> Limits:
    """The limits that are in force for a game.

    Raises:
        ConfigError: The game is beyond them.
    """
    wanted = {
        "players": (settings.max_players, config.num_players, "num_players"),
        "colors": (settings.max_colors, config.num_colors, "num_colors"),
        "ranks": (settings.max_ranks, config.num_ranks, "num_ranks"),
        "hand_size": (settings.max_hand_size, config.hand_size, "hand_size"),
        "moves": (settings.max_moves, config.history_moves, "history_moves"),
    }
    for name, (most, own, setting) in wanted.items():
        if most and own > most:
            raise ConfigError(
                f"The network has no room for game.{setting} = {own}",
                value=most,
                where=f"network.encoder.max_{name}",
                remedy="Raise it, or set it to 0 for the game's own number.",
            )
    return Limits(**{name: most or own for name, (most, own, _) in wanted.items()})


def what_is_seen(config: HanabiConfig) -> dict[str, Any]:
    """The settings of a game that decide what its observations hold: all that a network must know of it."""
    return {**config.rules_json(), "history_moves": config.history_moves, "sad": config.sad}


def defaults(config: HanabiConfig) -> dict[str, dict[str, Any]]:
    """Settings that suit the game, below those of any file.

    Returns of as many steps as there are players end where the one who acted is to move again; games are short, so
    their value is not discounted; windows of one slot are drawn alike, because turns of one game teach much the same.
    """
    return {
        "network": {"core": "identity", "encoder": {"game": what_is_seen(config)}},
        "learner": {"num_steps": config.num_players, "discount": 1.0, "adam_epsilon": 1.5e-5, "batch_size": 256},
        "replay": {"unroll": 1, "burn_in": 0, "is_prioritized": False},
        "curiosity": {"enabled": False},
        "curriculum": {"kind": "none"},
        "actors": {"num_envs": 100, "epsilon_base": 0.1},
    }
