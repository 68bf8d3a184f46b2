"""The rules, for many games at once.

Job: deal and move. Place in the data flow: `game` calls it for every step, `record` to replay. Left out: observations
(`observe`), rewards (`reward`), seeds (`shuffle`).

What surprises people, all as in the Hanabi Learning Environment: a discard is illegal while all hint tokens are there;
a hint must mean at least one card; hands close up to the left and the new card comes last; the highest rank of a colour
brings a token back, unless all are there; when the last card is drawn everyone moves once more; a lost game scores 0.

Every function takes the rows of the games that move; each row at most once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.hanabi.board import Board
from gamefleet.games.hanabi.config import HanabiConfig
from gamefleet.games.hanabi.state import PLAYABLE, empty_state
from gamefleet.games.hanabi.tables import BROUGHT_TOKEN, FITTED, tables_of

Ints = NDArray[np.int64]


class Simulator:
    """A batch of games.

    Args:
        config: The game.
        num_envs: Number of games; all wait to be dealt.
    """

    def __init__(self, config: HanabiConfig, num_envs: int) -> None:
        self.config = config
        self.state = empty_state(config, num_envs)
        self._tables = tables_of(config)
        state = self.state
        self._board = Board(config, state)
        # Flat views, because `take` and assignment by one index are several times faster than by two.
        self._shown, self._deck, self._slots = state.shown.reshape(-1), state.deck.reshape(-1), state.hands.reshape(-1)
        self._hands = state.hands.reshape(-1, config.hand_size)
        width = state.knowledge.shape[-1]
        self._slot_knowledge = state.knowledge.reshape(-1, width)
        self._hand_knowledge = state.knowledge.reshape(-1, config.hand_size * width)
        self._moves, self._num_cards = state.moves.reshape(-1), config.num_cards
        self._revealed_bits = 1 << np.arange(config.hand_size)

    def deal(self, envs: Ints, decks: NDArray[np.int8]) -> None:
        """Start games.

        Args:
            envs: int64 `[n]`.
            decks: int8 `[n, num_cards]`, cards in the order in which they are dealt, the first player's hand first.
        """
        config, state, tables = self.config, self.state, self._tables
        num_dealt = config.num_players * config.hand_size
        hands = decks[:, :num_dealt].reshape(-1, config.num_players, config.hand_size)
        state.deck[envs] = decks
        state.drawn[envs] = num_dealt
        state.end[envs] = config.num_players if config.num_undealt == 0 else config.max_moves + 1
        self._board.open(envs)
        for name in ("seat", "num_moves", "recent", "intents"):
            getattr(state, name)[envs] = 0
        state.is_over[envs] = False
        state.hands[envs] = hands
        state.shown[envs] = np.bitwise_or.reduce(tables.values.take(hands), axis=2)
        state.knowledge[envs] = tables.unknown[1]

    def move(self, envs: Ints, actions: Ints, greedy: Ints | None = None) -> tuple[Ints, NDArray[np.bool_]]:
        """Make one legal move in each game.

        Args:
            envs: int64 `[n]`, games that are not over.
            actions: int64 `[n]`.
            greedy: int64 `[n]`, what the movers would have done without exploring; None where nobody listens.

        Returns:
            Points scored, int64 `[n]`, and whether the last life was lost, bool `[n]`.
        """
        state, tables = self.state, self._tables
        seats, before = state.seat.take(envs), state.score.take(envs)
        num_moves = state.num_moves.take(envs)
        sent = actions if greedy is None else actions + self.config.num_actions * greedy
        self._moves[envs * self.config.max_moves + num_moves] = sent
        num_moves += 1
        state.num_moves[envs] = num_moves
        is_card = tables.actions.is_card.take(actions)
        codes = tables.first_code.take(actions)
        cards, hints = np.flatnonzero(is_card), np.flatnonzero(is_card == 0)
        if hints.size:
            codes[hints] += self._hint(envs[hints], seats[hints], actions[hints])
        if cards.size:
            codes[cards] += self._use(envs[cards], seats[cards], actions[cards])
        self._remember(envs, codes, greedy)
        score, is_lost = state.score.take(envs), state.lives.take(envs) == 0
        is_over = is_lost | (score == self.config.max_score) | (num_moves >= state.end.take(envs))
        state.is_over[envs] = is_over
        if cards.size:
            self._refill(envs[cards], seats[cards], (tables.actions.slot.take(actions[cards]), ~is_over[cards]))
        seats += 1
        seats[seats == self.config.num_players] = 0
        state.seat[envs] = seats
        return score - before, is_lost

    def legal_words(self, envs: Ints) -> NDArray[np.uint64]:
        """Legal actions, uint64 `[n]`: action `a` is bit `63 - a`; none in a game that is over.

        A player to move always has a full hand: hands are one short only after a move in the last round.
        """
        state, tables, players = self.state, self._tables, self.config.num_players
        tokens = state.information.take(envs)
        words = tables.own_legal.take((tokens < self.config.information_tokens).astype(np.int64))
        others = (envs * players)[:, None] + tables.order.take(state.seat.take(envs), axis=0)[:, 1:]
        named = self._shown.take(others) + (np.arange(players - 1) << self.config.num_values)
        hints = np.bitwise_or.reduce(tables.hint_legal.take(named), axis=1)
        hints[tokens == 0] = 0
        words |= hints
        words[state.is_over.take(envs)] = 0
        return words

    def _hint(self, envs: Ints, seats: Ints, actions: Ints) -> Ints:
        """Give hints; return which slots they meant, as bits."""
        tables = self._tables
        value = tables.actions.value.take(actions)
        target = seats + tables.actions.offset.take(actions)
        target[target >= self.config.num_players] -= self.config.num_players
        hands = envs * self.config.num_players + target
        cards = self._hands.take(hands, axis=0)
        meant = tables.touches.take(cards * np.int64(self.config.num_values) + value[:, None])
        entry = meant + 2 * value[:, None]
        width = tables.keeps.shape[1]
        known = self._hand_knowledge.take(hands, axis=0).reshape(*meant.shape, width)
        known &= tables.keeps.take(entry, axis=0)
        known |= tables.adds.take(entry, axis=0)
        self._hand_knowledge[hands] = known.reshape(len(hands), -1)
        self._board.spend_token(envs)
        # A slot that is empty keeps knowing nothing: its zeros survive both operations.
        revealed: Ints = meant @ self._revealed_bits
        return revealed

    def _use(self, envs: Ints, seats: Ints, actions: Ints) -> Ints:
        """Play and discard cards; return what an observation says of it: card and outcome."""
        tables, state, config = self._tables, self.state, self.config
        is_play = tables.actions.is_play.take(actions).astype(np.bool_)
        place = (envs * config.num_players + seats) * config.hand_size + tables.actions.slot.take(actions)
        card = self._slots.take(place).astype(np.int64)
        is_fitting = is_play & (self._board.worth_of(envs, card) == PLAYABLE)
        is_wasted = ~is_fitting
        self._board.build(envs[is_fitting], card[is_fitting])
        self._board.waste(envs[is_wasted], card[is_wasted])
        self._board.lose_life(envs[is_play & is_wasted])
        brings = ~is_play | (is_fitting & (tables.rank.take(card) == config.num_ranks - 1))
        brings &= state.information.take(envs) < config.information_tokens
        self._board.gain_token(envs[brings])
        outcome = FITTED * is_fitting + BROUGHT_TOKEN * brings
        code: Ints = card * 4 + outcome
        return code

    def _refill(self, envs: Ints, seats: Ints, used: tuple[Ints, NDArray[np.bool_]]) -> None:
        """Close up the hands that used a slot, and draw where the game goes on and there is a card."""
        config, tables, state = self.config, self._tables, self.state
        slot, can_draw = used
        drawn = state.drawn.take(envs)
        draws = can_draw & (drawn < self._num_cards)
        top = self._deck.take(envs * self._num_cards + drawn, mode="clip")
        hands = envs * config.num_players + seats
        source = (hands * config.hand_size)[:, None] + tables.shift.take(slot, axis=0)
        cards = self._slots.take(source)
        cards[:, -1] = np.where(draws, top, config.num_kinds)
        self._hands[hands] = cards
        known = self._slot_knowledge.take(source, axis=0)
        known[:, -1] = tables.unknown.take(draws.astype(np.int64), axis=0)
        self._hand_knowledge[hands] = known.reshape(len(hands), -1)
        self._shown[hands] = np.bitwise_or.reduce(tables.values.take(cards), axis=1)
        drawers = envs[draws]
        drawn = drawn[draws] + 1
        state.drawn[drawers] = drawn
        self._board.shrink_deck(drawers, drawn)
        last = drawers[drawn == self._num_cards]
        state.end[last] = state.num_moves[last] + config.num_players

    def _remember(self, envs: Ints, codes: Ints, greedy: Ints | None) -> None:
        """Put the moves in front of the recent ones."""
        state = self.state
        if state.recent.shape[1] > 1:
            state.recent[envs, 1:] = state.recent[envs, :-1]
            state.intents[envs, 1:] = state.intents[envs, :-1]
        state.recent[envs, 0] = codes
        if greedy is not None:
            state.intents[envs, 0] = greedy + 1


def bytes_of_words(words: NDArray[np.uint64], num_actions: int) -> NDArray[np.uint8]:
    """Bytes of legal actions, uint8 `[n, ceil(num_actions / 8)]`, as `numpy.packbits` makes them."""
    return words.astype(">u8").view(np.uint8).reshape(-1, 8)[:, : -(-num_actions // 8)]


def find_illegal(words: NDArray[np.uint64], actions: Ints) -> Sequence[int]:
    """Places in `actions` whose action is none of the legal ones."""
    in_range = (actions >= 0) & (actions < 64)
    bits = words >> (63 - np.where(in_range, actions, 0)).astype(np.uint64)
    return np.flatnonzero(((bits & np.uint64(1)) == 0) | ~in_range).tolist()
