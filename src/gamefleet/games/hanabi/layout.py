"""Where everything stands in an observation.

Job: names, places and shapes of the parts of the canonical encoding. Place in the data flow: the encoder writes by
it; the network, the augmentation and pages read by it. Left out: the bits themselves (`observe`).

The order is that of the Hanabi Learning Environment and OpenSpiel, bit for bit. Players count from the observer: 0 is
the observer, 1 sits next. `P` players, `H` slots, `C` colours, `R` ranks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import prod

from gamefleet.games.hanabi.config import HanabiConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A part of a row of bits.

    Args:
        name: Unique in its row.
        start: Index of its first bit.
        shape: Its axes, from the slowest.
    """

    name: str
    start: int
    shape: tuple[int, ...]

    @property
    def length(self) -> int:
        """Number of bits."""
        return prod(self.shape)

    @property
    def stop(self) -> int:
        """Index after its last bit."""
        return self.start + self.length

    @property
    def bits(self) -> slice:
        """Its place, to index the last axis of unpacked bits with."""
        return slice(self.start, self.stop)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The rows of bits in an observation, before they are packed.

    Args:
        segments: Parts of `bits`, in order and without gaps: `hands` `[P - 1, H, C, R]` cards of the others; `missing`
            `[P]` whose hand lacks a card; `deck` thermometer of undealt cards; `fireworks` `[C, R]` one-hot height less
            one; `information` and `lives`, thermometers; `discards` thermometers of the copies of each card, one card
            after the other; the parts of `block` for the last move; `knowledge` `[P, H, C * R + C + R]`: which cards
            each card can be, as far as hints to it tell, then the hinted colour and the hinted rank.
        block: Parts of the description of one move, counted from the start of the block: `last_actor` `[P]`,
            `last_type` `[4]` play, discard, hint of a colour, hint of a rank; `last_target` `[P]`, `last_color` `[C]`,
            `last_rank` `[R]`, `last_revealed` `[H]` slots that the hint meant; `last_slot` `[H]`, `last_card` `[C, R]`
            of a play or discard; `last_outcome` `[2]` of a play: it fitted, it brought a hint token.
        num_bits: Length of `bits`, the canonical encoding.
        num_history_blocks: Blocks in `history`, one per move before the last one, the newest first.
        num_intents: One-hot rows `[num_actions]` in `intent`, the newest move's first; 0 without `sad`.
        num_actions: Of the game.
    """

    segments: tuple[Segment, ...]
    block: tuple[Segment, ...]
    num_bits: int
    num_history_blocks: int
    num_intents: int
    num_actions: int

    def __getitem__(self, name: str) -> Segment:
        """The part of `bits` of that name."""
        return next(segment for segment in self.segments if segment.name == name)

    @property
    def block_bits(self) -> int:
        """Length of the description of one move."""
        return self.block[-1].stop

    @property
    def history_bits(self) -> int:
        """Length of `history`."""
        return self.num_history_blocks * self.block_bits

    @property
    def intent_bits(self) -> int:
        """Length of `intent`."""
        return self.num_intents * self.num_actions


@cache
def layout(config: HanabiConfig) -> Layout:
    """The layout of a game's observations; a pure function of its settings."""
    players, hand, colors, ranks = config.num_players, config.hand_size, config.num_colors, config.num_ranks
    move: list[tuple[str, tuple[int, ...]]] = [
        ("last_actor", (players,)),
        ("last_type", (4,)),
        ("last_target", (players,)),
        ("last_color", (colors,)),
        ("last_rank", (ranks,)),
        ("last_revealed", (hand,)),
        ("last_slot", (hand,)),
        ("last_card", (colors, ranks)),
        ("last_outcome", (2,)),
    ]
    segments = _in_a_row(
        [
            ("hands", (players - 1, hand, colors, ranks)),
            ("missing", (players,)),
            ("deck", (config.num_undealt,)),
            ("fireworks", (colors, ranks)),
            ("information", (config.information_tokens,)),
            ("lives", (config.life_tokens,)),
            ("discards", (config.num_cards,)),
            *move,
            ("knowledge", (players, hand, config.num_kinds + config.num_values)),
        ]
    )
    return Layout(
        segments=segments,
        block=_in_a_row(move),
        num_bits=segments[-1].stop,
        num_history_blocks=config.history_moves - 1,
        num_intents=config.history_moves if config.sad else 0,
        num_actions=config.num_actions,
    )


def _in_a_row(parts: Sequence[tuple[str, tuple[int, ...]]]) -> tuple[Segment, ...]:
    segments: list[Segment] = []
    for name, shape in parts:
        segments.append(Segment(name=name, start=segments[-1].stop if segments else 0, shape=shape))
    return tuple(segments)
