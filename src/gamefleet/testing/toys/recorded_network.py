"""The network of the recorded toy: two tokens per decision through a real decoder.

Job: be as small as it can be and use every part that a real game's network uses. Place in the data flow: what the toy's
`make_network` returns. Left out: everything about training.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gamefleet.models.decoder import Decoder, SequenceOutput
from gamefleet.models.decoder_settings import DecoderSettings
from gamefleet.testing.toys.recorded import NUM_CUES


class RecordedToyNetwork(nn.Module):
    """A cue token and a token from which the heads read.

    Args:
        width: Numbers per token.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.tokens_per_decision = 2
        self.cue = nn.Embedding(NUM_CUES, width)
        self.ask = nn.Parameter(torch.zeros(width))
        self.decoder = Decoder(DecoderSettings(layers=2, width=width, heads=2, feedforward=2 * width))
        self.policy = nn.Linear(width, NUM_CUES)
        self.value = nn.Linear(width, 1)

    def forward(self, obs: Mapping[str, Tensor], segment: Tensor, position: Tensor) -> SequenceOutput:
        """See `SequenceNetwork`."""
        cue = self.cue(obs["cue"].long())
        tokens = torch.stack((cue, self.ask.expand_as(cue)), dim=2).flatten(1, 2)
        places = (2 * position.unsqueeze(-1) + torch.arange(2, device=position.device)).flatten(1, 2)
        read = self.decoder(tokens, segment.repeat_interleave(2, dim=1), places)[:, 1::2]
        bits = torch.arange(7, 7 - NUM_CUES, -1, device=position.device)
        is_legal = (obs["legal"].long() >> bits) & 1 == 1
        logits = self.policy(read).masked_fill(~is_legal, -torch.inf)
        return SequenceOutput(logits=logits, value=self.value(read).squeeze(-1))

    def num_parameters(self) -> int:
        """See `SequenceNetwork`."""
        return sum(parameter.numel() for parameter in self.parameters())

    def flops_per_token(self, mean_segment_tokens: float) -> float:
        """See `SequenceNetwork`."""
        attention = self.decoder.settings.attention_flops_per_token(mean_segment_tokens)
        return 6.0 * self.num_parameters() + attention
