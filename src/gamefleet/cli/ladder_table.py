"""A ladder as text: ratings best first, then who got how much against whom.

Job: lay out a table that is readable in a terminal and in Markdown. Place in the data flow: after `rating.ladder`.
Left out: the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gamefleet.rating.ladder import Ladder, Row

WIDEST = 400.0
"""Elo: ten wins to one. A rating that may be as far off says nothing about who is stronger."""

TOO_FEW = "too few"
UNSURE = (
    f'"{TOO_FEW}": too few games for an interval, or (nearly) all of them won or lost. Play more: '
    "`gamefleet ladder run --blocks`, or name another --anchor."
)


def lines(ladder: Ladder) -> list[str]:
    """Both tables."""
    rating = [("player", "Elo", "± 95 %", "games", "score", "GXE", "Glicko-1"), *map(cells, ladder.rows)]
    names = [row.player for row in ladder.rows]
    against = [("score against", *names)]
    for name, scores in zip(names, ladder.scores, strict=True):
        against.append((name, *("" if math.isnan(score) else f"{100 * score:.1f} %" for score in scores)))
    scale = f"Elo is relative to {ladder.anchor}; it is this ladder's own scale and not that of a public one."
    unsure = [UNSURE] if any(row.half_width > WIDEST for row in ladder.rows) else []
    return [*table(rating), "", scale, *unsure, "", *table(against)]


def interval(row: Row) -> str:
    """Half of the 95 % interval, as far as it says anything."""
    return f"{row.half_width:.0f}" if row.half_width <= WIDEST else TOO_FEW


def cells(row: Row) -> tuple[str, ...]:
    """One player's line."""
    return (
        row.player,
        f"{row.elo:.0f}",
        interval(row),
        str(row.games),
        f"{100 * row.score:.1f} %",
        f"{row.gxe:.1f} %",
        f"{row.glicko.rating:.0f} ± {row.glicko.deviation:.0f}",
    )


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as Markdown, the first as heading; all but the first column to the right."""
    widths = [max(3, *(len(row[column]) for row in rows)) for column in range(len(rows[0]))]

    def line(row: Sequence[str]) -> str:
        padded = [
            text.ljust(width) if not column else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    rule = "|".join("-" * (width + 1) + ("-" if not column else ":") for column, width in enumerate(widths))
    return [line(rows[0]), f"|{rule}|", *map(line, rows[1:])]


def as_object(ladder: Ladder) -> dict[str, Any]:
    """The same as JSON values."""
    return {
        "anchor": ladder.anchor,
        "players": [
            {
                "player": row.player,
                "elo": round(row.elo, 2),
                "half_width": round(row.half_width, 2),
                "fisher_half_width": round(row.fisher, 2),
                "bootstrap_half_width": round(row.resampled, 2),
                "games": row.games,
                "score": round(row.score, 5),
                "gxe": round(row.gxe, 2),
                "glicko": {"rating": round(row.glicko.rating, 1), "deviation": round(row.glicko.deviation, 1)},
            }
            for row in ladder.rows
        ],
        "scores": [[None if math.isnan(score) else round(float(score), 5) for score in row] for row in ladder.scores],
    }
