"""The learner: recurrent double Q-learning from replayed sequences.

Job: one update from one `SequenceBatch`: loss, gradients, step, target network, priorities. Place in the data flow:
replay -> here -> weights for the actors, priorities for the replay. Left out: what both networks say about the batch
(`evaluation`), storage, schedule, files.

An update changes everything or nothing: what can fail (memory, broken numbers) comes before the first write.

Source: R2D2 (Kapturowski et al. 2019); double Q-learning (van Hasselt et al. 2016); heads: Agent57 (Badia et al. 2020).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gamefleet.errors import GamefleetError
from gamefleet.experience.types import SequenceBatch
from gamefleet.learners.augmenting import Augmentation, Augmenter
from gamefleet.learners.curiosity import Curiosity, Novelty
from gamefleet.learners.evaluation import Evaluation, Evaluator
from gamefleet.learners.losses import importance_weights, squared_loss, weighted_mean, window_priorities
from gamefleet.learners.metrics import summary
from gamefleet.learners.optimizer import ClippedAdam
from gamefleet.learners.refusals import check_fit, out_of_memory
from gamefleet.learners.settings import ValueSettings
from gamefleet.learners.tensors import to_device
from gamefleet.models.arrays import Arrays, load_arrays, module_arrays
from gamefleet.models.recurrent import RecurrentQNetwork


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateResult:
    """What one update tells.

    Args:
        priorities: float64 `[batch]`, for the replay.
        metrics: Finite numbers under the names in `metrics.METRICS`.
    """

    priorities: NDArray[np.float64]
    metrics: dict[str, float]


class ValueLearner:
    """Owns the online and the target network and improves the former.

    Args:
        network: The online network; trained in place.
        settings: Numbers of the algorithm.
        burn_in: Slots at a window's start that only warm the recurrent state up.
        curiosity: Gives intrinsic rewards to the network's second head; None without one.
        device: Where it computes.
        augmentation: Changes batches by the game's symmetries; used when the settings say so.
        seed: Of the augmentation's choices.

    Raises:
        ConfigError: The number of heads does not fit curiosity, or the game has no augmentation and the settings ask
            for one.
    """

    def __init__(
        self,
        network: RecurrentQNetwork,
        settings: ValueSettings,
        *,
        burn_in: int,
        curiosity: Curiosity | None = None,
        device: torch.device | str = "cpu",
        augmentation: Augmentation | None = None,
        seed: int = 0,
    ) -> None:
        check_fit(network, settings, is_curious=curiosity is not None, is_symmetric=augmentation is not None)
        self.device = torch.device(device)
        self.network = network.to(self.device)
        self.curiosity = curiosity
        self.num_updates = 0
        self.num_skipped = 0
        self._skipped_in_a_row = 0
        self._settings = settings
        self._augmenter = Augmenter(augmentation if settings.augment else None, seed=seed)
        # The second .to() lays the copy's recurrent weights out in one block again, which CUDA kernels want.
        self._target = copy.deepcopy(self.network).requires_grad_(False).to(self.device)
        self._optimizer = ClippedAdam(
            {name: p for name, p in network.named_parameters() if p.requires_grad},
            learning_rate=settings.learning_rate,
            epsilon=settings.adam_epsilon,
            max_norm=settings.max_gradient_norm,
        )
        self._evaluator = Evaluator(
            online=self.network, target=self._target, curiosity=curiosity, settings=settings, burn_in=burn_in
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
        draws = self._augmenter.random_state
        try:
            return self._update(batch)
        except torch.OutOfMemoryError as error:
            self._forget(random_state)
            self._augmenter.random_state = draws
            raise out_of_memory(self.device, batch) from error

    def _update(self, batch: SequenceBatch) -> UpdateResult:
        evaluation = self._evaluator.evaluate(to_device(self._augmenter(batch), self.device))
        weights = self._importance_weights(batch)
        losses = squared_loss(evaluation.errors, weights)
        novelty = evaluation.novelty
        total = losses.sum() if novelty is None else losses.sum() + novelty.loss
        if evaluation.auxiliary is not None:
            total = total + self._settings.auxiliary_weight * weighted_mean(evaluation.auxiliary, weights)
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
            priorities=priorities.cpu().double().numpy(), metrics=dict(zip(scalars.keys(), numbers, strict=True))
        )

    def _apply(self, novelty: Novelty | None) -> None:
        """Take the step, then move the target network if it is time."""
        self._optimizer.step(self._settings.learning_rate_share(self.num_updates))
        if self.curiosity is not None and novelty is not None:
            self.curiosity.learn(novelty)
        self.num_updates += 1
        self._skipped_in_a_row = 0
        settings = self._settings
        if settings.target_mix > 0:
            follow(self._target, self.network, settings.target_mix)
        elif self.num_updates % settings.target_update_interval_updates == 0:
            follow(self._target, self.network, 1.0)

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
        return importance_weights(probability, batch.num_windows, self._settings.importance_exponent).to(self.device)

    def weights(self) -> Arrays:
        """A copy of the online network's weights, for actors and files."""
        return module_arrays(self.network)

    def adopt(self, network: Mapping[str, NDArray[Any]], curiosity: Mapping[str, Any] | None) -> None:
        """Go on from other weights, with the optimizer's moments and counts of one's own.

        The target network becomes a copy: an old target is that of another network.

        Args:
            network: As `weights` returns.
            curiosity: As `Curiosity.export_shared` returns; None leaves curiosity as it is.

        Raises:
            IncompatibleError: They belong to another architecture.
        """
        load_arrays(self.network, network)
        follow(self._target, self.network, 1.0)
        if self.curiosity is not None and curiosity is not None:
            self.curiosity.adopt(curiosity)

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
            "augmentation": self._augmenter.random_state,
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
        if "augmentation" in state:  # checkpoints of earlier versions have none
            self._augmenter.random_state = state["augmentation"]


def follow(target: nn.Module, network: nn.Module, fraction: float) -> None:
    """Move the target network by a fraction of its distance to the online one; 1 copies it."""
    with torch.no_grad():
        if fraction == 1.0:
            torch._foreach_copy_(list(target.parameters()), list(network.parameters()))
        else:
            torch._foreach_lerp_(list(target.parameters()), list(network.parameters()), fraction)
        for mine, theirs in zip(target.buffers(), network.buffers(), strict=True):
            mine.copy_(theirs)
