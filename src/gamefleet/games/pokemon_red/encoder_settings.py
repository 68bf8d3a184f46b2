"""Settings of the encoder, free of torch so that a wrong one is refused before torch is loaded.

Job: the keys of `network.encoder` for this game. Place in the data flow: from the run's configuration to `model`. Left
out: what the sizes mean to the layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from gamefleet.errors import ConfigError, nearest

Kind = Literal["slim", "standard"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSettings:
    """Size of the encoder; the keys of `network.encoder` for this game.

    Args:
        kind: `slim` reads tiles and suits a CPU; `standard` runs three convolutions over all pixels, for GPUs.
        channels: Channels of the first layer after the tiles; the others follow from it.
        features: Size of the output.
        embedding: Size of the vectors that stand for maps, species, moves and items.
    """

    kind: Kind = "slim"
    channels: int = 24
    features: int = 256
    embedding: int = 8


def parse_settings(settings: Mapping[str, Any]) -> EncoderSettings:
    """Check the keys and values of `network.encoder`.

    Args:
        settings: What the user wrote.

    Returns:
        The settings with defaults filled in.

    Raises:
        ConfigError: An unknown key, kind, or a size that is not positive.
    """
    known = [field.name for field in fields(EncoderSettings)]
    for key, value in settings.items():
        where = f"network.encoder.{key}"
        if key not in known:
            raise ConfigError("Unknown encoder setting", value=key, where="network.encoder", remedy=nearest(key, known))
        if key == "kind" and value not in get_args(Kind):
            remedy = nearest(str(value), get_args(Kind))
            raise ConfigError("Unknown kind of encoder", value=value, where=where, remedy=remedy)
        if key != "kind" and (not isinstance(value, int) or value < 1):
            raise ConfigError(
                "An encoder size must be a positive integer", value=value, where=where, remedy="Raise it."
            )
    return EncoderSettings(**settings)
