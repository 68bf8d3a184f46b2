"""What an observation says, as lists and numbers instead of bits.

Job: read the packed arrays back. Place in the data flow: scripted players and everything that shows games to people
start from it, so that they cannot know more than the observer does. Left out: situations as a whole (`state`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.base import Observation
from gamefleet.games.hanabi.config import HanabiConfig
from gamefleet.games.hanabi.layout import Segment, layout

NOBODY = -1
TYPES = ("play", "discard", "hint color", "hint rank")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenMove:
    """A move since the observer's last turn.

    Args:
        ago: 1 for the last move, 2 for the one before.
        actor: Who moved, counted from the observer.
        type: An index into `TYPES`.
        target: Who was hinted, counted from the observer; `NOBODY` for a play or discard.
        value: What a hint named: a colour, or `num_colors` + a rank; -1 for a play or discard.
        revealed: Slots that a hint meant.
        slot: Of a play or discard, else -1.
        card: Of a play or discard, else -1.
        is_fitting: A play that scored.
    """

    ago: int
    actor: int
    type: int
    target: int
    value: int
    revealed: tuple[int, ...]
    slot: int
    card: int
    is_fitting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What one player knows; players count from the observer, who is 0.

    Args:
        hands: int64 `[player, slot]`; -1 for the observer's own cards and for empty slots.
        plausible: bool `[player, slot, kind]`, cards that hints do not rule out; none for an empty slot.
        hinted: bool `[player, slot, value]`, values that hints have named of this card.
        fireworks: int64 `[color]`, cards played.
        discarded: int64 `[kind]`, copies gone without being played.
        deck: Cards left.
        information: Hint tokens.
        lives: Life tokens.
        legal: bool `[action]`.
        moves: Those that the observation holds, the newest first.
    """

    hands: NDArray[np.int64]
    plausible: NDArray[np.bool_]
    hinted: NDArray[np.bool_]
    fireworks: NDArray[np.int64]
    discarded: NDArray[np.int64]
    deck: int
    information: int
    lives: int
    legal: NDArray[np.bool_]
    moves: tuple[SeenMove, ...]


def view_of(config: HanabiConfig, obs: Observation) -> View:
    """Read one observation; `own_cards`, which its player may not know, is not read."""
    parts = layout(config)
    bits = np.unpackbits(obs["bits"], count=parts.num_bits)

    def part(name: str) -> NDArray[np.uint8]:
        segment = parts[name]
        return bits[segment.bits].reshape(segment.shape)

    own = np.full((1, config.hand_size), -1)
    others = _places(part("hands").reshape(config.num_players - 1, config.hand_size, config.num_kinds))
    knowledge = part("knowledge").astype(np.bool_)
    copies = np.tile(config.copies, config.num_colors)
    fireworks = part("fireworks")
    return View(
        hands=np.concatenate([own, others]),
        plausible=knowledge[..., : config.num_kinds],
        hinted=knowledge[..., config.num_kinds :],
        fireworks=1 + _places(fireworks),
        discarded=np.array([one.sum() for one in np.split(part("discards"), np.cumsum(copies)[:-1])], np.int64),
        deck=int(part("deck").sum()),
        information=int(part("information").sum()),
        lives=int(part("lives").sum()),
        legal=np.unpackbits(obs["legal"], count=config.num_actions).astype(np.bool_),
        moves=tuple(_moves(config, bits, obs)),
    )


def _places(one_hot: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Where the one of each row is; -1 where there is none."""
    return np.where(one_hot.any(axis=-1), one_hot.argmax(axis=-1), -1)


def _moves(config: HanabiConfig, bits: NDArray[np.uint8], obs: Observation) -> Iterator[SeenMove]:
    parts = layout(config)
    start = parts["last_actor"].start
    blocks = [bits[start : start + parts.block_bits]]
    if "history" in obs:
        earlier = np.unpackbits(obs["history"], count=parts.history_bits)
        blocks.extend(earlier.reshape(-1, parts.block_bits))
    for ago, block in enumerate(blocks, start=1):
        if block.any():
            yield _move({segment.name: _set_bits(block, segment) for segment in parts.block}, ago, config.num_colors)


def _set_bits(block: NDArray[np.uint8], segment: Segment) -> tuple[int, ...]:
    return tuple(np.flatnonzero(block[segment.bits]).tolist())


def _move(ones: dict[str, tuple[int, ...]], ago: int, num_colors: int) -> SeenMove:
    def one(name: str) -> int:
        return ones[name][0] if ones[name] else -1

    return SeenMove(
        ago=ago,
        actor=one("last_actor"),
        type=one("last_type"),
        target=one("last_target"),
        value=num_colors + one("last_rank") if ones["last_rank"] else one("last_color"),
        revealed=ones["last_revealed"],
        slot=one("last_slot"),
        card=one("last_card"),
        is_fitting=0 in ones["last_outcome"],
    )
