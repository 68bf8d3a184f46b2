"""The network: what it would do in a battle, and how likely it is to win.

Job: `make_network` for whole trajectories, `make_encoder` for single decisions. Place in the data flow: packed rows of
observations -> tokens -> decoder -> logits of actions and of winning. Left out: losses and the trainer.

An action's logit is read from the token of what it is about, together with the readout of the decision: a move from its
own token, a switch from that of the Pokémon to come in. So what is learned about a move holds wherever it stands.

Axes: `rows` of packed trajectories, `t` decisions of a row, `n` = rows x t.
"""
# ruff: noqa: F722 - axis names inside shape annotations are not Python expressions

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor, nn

from gamefleet.errors import ConfigError, nearest
from gamefleet.games.base import GameSpec
from gamefleet.games.showdown import layout as at
from gamefleet.games.showdown.tokens import MOVE_TOKENS, NUM_TOKENS, OWN_TOKENS, READOUT_TOKEN, DecisionTokens
from gamefleet.models.decoder import Decoder, SequenceOutput
from gamefleet.models.decoder_settings import SIZES, DecoderSettings
from gamefleet.models.recurrent import unpacked
from gamefleet.models.transformer import Transformer

EMBEDDING_SIZES: Final = {"tiny": 32, "15M": 64, "50M": 96, "200M": 128}
HEAD_SIZE: Final = 256
NUM_VARIANTS: Final = at.CHOICE_SWITCH // at.NUM_MOVES
"""A move is chosen plainly, with the form's gimmick, or as a Z-move."""

FLOPS_PER_PARAMETER: Final = 6
"""Of one token, forwards and backwards (Kaplan et al. 2020, section 2.1)."""


class ActionHead(nn.Module):
    """Logits of all actions from the tokens that they are about.

    Args:
        width: Numbers per token.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.situation = nn.Linear(width, 2 * HEAD_SIZE)
        self.moves = nn.Linear(width, HEAD_SIZE)
        self.switches = nn.Linear(width, HEAD_SIZE)
        self.move_logits = nn.Linear(HEAD_SIZE, NUM_VARIANTS)
        self.switch_logits = nn.Linear(HEAD_SIZE, 1)
        for last in (self.move_logits, self.switch_logits):  # at first every action is as likely as any other
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        """`[n, NUM_TOKENS, width]` to `[n, actions]`, whatever is legal."""
        for_moves, for_switches = self.situation(tokens[:, [READOUT_TOKEN]]).chunk(2, dim=-1)
        moves = self.move_logits(F.gelu(self.moves(tokens[:, MOVE_TOKENS]) + for_moves))
        switches = self.switch_logits(F.gelu(self.switches(tokens[:, OWN_TOKENS]) + for_switches))
        return torch.cat([moves.transpose(1, 2).flatten(1), switches[..., 0]], dim=-1)


class ShowdownNetwork(nn.Module):
    """A decoder over the tokens of whole trajectories.

    Args:
        settings: Shape of the decoder.
        embedding_size: Numbers per embedded name.

    Attributes:
        tokens_per_decision: As the decoder sees them.
    """

    tokens_per_decision: Final = NUM_TOKENS

    def __init__(self, settings: DecoderSettings, *, embedding_size: int) -> None:
        super().__init__()
        self.tokens = DecisionTokens(settings.width, embedding_size=embedding_size)
        self.decoder = Decoder(settings)
        self.actions = ActionHead(settings.width)
        self.value = nn.Linear(settings.width, 1)
        nn.init.zeros_(self.value.weight)
        nn.init.zeros_(self.value.bias)

    def forward(
        self, obs: Mapping[str, Tensor], segment: Int[Tensor, "rows t"], position: Int[Tensor, "rows t"]
    ) -> SequenceOutput:
        """Logits and values of every decision.

        Args:
            obs: Arrays of `observe.ARRAYS`, `[rows, t, ...]`.
            segment: Trajectory within the row, 0 for empty places.
            position: Decisions of the trajectory before this one.
        """
        rows, length = segment.shape
        tokens = self.tokens({name: array.flatten(0, 1) for name, array in obs.items()})
        inside = torch.arange(NUM_TOKENS, device=segment.device, dtype=position.dtype)
        seen = self.decoder(
            tokens.reshape(rows, length * NUM_TOKENS, -1),
            segment.repeat_interleave(NUM_TOKENS, dim=1),
            (position[..., None] * NUM_TOKENS + inside).flatten(1),
        ).reshape(rows * length, NUM_TOKENS, -1)
        legal = unpacked(obs["legal"].flatten(0, 1), at.NUM_CHOICES)
        # In empty places nothing is legal; their logits mean nothing, but must not turn into NaN further on.
        legal = legal | ~legal.any(dim=-1, keepdim=True)
        logits = self.actions(seen).float().masked_fill(~legal, -torch.inf)
        value = self.value(seen[:, READOUT_TOKEN]).float()
        return SequenceOutput(logits=logits.reshape(rows, length, -1), value=value.reshape(rows, length))

    def num_parameters(self) -> int:
        """All trainable numbers, embeddings included."""
        return sum(parameter.numel() for parameter in self.parameters())

    def flops_per_token(self, mean_segment_tokens: float) -> float:
        """Forwards and backwards, of the decoder alone: embeddings and heads add less than 2 % to the larger sizes.

        Args:
            mean_segment_tokens: Length of the trajectory that a token lies in, averaged over tokens.
        """
        settings = self.decoder.settings
        products = FLOPS_PER_PARAMETER * settings.num_parameters()
        return products + settings.attention_flops_per_token(mean_segment_tokens)


def make_network(settings: Mapping[str, Any]) -> ShowdownNetwork:
    """The network of a size.

    Args:
        settings: `size`, a name of `SIZES`; any of `layers`, `width`, `heads`, `feedforward`, `embedding_size` above 0
            replaces that of the size.

    Raises:
        ConfigError: There is no such size or setting, or the numbers do not fit each other.
    """
    size = str(settings.get("size", "tiny"))
    if size not in SIZES:
        raise ConfigError("There is no such size", value=size, where="network.size", remedy=nearest(size, SIZES))
    overrides = {name: int(value) for name, value in settings.items() if name != "size" and value}
    embedding_size = overrides.pop("embedding_size", EMBEDDING_SIZES[size])
    known = {field.name for field in dataclasses.fields(DecoderSettings)}
    for name in overrides:
        if name not in known:
            remedy = nearest(name, [*known, "embedding_size"])
            raise ConfigError("The network has no such setting", value=name, where="network", remedy=remedy)
    return ShowdownNetwork(dataclasses.replace(SIZES[size], **overrides), embedding_size=embedding_size)


class DecisionEncoder(nn.Module):
    """Features of single decisions, for wirings that learn from playing.

    Args:
        width: Numbers per token and of the features.
        embedding_size: Numbers per embedded name.
        num_layers: Blocks in which the tokens look at each other.

    Attributes:
        output_size: Of the features.
    """

    def __init__(self, *, width: int = 96, embedding_size: int = 32, num_layers: int = 2) -> None:
        super().__init__()
        self.tokens = DecisionTokens(width, embedding_size=embedding_size)
        self.blocks = Transformer(width, num_heads=4, num_layers=num_layers, hidden_size=2 * width)
        self.output_size = width

    def forward(self, obs: Mapping[str, Tensor]) -> Tensor:
        """Arrays `[n, ...]` to `[n, output_size]`."""
        tokens = self.tokens({name: array for name, array in obs.items() if name != "legal"})
        features: Tensor = self.blocks(tokens.flip(1), 1)[:, 0]
        return features


def make_encoder(spec: GameSpec, settings: Mapping[str, Any], purpose: str) -> nn.Module:
    """The encoder of single decisions.

    Args:
        spec: The game's spec.
        settings: Keyword arguments of `DecisionEncoder`.
        purpose: `policy` or `novelty`, the same architecture for both.

    Raises:
        ConfigError: A setting or the purpose is unknown.
    """
    if purpose not in ("policy", "novelty"):
        remedy = nearest(purpose, ("policy", "novelty"))
        raise ConfigError("Unknown purpose of an encoder", value=purpose, where=spec.name, remedy=remedy)
    known = ("width", "embedding_size", "num_layers")
    for name in settings:
        if name not in known:
            remedy = nearest(name, known)
            raise ConfigError("The encoder has no such setting", value=name, where="network.encoder", remedy=remedy)
    return DecisionEncoder(**settings)
