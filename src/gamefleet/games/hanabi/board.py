"""What lies open on the table: fireworks, discards and tokens.

Job: change them, in the numbers of the state and in the bits that all observers see alike. Place in the data flow: the
simulator says what happens, this keeps the account. Left out: hands, turns and what is allowed (`simulator`).

Every method takes the rows of the games concerned; each row at most once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.hanabi.config import HanabiConfig
from gamefleet.games.hanabi.layout import layout
from gamefleet.games.hanabi.state import OTHER, PLAYABLE, USELESS, State
from gamefleet.games.hanabi.tables import tables_of

Ints = NDArray[np.int64]


class Board:
    """The open part of many games.

    Args:
        config: The game.
        state: The games; this object changes its `fireworks`, `discarded`, `worth`, `table`, tokens and score.
    """

    def __init__(self, config: HanabiConfig, state: State) -> None:
        self._config = config
        self._state = state
        self._tables = tables_of(config)
        parts = layout(config)
        origin = parts["deck"].start
        self._bit = {name: parts[name].start - origin for name in ("fireworks", "information", "lives", "discards")}
        # Flat views, because `take` and assignment by one index are several times faster than by two.
        self._fireworks, self._discarded = state.fireworks.reshape(-1), state.discarded.reshape(-1)
        self._worth, self._table = state.worth.reshape(-1), state.table.reshape(-1)
        self._opening = _opening_table(config)

    def open(self, envs: Ints) -> None:
        """Start games: all tokens, nothing played or discarded."""
        state = self._state
        state.information[envs] = self._config.information_tokens
        state.lives[envs] = self._config.life_tokens
        for array in (state.fireworks, state.discarded):
            array[envs] = 0
        state.score[envs] = 0
        state.worth[envs] = self._tables.first_worth
        state.table[envs] = self._opening

    def worth_of(self, envs: Ints, card: Ints) -> NDArray[np.int8]:
        """What cards are worth now; see `State.worth`."""
        return self._worth.take(envs * (self._config.num_kinds + 1) + card)

    def spend_token(self, envs: Ints) -> None:
        """Take a hint token."""
        tokens = self._state.information.take(envs) - 1
        self._state.information[envs] = tokens
        self._set_bits(envs, self._bit["information"] + tokens, 0)

    def gain_token(self, envs: Ints) -> None:
        """Give a hint token back; there must be room for it."""
        tokens = self._state.information.take(envs)
        self._set_bits(envs, self._bit["information"] + tokens, 1)
        self._state.information[envs] = tokens + 1

    def lose_life(self, envs: Ints) -> None:
        """Take a life token."""
        lives = self._state.lives.take(envs) - 1
        self._state.lives[envs] = lives
        self._set_bits(envs, self._bit["lives"] + lives, 0)

    def shrink_deck(self, envs: Ints, drawn: Ints) -> None:
        """Show that a card was drawn, the `drawn`-th of the deck."""
        self._set_bits(envs, self._config.num_cards - drawn, 0)

    def build(self, envs: Ints, card: Ints) -> None:
        """Put cards on the fireworks."""
        config, tables, state = self._config, self._tables, self._state
        state.score[envs] += 1
        self._fireworks[envs * config.num_colors + tables.color.take(card)] += 1
        rank = tables.rank.take(card)
        first = self._bit["fireworks"]
        self._set_bits(envs, first + card - (rank > 0), 0)
        self._set_bits(envs, first + card, 1)
        row = envs * (config.num_kinds + 1)
        self._worth[row + card] = USELESS
        above = row + tables.next_kind.take(card)
        worth = self._worth.take(above)
        self._worth[above] = np.where(worth == OTHER, PLAYABLE, worth)

    def waste(self, envs: Ints, card: Ints) -> None:
        """Put cards on the discard pile."""
        tables = self._tables
        pile = envs * self._config.num_kinds + card
        before = self._discarded.take(pile)
        self._discarded[pile] = before + 1
        self._set_bits(envs, self._bit["discards"] + tables.first_copy.take(card) + before, 1)
        gone = np.flatnonzero(before + 1 == tables.copies.take(card))
        if gone.size:
            rows = envs[gone]
            worth = self._state.worth[rows]
            worth[tables.bars[card[gone]]] = USELESS
            self._state.worth[rows] = worth

    def _set_bits(self, envs: Ints, place: Ints, value: int) -> None:
        """Change one bit of the table in each game."""
        self._table[envs * self._state.table.shape[1] + place] = value


def _opening_table(config: HanabiConfig) -> NDArray[np.uint8]:
    """The table's bits once all hands are dealt: a full deck, all tokens, nothing played or discarded."""
    parts = layout(config)
    table = np.zeros(parts["discards"].stop, np.uint8)
    for name in ("deck", "information", "lives"):
        table[parts[name].bits] = 1
    return table[parts["deck"].start :]
