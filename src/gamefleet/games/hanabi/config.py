"""Settings of the game, free of numpy so that `config show` starts fast.

Job: what a user may choose about the game, and the counts that follow from it. Place in the data flow: part of the
run's configuration; workers rebuild it from JSON. Left out: how the settings act, which `simulator` and `observe` say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gamefleet.errors import ConfigError, nearest

VARIANTS: dict[str, dict[str, int]] = {
    "standard": {"num_colors": 5, "num_ranks": 5, "hand_size": 0, "information_tokens": 8, "life_tokens": 3},
    "small": {"num_colors": 2, "num_ranks": 5, "hand_size": 2, "information_tokens": 3, "life_tokens": 1},
    "very_small": {"num_colors": 1, "num_ranks": 5, "hand_size": 2, "information_tokens": 3, "life_tokens": 1},
    "mini": {"num_colors": 2, "num_ranks": 3, "hand_size": 3, "information_tokens": 3, "life_tokens": 2},
}
"""Named games. `small` and `very_small` are those of the Hanabi Learning Environment; a `hand_size` of 0 follows the
rules of the box: 5 cards for two and three players, 4 for more."""

_RANGES = {
    "num_players": (2, 5),
    "num_colors": (1, 5),
    "num_ranks": (1, 5),
    "hand_size": (1, 5),
    "information_tokens": (1, 20),
    "life_tokens": (1, 20),
    "history_moves": (1, 20),
    "max_episode_steps": (1, 2**20),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HanabiConfig:
    """What to play. A number left at 0 is filled in when the object is made, so that everyone reads plain numbers.

    Args:
        variant: A name of `VARIANTS`, which says what the numbers left at 0 are.
        num_players: 2 to 5.
        num_colors: 1 to 5.
        num_ranks: 1 to 5; of each colour there are three 1s, one of the highest rank, and two of the ranks between.
        hand_size: Cards in a hand, 1 to 5.
        information_tokens: Hints that can be given before a card must be discarded.
        life_tokens: Misplayed cards that end the game.
        history_moves: How many of the last moves an observation holds; 0: those since one's own last turn. The
            canonical encoding holds the last one, the array `history` those before it.
        sad: Observations also hold what the movers of those moves would have done without exploring (`intent`).
        max_episode_steps: Moves after which an episode is truncated; 0: never, because every game ends by itself.
    """

    variant: str = "standard"
    num_players: int = 2
    num_colors: int = 0
    num_ranks: int = 0
    hand_size: int = 0
    information_tokens: int = 0
    life_tokens: int = 0
    history_moves: int = 0
    sad: bool = False
    max_episode_steps: int = 0

    def __post_init__(self) -> None:
        """Fill in what the variant says, and refuse what cannot be played.

        Raises:
            ConfigError: Names the setting and its range.
        """
        if self.variant not in VARIANTS:
            raise ConfigError(
                "No such variant", value=self.variant, where="game.variant", remedy=nearest(self.variant, VARIANTS)
            )
        self._check("num_players")
        self._fill(VARIANTS[self.variant])
        self._fill({"hand_size": 5 if self.num_players < 4 else 4, "history_moves": self.num_players - 1})
        for name in _RANGES:
            if name != "max_episode_steps":
                self._check(name)
        if self.num_players * self.hand_size > self.num_cards:
            raise ConfigError(
                "There are not enough cards to deal",
                value=f"{self.num_cards} cards for {self.num_players} hands of {self.hand_size}",
                where="game.hand_size",
                remedy="Choose smaller hands, or more colours or ranks.",
            )
        self._fill({"max_episode_steps": self.max_moves})
        self._check("max_episode_steps")

    def _fill(self, values: dict[str, int]) -> None:
        for name, value in values.items():
            if getattr(self, name) == 0:
                object.__setattr__(self, name, value)

    def _check(self, name: str) -> None:
        (low, high), value = _RANGES[name], getattr(self, name)
        if not low <= value <= high:
            raise ConfigError(
                "A setting of the game is out of range",
                value=value,
                where=f"game.{name}",
                remedy=f"Choose a number from {low} to {high}.",
            )

    @property
    def copies(self) -> tuple[int, ...]:
        """How many cards of each rank there are in one colour."""
        return (3, *[2] * (self.num_ranks - 2), 1)[: self.num_ranks]

    @property
    def num_kinds(self) -> int:
        """Different cards; a card is the number `colour * num_ranks + rank`, both from 0."""
        return self.num_colors * self.num_ranks

    @property
    def num_values(self) -> int:
        """What a hint can name: the colours, then the ranks."""
        return self.num_colors + self.num_ranks

    @property
    def num_cards(self) -> int:
        """Cards in the whole deck."""
        return self.num_colors * sum(self.copies)

    @property
    def num_undealt(self) -> int:
        """Cards in the deck once every hand is dealt."""
        return self.num_cards - self.num_players * self.hand_size

    @property
    def num_actions(self) -> int:
        """Discards and plays of each slot, hints of each colour and of each rank to each other player."""
        return 2 * self.hand_size + (self.num_players - 1) * self.num_values

    @property
    def max_score(self) -> int:
        """Score of a perfect game."""
        return self.num_kinds

    @property
    def max_moves(self) -> int:
        """No game is longer: each card drawn costs one move and pays for at most one hint; then one last round."""
        return 2 * self.num_undealt + self.information_tokens + self.num_players

    def rules_json(self) -> dict[str, Any]:
        """The numbers that decide what a deck and a row of moves lead to, as plain JSON values."""
        names = ("num_players", "num_colors", "num_ranks", "hand_size", "information_tokens", "life_tokens")
        return {name: getattr(self, name) for name in names}
