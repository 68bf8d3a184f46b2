"""Transformer blocks over a set of tokens.

Job: pre-norm self-attention and a two-layer network, stacked. Place in the data flow: inside encoders whose observation
is a set of things (cards, colours, moves). Left out: what the tokens are, and what is read from them.

Axes: `batch`, `tokens`, `width`.

Source: Vaswani et al. 2017, "Attention Is All You Need"; normalisation before each part as in Xiong et al. 2020, "On
Layer Normalization in the Transformer Architecture", which needs no warm-up of the learning rate.
"""
# ruff: noqa: F722 - axis names inside shape annotations are not Python expressions

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class TransformerBlock(nn.Module):
    """Every token looks at every other one, then changes itself.

    Args:
        width: Numbers per token.
        num_heads: Heads of attention; divides the width.
        hidden_size: Units between the two layers.
    """

    def __init__(self, width: int, *, num_heads: int, hidden_size: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.before_attention = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.attended = nn.Linear(width, width)
        self.before_change = nn.LayerNorm(width)
        self.change = nn.Sequential(nn.Linear(width, hidden_size), nn.ReLU(), nn.Linear(hidden_size, width))

    def forward(
        self, tokens: Float[Tensor, "batch tokens width"], num_read: int | None = None
    ) -> Float[Tensor, "batch read width"]:
        """The tokens after one block.

        Args:
            tokens: Before it.
            num_read: Only the first so many are wanted; all when None.
        """
        wanted = tokens[:, :num_read]
        wanted = wanted + self._attend(self.before_attention(tokens), wanted.shape[1])
        changed: Tensor = self.change(self.before_change(wanted))
        return wanted + changed

    def _attend(self, tokens: Tensor, num_read: int) -> Tensor:
        width = tokens.shape[-1]
        weight, bias = self.queries_keys_values.weight, self.queries_keys_values.bias
        queries = F.linear(tokens[:, :num_read], weight[:width], bias[:width])
        keys, values = F.linear(tokens, weight[width:], bias[width:]).chunk(2, dim=-1)
        seen = F.scaled_dot_product_attention(self._split(queries), self._split(keys), self._split(values))
        attended: Tensor = self.attended(seen.transpose(1, 2).flatten(2))
        return attended

    def _split(self, values: Tensor) -> Tensor:
        """`[batch, tokens, width]` to `[batch, heads, tokens, width of a head]`."""
        return values.reshape(*values.shape[:-1], self.num_heads, -1).transpose(1, 2)


class Transformer(nn.Module):
    """Blocks and a last normalisation.

    Args:
        width: Numbers per token.
        num_heads: Heads of attention; divides the width.
        num_layers: Blocks.
        hidden_size: Units between the two layers of a block.
    """

    def __init__(self, width: int, *, num_heads: int, num_layers: int, hidden_size: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            TransformerBlock(width, num_heads=num_heads, hidden_size=hidden_size) for _ in range(num_layers)
        )
        self.last = nn.LayerNorm(width)

    def forward(
        self, tokens: Float[Tensor, "batch tokens width"], num_read: int | None = None
    ) -> Float[Tensor, "batch read width"]:
        """The tokens after all blocks.

        Args:
            tokens: Embedded.
            num_read: Only the first so many are wanted, which spares the last block the others; all when None.
        """
        for block in self.blocks[:-1]:
            tokens = block(tokens)
        for block in self.blocks[-1:]:
            tokens = block(tokens, num_read)
        result: Tensor = self.last(tokens[:, :num_read])
        return result


def positions(count: int, width: int) -> nn.Parameter:
    """Learned vectors that tell `count` tokens apart, small at first."""
    return nn.Parameter(torch.randn(count, width) * 0.02)
