"""The Q-network: encoder, core (recurrent with resets, or none), heads.

Job: observations, the previous action and reward, and a recurrent state in; action values of each head and the next
state out. Place in the data flow: actors run it one slot at a time, the learner over whole windows. Left out: the
encoder itself (each game brings its own), exploration (`actors`) and training (`learners`).

Axes: `batch`, `time`, `features`, `state` (packed), `heads` (0 extrinsic, 1 intrinsic), `actions`.

The state of any core is one float32 row per sequence, so that replay and actors can store it without knowing the core:
a GRU's hidden state, an LSTM's hidden state followed by its cell state, nothing for `none` and `identity`.

An encoder may bring heads of its own (`make_heads`), for games whose actions belong to parts of the observation: the
value of playing a card is then read from that card. Such an encoder is meant for the core `identity`.

Source: R2D2 (Kapturowski et al. 2019), section 2.3 and appendix: encoder, one-hot previous action and previous reward
into an LSTM, then dueling heads.
"""
# ruff: noqa: F722 - axis names inside shape annotations are not Python expressions

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor, nn

from gamefleet.models.heads import QHeads
from gamefleet.models.rescaling import rescale, unscale
from gamefleet.models.settings import NetworkSettings, architecture_json

Observations = Mapping[str, Tensor]


class RecurrentQNetwork(nn.Module):
    """Q-values of a game's actions, given all that was seen since the episode's start.

    Args:
        encoder: Maps named arrays `[batch, ...]` to features `[batch, encoder.output_size]`.
        num_actions: Number of actions.
        num_heads: 1 (extrinsic), or 2 with an intrinsic head.
        settings: Core and widths.
        legal: Name of the array that says which actions are legal, bit-packed; empty when all are, always.
    """

    def __init__(
        self, encoder: nn.Module, *, num_actions: int, num_heads: int, settings: NetworkSettings, legal: str = ""
    ) -> None:
        super().__init__()
        self.num_actions = num_actions
        self.num_heads = num_heads
        self.settings = settings
        self.legal = legal
        self.encoder = encoder
        num_features = int(encoder.output_size)  # type: ignore[arg-type]  # the encoder's contract
        is_identity = settings.core == "identity"
        self.core = make_core(settings, num_features if is_identity else num_features + num_actions + 1)
        self.heads = make_heads(self, num_features if is_identity else settings.hidden_size)

    @property
    def state_size(self) -> int:
        """Numbers in one packed state; 0 for a network without memory."""
        return {"gru": 1, "lstm": 2}.get(self.settings.core, 0) * self.settings.hidden_size

    @property
    def architecture_json(self) -> dict[str, Any]:
        """What must be equal for weights to fit; see `settings.architecture_json`."""
        return architecture_json(self.settings, num_actions=self.num_actions, num_heads=self.num_heads)

    def initial_state(self, batch_size: int) -> Float[Tensor, "batch state"]:
        """The state at an episode's first slot: zeros."""
        return torch.zeros(batch_size, self.state_size, device=next(self.parameters()).device)

    def forward(
        self,
        obs: Observations,
        previous_action: Int64[Tensor, "batch time"],
        previous_reward: Float[Tensor, "batch time"],
        is_first: Bool[Tensor, "batch time"],
        state: Float[Tensor, "batch state"],
    ) -> tuple[Float[Tensor, "batch time heads actions"], Float[Tensor, "batch state"]]:
        """Action values for every slot.

        Args:
            obs: Named arrays `[batch, time, ...]`, packed as the game gives them.
            previous_action: The action before each slot, -1 for none.
            previous_reward: What that action caused, in units of reward.
            is_first: Slots before which the state is zeroed.
            state: The state before the first slot.

        Returns:
            Squashed action values (`rescaling.rescale` of the value) and the state after the last slot.
        """
        features = self.encode(obs, previous_action, previous_reward)
        outputs, state = self.remember(features, is_first, state)
        return self.heads(outputs), state

    def encode(
        self,
        obs: Observations,
        previous_action: Int64[Tensor, "batch time"],
        previous_reward: Float[Tensor, "batch time"],
    ) -> Float[Tensor, "batch time features"]:
        """What enters the core: encoded observations, one-hot previous action, squashed previous reward.

        The core `identity` gets the encoded observations only.
        """
        batch_size, num_slots = previous_action.shape
        encoded: Tensor = self.encoder({name: array.flatten(0, 1) for name, array in obs.items()})
        if self.settings.core == "identity":
            return encoded.view(batch_size, num_slots, -1)
        actions = torch.arange(self.num_actions, device=previous_action.device)
        one_hot = (previous_action.unsqueeze(-1) == actions).to(encoded.dtype)  # all zeros for -1
        reward = rescale(previous_reward).unsqueeze(-1).to(encoded.dtype)
        return torch.cat([encoded.view(batch_size, num_slots, -1), one_hot, reward], dim=-1)

    def remember(
        self,
        features: Float[Tensor, "batch time features"],
        is_first: Bool[Tensor, "batch time"],
        state: Float[Tensor, "batch state"],
    ) -> tuple[Float[Tensor, "batch time hidden"], Float[Tensor, "batch state"]]:
        """Run the core over the time axis, zeroing the state before first slots.

        The fused kernels know no resets, so time is cut where any sequence of the batch resets and each piece is one
        call. That is exact, and close to one call where episodes are longer than windows.
        """
        if self.settings.core == "identity":
            return features, state
        if self.settings.core == "none":
            return torch.relu(self.core(features)), state
        pieces = []
        for start, stop in segments(is_first):
            state = state.masked_fill(is_first[:, start].unsqueeze(1), 0.0)
            output, state = self._run(features[:, start:stop], state)
            pieces.append(output)
        return torch.cat(pieces, dim=1) if len(pieces) > 1 else pieces[0], state

    def _run(self, features: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One call of the fused kernel; packs and unpacks the state."""
        if self.settings.core == "gru":
            output, hidden = self.core(features, state.unsqueeze(0))
            return output, hidden.squeeze(0).float()
        hidden, cell = (part.unsqueeze(0).contiguous() for part in state.chunk(2, dim=1))
        output, (hidden, cell) = self.core(features, (hidden, cell))
        return output, torch.cat([hidden, cell], dim=2).squeeze(0).float()

    def legal_actions(self, obs: Observations) -> Bool[Tensor, "*axes actions"] | None:
        """Which actions are legal in each observation, None when all are.

        Args:
            obs: Named arrays `[*axes, ...]`.
        """
        if not self.legal:
            return None
        return unpacked(obs[self.legal], self.num_actions)

    def action_values(
        self, q: Float[Tensor, "*axes heads actions"], intrinsic_weight: float | Tensor
    ) -> Float[Tensor, "*axes actions"]:
        """One value per action for greedy choice, from all heads.

        Args:
            q: Squashed values of each head.
            intrinsic_weight: How much one unit of normalised intrinsic return is worth in units of reward; a number
                or a tensor that broadcasts to `[*axes, actions]`.

        Returns:
            h^-1(q_e) + weight h^-1(q_i), in units of reward: the heads are added where they are returns, because a sum
            of squashed values is not a squashed sum. Agent57 applies h once more on top; that does not change which
            action is best.

        Source: Agent57 (Badia et al. 2020), section 3.1 and appendix.
        """
        extrinsic = unscale(q[..., 0, :])
        if self.num_heads == 1:
            return extrinsic
        return extrinsic + intrinsic_weight * unscale(q[..., 1, :])


def make_core(settings: NetworkSettings, num_inputs: int) -> nn.Module:
    """The core that the settings name; `none` is a layer of the same width without memory."""
    if settings.core == "identity":
        return nn.Identity()
    if settings.core == "gru":
        return nn.GRU(num_inputs, settings.hidden_size, batch_first=True)
    if settings.core == "lstm":
        return nn.LSTM(num_inputs, settings.hidden_size, batch_first=True)
    return nn.Linear(num_inputs, settings.hidden_size)


def make_heads(network: RecurrentQNetwork, num_features: int) -> nn.Module:
    """The encoder's own heads, or general ones on `num_features` features."""
    own = getattr(network.encoder, "make_heads", None)
    if own is not None:
        heads: nn.Module = own(network.num_heads)
        return heads
    settings = network.settings
    return QHeads(
        num_features,
        network.num_actions,
        num_heads=network.num_heads,
        hidden_size=settings.head_size,
        dueling=settings.dueling,
    )


def unpacked(packed: UInt8[Tensor, "*axes bytes"], count: int) -> Bool[Tensor, "*axes count"]:
    """The first `count` bits of each row, as `numpy.packbits` packed them (the highest bit of a byte is the first).

    Args:
        packed: Bytes.
        count: Bits that mean something; the rest is padding.
    """
    shifts = torch.arange(7, -1, -1, device=packed.device, dtype=torch.uint8)
    bits = (packed.unsqueeze(-1) >> shifts) & 1
    return bits.flatten(-2)[..., :count].bool()


def segments(is_first: Bool[Tensor, "batch time"]) -> list[tuple[int, int]]:
    """Cut the time axis before every slot at which any sequence starts an episode.

    Returns:
        Consecutive `(start, stop)` pairs that cover the axis.
    """
    num_slots = is_first.shape[1]
    resets: list[int] = (is_first[:, 1:].any(dim=0).nonzero().flatten() + 1).tolist()
    edges = [0, *resets, num_slots]
    return list(itertools.pairwise(edges))
