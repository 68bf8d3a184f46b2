"""The transformer over cards, colours and moves, and action values that are read from what they are about.

Job: `make_encoder`. Place in the data flow: observations -> `RecurrentQNetwork` with the core `identity`. Left out:
unpacking (`reading`), settings (`model_settings`) and training.

Tokens: one per card slot of every player (face, knowledge, hints), one per colour (firework and discards), one per
remembered move, and one for the whole situation. They carry no bits of which game is played: a network with wide limits
can play every variant within them, and it looks only at tokens that the game has.

The value of discarding or playing a card is read from that card's token, the value of a hint from the cards that it
would mean. What counting says of each card is worked out, not learned: without it a short training reaches half of the
score (benchmarks/results/hanabi_learning.md).

Axes: `rows`, `players` (0 is the observer), `slots`, `values` (colours, then ranks), `width`.

Source: predicting the fate of the own cards besides: Hu & Foerster 2020, "Simplified Action Decoder".
"""
# ruff: noqa: F722 - axis names inside shape annotations are not Python expressions

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gamefleet.errors import ConfigError, nearest
from gamefleet.games.base import GameSpec
from gamefleet.games.hanabi.beliefs import Beliefs
from gamefleet.games.hanabi.config import HanabiConfig
from gamefleet.games.hanabi.model_settings import EncoderSettings, Limits, limits_of, parse_settings
from gamefleet.games.hanabi.reading import Reader, Seen, widened
from gamefleet.models.recurrent import unpacked
from gamefleet.models.transformer import Transformer, positions

FATES = 3
"""Can be played now, can never be played, or neither (`state.PLAYABLE`, `USELESS`, `OTHER` less one)."""


def make_encoder(spec: GameSpec, settings: Mapping[str, Any], purpose: str) -> nn.Module:
    """The encoder for one purpose.

    Args:
        spec: The game's spec.
        settings: Keys of `EncoderSettings`; `game` must hold the settings of the game that is played.
        purpose: `policy`, or `novelty` for fixed features without weights.

    Returns:
        A module with `output_size`, from named arrays `[rows, ...]` to `[rows, output_size]`.

    Raises:
        ConfigError: A setting or the purpose is unknown, or the settings are of another game than the spec.
    """
    if purpose == "novelty":
        return NoveltyFeatures(spec)
    if purpose != "policy":
        remedy = nearest(purpose, ("policy", "novelty"))
        raise ConfigError("Unknown purpose of an encoder", value=purpose, where=spec.name, remedy=remedy)
    parsed = parse_settings(settings)
    config = HanabiConfig(**parsed.game)
    if config.num_actions != spec.num_actions or config.num_players != spec.num_players:
        raise ConfigError(
            "The network is for another game than the one that is played",
            value=dict(parsed.game),
            where="network.encoder.game",
            remedy="Leave this setting out: the game fills it in.",
        )
    return HanabiEncoder(config, parsed)


class NoveltyFeatures(nn.Module):
    """The bits of the observation as they are, for curiosity.

    Args:
        spec: The game's spec.
    """

    def __init__(self, spec: GameSpec) -> None:
        super().__init__()
        (num_bytes,) = next(array.shape for array in spec.observations if array.name == "bits")
        self.output_size = 8 * num_bytes

    def forward(self, obs: Mapping[str, Tensor]) -> Float[Tensor, "rows features"]:
        """Zeros and ones."""
        return unpacked(obs["bits"], self.output_size).float()


class HanabiEncoder(nn.Module):
    """See the module's docstring; its features are vectors that action values are read from (`HanabiHeads`).

    Args:
        config: The game.
        settings: Sizes.
    """

    def __init__(self, config: HanabiConfig, settings: EncoderSettings) -> None:
        super().__init__()
        self.config, self.settings = config, settings
        limits = limits_of(settings, config)
        width = settings.d_model
        self.num_hints = (config.num_players - 1) * config.num_values
        self.output_size = width * (config.hand_size + self.num_hints + 1)
        self.reader = Reader(config, limits)
        self.beliefs = Beliefs(config) if settings.beliefs else None
        self.cards = CardTokens(limits, width, has_beliefs=settings.beliefs)
        self.colors = nn.Linear(2 * limits.ranks, width)
        self.color_position = positions(limits.colors, width)
        self.moves = nn.Linear(self.reader.move_size, width)
        self.move_position = positions(limits.moves, width)
        self.situation = nn.Linear(self.reader.table_size, width)
        self.transformer = Transformer(
            width,
            num_heads=settings.num_heads,
            num_layers=settings.num_layers,
            hidden_size=settings.d_hidden or 4 * width,
        )
        self.hints = HintVectors(config, limits, width)
        self.fate = nn.Linear(width, FATES)

    def forward(self, obs: Mapping[str, Tensor]) -> Float[Tensor, "rows features"]:
        """One vector per own card, one per hint, and one of the situation, in a row."""
        seen, config = self.reader(obs), self.config
        num_cards = config.num_players * config.hand_size
        tokens = self.transformer(self._tokens(seen), num_cards + 1)
        cards = tokens[:, :num_cards].unflatten(1, (config.num_players, config.hand_size))
        situation = tokens[:, -1]
        hints = self.hints(seen, cards[:, 1:], situation)
        return torch.cat([cards[:, 0].flatten(1), hints.flatten(1), situation], dim=1)

    def _tokens(self, seen: Seen) -> Tensor:
        cards = self.cards(seen, None if self.beliefs is None else self.beliefs(seen))
        ranks = self.colors.in_features // 2
        colors = torch.cat([widened(seen.fireworks, ranks), widened(seen.gone, ranks)], dim=-1)
        colors = self.colors(colors) + self.color_position[: self.config.num_colors]
        moves = self.moves(seen.moves) + self.move_position[: self.config.history_moves]
        situation = self.situation(seen.table).unsqueeze(1)
        # What is read from comes first: cards and the situation.
        return torch.cat([cards.flatten(1, 2), situation, colors, moves], dim=1)

    def make_heads(self, num_heads: int) -> nn.Module:
        """The heads that belong to these features; see `RecurrentQNetwork`."""
        return HanabiHeads(
            self.settings.d_model,
            num_heads=num_heads,
            hand_size=self.config.hand_size,
            num_hints=self.num_hints,
            dueling=self.settings.dueling,
        )

    def auxiliary_loss(
        self, features: Float[Tensor, "*axes features"], obs: Mapping[str, Tensor]
    ) -> Float[Tensor, "*axes"]:
        """How badly the fate of the own cards is predicted, in nats, mean over the cards in hand."""
        own = features[..., : self.config.hand_size * self.settings.d_model]
        logits: Tensor = self.fate(own.reshape(*own.shape[:-1], self.config.hand_size, -1)).float()
        labels = obs["own_cards"].long()
        losses = F.cross_entropy(logits.flatten(0, -2), (labels - 1).clamp(min=0).flatten(), reduction="none").view_as(
            labels
        )
        is_there = labels > 0
        return (losses * is_there).sum(-1) / is_there.sum(-1).clamp(min=1)


class CardTokens(nn.Module):
    """One token per card slot of every player.

    Args:
        limits: What the weights have room for.
        width: Numbers per token.
        has_beliefs: Whether `Beliefs` come with what is seen.
    """

    def __init__(self, limits: Limits, width: int, *, has_beliefs: bool) -> None:
        super().__init__()
        self._limits = limits
        size = 2 * limits.kinds + limits.values + (limits.kinds + Beliefs.SIZE if has_beliefs else 0)
        self.embed = nn.Linear(size, width)
        self.player = positions(limits.players, width)
        self.slot = positions(limits.hand_size, width)

    def forward(self, seen: Seen, beliefs: tuple[Tensor, Tensor] | None) -> Float[Tensor, "rows players slots width"]:
        """Embed what is seen of the cards."""
        colors = seen.hands.shape[-2]
        limits = self._limits
        chances, numbers = ([], []) if beliefs is None else ([beliefs[0]], [beliefs[1]])
        cards = [seen.hands, seen.plausible, *chances]
        parts = [widened(array, limits.colors, limits.ranks).flatten(-2) for array in cards]
        parts += [widened(seen.hinted[..., :colors], limits.colors), widened(seen.hinted[..., colors:], limits.ranks)]
        parts += numbers
        num_players, num_slots = seen.hands.shape[1:3]
        where = self.player[:num_players, None] + self.slot[:num_slots]
        tokens: Tensor = self.embed(torch.cat(parts, dim=-1)) + where
        return tokens


class HintVectors(nn.Module):
    """One vector per hint, from the cards that it would mean, the rest of that hand, and the situation.

    Args:
        config: The game.
        limits: What the weights have room for.
        width: Numbers per vector.
    """

    places: Tensor

    def __init__(self, config: HanabiConfig, limits: Limits, width: int) -> None:
        super().__init__()
        values = [*range(config.num_colors), *range(limits.colors, limits.colors + config.num_ranks)]
        self.register_buffer("places", torch.tensor(values), persistent=False)
        self.meant = nn.Linear(width, width, bias=False)
        self.hand = nn.Linear(width, width, bias=False)
        self.situation = nn.Linear(width, width)
        self.value = positions(limits.values, width)

    def forward(self, seen: Seen, cards: Tensor, situation: Tensor) -> Float[Tensor, "rows hints width"]:
        """Vectors in the order of the actions.

        Args:
            seen: What is seen.
            cards: Tokens of the others' cards `[rows, others, slots, width]`.
            situation: Token of the situation.
        """
        faces = seen.hands[:, 1:]
        touched = torch.cat([faces.sum(-1), faces.sum(-2)], dim=-1)  # [rows, others, slots, values]
        meant = touched.transpose(-1, -2) @ self.meant(cards)
        around = self.hand(cards.mean(2)) + self.situation(situation).unsqueeze(1)
        vectors = torch.relu(meant + around.unsqueeze(2) + self.value[self.places])
        colors = faces.shape[-2]
        return torch.cat([vectors[:, :, :colors].flatten(1, 2), vectors[:, :, colors:].flatten(1, 2)], dim=1)


class HanabiHeads(nn.Module):
    """Action values from the vectors of `HanabiEncoder`.

    Args:
        width: Numbers per vector.
        num_heads: 1, or 2 with curiosity.
        hand_size: Own cards.
        num_hints: Hints that can be given.
        dueling: Add one value of the situation.
    """

    def __init__(self, width: int, *, num_heads: int, hand_size: int, num_hints: int, dueling: bool) -> None:
        super().__init__()
        self._sizes = [hand_size * width, num_hints * width, width]
        self._width, self._num_heads = width, num_heads
        self.card = nn.Linear(width, 2 * num_heads)
        self.hint = nn.Linear(width, num_heads)
        self.value = nn.Linear(width, num_heads) if dueling else None

    def forward(self, features: Float[Tensor, "*axes features"]) -> Float[Tensor, "*axes heads actions"]:
        """Discards, plays, hints of colours, hints of ranks."""
        axes = features.shape[:-1]
        cards, hints, situation = torch.split(features, self._sizes, dim=-1)
        of_cards = self.card(cards.reshape(*axes, -1, self._width)).transpose(-1, -2)
        of_hints = self.hint(hints.reshape(*axes, -1, self._width)).transpose(-1, -2)
        # Each card's numbers, discard then play per head, become the head's discards, then its plays.
        values = torch.cat([of_cards.reshape(*axes, self._num_heads, -1), of_hints], dim=-1)
        if self.value is None:
            return values
        whole: Tensor = self.value(situation).unsqueeze(-1)
        return values + whole
