"""Learning from recorded play: imitate what was chosen, foresee who wins.

Job: one update from the packed rows of a step, in one or several micro-batches. Place in the data flow: packed rows ->
here -> weights. Left out: where rows come from, and other ranks: what data-parallel training adds is passed in.

Losses are divided by what the whole step holds, over all ranks and micro-batches, and not by what each part happens to
hold: then neither the number of ranks nor that of micro-batches changes what is learned.

Axes: `rows`, `decisions` of a row, `actions`.
"""
# ruff: noqa: F722 - axis names inside shape annotations are not Python expressions

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor, nn

from gamefleet.errors import GamefleetError
from gamefleet.learners.sequence_batch import RowBatch
from gamefleet.learners.sequence_losses import SUMS, sequence_losses
from gamefleet.learners.sequence_optimizer import SequenceOptimizer
from gamefleet.learners.sequence_settings import SequenceSettings, step_sizes
from gamefleet.models.arrays import load_arrays
from gamefleet.models.decoder import SequenceOutput

Precision = Literal["float32", "bfloat16", "float16"]

DTYPES: Mapping[str, torch.dtype] = {"bfloat16": torch.bfloat16, "float16": torch.float16}

UPDATE_SUMS = (*SUMS, "gradient_norm", "updates")
"""What a learner adds up between two rows of metrics."""


class SequenceNetwork(Protocol):
    """What a game's `make_network` returns, besides being a module."""

    tokens_per_decision: int

    def __call__(
        self,
        obs: Mapping[str, Tensor],
        segment: Int[Tensor, "rows decisions"],
        position: Int[Tensor, "rows decisions"],
    ) -> SequenceOutput:
        """What it says about each decision of packed rows."""
        ...

    def num_parameters(self) -> int:
        """Parameters in all."""
        ...

    def flops_per_token(self, mean_segment_tokens: float) -> float:
        """Floating-point operations per token, forwards and backwards.

        Args:
            mean_segment_tokens: Length of the segment that a token lies in, averaged over tokens.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Parallel:
    """What data-parallel training adds to an update.

    Args:
        forward: The network, wrapped so that backward passes average gradients over ranks.
        num_ranks: How many.
        hold: Entered around all micro-batches but the last: their gradients stay here.
    """

    forward: Callable[..., SequenceOutput]
    num_ranks: int = 1
    hold: Callable[[], AbstractContextManager[None]] = nullcontext


class DivergedError(GamefleetError):
    """Training has no finite gradient any more."""


class SequenceLearner:
    """A network that learns from packed rows.

    Args:
        network: A `SequenceNetwork`, on its device.
        settings: Losses and step sizes.
        batch_size: Decisions per step, over all ranks.
        total_steps: Of the run, for the learning rate's schedule.
        precision: Of matrix products; weights and their sums stay in float32.
        parallel: What data-parallel training adds; None for one process.
    """

    def __init__(
        self,
        network: nn.Module,
        settings: SequenceSettings,
        *,
        batch_size: int,
        total_steps: int,
        precision: Precision = "float32",
        parallel: Parallel | None = None,
    ) -> None:
        self.network = network
        self.settings = settings
        self.sizes = step_sizes(settings, batch_size)
        self.total_steps = total_steps
        self.num_updates = 0
        self.device = next(network.parameters()).device
        self._precision = precision
        self._parallel = parallel or Parallel(forward=network)
        self._optimizer = SequenceOptimizer(network, settings, self.sizes, is_scaled=precision == "float16")
        exact = torch.float64 if self.device.type in ("cpu", "cuda") else torch.float32
        self._sums = torch.zeros(len(UPDATE_SUMS), dtype=exact, device=self.device)

    def update(self, batches: Sequence[RowBatch], totals: Tensor) -> None:
        """Learn from one step's rows.

        Args:
            batches: This rank's micro-batches.
            totals: Labels and decisions of the step over all ranks `[2]`; see `counts`.
        """
        weights = self._parallel.num_ranks / totals.clamp(min=1.0)
        for number, batch in enumerate(batches):
            with ExitStack() as stack:
                if number < len(batches) - 1:
                    stack.enter_context(self._parallel.hold())
                self._learn_from(batch, weights)
        norm = self._optimizer.step(self.rate_share)
        self.num_updates += 1
        self._sums[-2] += torch.where(norm.isfinite(), norm, 0.0)
        self._sums[-1] += 1

    def _learn_from(self, batch: RowBatch, weights: Tensor) -> None:
        with self.autocast():
            output = self._parallel.forward(batch.obs, batch.segment, batch.position)
        sums = sequence_losses(output, batch, self.settings)
        loss = weights[0] * sums["policy_loss"] + self.settings.value_weight * weights[1] * sums["value_loss"]
        torch.autograd.backward(loss * self._optimizer.counters.scale)
        self._sums[: len(SUMS)] += stacked(sums).to(self._sums.dtype)

    @torch.no_grad()
    def examine(self, batch: RowBatch) -> Tensor:
        """Sums over a batch that is not learned from, in the order of `SUMS`."""
        with self.autocast():
            output = self.network(batch.obs, batch.segment, batch.position)
        return stacked(sequence_losses(output, batch, SequenceSettings())).to(self._sums.dtype)

    def autocast(self) -> AbstractContextManager[Any]:
        """In which matrix products have the precision of training."""
        if self._precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=DTYPES[self._precision])

    @property
    def rate_share(self) -> float:
        """Share of the peak learning rate that the next update has."""
        return self.settings.rate_share(self.num_updates, self.total_steps)

    @property
    def learning_rate(self) -> float:
        """Of the next update."""
        return self.rate_share * self.sizes.learning_rate

    def take_sums(self) -> Tensor:
        """What was added up since the last call, in the order of `UPDATE_SUMS`."""
        taken = self._sums.clone()
        self._sums.zero_()
        return taken

    def check(self) -> tuple[float, int]:
        """Loss scale, and updates that were skipped since the run began.

        Raises:
            DivergedError: Too many were skipped in a row.
        """
        counters = self._optimizer.counters
        in_a_row, most = int(counters.in_a_row), self.settings.max_skipped_updates
        if in_a_row >= most:
            raise DivergedError(
                f"The last {in_a_row} updates had no finite gradient",
                where=f"update {self.num_updates}",
                remedy="Resume from the last checkpoint with a lower learner.learning_rate or in float32.",
            )
        return float(counters.scale), int(counters.skipped)

    def state_tensors(self) -> dict[str, dict[str, Tensor]]:
        """Weights and optimizer as they lie on the device, by part and name; whoever keeps them copies them."""
        return {"model": dict(self.network.state_dict()), "optimizer": dict(self._optimizer.tensors())}

    def load_state(
        self, *, model: Mapping[str, NDArray[Any]], optimizer: Mapping[str, NDArray[Any]], num_updates: int
    ) -> None:
        """Continue from `state_tensors` as arrays.

        Raises:
            IncompatibleError: They belong to another network.
        """
        load_arrays(self.network, model)
        self._optimizer.load(optimizer)
        self.num_updates = num_updates


def stacked(sums: Mapping[str, Tensor]) -> Tensor:
    """Sums as a vector in the order of `SUMS`, without gradients."""
    return torch.stack([sums[name].detach().to(torch.float32) for name in SUMS])


def counts(batches: Sequence[Mapping[str, NDArray[Any]]], segments: Sequence[NDArray[np.int32]]) -> NDArray[np.float64]:
    """How many shown actions and decisions micro-batches hold, as `totals` of one rank.

    Args:
        batches: Named arrays of each, `action` among them.
        segments: int32 `[rows, decisions]` of each.
    """
    labels = sum(
        int(((batch["action"] >= 0) & (segment > 0)).sum()) for batch, segment in zip(batches, segments, strict=True)
    )
    return np.array([labels, sum(int((segment > 0).sum()) for segment in segments)], np.float64)
