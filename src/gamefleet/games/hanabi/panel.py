"""What the dashboard's table needs: the game's numbers, and a game move by move.

Job: put together from one episode's observations what a spectator sees. Place in the data flow: `PACKAGE.panels` -> the
run folder and the dashboard -> `panel.js` in the browser. Left out: drawing, and the distribution of scores, which
every run writes.

An observation is what the player to move sees: all hands but the own one. Whose turn it is did not move before, so the
hand that is missing is the one that the player before saw. Spectators therefore see all cards; what an owner knows of
a card is told beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gamefleet.games.base import Observation
from gamefleet.games.hanabi.actions import COLORS, value_name
from gamefleet.games.hanabi.config import HanabiConfig
from gamefleet.games.hanabi.view import NOBODY, TYPES, SeenMove, View, view_of

Json = dict[str, Any]
Hands = list[list[int]]
"""By player and slot; -1 for an empty slot, or a card that nobody has seen yet."""


def table_data(config: HanabiConfig) -> Json:
    """The numbers of a game."""
    values = range(config.num_values)
    return {
        **config.rules_json(),
        "colors": list(COLORS[: config.num_colors]),
        "values": [value_name(config, value) for value in values],
        "copies": list(config.copies),
        "num_cards": config.num_cards,
        "max_score": config.max_score,
    }


def describe(config: HanabiConfig, observations: Sequence[Observation]) -> Json:
    """One game, as far as it was played.

    Args:
        config: The game.
        observations: Of the players to move, one after the other.

    Returns:
        `frames`, the situations one after the other. Players count from the first one to move, slots from the oldest
        card, both from 0; a card is its colour times the number of ranks plus its rank, both from 0. `hands` `[player,
        slot]` with -1 for no card; `known` `[player, slot]` of `[which cards it can be as bits of a number, hinted
        colour, hinted rank]`, -1 for no hint; `move` is the one that led here.
    """
    views = [view_of(config, obs) for obs in observations]
    hands: Hands = []
    frames: list[Json] = []
    for turn, view in enumerate(views):
        seat = turn % config.num_players
        own = hands[seat] if hands else _first_hand(config, views)
        hands = _by_seat([own, *view.hands[1:].tolist()], seat)
        frames.append(_frame(config, view, hands, seat))
    return {"frames": frames}


def _frame(config: HanabiConfig, view: View, hands: Hands, seat: int) -> Json:
    known = [[_known(config, view, player, slot) for slot in range(config.hand_size)] for player in range(len(hands))]
    is_over = not view.legal.any()
    return {
        "player": NOBODY if is_over else seat,
        "hands": hands,
        "known": _by_seat(known, seat),
        "fireworks": view.fireworks.tolist(),
        "discarded": view.discarded.tolist(),
        "deck": view.deck,
        "information": view.information,
        "lives": view.lives,
        "score": int(view.fireworks.sum()) if view.lives else 0,
        "is_over": is_over,
        "move": _move(config, view.moves[0], seat) if view.moves else None,
    }


def _known(config: HanabiConfig, view: View, player: int, slot: int) -> list[int]:
    plausible = sum(1 << int(kind) for kind in np.flatnonzero(view.plausible[player, slot]))
    hinted = np.flatnonzero(view.hinted[player, slot]).tolist()
    colors = [value for value in hinted if value < config.num_colors]
    ranks = [value - config.num_colors for value in hinted if value >= config.num_colors]
    return [plausible, *(colors or [-1])[:1], *(ranks or [-1])[:1]]


def _move(config: HanabiConfig, move: SeenMove, seat: int) -> Json:
    """A move with players counted as in frames, told from the seat that saw it."""
    told: Json = {"player": (seat + move.actor) % config.num_players, "type": TYPES[move.type]}
    if move.target == NOBODY:
        return told | {"slot": move.slot, "card": move.card, "is_fitting": move.is_fitting}
    target = (seat + move.target) % config.num_players
    return told | {"target": target, "value": move.value, "slots": list(move.revealed)}


def _by_seat(rows: list[Any], seat: int) -> list[Any]:
    """Rows that count players from a seat, counted from the first player."""
    start = -seat % len(rows)
    return rows[start:] + rows[:start]


def _first_hand(config: HanabiConfig, views: Sequence[View]) -> list[int]:
    """The hand of the player who moves first: the next player sees it after that move, which is taken back here."""
    if len(views) < 2 or not views[1].moves:
        return [-1] * config.hand_size
    after, move = views[1], views[1].moves[0]
    cards = [card for card in after.hands[-1].tolist() if card >= 0]
    if move.target == NOBODY:
        if views[0].deck > after.deck:
            cards.pop()  # the card that was drawn
        cards.insert(move.slot, move.card)
    return cards + [-1] * (config.hand_size - len(cards))
