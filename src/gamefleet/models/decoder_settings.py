"""Sizes of the decoder, free of torch so that `config show` starts fast.

Job: name the sizes and count what follows from them. Place in the data flow: part of the network settings of recorded
play; read by `decoder`. Left out: embeddings and heads, which belong to the game's network.

Source: 24 layers of 1,024 numbers and 16 heads are the size that is asked for as "200M"; with the usual feed-forward of
4 times the width that would be 302 M parameters, so the gated feed-forward has 1,408 units (204.6 M in all). The others
keep its head size of 64 and, roughly, its shape; `tiny` is what a CPU can train in a quarter of an hour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gamefleet.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderSettings:
    """Shape of a decoder.

    Args:
        layers: Blocks.
        width: Numbers per token.
        heads: Of attention; divides the width into an even number.
        feedforward: Units of the gated feed-forward network of a block.
    """

    layers: int
    width: int
    heads: int
    feedforward: int

    def __post_init__(self) -> None:
        """Refuse what no decoder can be built from.

        Raises:
            ConfigError: Names the setting.
        """
        for name in ("layers", "width", "heads", "feedforward"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    "The decoder needs at least 1", value=getattr(self, name), where=name, remedy="Raise it."
                )
        if self.width % (2 * self.heads):
            raise ConfigError(
                f"The heads do not divide the width {self.width} into even parts",
                value=self.heads,
                where="heads",
                remedy="Positions turn pairs of numbers: choose heads so that width / heads is even.",
            )

    @property
    def head_size(self) -> int:
        """Numbers per head."""
        return self.width // self.heads

    def num_parameters(self) -> int:
        """Parameters of a decoder of this shape."""
        attention = 4 * self.width**2 + 2 * self.head_size
        return self.layers * (attention + 3 * self.width * self.feedforward + 2 * self.width) + self.width

    def attention_flops_per_token(self, mean_segment_tokens: float) -> float:
        """What attention costs beside the matrix products with parameters, forwards and backwards.

        Args:
            mean_segment_tokens: Length of the segment that a token lies in, averaged over tokens.

        Source: 12 x layers x width x length, as Chowdhery et al. 2022, "PaLM", appendix B, which does not take into
        account that a causal mask halves it.
        """
        return 12.0 * self.layers * self.width * mean_segment_tokens


SIZES: Mapping[str, DecoderSettings] = MappingProxyType(
    {
        "tiny": DecoderSettings(layers=2, width=96, heads=4, feedforward=288),
        "15M": DecoderSettings(layers=8, width=384, heads=6, feedforward=1024),
        "50M": DecoderSettings(layers=12, width=640, heads=10, feedforward=1280),
        "200M": DecoderSettings(layers=24, width=1024, heads=16, feedforward=1408),
    }
)
"""Name of a size -> shape, smallest first. Names count the whole network's parameters; `tiny` has half a million."""
