"""A ladder: results turned into a table of players, best first.

Job: everything that is shown of a set of results. Place in the data flow: `results` in, rows for `cli` and `watch` out.
Left out: playing, printing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gamefleet.errors import ConfigError, nearest
from gamefleet.rating.bootstrap import DRAWS, bootstrap
from gamefleet.rating.bradley_terry import fit
from gamefleet.rating.glicko import Glicko, gxe, rate
from gamefleet.rating.results import Result, players_of, points


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A player's place.

    Args:
        player: Its name.
        elo: Bradley-Terry, relative to the anchor.
        half_width: Half of the 95 % interval: the wider one of Fisher's and the bootstrap's; 0 for the anchor.
        fisher: Half of Fisher's.
        resampled: Half of the bootstrap's.
        games: How many it played.
        score: Share of the points that it got, 0..1.
        glicko: Glicko-1.
        gxe: In percent.
    """

    player: str
    elo: float
    half_width: float
    fisher: float
    resampled: float
    games: int
    score: float
    glicko: Glicko
    gxe: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """All players.

    Args:
        rows: Best first.
        anchor: Whose rating is fixed.
        scores: Float64 [players, players], in the order of `rows`: share of the points that the row's player got
            against the column's; NaN where they did not meet.
    """

    rows: tuple[Row, ...]
    anchor: str
    scores: NDArray[np.float64]


def ladder_of(
    results: Sequence[Result], *, anchor: str = "", anchor_elo: float = 0.0, draws: int = DRAWS, seed: int = 0
) -> Ladder:
    """Rate all who played.

    Args:
        results: Games.
        anchor: Whose rating is fixed; empty takes the one who comes first in the alphabet.
        anchor_elo: At which.
        draws: Of the bootstrap.
        seed: Of the bootstrap.

    Raises:
        ConfigError: There are no games, nobody has the anchor's name, or players were never compared.
    """
    players = players_of(results)
    fixed = players.index(checked_anchor(anchor, players))
    table = points(results, players)
    rated = fit(table, anchor=fixed, anchor_elo=anchor_elo)
    drawn = bootstrap(results, players, anchor=fixed, anchor_elo=anchor_elo, draws=draws, seed=seed)
    order = [int(index) for index in np.argsort(-rated.elo, kind="stable")]
    fisher, resampled, seen = rated.half_width(), drawn.half_width(), rate(results)
    games = table + table.T
    rows = tuple(
        Row(
            player=players[index],
            elo=float(rated.elo[index]),
            half_width=float(max(fisher[index], resampled[index])),
            fisher=float(fisher[index]),
            resampled=float(resampled[index]),
            games=int(games[index].sum()),
            score=float(table[index].sum() / games[index].sum()),
            glicko=seen[players[index]],
            gxe=gxe(seen[players[index]]),
        )
        for index in order
    )
    with np.errstate(invalid="ignore"):
        scores = (table / games)[np.ix_(order, order)]
    return Ladder(rows=rows, anchor=players[fixed], scores=scores)


def checked_anchor(anchor: str, players: Sequence[str]) -> str:
    """The player whose rating is fixed.

    Raises:
        ConfigError: There are no players, or nobody has that name.
    """
    if not players:
        raise ConfigError("There are no results yet", remedy="Play some: `gamefleet ladder run`.")
    if anchor and anchor not in players:
        raise ConfigError("The anchor has not played", value=anchor, remedy=nearest(anchor, players))
    return anchor or players[0]
