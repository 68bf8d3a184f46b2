"""The learner: recurrent double Q-learning from replayed sequences.

Job: one update from one `SequenceBatch`: targets, loss, gradients, target network, priorities, metrics. Place in the
data flow: replay -> here -> weights for the actors, priorities for the replay. Left out: storage, schedule, files.

Time axis of a batch: `burn_in` slots warm both networks' states up from the stored state, without gradient; `unroll`
slots are trained on; `num_steps` slots are looked ahead at. Slots with `is_last` are never trained on.

An update changes everything or nothing: what can fail (memory, broken numbers) comes before the first write.

Axes: `batch`, `time` (all slots), `trained` (unroll), `heads` (0 extrinsic, 1 intrinsic), `actions`.

Source: R2D2 (Kapturowski et al. 2019); double Q-learning (van Hasselt et al. 2016); heads: Agent57 (Badia et al. 2020).
"""
# ruff: noqa: F722 - axis names inside shape annotations are not Python expressions

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from gamefleet.errors import ConfigError, DeviceMemoryError, GamefleetError
from gamefleet.experience.types import SequenceBatch
from gamefleet.learners.curiosity import Curiosity, Novelty
from gamefleet.learners.losses import (
    chosen_values,
    double_q_values,
    importance_weights,
    squared_loss,
    window_priorities,
)
from gamefleet.learners.optimizer import ClippedAdam
from gamefleet.learners.returns import endless_targets, episodic_targets
from gamefleet.learners.settings import ValueSettings
from gamefleet.learners.tensors import Inputs, TensorBatch, to_device
from gamefleet.models.arrays import Arrays, load_arrays, module_arrays
from gamefleet.models.recurrent import RecurrentQNetwork
from gamefleet.models.rescaling import rescale

METRICS: dict[str, tuple[str, str]] = {
    "learner/loss": ("squashed reward²", "Extrinsic TD loss, summed over a window's slots, mean over windows"),
    "learner/intrinsic_loss": ("squashed reward²", "The same of the intrinsic head; only with curiosity"),
    "learner/td_error": ("squashed reward", "Mean |extrinsic TD error| of the trained slots"),
    "learner/q_mean": ("squashed reward", "Mean extrinsic value of the actions taken"),
    "learner/q_max": ("squashed reward", "Largest extrinsic value of the actions taken"),
    "learner/target_mean": ("squashed reward", "Mean extrinsic target"),
    "learner/gradient_norm": ("1", "Global norm of the network's gradient before clipping"),
    "learner/priority_mean": ("squashed reward", "Mean priority of the batch's windows"),
    "learner/priority_max": ("squashed reward", "Largest priority of the batch's windows"),
    "learner/skipped_updates": ("updates", "Updates skipped because of NaN or infinity, since the run began"),
    "curiosity/loss": ("1", "The predictor's mean squared error on the slots it learned from"),
    "curiosity/error": ("1", "Mean prediction error of the batch: how new it is, not normalised"),
    "curiosity/reward_mean": ("normalised reward", "Mean intrinsic reward of the batch"),
    "curiosity/return_std": ("1", "Running standard deviation of the discounted prediction error"),
    "curiosity/q_mean": ("squashed reward", "Mean intrinsic value of the actions taken"),
    "curiosity/gradient_norm": ("1", "Global norm of the predictor's gradient before clipping"),
}
"""Every metric that an update reports: unit and meaning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateResult:
    """What one update tells.

    Args:
        priorities: float64 `[batch]`, for the replay.
        metrics: Finite numbers under the names in `METRICS`.
    """

    priorities: NDArray[np.float64]
    metrics: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Both networks' view of a batch, from which loss and priorities follow.

    Args:
        values: Squashed online values of the actions taken, with gradient.
        targets: Squashed targets.
        is_trained: Slots to learn at.
        novelty: What curiosity says, if there is one.
    """

    values: Float[Tensor, "batch trained heads"]
    targets: Float[Tensor, "batch trained heads"]
    is_trained: Bool[Tensor, "batch trained"]
    novelty: Novelty | None

    @property
    def errors(self) -> Float[Tensor, "batch trained heads"]:
        """TD errors, zero where nothing is learned."""
        return (self.targets - self.values).masked_fill(~self.is_trained.unsqueeze(-1), 0.0)


class ValueLearner:
    """Owns the online and the target network and improves the former.

    Args:
        network: The online network; trained in place.
        settings: Numbers of the algorithm.
        burn_in: Slots at a window's start that only warm the recurrent state up.
        curiosity: Gives intrinsic rewards to the network's second head; None without one.
        device: Where it computes.

    Raises:
        ConfigError: The number of heads does not fit curiosity.
    """

    def __init__(
        self,
        network: RecurrentQNetwork,
        settings: ValueSettings,
        *,
        burn_in: int,
        curiosity: Curiosity | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        if network.num_heads != (2 if curiosity else 1):
            raise ConfigError(
                "The network's heads do not fit curiosity",
                value=network.num_heads,
                remedy="It needs 2 heads with curiosity and 1 without.",
            )
        self.device = torch.device(device)
        self.network = network.to(self.device)
        self.curiosity = curiosity
        self.num_updates = 0
        self.num_skipped = 0
        self._skipped_in_a_row = 0
        self._settings = settings
        self._burn_in = burn_in
        # The second .to() lays the copy's recurrent weights out in one block again, which CUDA kernels want.
        self._target = copy.deepcopy(self.network).requires_grad_(False).to(self.device)
        self._optimizer = ClippedAdam(
            {name: p for name, p in network.named_parameters() if p.requires_grad},
            learning_rate=settings.learning_rate,
            epsilon=settings.adam_epsilon,
            max_norm=settings.max_gradient_norm,
        )

    def update(self, batch: SequenceBatch) -> UpdateResult:
        """Learn from one batch.

        Args:
            batch: Windows of `burn_in + unroll + num_steps` slots.

        Returns:
            Priorities of its windows and metrics. An update whose loss or gradient is not finite changes nothing, is
            counted, and says so in the metrics.

        Raises:
            DeviceMemoryError: The accelerator ran out of memory; nothing has changed.
            GamefleetError: Too many updates in a row had no finite gradient.
        """
        random_state = self.curiosity.random_state if self.curiosity else None
        try:
            return self._update(batch)
        except torch.OutOfMemoryError as error:
            self._forget(random_state)
            raise out_of_memory(self.device, batch) from error

    def _update(self, batch: SequenceBatch) -> UpdateResult:
        tensors = to_device(batch, self.device)
        weights = self._importance_weights(batch)
        evaluation = self._evaluate(tensors)
        losses = squared_loss(evaluation.errors, weights)
        novelty = evaluation.novelty
        total = losses.sum() if novelty is None else losses.sum() + novelty.loss
        total.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        norms = [self._optimizer.clip(), *([self.curiosity.clip()] if self.curiosity else [])]
        report = self._report(evaluation, losses, norms)
        is_finite = all(map(math.isfinite, report.metrics.values()))
        if is_finite:
            self._apply(novelty)
        else:
            self._skip(report)
        finite = {name: value for name, value in report.metrics.items() if math.isfinite(value)}
        return UpdateResult(
            priorities=report.priorities, metrics={**finite, "learner/skipped_updates": float(self.num_skipped)}
        )

    def _evaluate(self, batch: TensorBatch) -> Evaluation:
        """Run both networks and compute the targets."""
        start, num_steps = self._burn_in, self._settings.num_steps
        stop = batch.action.shape[1] - num_steps
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._uses_bfloat16()):
            q, q_ahead = self._online_values(batch, start, stop)
            q_target = self._target_values(batch, start)
        online = torch.cat([q.detach(), q_ahead], dim=1)
        bootstrap = double_q_values(online, q_target)
        novelty = self._measure_novelty(batch)
        return Evaluation(
            values=chosen_values(q, batch.action[:, start:stop]),
            targets=self._targets(batch, bootstrap, novelty),
            is_trained=~batch.is_last[:, start:stop],
            novelty=novelty,
        )

    def _online_values(self, batch: TensorBatch, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Online values of the trained slots with gradient, and of the look-ahead without."""
        network = self.network
        with torch.no_grad():
            before, ahead = batch.span(0, start), batch.span(stop, batch.action.shape[1])
            state = self._warm_state(network, before, batch.state)
            ahead_features = encode(network, ahead)
        here = batch.span(start, stop)
        outputs, state = network.remember(encode(network, here), here.is_first, state)
        with torch.no_grad():
            ahead_outputs, _ = network.remember(ahead_features, ahead.is_first, state.detach())
            q_ahead = network.heads(ahead_outputs).float()
        return network.heads(outputs).float(), q_ahead

    def _target_values(self, batch: TensorBatch, start: int) -> Tensor:
        """Target values of all slots after burn-in; the target network is burnt in as well."""
        with torch.no_grad():
            everything = batch.span(0, batch.action.shape[1])
            outputs, _ = self._target.remember(encode(self._target, everything), everything.is_first, batch.state)
            values: Tensor = self._target.heads(outputs[:, start:]).float()
        return values

    @staticmethod
    def _warm_state(network: RecurrentQNetwork, before: Inputs, state: Tensor) -> Tensor:
        if before.is_first.shape[1] == 0 or network.state_size == 0:
            return state
        return network.remember(encode(network, before), before.is_first, state)[1]

    def _measure_novelty(self, batch: TensorBatch) -> Novelty | None:
        """Intrinsic rewards of all actions after burn-in whose outcome is in the window."""
        if self.curiosity is None:
            return None
        after = {name: array[:, self._burn_in + 1 :] for name, array in batch.obs.items()}
        return self.curiosity.measure(after, batch.is_last[:, self._burn_in : -1])

    def _targets(self, batch: TensorBatch, bootstrap: Tensor, novelty: Novelty | None) -> Tensor:
        """Squashed targets `[batch, trained, heads]` from bootstrap values in units of reward."""
        settings, start = self._settings, self._burn_in
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

    def _report(self, evaluation: Evaluation, losses: Tensor, norms: list[Tensor]) -> UpdateResult:
        """Priorities and metrics, in two transfers from the device."""
        sizes = evaluation.errors.detach().abs()
        mixed = sizes[..., 0]
        if self.curiosity:
            mixed = mixed + self.curiosity.settings.weight * sizes[..., 1]
        share = self._settings.priority_max_share
        priorities = window_priorities(mixed, evaluation.is_trained, share)
        scalars = {**summary(evaluation, losses), "learner/gradient_norm": norms[0]}
        scalars |= {"learner/priority_mean": priorities.mean(), "learner/priority_max": priorities.max()}
        if evaluation.novelty is not None:
            scalars |= {"curiosity/gradient_norm": norms[1]}
        numbers = torch.stack([value.detach().float() for value in scalars.values()]).tolist()
        return UpdateResult(
            priorities=priorities.cpu().numpy(), metrics=dict(zip(scalars.keys(), numbers, strict=True))
        )

    def _apply(self, novelty: Novelty | None) -> None:
        """Take the step, then move the target network if it is time."""
        self._optimizer.step()
        if self.curiosity is not None and novelty is not None:
            self.curiosity.learn(novelty)
        self.num_updates += 1
        self._skipped_in_a_row = 0
        settings = self._settings
        if settings.target_mix > 0:
            self._move_target(settings.target_mix)
        elif self.num_updates % settings.target_update_interval_updates == 0:
            self._move_target(1.0)

    def _move_target(self, fraction: float) -> None:
        """Move the target network by a fraction of its distance to the online one; 1 copies it."""
        with torch.no_grad():
            if fraction == 1.0:
                torch._foreach_copy_(list(self._target.parameters()), list(self.network.parameters()))
            else:
                torch._foreach_lerp_(list(self._target.parameters()), list(self.network.parameters()), fraction)
            for mine, theirs in zip(self._target.buffers(), self.network.buffers(), strict=True):
                mine.copy_(theirs)

    def _skip(self, report: UpdateResult) -> None:
        """Count an update without finite numbers; drop its gradients.

        Raises:
            GamefleetError: It was one too many in a row.
        """
        self._forget(None)
        self.num_skipped += 1
        self._skipped_in_a_row += 1
        if self._skipped_in_a_row >= self._settings.max_skipped_updates:
            raise GamefleetError(
                f"{self._skipped_in_a_row} updates in a row had a loss or gradient that is not finite",
                value={name: value for name, value in report.metrics.items() if not math.isfinite(value)},
                where=f"update {self.num_updates}",
                remedy="The weights are as they were before. Resume from an older checkpoint with a lower "
                "learner.learning_rate, and check that the game's rewards and observations are finite.",
            )

    def _forget(self, random_state: Tensor | None) -> None:
        """Drop what an unfinished update left behind."""
        self._optimizer.clear()
        if self.curiosity is not None:
            self.curiosity.forget(self.curiosity.random_state if random_state is None else random_state)

    def _importance_weights(self, batch: SequenceBatch) -> Tensor:
        probability = torch.from_numpy(np.array(batch.probability))
        exponent = self._settings.importance_exponent
        return importance_weights(probability, batch.num_windows, exponent).to(self.device)

    def _uses_bfloat16(self) -> bool:
        return self._settings.precision == "bfloat16" and self.device.type != "cpu"

    def weights(self) -> Arrays:
        """A copy of the online network's weights, for actors and files."""
        return module_arrays(self.network)

    def export_state(self) -> dict[str, Any]:
        """Everything that shapes the next update, as nested dicts of JSON values, arrays and bytes."""
        return {
            "network": module_arrays(self.network),
            "target": module_arrays(self._target),
            "optimizer": self._optimizer.export_state(),
            "curiosity": self.curiosity.export_state() if self.curiosity else None,
            "num_updates": self.num_updates,
            "num_skipped": self.num_skipped,
            "skipped_in_a_row": self._skipped_in_a_row,
        }

    def import_state(self, state: Mapping[str, Any]) -> None:
        """Continue from `export_state`; on a CPU the next updates are bit-identical to those of the exporter.

        Raises:
            IncompatibleError: It belongs to another architecture.
        """
        load_arrays(self.network, state["network"])
        load_arrays(self._target, state["target"])
        self._optimizer.import_state(state["optimizer"])
        if self.curiosity is not None:
            self.curiosity.import_state(state["curiosity"])
        self.num_updates = int(state["num_updates"])
        self.num_skipped = int(state["num_skipped"])
        self._skipped_in_a_row = int(state["skipped_in_a_row"])


def encode(network: RecurrentQNetwork, inputs: Inputs) -> Tensor:
    """The network's features of a stretch of slots."""
    return network.encode(inputs.obs, inputs.previous_action, inputs.previous_reward)


def summary(evaluation: Evaluation, losses: Float[Tensor, " heads"]) -> dict[str, Tensor]:
    """Scalars of one update under their metric names, still on the device."""
    count = evaluation.is_trained.sum().clamp(min=1)
    is_trained = evaluation.is_trained.unsqueeze(-1)
    values = evaluation.values.detach().masked_fill(~is_trained, 0.0)
    targets = evaluation.targets[..., 0].masked_fill(~evaluation.is_trained, 0.0)
    means = values.sum(dim=(0, 1)) / count
    scalars = {
        "learner/loss": losses[0],
        "learner/td_error": evaluation.errors[..., 0].abs().sum() / count,
        "learner/q_mean": means[0],
        "learner/q_max": values[..., 0].max(),
        "learner/target_mean": targets.sum() / count,
    }
    novelty = evaluation.novelty
    if novelty is None:
        return scalars
    return scalars | {
        "learner/intrinsic_loss": losses[1],
        "curiosity/loss": novelty.loss,
        "curiosity/error": novelty.error,
        "curiosity/reward_mean": novelty.reward.mean(),
        "curiosity/return_std": novelty.returns.std.squeeze(0),
        "curiosity/q_mean": means[1],
    }


def out_of_memory(device: torch.device, batch: SequenceBatch) -> DeviceMemoryError:
    """The error for an accelerator without room for an update, with the numbers that help."""
    peak_bytes = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    batch_size, num_slots = batch.action.shape
    return DeviceMemoryError(
        f"The update needs more memory than {device} has: peak {peak_bytes / 2**30:.2f} GiB in PyTorch at "
        f"{batch_size} sequences of {num_slots} slots",
        value=batch_size,
        where="learner.batch_size",
        remedy=f"Lower learner.batch_size (to {max(1, batch_size // 2)}, say) or replay.unroll. "
        "The weights are as they were before; a run resumes from its last checkpoint.",
    )
