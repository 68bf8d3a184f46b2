"""What a model costs, and when it is enough.

Job: prices from a file that users may edit; counting tokens and dollars of a whole run; refusing a request that could
go beyond a cap. Place in the data flow: `client` asks before each request and reports after it. Left out: where the
count outlives the process (`replayed.Conversation`).
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gamefleet.errors import ConfigError, GamefleetError
from gamefleet.skills.proposer import Usage

PRICES = Path(__file__).parent / "prices.toml"
"""The table that comes along."""

BYTES_PER_TOKEN = 4
"""What a token takes, about, where a server does not count."""

MESSAGE_TOKENS = 16
"""What a message takes beyond its text, at most."""

_DATED = re.compile(r"(.+)-\d{4}-\d{2}-\d{2}")


class BudgetSpentError(GamefleetError):
    """The next request could go beyond a cap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """US dollars for a million tokens.

    Args:
        tokens_in: Of questions.
        tokens_out: Of answers.
    """

    tokens_in: float
    tokens_out: float

    def of(self, tokens_in: int, tokens_out: int) -> float:
        """US dollars for so many tokens."""
        return (tokens_in * self.tokens_in + tokens_out * self.tokens_out) / 1e6


FREE = Price(tokens_in=0.0, tokens_out=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """What one run may take.

    Args:
        tokens: Of questions and answers together.
        cost: US dollars.
    """

    tokens: int = 2_000_000
    cost: float = 5.0


def read_prices(path: Path | None = None) -> dict[str, Price]:
    """Prices by model: the table that comes along, with a user's own above it.

    Args:
        path: The user's file; None for none.

    Raises:
        ConfigError: It cannot be read, or a price is none.
    """
    prices = _read_table(PRICES)
    return prices if path is None else {**prices, **_read_table(path)}


def _read_table(path: Path) -> dict[str, Price]:
    form = 'Write tables [models."NAME"] with tokens_in and tokens_out, US dollars for a million tokens.'
    try:
        models = tomllib.loads(path.read_text()).get("models")
    except (OSError, ValueError) as error:
        raise ConfigError(f"Cannot read prices ({error})", where=path, remedy=form) from error
    if not isinstance(models, Mapping):
        raise ConfigError("No prices of models", where=path, remedy=form)
    return {name: _price(row, f"{path}, {name}", form) for name, row in models.items()}


def _price(row: Any, where: str, form: str) -> Price:
    amounts = [_amount(row.get(key) if isinstance(row, Mapping) else None) for key in ("tokens_in", "tokens_out")]
    if None in amounts:
        raise ConfigError("Not a price", value=row, where=where, remedy=form)
    return Price(tokens_in=amounts[0] or 0.0, tokens_out=amounts[1] or 0.0)


def _amount(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) and value >= 0 else None


def find_price(model: str, prices: Mapping[str, Price], *, is_local: bool) -> Price | None:
    """What a model costs; None where nobody knows.

    Args:
        model: The model's name.
        prices: By name; a name stands for its dated versions, too.
        is_local: Whether it runs here or in a private network, which costs nothing unless the table says so.
    """
    dated = _DATED.fullmatch(model)
    price = prices.get(model) or (prices.get(dated[1]) if dated else None)
    return price or (FREE if is_local else None)


def most_tokens(text_bytes: int, num_messages: int) -> int:
    """Tokens that a question takes at most: no token is shorter than a byte."""
    return text_bytes + MESSAGE_TOKENS * num_messages


def likely_tokens(text_bytes: int) -> int:
    """Tokens that a text takes, about."""
    return -(-text_bytes // BYTES_PER_TOKEN)


@dataclass(slots=True, kw_only=True)
class Meter:
    """Counts what a run takes.

    Args:
        price: Of the model; None where nobody knows, and then only tokens are capped.
        caps: What the run may take.
        spent: By the run so far.
    """

    price: Price | None
    caps: Caps
    spent: Usage = field(default_factory=Usage)

    def __post_init__(self) -> None:
        if self.price is not None and self.spent.cost is None:  # from a time when nobody knew the price
            cost = self.price.of(self.spent.tokens_in, self.spent.tokens_out)
            self.spent = replace(self.spent, cost=cost)

    def check(self, tokens_in: int, tokens_out: int) -> None:
        """Refuse a request that could go beyond a cap.

        Args:
            tokens_in: Of the question, at most.
            tokens_out: Of the answer, at most.

        Raises:
            BudgetSpentError: It could.
        """
        tokens = self.spent.tokens_in + self.spent.tokens_out
        if tokens + tokens_in + tokens_out > self.caps.tokens:
            raise BudgetSpentError(
                f"{tokens} of {self.caps.tokens} tokens are spent, and the next question could take the rest",
                remedy="Raise --max_tokens to go on; what is trained already stays.",
            )
        cost = self.spent.cost or 0.0
        if self.price is not None and cost + self.price.of(tokens_in, tokens_out) > self.caps.cost:
            raise BudgetSpentError(
                f"{cost:.4f} of {self.caps.cost:.2f} US dollars are spent, and the next question could take the rest",
                remedy="Raise --max_cost to go on; what is trained already stays.",
            )

    def add(self, tokens_in: int, tokens_out: int, *, is_estimated: bool) -> Usage:
        """Count a request.

        Returns:
            What it took.
        """
        cost = None if self.price is None else self.price.of(tokens_in, tokens_out)
        usage = Usage(tokens_in=tokens_in, tokens_out=tokens_out, cost=cost, requests=1, is_estimated=is_estimated)
        self.spent = self.spent + usage
        return usage
