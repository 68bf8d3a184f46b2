"""Decks from seeds.

Job: the same seed gives the same deck, on every machine and however many games are shuffled together. Place in the
data flow: resets. Left out: dealing.

Each card gets a random number, and the deck is sorted by it. The numbers come from SplitMix64, which is a formula of
the seed and the card's place, so that a thousand decks are one array operation; numpy's generators would have to be
made one by one, which takes longer than playing.

Source: Steele, Lea & Flood 2014, "Fast Splittable Pseudorandom Number Generators", figure 17.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.hanabi.config import HanabiConfig

_STEP = 0x9E3779B97F4A7C15
# A deck has at most 50 cards: the lowest six bits hold the card's place, so that no two numbers are equal.
_PLACE_BITS = np.uint64(63)


@cache
def sorted_deck(config: HanabiConfig) -> NDArray[np.int8]:
    """All cards in order, int8 `[num_cards]`, read-only; a card is `colour * num_ranks + rank`."""
    deck = np.repeat(np.arange(config.num_kinds, dtype=np.int8), np.tile(config.copies, config.num_colors))
    deck.flags.writeable = False
    return deck


def decks_of(config: HanabiConfig, seeds: Sequence[int]) -> NDArray[np.int8]:
    """One shuffled deck per seed.

    Args:
        config: The game.
        seeds: Any integers; their lowest 64 bits count.

    Returns:
        int8 `[seed, num_cards]`, in the order in which the cards are dealt: the first player's hand comes first.
    """
    start = np.array([int(seed) % 2**64 for seed in seeds], np.uint64)
    deck = sorted_deck(config)
    places = np.arange(len(deck), dtype=np.uint64)
    numbers = _mixed(_mixed(start)[:, None] + (places + np.uint64(1)) * np.uint64(_STEP))
    numbers &= ~_PLACE_BITS
    numbers |= places
    numbers.sort(axis=1)
    return deck.take((numbers & _PLACE_BITS).astype(np.int64))


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
