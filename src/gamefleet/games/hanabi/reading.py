"""What an observation says, as tensors with axes instead of a row of bits.

Job: unpack the bits on the device and give them the shapes of `layout`, widened to what the network's weights have room
for. Place in the data flow: observation arrays -> here -> tokens (`model`). Left out: everything that is learned.

Axes: `rows`, `players` (0 is the observer), `slots`, `colors`, `ranks`, `kinds` (colour times ranks plus rank), `moves`
(newest first).
"""
# ruff: noqa: F722 - axis names inside shape annotations are not Python expressions

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gamefleet.games.hanabi.actions import actions_of
from gamefleet.games.hanabi.config import HanabiConfig
from gamefleet.games.hanabi.layout import Segment, layout
from gamefleet.games.hanabi.model_settings import Limits
from gamefleet.models.recurrent import unpacked

DECK_BITS, INFORMATION_BITS, LIFE_BITS = 5, 8, 3
"""How much of the thermometers is kept beside their counts: the last cards and turns of a game differ much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An observation; axes are the game's own, not widened.

    Args:
        hands: One-hot cards; zeros for the observer's own and for empty slots.
        plausible: Which cards each card can be, as hints tell.
        hinted: Hinted colour, then hinted rank.
        fireworks: One-hot height of each colour less one.
        gone: Copies of each card that were discarded.
        table: Counts and thermometers of deck, hints and lives, and whose hand lacks a card.
        moves: Descriptions of the last moves, widened.
    """

    hands: Float[Tensor, "rows players slots colors ranks"]
    plausible: Float[Tensor, "rows players slots colors ranks"]
    hinted: Float[Tensor, "rows players slots values"]
    fireworks: Float[Tensor, "rows colors ranks"]
    gone: Float[Tensor, "rows colors ranks"]
    table: Float[Tensor, "rows table"]
    moves: Float[Tensor, "rows moves block"]


class Reader(nn.Module):
    """Reads observations of one game for a network with the given limits.

    Args:
        config: The game.
        limits: What the weights have room for.
    """

    bits_of_byte: Tensor
    copies_of_kind: Tensor
    intent_places: Tensor

    def __init__(self, config: HanabiConfig, limits: Limits) -> None:
        super().__init__()
        self._config = config
        self._limits = limits
        self._layout = layout(config)
        copies = torch.tensor(config.copies * config.num_colors)
        of_kind = torch.repeat_interleave(torch.eye(config.num_kinds), copies, dim=0)
        bits_of_byte = unpacked(torch.arange(256, dtype=torch.uint8).unsqueeze(1), 8).float()
        self.register_buffer("bits_of_byte", bits_of_byte, persistent=False)
        self.register_buffer("copies_of_kind", of_kind, persistent=False)
        self.register_buffer("intent_places", self._intent_places(), persistent=False)

    @property
    def table_size(self) -> int:
        """Length of `Seen.table`, widened."""
        return 3 + DECK_BITS + INFORMATION_BITS + LIFE_BITS + self._limits.players

    @property
    def move_size(self) -> int:
        """Length of one row of `Seen.moves`."""
        limits = self._limits
        block = 2 * limits.players + 4 + limits.values + 2 * limits.hand_size + limits.kinds + 2
        return block + 2 * limits.hand_size + (limits.players - 1) * limits.values

    def forward(self, obs: Mapping[str, Tensor]) -> Seen:
        """Read `[rows, ...]` arrays."""
        config = self._config
        bits = self._unpacked(obs["bits"], self._layout.num_bits)
        cards = (config.num_players, config.hand_size, config.num_colors, config.num_ranks)
        knowledge = self._part(bits, self._layout["knowledge"])
        gone = self._part(bits, self._layout["discards"]) @ self.copies_of_kind
        return Seen(
            hands=F.pad(self._part(bits, self._layout["hands"]), (0, 0, 0, 0, 0, 0, 1, 0)),
            plausible=knowledge[..., : config.num_kinds].reshape(-1, *cards),
            hinted=knowledge[..., config.num_kinds :],
            fireworks=self._part(bits, self._layout["fireworks"]),
            gone=gone.view(-1, config.num_colors, config.num_ranks),
            table=self._table(bits),
            moves=self._moves(bits, obs),
        )

    def _unpacked(self, packed: Tensor, count: int) -> Tensor:
        """Bits as numbers; looking bytes up takes a third of the time of shifting and masking."""
        return F.embedding(packed.int(), self.bits_of_byte).flatten(-2)[..., :count]

    def _part(self, bits: Tensor, segment: Segment) -> Tensor:
        return bits[..., segment.bits].reshape(*bits.shape[:-1], *segment.shape)

    def _table(self, bits: Tensor) -> Tensor:
        deck, information, lives, missing = (
            self._part(bits, self._layout[name]) for name in ("deck", "information", "lives", "missing")
        )
        counts = torch.stack([deck.sum(-1) / 50, information.sum(-1) / 8, lives.sum(-1) / 3], dim=-1)
        thermometers = [widened(deck, DECK_BITS), widened(information, INFORMATION_BITS), widened(lives, LIFE_BITS)]
        return torch.cat([counts, *thermometers, widened(missing, self._limits.players)], dim=-1)

    def _moves(self, bits: Tensor, obs: Mapping[str, Tensor]) -> Tensor:
        """The last move, which is in `bits`, those before it, and what their movers would rather have done."""
        parts, config = self._layout, self._config
        start = parts["last_actor"].start
        blocks = bits[:, None, start : start + parts.block_bits]
        if parts.num_history_blocks:
            before = self._unpacked(obs["history"], parts.history_bits)
            blocks = torch.cat([blocks, before.reshape(len(bits), -1, parts.block_bits)], dim=1)
        return torch.cat([self._widened_block(blocks), self._intents(bits, obs, config.history_moves)], dim=-1)

    def _widened_block(self, blocks: Tensor) -> Tensor:
        limits = self._limits
        widths: dict[str, tuple[int, ...]] = {
            "last_actor": (limits.players,),
            "last_type": (4,),
            "last_target": (limits.players,),
            "last_color": (limits.colors,),
            "last_rank": (limits.ranks,),
            "last_revealed": (limits.hand_size,),
            "last_slot": (limits.hand_size,),
            "last_card": (limits.colors, limits.ranks),
            "last_outcome": (2,),
        }
        parts = [widened(self._part(blocks, part), *widths[part.name]).flatten(2) for part in self._layout.block]
        return torch.cat(parts, dim=-1)

    def _intents(self, bits: Tensor, obs: Mapping[str, Tensor], num_moves: int) -> Tensor:
        """One-hot intents `[rows, moves, widened actions]`; zeros where nobody tells them."""
        limits = self._limits
        size = 2 * limits.hand_size + (limits.players - 1) * limits.values
        told = bits.new_zeros(len(bits), num_moves, size)
        if self._layout.num_intents:
            intents = self._unpacked(obs["intent"], self._layout.intent_bits)
            told[..., self.intent_places] = intents.reshape(len(bits), num_moves, -1)
        return told

    def _intent_places(self) -> Tensor:
        """Where each of the game's actions stands among those of the widest game."""
        limits, actions = self._limits, actions_of(self._config)
        slots = torch.from_numpy(actions.slot + limits.hand_size * actions.is_play)
        value = torch.from_numpy(actions.value)
        is_rank = value >= self._config.num_colors
        value = value + is_rank * (limits.colors - self._config.num_colors)
        hints = 2 * limits.hand_size + (torch.from_numpy(actions.offset) - 1) * limits.values + value
        return torch.where(torch.from_numpy(actions.is_card) == 1, slots, hints)


def widened(values: Tensor, *sizes: int) -> Tensor:
    """Fill the last axes up with zeros, or cut them, to these sizes."""
    padding = [
        part for size, wanted in zip(values.shape[::-1], sizes[::-1], strict=False) for part in (0, wanted - size)
    ]
    return F.pad(values, padding) if any(padding) else values
