"""Both networks' view of a batch: values of the actions taken, and what they should be.

Job: run the online and the target network over the windows as R2D2 does, ask curiosity, and compute the targets. Place
in the data flow: first half of `ValueLearner.update`. Left out: everything that changes weights.

Slots of a window: `burn_in` warm both networks' states up from the stored state, without gradient; the trained ones
give values with gradient; `num_steps` are looked ahead at, without gradient. A network without memory need not see
them all: where that is fewer, it is evaluated only where values are needed (`bootstrapping`).

Axes: `batch`, `time` (all slots), `trained`, `heads` (0 extrinsic, 1 intrinsic), `actions`.

Source: R2D2 (Kapturowski et al. 2019), section 2.3 and figure 1.
"""
# ruff: noqa: F722 - axis names inside shape annotations are not Python expressions

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from gamefleet.learners.bootstrapping import bootstrap_slots, bootstrap_values
from gamefleet.learners.curiosity import Curiosity, Novelty
from gamefleet.learners.losses import chosen_values, double_q_values
from gamefleet.learners.returns import endless_targets, episodic_targets
from gamefleet.learners.settings import ValueSettings
from gamefleet.learners.tensors import Inputs, TensorBatch
from gamefleet.models.recurrent import RecurrentQNetwork
from gamefleet.models.rescaling import rescale


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Both networks' view of a batch, from which loss and priorities follow.

    Args:
        values: Squashed online values of the actions taken, with gradient.
        targets: Squashed targets.
        is_trained: Slots to learn at.
        novelty: What curiosity says, if there is one.
        auxiliary: The encoder's auxiliary loss of each trained slot, with gradient, if it counts.
    """

    values: Float[Tensor, "batch trained heads"]
    targets: Float[Tensor, "batch trained heads"]
    is_trained: Bool[Tensor, "batch trained"]
    novelty: Novelty | None
    auxiliary: Float[Tensor, "batch trained"] | None = None

    @property
    def errors(self) -> Float[Tensor, "batch trained heads"]:
        """TD errors, zero where nothing is learned."""
        return (self.targets - self.values).masked_fill(~self.is_trained.unsqueeze(-1), 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluator:
    """What stays the same from batch to batch.

    Args:
        online: The network that learns.
        target: Its older copy.
        curiosity: Gives the intrinsic head its rewards; None without one.
        settings: Numbers of the algorithm.
        burn_in: Slots at a window's start that only warm the recurrent state up.
    """

    online: RecurrentQNetwork
    target: RecurrentQNetwork
    curiosity: Curiosity | None
    settings: ValueSettings
    burn_in: int

    def evaluate(self, batch: TensorBatch) -> Evaluation:
        """Run both networks and compute the targets."""
        start, stop = self.burn_in, batch.action.shape[1] - self.settings.num_steps
        device = batch.action.device.type
        uses_bfloat16 = self.settings.precision == "bfloat16" and device != "cpu"
        with torch.autocast(device, torch.bfloat16, enabled=uses_bfloat16):
            features = encode(self.online, batch.span(start, stop))
            if self._needs_few(stop - start):
                q, bootstrap = self._few_values(batch, start, stop, features)
            else:
                q, bootstrap = self._all_values(batch, start, stop, features)
            auxiliary = self._auxiliary_loss(batch, start, stop, features)
        novelty = self._measure_novelty(batch)
        return Evaluation(
            values=chosen_values(q, batch.action[:, start:stop]),
            targets=self._targets(batch, bootstrap, novelty),
            is_trained=~batch.is_last[:, start:stop],
            novelty=novelty,
            auxiliary=auxiliary,
        )

    def _needs_few(self, num_trained: int) -> bool:
        """Whether bootstrap slots are fewer than whole windows; endless returns need others than episodic ones."""
        is_memoryless = self.online.state_size == 0 and self.curiosity is None
        return is_memoryless and num_trained < 2 * self.settings.num_steps

    def _few_values(self, batch: TensorBatch, start: int, stop: int, features: Tensor) -> tuple[Tensor, Tensor]:
        """Online values of the trained slots with gradient, and bootstrap values where they are needed."""
        outputs, _ = self.online.remember(features, batch.is_first[:, start:stop], batch.state)
        slots = bootstrap_slots(batch.is_last[:, start:], self.settings.num_steps)
        bootstrap = bootstrap_values(self.online, self.target, batch.span(start, None), slots)
        return self.online.heads(outputs).float(), bootstrap

    def _all_values(self, batch: TensorBatch, start: int, stop: int, features: Tensor) -> tuple[Tensor, Tensor]:
        """Online values of the trained slots with gradient, and bootstrap values of all slots after burn-in."""
        q, q_ahead = self._online_values(batch, start, stop, features)
        q_target = self._target_values(batch, start)
        legal = self.online.legal_actions({name: array[:, start:] for name, array in batch.obs.items()})
        return q, double_q_values(torch.cat([q.detach(), q_ahead], dim=1), q_target, legal)

    def _online_values(self, batch: TensorBatch, start: int, stop: int, features: Tensor) -> tuple[Tensor, Tensor]:
        """Online values of the trained slots with gradient, and of the look-ahead without."""
        network = self.online
        before, ahead = batch.span(0, start), batch.span(stop, None)
        with torch.no_grad():
            state = warm_state(network, before, batch.state)
        outputs, state = network.remember(features, batch.is_first[:, start:stop], state)
        with torch.no_grad():
            ahead_outputs, _ = network.remember(encode(network, ahead), ahead.is_first, state.detach())
            q_ahead = network.heads(ahead_outputs).float()
        return network.heads(outputs).float(), q_ahead

    def _target_values(self, batch: TensorBatch, start: int) -> Tensor:
        """Target values of all slots after burn-in; the target network is burnt in as well."""
        with torch.no_grad():
            before, here = batch.span(0, start), batch.span(start, None)
            state = warm_state(self.target, before, batch.state)
            outputs, _ = self.target.remember(encode(self.target, here), here.is_first, state)
            values: Tensor = self.target.heads(outputs).float()
        return values

    def _auxiliary_loss(self, batch: TensorBatch, start: int, stop: int, features: Tensor) -> Tensor | None:
        """What the encoder wants to be good at besides, for each trained slot."""
        if self.settings.auxiliary_weight == 0.0:
            return None
        encoder: Any = self.online.encoder
        loss: Tensor = encoder.auxiliary_loss(features[..., : encoder.output_size], batch.span(start, stop).obs)
        return loss.float().masked_fill(batch.is_last[:, start:stop], 0.0)

    def _measure_novelty(self, batch: TensorBatch) -> Novelty | None:
        """Intrinsic rewards of all actions after burn-in whose outcome is in the window."""
        if self.curiosity is None:
            return None
        after = {name: array[:, self.burn_in + 1 :] for name, array in batch.obs.items()}
        return self.curiosity.measure(after, batch.is_last[:, self.burn_in : -1])

    def _targets(self, batch: TensorBatch, bootstrap: Tensor, novelty: Novelty | None) -> Tensor:
        """Squashed targets `[batch, trained, heads]` from bootstrap values in units of reward."""
        settings, start = self.settings, self.burn_in
        is_last = batch.is_last[:, start:]
        heads = [
            episodic_targets(
                batch.reward[:, start:],
                bootstrap[..., 0],
                is_last,
                is_terminal=batch.is_terminal[:, start:],
                num_steps=settings.num_steps,
                discount=settings.discount,
            )
        ]
        if novelty is not None and self.curiosity is not None:
            # The window's last slot has no known outcome; no trained slot's return reaches its reward.
            reward = torch.nn.functional.pad(novelty.reward, (0, 1))
            discount = self.curiosity.settings.discount
            heads.append(
                endless_targets(reward, bootstrap[..., 1], is_last, num_steps=settings.num_steps, discount=discount)
            )
        return rescale(torch.stack(heads, dim=-1))


def warm_state(network: RecurrentQNetwork, before: Inputs, state: Tensor) -> Tensor:
    """The recurrent state after the burn-in slots; a core without memory needs none."""
    if before.is_first.shape[1] == 0 or network.state_size == 0:
        return state
    return network.remember(encode(network, before), before.is_first, state)[1]


def encode(network: RecurrentQNetwork, inputs: Inputs) -> Tensor:
    """The network's features of a stretch of slots."""
    return network.encode(inputs.obs, inputs.previous_action, inputs.previous_reward)
