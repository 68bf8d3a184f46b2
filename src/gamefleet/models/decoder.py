"""A causal transformer over packed rows of tokens.

Job: let every token look at the earlier tokens of its own segment, many segments side by side in a row. Place in the
data flow: a game's network embeds decisions as tokens, runs them through here and reads its heads from the result.
Left out: what the tokens are; embeddings and heads; which segments lie in which row (`experience`).

Every block normalises before attention and before its gated feed-forward network; queries and keys are normalised too,
which keeps attention from saturating at high learning rates; positions enter by rotation.

Axes: `rows`, `tokens` of a row, `width` of a token. `segment` says which trajectory of the row a token belongs to: 0
marks empty places, which see each other and are seen by nobody else. `position` counts tokens within the trajectory.

Source: Vaswani et al. 2017, "Attention Is All You Need"; root mean square norm: Zhang & Sennrich 2019; before each
part: Xiong et al. 2020; gated feed-forward (SwiGLU): Shazeer 2020; rotary positions: Su et al. 2021, "RoFormer"; norm
of queries and keys: Henry et al. 2020 and Dehghani et al. 2023; FlexAttention: Dong et al. 2024.
"""
# ruff: noqa: F722 - axis names inside shape annotations are not Python expressions

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from gamefleet.models.decoder_settings import DecoderSettings

if TYPE_CHECKING:
    from torch.nn.attention.flex_attention import BlockMask

ROPE_BASE = 10_000.0
"""Longest wavelength of the rotation, in tokens (Su et al. 2021)."""

INITIAL_SCALE = 0.02
"""Standard deviation of initial weights (Radford et al. 2019)."""


class SequenceOutput(NamedTuple):
    """What a network of recorded play says about each decision.

    Args:
        logits: float `[rows, decisions, actions]`; minus infinity for illegal actions.
        value: float `[rows, decisions]`, logit of the chance to win.
    """

    logits: Tensor
    value: Tensor


class DecoderBlock(nn.Module):
    """Attention, then a gated feed-forward network, each added to what comes in.

    Args:
        settings: The decoder's shape.
    """

    def __init__(self, settings: DecoderSettings) -> None:
        super().__init__()
        width = settings.width
        self.heads = settings.heads
        self.before_attention = nn.RMSNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width, bias=False)
        self.query_norm = nn.RMSNorm(settings.head_size)
        self.key_norm = nn.RMSNorm(settings.head_size)
        self.attended = nn.Linear(width, width, bias=False)
        self.before_change = nn.RMSNorm(width)
        self.gate_and_units = nn.Linear(width, 2 * settings.feedforward, bias=False)
        self.changed = nn.Linear(settings.feedforward, width, bias=False)

    def forward(
        self, tokens: Float[Tensor, "rows tokens width"], turn: tuple[Tensor, Tensor], mask: Any
    ) -> Float[Tensor, "rows tokens width"]:
        """The tokens after one block.

        Args:
            tokens: Before it.
            turn: Cosines and sines of the positions; see `rotation`.
            mask: Who may see whom; see `visible`.
        """
        tokens = tokens + self._attention(self.before_attention(tokens), turn, mask)
        gate, units = self.gate_and_units(self.before_change(tokens)).chunk(2, dim=-1)
        changed: Tensor = tokens + self.changed(F.silu(gate) * units)
        return changed

    def _attention(self, tokens: Tensor, turn: tuple[Tensor, Tensor], mask: Any) -> Tensor:
        split = self.queries_keys_values(tokens).unflatten(-1, (3, self.heads, -1))
        queries, keys, values = split.transpose(1, 3).unbind(2)
        queries = rotate(self.query_norm(queries.float()), turn).to(values.dtype)
        keys = rotate(self.key_norm(keys.float()), turn).to(values.dtype)
        seen = attention(queries, keys, values, mask)
        mixed: Tensor = self.attended(seen.transpose(1, 2).flatten(2))
        return mixed


class Decoder(nn.Module):
    """Blocks and a last normalisation.

    Args:
        settings: Shape.

    Attributes:
        settings: Shape.
        is_compiled: Whether `compile_blocks` was here: what blocks are handed must then be of a fixed form.
    """

    def __init__(self, settings: DecoderSettings) -> None:
        super().__init__()
        self.settings = settings
        self.is_compiled = False
        self.blocks = nn.ModuleList(DecoderBlock(settings) for _ in range(settings.layers))
        self.last = nn.RMSNorm(settings.width)
        self._initialise()

    def _initialise(self) -> None:
        """Small weights; those that write into the sum of all blocks smaller still, so that the sum keeps its size."""
        for block in self.blocks:
            for name, parameter in block.named_parameters():
                if parameter.ndim == 2:
                    writes = name.startswith(("attended", "changed"))
                    scale = INITIAL_SCALE / (2 * self.settings.layers) ** 0.5 if writes else INITIAL_SCALE
                    nn.init.normal_(parameter, std=scale)

    def forward(
        self,
        tokens: Float[Tensor, "rows tokens width"],
        segment: Int[Tensor, "rows tokens"],
        position: Int[Tensor, "rows tokens"],
    ) -> Float[Tensor, "rows tokens width"]:
        """Let each token see the earlier ones of its segment.

        Args:
            tokens: Embedded.
            segment: Trajectory of each token within its row, 0 for empty places.
            position: Tokens of the same trajectory before this one; those of an earlier row count too, should a
                trajectory have been cut.

        Returns:
            The tokens after all blocks, normalised; those of empty places mean nothing.
        """
        turn = rotation(position, self.settings.head_size)
        mask = visible(segment, is_compiled=self.is_compiled)
        for block in self.blocks:
            tokens = block(tokens, turn, mask)
        result: Tensor = self.last(tokens)
        return result


def rotation(position: Int[Tensor, "rows tokens"], head_size: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines of each position's angles, float32 `[rows, 1, tokens, head_size / 2]`."""
    pairs = torch.arange(0, head_size, 2, dtype=torch.float32, device=position.device)
    angles = position.to(torch.float32)[:, None, :, None] / ROPE_BASE ** (pairs / head_size)
    return angles.cos(), angles.sin()


def rotate(heads: Float[Tensor, "rows heads tokens size"], turn: tuple[Tensor, Tensor]) -> Tensor:
    """Turn the pairs (i, i + size / 2) of each head by the position's angles."""
    cosine, sine = turn
    first, second = heads.chunk(2, dim=-1)
    return torch.cat((first * cosine - second * sine, second * cosine + first * sine), dim=-1)


Spans = tuple[tuple[int, int, int], ...]
"""(row, first token, token behind the last) of stretches that see nothing but themselves, in order."""


def visible(segment: Int[Tensor, "rows tokens"], *, is_compiled: bool = False) -> Tensor | BlockMask | Spans:
    """Who may see whom: the earlier tokens of the same segment, in the form that suits the device.

    On CUDA the mask is never written out: FlexAttention skips blocks that nothing may see. On a CPU attention is
    computed segment by segment, in half the time; where the form may not change from batch to batch, under a matrix.
    """
    if segment.device.type == "cuda":
        return visible_blocks(segment)
    return visible_matrix(segment) if is_compiled or segment.device.type != "cpu" else visible_spans(segment)


def visible_spans(segment: Int[Tensor, "rows tokens"]) -> Spans:
    """Where each segment lies."""
    spans = []
    for row, segments in enumerate(segment):
        lengths = torch.unique_consecutive(segments, return_counts=True)[1]
        ends = lengths.cumsum(0).tolist()
        spans += [(row, begin, end) for begin, end in zip([0, *ends], ends, strict=False)]
    return tuple(spans)


def visible_matrix(segment: Int[Tensor, "rows tokens"]) -> Tensor:
    """Bool `[rows, 1, tokens, tokens]`, which all heads share."""
    count = segment.shape[1]
    before = torch.ones(count, count, dtype=torch.bool, device=segment.device).tril()
    return (segment[:, None, :, None] == segment[:, None, None, :]) & before


def visible_blocks(segment: Int[Tensor, "rows tokens"]) -> BlockMask:
    """Which blocks of the matrix hold anything, and the rule within them."""
    from torch.nn.attention.flex_attention import create_block_mask

    rows, count = segment.shape
    return create_block_mask(
        lambda row, _head, query, key: (segment[row, query] == segment[row, key]) & (query >= key),
        rows,
        None,
        count,
        count,
        device=segment.device.type,
    )


def attention(queries: Tensor, keys: Tensor, values: Tensor, mask: Any) -> Tensor:
    """What was seen, `[rows, heads, tokens, head_size]`; all forms of the mask give the same up to rounding."""
    if isinstance(mask, Tensor):
        return F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
    if isinstance(mask, tuple):
        return attention_in_spans(queries, keys, values, mask)
    from torch.nn.attention.flex_attention import flex_attention

    attend: Callable[..., Any] = flex_attention  # compiled with the block around it, if that is
    if queries.device.type == "cuda" and not torch.compiler.is_compiling():
        attend = _compiled_attention()
    # Compiled for a CPU (PyTorch 2.13) it takes the values' layout for that of the queries; equal ones are safe.
    queries, keys, values = queries.contiguous(), keys.contiguous(), values.contiguous()
    seen: Tensor = attend(queries, keys, values, block_mask=mask)
    return seen


def attention_in_spans(queries: Tensor, keys: Tensor, values: Tensor, spans: Spans) -> Tensor:
    """Causal attention within each span by itself."""
    seen: list[list[Tensor]] = [[] for _ in range(len(queries))]
    for row, begin, end in spans:
        query, key, value = (heads[row : row + 1, :, begin:end] for heads in (queries, keys, values))
        seen[row].append(F.scaled_dot_product_attention(query, key, value, is_causal=True))
    return torch.cat([torch.cat(parts, dim=2) for parts in seen])


def compile_blocks(network: nn.Module) -> None:
    """Compile each decoder block below a network, in place: names of parameters stay as they are.

    Block by block rather than as a whole, because data-parallel training then sends the gradients of the last block
    while those of the first are still being computed, and because equal blocks are compiled once.
    """
    for module in network.modules():
        if isinstance(module, Decoder):
            module.is_compiled = True
            for block in module.blocks:
                block.compile(dynamic=False)


@cache
def _compiled_attention() -> Callable[..., Any]:
    """FlexAttention compiled by itself, for blocks that are not: only so it spares what the mask hides."""
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention, dynamic=False)
