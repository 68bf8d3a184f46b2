"""Settings of the network, free of torch so that `config show` starts fast.

Job: which core, how wide, which heads. Place in the data flow: part of `RunConfig`; read by `RecurrentQNetwork`; its
JSON enters the compatibility hash. Left out: what a game's encoder looks like; its settings pass through untouched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gamefleet.errors import ConfigError

Core = Literal["gru", "lstm", "none", "identity"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSettings:
    """Shape of the Q-network.

    Args:
        core: `gru` or `lstm` remember; `none` is the feed-forward baseline of the same width; `identity` hands the
            encoder's features to the heads as they are, without the previous action and reward.
        hidden_size: Units of the core; without meaning for `identity`.
        dueling: Split each head into value and advantages (Wang et al. 2016).
        head_size: Hidden units of each stream of a head; 0 makes the heads linear.
        encoder: Settings of the game's encoder, for example its channels; the game defines the keys.
    """

    core: Core = "gru"
    hidden_size: int = 256
    dueling: bool = True
    head_size: int = 128
    encoder: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what no network can be built from.

        Raises:
            ConfigError: A size is out of range.
        """
        for name, value, least in (("hidden_size", self.hidden_size, 1), ("head_size", self.head_size, 0)):
            if value < least:
                raise ConfigError(
                    f"The network needs at least {least}", value=value, where=f"network.{name}", remedy="Raise it."
                )


def architecture_json(settings: NetworkSettings, *, num_actions: int, num_heads: int) -> dict[str, Any]:
    """The architecture as plain JSON values, for the compatibility hash.

    Args:
        settings: The network's settings.
        num_actions: Actions of the game.
        num_heads: 1, or 2 with curiosity.

    Returns:
        Everything that must be equal for weights to fit.
    """
    encoder: Mapping[str, Any] = settings.encoder
    return {
        "core": settings.core,
        "hidden_size": settings.hidden_size,
        "dueling": settings.dueling,
        "head_size": settings.head_size,
        "encoder": dict(encoder),
        "num_actions": num_actions,
        "num_heads": num_heads,
    }
