"""Which raw battles need not be parsed, from what can be seen at the beginning of a log.

Job: format, ratings and kind of a battle, and the reasons against it. Place in the data flow: rows of `sources` -> this
-> the parser; `download` keeps out what nobody asked for. Left out: what a log means.
"""

from __future__ import annotations

import re

from gamefleet.games.showdown.replays.sources import MAX_DIGITS, MAX_LOG_CHARACTERS, Row

_RATING = re.compile(r"^\|player\|(p[12])\|[^|\n]*\|[^|\n]*\|(\d{1,5})\s*$", re.MULTILINE)
_TIER = re.compile(r"^\|tier\|([^|\n]*)", re.MULTILINE)
_SINGLES = re.compile(r"^\|gametype\|(\w+)", re.MULTILINE)


def ratings_in(log: str) -> tuple[int, ...]:
    """The ratings that a log states of one or both players; an introduction that was emptied later does not count."""
    found: dict[str, int] = {}
    for side, rating in _RATING.findall(log, 0, 20_000):
        found.setdefault(side, int(rating))
    return tuple(found.values())


def refusal(row: Row, *, min_elo: int = 0, formats: tuple[str, ...] = ()) -> str:
    """Why a row need not be looked at any further, from what can be seen without parsing; empty when it may be good.

    Args:
        row: As `canonical` gives it.
        min_elo: One of the players has at least this rating; a range counts by its upper end.
        formats: Ids such as `gen9ou`; all when empty.
    """
    log = row.get("log")
    if not isinstance(log, str) or not log:
        return "no_log"
    if len(log) > MAX_LOG_CHARACTERS:
        return "too_long"
    if formats and format_id(row, log) not in formats:
        return "other_format"
    if min_elo and (highest := highest_rating(row, log)) < min_elo:
        return "rating_unknown" if highest < 0 else "rating_too_low"
    kind = _SINGLES.search(log, 0, 20_000)
    return "not_singles" if kind and kind[1] != "singles" else ""


def format_id(row: Row, log: str) -> str:
    """The format as collections name it, such as `gen9ou`: from the row, else from the log's tier; empty if unknown."""
    stated = row.get("formatid")
    if isinstance(stated, str):
        return stated
    tier = _TIER.search(log, 0, 20_000)
    return re.sub(r"[^a-z0-9]", "", tier[1].lower()) if tier else ""


def highest_rating(row: Row, log: str) -> int:
    """What the better player had at least, as far as known: from the log, else from the collection; -1 if unknown."""
    stated = ratings_in(log)
    if stated:
        return max(stated)
    numbers = re.findall(r"\d+", str(row.get("elo") or row.get("rating") or ""))
    if str(row.get("elo", "")).endswith("+"):
        return 10_000
    return int(numbers[-1][:MAX_DIGITS]) if numbers else -1
