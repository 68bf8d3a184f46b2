"""Settings of the replay, free of heavy imports so that `config show` starts fast.

Job: how much is remembered and how it is drawn. Place in the data flow: section `replay` of `RunConfig`. Left out: the
length of n-step returns, which is the learner's and decides how far windows look ahead.
"""

from __future__ import annotations

from dataclasses import dataclass

from gamefleet.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySettings:
    """Size and sampling of the replay; window lengths are R2D2's (Kapturowski et al. 2019, table 2) by default.

    Args:
        capacity_steps: Slots kept over all streams; the oldest are overwritten.
        max_bytes: Refuse a capacity whose arrays would be larger than this.
        unroll: Slots of a window that are trained on.
        burn_in: Slots before them that only warm the recurrent state up; at most `unroll`.
        is_prioritized: Draw windows by their TD errors; False draws all alike.
        priority_exponent: Power of the priorities; 0 draws all alike, 1 in proportion.
    """

    capacity_steps: int = 1_000_000
    max_bytes: int = 2_200_000_000
    unroll: int = 40
    burn_in: int = 40
    is_prioritized: bool = True
    priority_exponent: float = 0.9

    @property
    def effective_exponent(self) -> float:
        """The power that is in force: 0 when windows are drawn alike."""
        return self.priority_exponent if self.is_prioritized else 0.0

    def __post_init__(self) -> None:
        """Refuse lengths that make no windows.

        Raises:
            ConfigError: Names the setting and its range.
        """
        ranges: dict[str, tuple[float, float]] = {
            "capacity_steps": (1, 2**40),
            "max_bytes": (1, 2**50),
            "unroll": (1, 10_000),
            "burn_in": (0, self.unroll),
            "priority_exponent": (0.0, 1.0),
        }
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(
                    "A setting of the replay is out of range",
                    value=value,
                    where=f"replay.{name}",
                    remedy=f"Choose a number from {low:g} to {high:g}.",
                )
