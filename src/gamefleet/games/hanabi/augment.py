"""The same play with the colours exchanged.

Job: permute the colours in packed observations and actions, one permutation per sampled window. Place in the data flow:
replay -> `learners.augmenting` -> here -> learner. Left out: everything that does not depend on colours.

No rule tells colours apart, so a game played with a permuted deck and permuted actions is as true as the one that was
played. Players who learn from all permutations cannot agree on a convention that tells colours apart.

Axes: `batch`, `time`, `bits`, `actions`.

Source: Hu et al. 2020, "Other-Play"; there each player sees a permutation of its own, here a window has one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.base import Augmentation
from gamefleet.games.hanabi.actions import actions_of
from gamefleet.games.hanabi.config import HanabiConfig
from gamefleet.games.hanabi.layout import Segment, layout

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Where everything comes from under each permutation of the colours.

    Args:
        bits: Array -> int64 `[permutation, bits]`: the bit that stands there afterwards.
        actions: int16 `[permutation, action + 1]`: what each action becomes; the last entry is that of -1, no action.
    """

    bits: Mapping[str, Ints]
    actions: NDArray[np.int16]


class ColorShuffle:
    """Draws a permutation of the colours for each window; see `games.base.Augmentation`.

    Args:
        config: The game.
    """

    def __init__(self, config: HanabiConfig) -> None:
        self.tables = make_tables(config)

    def __call__(
        self, obs: Mapping[str, NDArray[Any]], action: NDArray[np.int16], rng: np.random.Generator
    ) -> tuple[Mapping[str, NDArray[Any]], NDArray[np.int16]]:
        """Exchange the colours in each row.

        Args:
            obs: Named arrays `[batch, time, ...]`.
            action: int16 `[batch, any]`, -1 for none.
            rng: Draws the permutations.
        """
        return self.apply(obs, action, rng.integers(len(self.tables.actions), size=len(action)))

    def apply(
        self, obs: Mapping[str, NDArray[Any]], action: NDArray[np.int16], which: Ints
    ) -> tuple[Mapping[str, NDArray[Any]], NDArray[np.int16]]:
        """Exchange the colours in given ways: int64 `[batch]`, numbers of permutations in `itertools` order."""
        changed = {
            name: self._permuted(array, self.tables.bits[name][which]) if name in self.tables.bits else array
            for name, array in obs.items()
        }
        return changed, self.tables.actions[which[:, None], action]

    def _permuted(self, packed: NDArray[np.uint8], sources: Ints) -> NDArray[np.uint8]:
        bits = np.unpackbits(packed, axis=-1, count=sources.shape[-1])
        return np.packbits(np.take_along_axis(bits, sources[:, None], axis=-1), axis=-1)


def make_augmentation(config: HanabiConfig) -> Augmentation:
    """The augmentation of a game."""
    return ColorShuffle(config)


def make_tables(config: HanabiConfig) -> Tables:
    """All permutations of a game's colours; `permutation[new] = old`: where colour `new` comes from."""
    orders = np.array(list(permutations(range(config.num_colors))), np.int64)
    of_action = np.array([action_sources(config, order) for order in orders])
    parts = layout(config)
    bits = {"bits": bit_sources(config, parts.segments, orders), "legal": of_action}
    if parts.num_history_blocks:
        block = bit_sources(config, parts.block, orders)
        bits["history"] = repeated(block, parts.num_history_blocks)
    if parts.num_intents:
        bits["intent"] = repeated(of_action, parts.num_intents)
    becomes = np.full((len(orders), config.num_actions + 1), -1, np.int16)
    becomes[:, :-1] = np.argsort(of_action, axis=1)  # the inverse of "comes from"
    return Tables(bits=bits, actions=becomes)


def action_sources(config: HanabiConfig, order: Ints) -> Ints:
    """The action whose place each action takes: hints of colours are exchanged, all others stay."""
    actions = actions_of(config)
    sources = np.arange(config.num_actions)
    is_color = (actions.is_card == 0) & (actions.value < config.num_colors)
    sources[is_color] += order[actions.value[is_color]] - actions.value[is_color]
    return sources


def bit_sources(config: HanabiConfig, segments: tuple[Segment, ...], orders: Ints) -> Ints:
    """The bit that stands at each place afterwards, int64 `[permutation, bits]`."""
    rows = []
    for order in orders:
        parts = [segment.start + segment_sources(config, segment, order).reshape(-1) for segment in segments]
        rows.append(np.concatenate(parts))
    return np.array(rows, np.int64)


def segment_sources(config: HanabiConfig, segment: Segment, order: Ints) -> Ints:
    """The same within one segment."""
    places = np.arange(segment.length).reshape(segment.shape)
    if segment.name in ("hands", "last_card"):
        return np.take(places, order, axis=-2)
    if segment.name == "fireworks":
        return places[order]
    if segment.name == "last_color":
        return places[order]
    if segment.name == "discards":  # of each colour in turn, copies of the same cards
        return places.reshape(config.num_colors, -1)[order]
    if segment.name == "knowledge":
        kinds = np.arange(config.num_kinds).reshape(config.num_colors, -1)[order].reshape(-1)
        colors = config.num_kinds + order
        ranks = np.arange(config.num_kinds + config.num_colors, config.num_kinds + config.num_values)
        return places[..., np.concatenate([kinds, colors, ranks])]
    return places


def repeated(sources: Ints, count: int) -> Ints:
    """Sources of `count` equal rows of bits in a row."""
    length = sources.shape[1]
    offsets = np.arange(count)[:, None] * length
    all_sources: Ints = (sources[:, None] + offsets).reshape(len(sources), -1)
    return all_sources
