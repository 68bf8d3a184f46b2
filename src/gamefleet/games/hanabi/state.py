"""The situation of many games, one row each.

Job: everything that decides how games go on, as arrays. Place in the data flow: the simulator moves it, the encoder and
the scripted player read it; the same type for live play and for games replayed from a record. Left out: rules.

Some arrays hold what others imply (which cards are worth playing, the bits of the table's part of an observation):
keeping them up to date costs a few elements per move, working them out anew would cost whole rows.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.hanabi.config import HanabiConfig
from gamefleet.games.hanabi.layout import layout

PLAYABLE, USELESS, OTHER = 1, 2, 3
"""What a card is worth now (`State.worth`, and the labels in `own_cards`); 0 stands for no card."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Games by row. A card is `colour * num_ranks + rank`; `num_kinds` stands for no card.

    Args:
        deck: int8 `[env, num_cards]`, cards in the order in which they are dealt.
        drawn: int64 `[env]`, cards taken from the deck.
        seat: int64 `[env]`, the player to move.
        end: int64 `[env]`, the number of moves after which the game is over, once the last card was drawn; else more
            than any game has.
        information: int64 `[env]`, hint tokens.
        lives: int64 `[env]`, life tokens.
        score: int64 `[env]`, cards played; a lost game keeps it, although it counts nothing.
        is_over: bool `[env]`.
        fireworks: int8 `[env, color]`, cards played of each colour.
        discarded: int8 `[env, kind]`, copies of each card that are gone without being played.
        worth: int8 `[env, kind + 1]`, `PLAYABLE`, `USELESS` (played, or can never be) or `OTHER`; 0 for no card.
        hands: int8 `[env, player, slot]`, oldest card first.
        shown: int16 `[env, player]`, bit per value that a hint to this player could name.
        knowledge: uint8 `[env, player, slot, num_kinds + num_values]`, as in `Layout`, of 0 and 1.
        table: uint8 `[env, ...]`, the bits of the observation from `deck` to `discards`, the same for all observers.
        recent: int16 `[env, history_moves]`, codes of the last moves, newest first; 0 for none (see `tables`).
        intents: int16 `[env, history_moves]`, 1 + greedy action of the movers of the same moves; 0 for none.
        moves: int16 `[env, max_moves]`, all moves since the deal, as sent.
        num_moves: int64 `[env]`, how many of them were made.
    """

    deck: NDArray[np.int8]
    drawn: NDArray[np.int64]
    seat: NDArray[np.int64]
    end: NDArray[np.int64]
    information: NDArray[np.int64]
    lives: NDArray[np.int64]
    score: NDArray[np.int64]
    is_over: NDArray[np.bool_]
    fireworks: NDArray[np.int8]
    discarded: NDArray[np.int8]
    worth: NDArray[np.int8]
    hands: NDArray[np.int8]
    shown: NDArray[np.int16]
    knowledge: NDArray[np.uint8]
    table: NDArray[np.uint8]
    recent: NDArray[np.int16]
    intents: NDArray[np.int16]
    moves: NDArray[np.int16]
    num_moves: NDArray[np.int64]

    def copy_rows(self, rows: NDArray[np.int64], source: State, source_rows: NDArray[np.int64]) -> None:
        """Make some games exact clones of others.

        Args:
            rows: The games that are overwritten.
            source: Where the originals are; may be this object.
            source_rows: Their rows.
        """
        for field in fields(self):
            getattr(self, field.name)[rows] = getattr(source, field.name)[source_rows]


def empty_state(config: HanabiConfig, num_envs: int) -> State:
    """Rows for games that are not dealt yet; they count as over."""
    players, hand, kinds = config.num_players, config.hand_size, config.num_kinds
    parts = layout(config)

    counts = {
        name: np.zeros(num_envs, np.int64)
        for name in ("drawn", "seat", "end", "information", "lives", "score", "num_moves")
    }
    return State(
        **counts,
        deck=np.zeros((num_envs, config.num_cards), np.int8),
        is_over=np.ones(num_envs, np.bool_),
        fireworks=np.zeros((num_envs, config.num_colors), np.int8),
        discarded=np.zeros((num_envs, kinds), np.int8),
        worth=np.zeros((num_envs, kinds + 1), np.int8),
        hands=np.full((num_envs, players, hand), kinds, np.int8),
        shown=np.zeros((num_envs, players), np.int16),
        knowledge=np.zeros((num_envs, players, hand, kinds + config.num_values), np.uint8),
        table=np.zeros((num_envs, parts["discards"].stop - parts["deck"].start), np.uint8),
        recent=np.zeros((num_envs, config.history_moves), np.int16),
        intents=np.zeros((num_envs, config.history_moves), np.int16),
        moves=np.zeros((num_envs, config.max_moves), np.int16),
    )
