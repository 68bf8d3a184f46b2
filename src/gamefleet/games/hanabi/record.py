"""A game as its deck and its moves.

Job: records, their bytes, and games replayed from them. Place in the data flow: saved states hold one; a record of
about 90 bytes gives back every observation of every player. Left out: headers and checks (`saved`).

Cards and moves take as many bits as they need: 5 bits for a card and 5 or 6 for a move of the standard game, and the
bits of a pair of moves where the players hear each other's intent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gamefleet.errors import IncompatibleError
from gamefleet.games.hanabi.config import HanabiConfig
from gamefleet.games.hanabi.shuffle import sorted_deck
from gamefleet.games.hanabi.simulator import Simulator, find_illegal


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One game, over or not.

    Args:
        deck: int8 `[num_cards]`, in the order in which the cards are dealt.
        moves: int16 `[move]`, as sent: with `sad`, `action + num_actions * greedy`.
    """

    deck: NDArray[np.int8]
    moves: NDArray[np.int16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What the moves of one round did.

    Args:
        envs: int64 `[n]`, rows of the games that moved.
        scored: int64 `[n]`, points.
        is_lost: bool `[n]`, the last life was lost.
    """

    envs: NDArray[np.int64]
    scored: NDArray[np.int64]
    is_lost: NDArray[np.bool_]


def encode(config: HanabiConfig, record: Record) -> bytes:
    """A record as bytes, at most `1 + (num_cards * card_bits + max_moves * move_bits) / 8`."""
    card_bits, move_bits = _widths(config)
    bits = np.concatenate([_to_bits(record.deck, card_bits), _to_bits(record.moves, move_bits)])
    return bytes([len(record.moves)]) + np.packbits(bits).tobytes()


def decode(config: HanabiConfig, data: bytes) -> Record:
    """The record that `encode` was given.

    Raises:
        IncompatibleError: The bytes are no record of such a game. Whether its moves are legal shows when it is
            replayed.
    """
    card_bits, move_bits = _widths(config)
    num_moves = data[0] if data else config.max_moves + 1
    num_bits = config.num_cards * card_bits + num_moves * move_bits
    if num_moves > config.max_moves or len(data) != 1 + -(-num_bits // 8):
        raise _refused("its length is not that of a deck and its moves", len(data))
    bits = np.unpackbits(np.frombuffer(data, np.uint8, offset=1), count=num_bits)
    deck = _from_bits(bits[: config.num_cards * card_bits], card_bits).astype(np.int8)
    if not np.array_equal(np.sort(deck), sorted_deck(config)):
        raise _refused("its deck is not that of the game", deck.tolist())
    return Record(deck=deck, moves=_from_bits(bits[config.num_cards * card_bits :], move_bits).astype(np.int16))


def record_of(simulator: Simulator, env: int) -> Record:
    """What one game of a simulator has been so far."""
    state = simulator.state
    return Record(deck=state.deck[env].copy(), moves=state.moves[env, : state.num_moves[env]].copy())


def replay(simulator: Simulator, records: Sequence[Record]) -> Iterator[Moved]:
    """Play games again, all at once.

    Args:
        simulator: Has at least as many rows as there are records; game `i` goes to row `i`.
        records: The games.

    Yields:
        Once after the deal, with nothing scored, and once after each round of moves; games that are shorter than
        others stop moving. The simulator holds the situation of that moment.

    Raises:
        IncompatibleError: A move is illegal.
    """
    count = len(records)
    lengths = np.array([len(record.moves) for record in records], np.int64)
    moves = np.zeros((count, int(lengths.max(initial=0))), np.int64)
    for row, record in enumerate(records):
        moves[row, : len(record.moves)] = record.moves
    envs = np.arange(count)
    simulator.deal(envs, np.stack([record.deck for record in records]))
    yield Moved(envs=envs, scored=np.zeros(count, np.int64), is_lost=np.zeros(count, np.bool_))
    for turn in range(moves.shape[1]):
        envs = np.flatnonzero(lengths > turn)
        yield _replayed(simulator, envs, moves[envs, turn])


def _replayed(simulator: Simulator, envs: NDArray[np.int64], sent: NDArray[np.int64]) -> Moved:
    config = simulator.config
    greedy, actions = np.divmod(sent, config.num_actions)
    too_large = np.flatnonzero(greedy >= (config.num_actions if config.sad else 1))
    illegal = [*too_large.tolist(), *find_illegal(simulator.legal_words(envs), actions)]
    if illegal:
        raise _refused("a move in it is illegal", int(sent[illegal[0]]))
    scored, is_lost = simulator.move(envs, actions, greedy if config.sad else None)
    return Moved(envs=envs, scored=scored, is_lost=is_lost)


def _widths(config: HanabiConfig) -> tuple[int, int]:
    """Bits of a card and of a move."""
    num_moves = config.num_actions ** (2 if config.sad else 1)
    return max(1, (config.num_kinds - 1).bit_length()), (num_moves - 1).bit_length()


def _to_bits(numbers: NDArray[np.int8] | NDArray[np.int16], width: int) -> NDArray[np.uint8]:
    places = np.arange(width - 1, -1, -1)
    return ((numbers.astype(np.int64)[:, None] >> places) & 1).astype(np.uint8).reshape(-1)


def _from_bits(bits: NDArray[np.uint8], width: int) -> NDArray[np.int64]:
    numbers: NDArray[np.int64] = bits.reshape(-1, width) @ (1 << np.arange(width - 1, -1, -1))
    return numbers


def _refused(why: str, found: object) -> IncompatibleError:
    return IncompatibleError(
        f"This is no record of such a game of Hanabi: {why}",
        value=found,
        remedy="Use records that a game with the same players, cards and tokens made.",
    )
