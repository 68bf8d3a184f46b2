"""Situation to named arrays.

Job: what each player sees, bit for bit as in the Hanabi Learning Environment, and packed. Place in the data flow:
`game` fills a step's rows with it; tests and pages ask for any seat. Left out: where which bit stands (`layout`).

The encoding holds only what the observer may know. One array does not: `own_cards`, the answers to an auxiliary
question, is **hidden information** and must never be a network's input.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.base import ArraySpec
from gamefleet.games.hanabi.config import HanabiConfig
from gamefleet.games.hanabi.layout import Layout, Segment, layout
from gamefleet.games.hanabi.simulator import bytes_of_words
from gamefleet.games.hanabi.state import State
from gamefleet.games.hanabi.tables import tables_of

__all__ = ["Encoder", "Layout", "Segment", "arrays_of", "layout"]

Ints = NDArray[np.int64]


def arrays_of(config: HanabiConfig) -> tuple[ArraySpec, ...]:
    """The named arrays of an observation; `history` and `intent` are there where they hold something."""
    parts = layout(config)
    packed = (
        ("bits", parts.num_bits, "canonical encoding of what the player to move sees, packed"),
        ("legal", parts.num_actions, "actions that are legal, packed"),
        ("history", parts.history_bits, "descriptions of the moves before the last one, newest first, packed"),
        ("intent", parts.intent_bits, "what the last movers would have done without exploring, one-hot rows, packed"),
    )
    arrays = [_packed_spec(name, bits, meaning) for name, bits, meaning in packed if bits]
    own_cards = ArraySpec(
        name="own_cards",
        shape=(config.hand_size,),
        dtype="uint8",
        low=0,
        high=3,
        meaning="HIDDEN from the player, for auxiliary losses only: own cards, 1 playable, 2 useless, 3 other, 0 none",
    )
    return (*arrays, own_cards)


def _packed_spec(name: str, num_bits: int, meaning: str) -> ArraySpec:
    return ArraySpec(name=name, shape=(-(-num_bits // 8),), dtype="uint8", low=0, high=255, meaning=meaning)


class Encoder:
    """Encodes the games of one state.

    Args:
        config: The game.
        state: The games.
    """

    def __init__(self, config: HanabiConfig, state: State) -> None:
        self.layout = parts = layout(config)
        self._config = config
        self._state = state
        self._tables = tables_of(config)
        self._hands = state.hands.reshape(-1, config.hand_size)
        self._hand_knowledge = state.knowledge.reshape(len(self._hands), -1)
        self._worth = state.worth.reshape(-1)
        # One buffer whose rows are whole bytes: packing it is one run over memory, and its padding stays zero.
        self._row = -(-parts.num_bits // 8) * 8
        self._buffer = np.zeros((len(state.seat), self._row), np.uint8)
        self._places = {
            "hands": parts["hands"].bits,
            "missing": parts["missing"].bits,
            "table": slice(parts["deck"].start, parts["discards"].stop),
            "last": slice(parts["last_actor"].start, parts["last_outcome"].stop),
            "knowledge": parts["knowledge"].bits,
        }

    def encode(self, envs: Ints, seats: Ints) -> NDArray[np.uint8]:
        """The canonical encoding.

        Args:
            envs: int64 `[n]`, at most as many as the state has rows.
            seats: int64 `[n]`, who looks.

        Returns:
            uint8 `[n, ceil(num_bits / 8)]`, packed as `numpy.packbits` does.
        """
        state, tables, place = self._state, self._tables, self._places
        count = len(envs)
        bits = self._buffer[:count]
        hands = (envs * self._config.num_players)[:, None] + tables.order.take(seats, axis=0)
        cards = self._hands.take(hands, axis=0)
        bits[:, place["hands"]] = tables.faces.take(cards[:, 1:], axis=0).reshape(count, -1)
        bits[:, place["missing"]] = cards[:, :, -1] == self._config.num_kinds
        bits[:, place["table"]] = state.table.take(envs, axis=0)
        bits[:, place["last"]] = tables.move_bits.take(self._moves(envs, seats, slice(0, 1))[:, 0], axis=0)
        bits[:, place["knowledge"]] = self._hand_knowledge.take(hands, axis=0).reshape(count, -1)
        return np.packbits(bits.reshape(-1)).reshape(count, -1)

    def history(self, envs: Ints, seats: Ints) -> NDArray[np.uint8]:
        """The moves before the last one, newest first; packed, uint8 `[n, ceil(history_bits / 8)]`."""
        moves = self._moves(envs, seats, slice(1, None))
        return np.packbits(self._tables.move_bits.take(moves, axis=0).reshape(len(envs), -1), axis=1)

    def intents(self, envs: Ints) -> NDArray[np.uint8]:
        """What the last movers would have done; packed one-hot rows, uint8 `[n, ceil(intent_bits / 8)]`."""
        actions = self._state.intents.take(envs, axis=0)[..., None]
        is_it = actions == np.arange(1, self.layout.num_actions + 1)
        return np.packbits(is_it.reshape(len(envs), -1), axis=1)

    def own_cards(self, envs: Ints, seats: Ints) -> NDArray[np.int8]:
        """Hidden information: what each card in the own hand is worth, int8 `[n, slot]`; see `State.worth`."""
        cards = self._hands.take(envs * self._config.num_players + seats, axis=0)
        return self._worth.take((envs * (self._config.num_kinds + 1))[:, None] + cards)

    def fill(self, obs: Mapping[str, NDArray[Any]], envs: Ints, words: NDArray[np.uint64]) -> None:
        """Write the observations of the players to move.

        Args:
            obs: Named arrays `[env, ...]` as `arrays_of` says.
            envs: int64 `[n]`, the rows.
            words: uint64 `[n]`, their legal actions, from `Simulator.legal_words`.
        """
        seats = self._state.seat.take(envs)
        obs["bits"][envs] = self.encode(envs, seats)
        obs["legal"][envs] = bytes_of_words(words, self.layout.num_actions)
        obs["own_cards"][envs] = self.own_cards(envs, seats)
        if "history" in obs:
            obs["history"][envs] = self.history(envs, seats)
        if "intent" in obs:
            obs["intent"][envs] = self.intents(envs)

    def _moves(self, envs: Ints, seats: Ints, which: slice) -> Ints:
        """Rows of `Tables.move_bits` for some of the recent moves, int64 `[n, move]`."""
        state, players = self._state, self._config.num_players
        recent = state.recent.take(envs, axis=0)[:, which]
        ago = np.arange(state.recent.shape[1])[which]
        # The last mover sits before the player whose turn it is; a finished game has passed the turn on, too.
        actor = (state.seat.take(envs) - seats)[:, None] - 1 - ago
        return recent + (actor % players) * self._tables.num_codes
