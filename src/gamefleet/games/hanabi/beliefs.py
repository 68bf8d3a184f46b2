"""What counting the cards out of sight says of each card in a hand.

Job: chances of each card, and of being playable or useless. Place in the data flow: what was read of an observation
(`reading`) -> here -> tokens (`model`). Left out: conventions; what a hint means beyond its words the network learns.

Axes: `rows`, `players` (0 is the observer), `slots`, `colors`, `ranks`.

Source: Foerster et al. 2019, "Bayesian Action Decoder", the belief before any convention (V0).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gamefleet.games.hanabi.config import HanabiConfig
from gamefleet.games.hanabi.reading import Seen


class Beliefs(nn.Module):
    """What counting says of each card: how likely it is which card, can be played now, or can never be.

    The own cards are counted with all that the observer sees, those of others with what everybody sees.

    Args:
        config: The game.
    """

    SIZE = 4
    copies: Tensor
    lower: Tensor

    def __init__(self, config: HanabiConfig) -> None:
        super().__init__()
        copies = torch.tensor(config.copies, dtype=torch.float32)
        self.register_buffer("copies", copies, persistent=False)
        self.register_buffer("lower", torch.ones(len(copies), len(copies)).triu(), persistent=False)

    def forward(self, seen: Seen) -> tuple[Tensor, Tensor]:
        """What counting says.

        Returns:
            Chances `[rows, players, slots, colors, ranks]`, and numbers `[rows, players, slots, SIZE]`: how likely the
            card can be played now and never, and whether its face can.
        """
        played = torch.einsum("bcr,qr->bcq", seen.fireworks, self.lower)
        public = self.copies - seen.gone - played
        private = public - seen.hands.sum(dim=(1, 2))
        unseen = torch.stack([private, *[public] * (seen.hands.shape[1] - 1)], dim=1)
        chances = seen.plausible * unseen.clamp(min=0.0).unsqueeze(2)
        chances = chances / chances.sum(dim=(-1, -2), keepdim=True).clamp(min=1e-6)
        playable, useless = self._worth(seen, played)
        numbers = [
            torch.einsum("bpscr,bcr->bps", cards, worth)
            for cards in (chances, seen.hands)
            for worth in (playable, useless)
        ]
        return chances, torch.stack(numbers, dim=-1)

    def _worth(self, seen: Seen, played: Tensor) -> tuple[Tensor, Tensor]:
        """Which cards can be played now, and which never can, `[rows, colors, ranks]`."""
        below = F.pad(played, (1, 0), value=1.0)[..., :-1]
        playable = below * (1.0 - played)
        lost = (seen.gone >= self.copies).to(played.dtype)
        # A card is lost when it, or one below it that is still missing, is gone with all its copies.
        barred = torch.cummax(lost * (1.0 - played), dim=-1).values
        return playable * (1.0 - lost), torch.maximum(played, barred)
