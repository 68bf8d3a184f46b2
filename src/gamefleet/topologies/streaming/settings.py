"""Settings of the live picture, free of heavy imports so that `config show` starts fast.

Job: whether and where a run shows its agents playing. Place in the data flow: section `streaming` of `RunConfig`. Left
out: the streaming itself (`topologies.streaming`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gamefleet.errors import ConfigError

DEFAULT_PORT = 9999
HIGHEST_PORT = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamingSettings:
    """How a run shows its agents.

    Args:
        enabled: `auto` shows the run to viewers that leave word in its folder, as `gamefleet dashboard` does; true also
            looks for viewers at `port`, here and on the machine where the job was submitted; false shows nothing.
            Nothing is drawn while nobody watches.
        port: Where a viewer, or the tunnel that leads to it, listens.
        top_k: Agents of this run that are shown at most when the viewer names none.
        frames_per_s: Pictures per agent and second at most.
    """

    enabled: bool | Literal["auto"] = "auto"
    port: int = DEFAULT_PORT
    top_k: int = 2
    frames_per_s: float = 15.0

    def __post_init__(self) -> None:
        """Refuse numbers without meaning.

        Raises:
            ConfigError: Names the setting and its range.
        """
        if not 1 <= self.port <= HIGHEST_PORT:
            raise ConfigError(
                "This is no port", value=self.port, where="streaming.port", remedy=f"Choose 1 to {HIGHEST_PORT}."
            )
        if self.top_k < 1:
            raise ConfigError("At least one agent is shown", value=self.top_k, where="streaming.top_k")
        if not 0 < self.frames_per_s <= 60:
            raise ConfigError(
                "Pictures per second lie above 0 and up to 60",
                value=self.frames_per_s,
                where="streaming.frames_per_s",
                remedy="15 is smooth enough to follow a game.",
            )
