"""Is the candidate better? As many games as the answer needs, and no more.

Job: the promotion gate. Place in the data flow: a ladder plays blocks of a candidate against the best so far, and asks
after each whether to go on. Left out: playing; ratings.

A sequential probability ratio test between two strengths: `elo_low` (not worth a promotion) and `elo_high` (worth
one). Blocks of mirrored games are the units, as in `bootstrap`: the log-likelihood ratio of the blocks' mean score is
that of a normal variable with the variance that was seen. A few invented blocks of every kind, which are balanced, keep
that variance honest at the start.

Source: A. Wald, "Sequential Tests of Statistical Hypotheses", Annals of Mathematical Statistics 16, 1945; the normal
form for pairs of games is that of chess-engine testing (M. Van den Bergh, "A Practical Introduction to the GSPRT").
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from gamefleet.errors import ConfigError
from gamefleet.rating.bradley_terry import expected_score

Verdict = Literal["better", "not better", "play on"]

INVENTED = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Mean scores of blocks that are counted besides those that were played."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What a promotion needs.

    Args:
        elo_low: A candidate that is only so much stronger is turned away.
        elo_high: One that is so much stronger is promoted.
        false_promotions: Share of candidates at `elo_low` that may be promoted.
        false_refusals: Share of candidates at `elo_high` that may be turned away.

    Raises:
        ConfigError: A number makes no sense.
    """

    elo_low: float = 0.0
    elo_high: float = 50.0
    false_promotions: float = 0.05
    false_refusals: float = 0.05

    def __post_init__(self) -> None:
        shares = (self.false_promotions, self.false_refusals)
        if self.elo_high <= self.elo_low or not all(0.0 < share < 0.5 for share in shares):
            raise ConfigError(
                "A gate needs elo_high above elo_low, and shares of errors between 0 and 0.5",
                value=(self.elo_low, self.elo_high, *shares),
            )

    @property
    def bounds(self) -> tuple[float, float]:
        """Log-likelihood ratios at which a candidate is turned away and promoted."""
        low = math.log(self.false_refusals / (1.0 - self.false_promotions))
        high = math.log((1.0 - self.false_refusals) / self.false_promotions)
        return low, high

    def ratio(self, scores: Iterable[float]) -> float:
        """How much better `elo_high` explains the blocks than `elo_low`, as a log-likelihood ratio.

        Args:
            scores: Mean score of the candidate in each block, 0..1.
        """
        played = list(scores)
        count = len(played)
        counted = [*played, *INVENTED]
        mean = sum(counted) / len(counted)
        variance = sum((score - mean) ** 2 for score in counted) / len(counted)
        low, high = expected_score(self.elo_low), expected_score(self.elo_high)
        surplus = sum(played) - count * (low + high) / 2.0
        return (high - low) * surplus / variance

    def verdict(self, scores: Iterable[float]) -> Verdict:
        """What the blocks so far say; arguments as for `ratio`."""
        low, high = self.bounds
        ratio = self.ratio(scores)
        return "better" if ratio >= high else "not better" if ratio <= low else "play on"
