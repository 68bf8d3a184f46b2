"""AdamW with clipped gradients and a loss scale, whose state can be written down.

Job: one optimizer for a network: unscale, clip, step, skip what is not finite. Place in the data flow: last stage of an
update. Left out: losses and the schedule.

Nothing here waits for an accelerator: norms, skips and the loss scale are tensors on the device, read when a row of
metrics is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gamefleet.learners.sequence_settings import SequenceSettings, StepSizes
from gamefleet.models.arrays import check_names

INITIAL_LOSS_SCALE = 2.0**16
LOSS_SCALE_INTERVAL = 2000
"""Updates in a row with finite gradients, after which the scale doubles; as `torch.amp.GradScaler` has both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """Scalars on the device.

    Args:
        scale: What the loss is multiplied with before gradients are computed; stays 1 unless it is used.
        growth: Updates since the scale last changed; -1 where the scale is not used.
        skipped: Updates that were skipped, in all.
        in_a_row: Updates that were skipped since the last one that was not.
    """

    scale: Tensor
    growth: Tensor
    skipped: Tensor
    in_a_row: Tensor


def decaying(network: nn.Module) -> set[str]:
    """Names of the parameters that decay: matrices of linear layers and convolutions."""
    matrices = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
    return {
        f"{prefix}.weight".lstrip(".") for prefix, module in network.named_modules() if isinstance(module, matrices)
    }


class SequenceOptimizer:
    """AdamW (Loshchilov & Hutter 2019) after clipping by global norm, fused.

    Its moments are allocated at once: no update can then fail half-way because memory ran out.

    Args:
        network: Whose parameters it trains.
        settings: Weight decay and largest norm.
        sizes: Learning rate, betas and epsilon.
        is_scaled: Whether the loss is scaled, for half precision (Micikevicius et al. 2018).
    """

    def __init__(
        self, network: nn.Module, settings: SequenceSettings, sizes: StepSizes, *, is_scaled: bool = False
    ) -> None:
        self._settings, self._sizes, self._is_scaled = settings, sizes, is_scaled
        self._parameters = {
            name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad
        }
        first = next(iter(self._parameters.values()))
        self._moments = {
            name: {
                "step": torch.zeros((), device=parameter.device),
                "exp_avg": torch.zeros_like(parameter, memory_format=torch.preserve_format),
                "exp_avg_sq": torch.zeros_like(parameter, memory_format=torch.preserve_format),
            }
            for name, parameter in self._parameters.items()
        }
        matrices = decaying(network)
        self._groups = (
            (settings.weight_decay, [name for name in self._parameters if name in matrices]),
            (0.0, [name for name in self._parameters if name not in matrices]),
        )
        start = INITIAL_LOSS_SCALE if is_scaled else 1.0
        self.counters = Counters(
            scale=torch.full((), start, device=first.device),
            growth=torch.full((), 0.0 if is_scaled else -1.0, device=first.device),
            skipped=torch.zeros((), device=first.device),
            in_a_row=torch.zeros((), device=first.device),
        )

    def step(self, share: float) -> Tensor:
        """Apply the gradients, which are those of the scaled loss, and drop them.

        Args:
            share: Of the peak learning rate.

        Returns:
            The global norm before clipping, a scalar; where it is not finite nothing was changed.
        """
        gradients = [grad for parameter in self._parameters.values() if (grad := parameter.grad) is not None]
        norm = nn.utils.get_total_norm(gradients, foreach=True) / self.counters.scale
        clip = (self._settings.max_gradient_norm / (norm + 1e-6)).clamp(max=1.0) / self.counters.scale
        torch._foreach_mul_(gradients, clip)
        is_bad = (~norm.isfinite()).float()
        for weight_decay, names in self._groups:
            self._apply(names, weight_decay=weight_decay, rate=share * self._sizes.learning_rate, is_bad=is_bad)
        self._count(is_bad)
        self.clear()
        return norm

    def _apply(self, names: list[str], *, weight_decay: float, rate: float, is_bad: Tensor) -> None:
        chosen = [name for name in names if self._parameters[name].grad is not None]
        if not chosen:
            return
        moments = [self._moments[name] for name in chosen]
        steps = [moment["step"] for moment in moments]
        with torch.no_grad():
            torch._foreach_add_(steps, 1)
            # What torch.optim.AdamW(fused=True) calls; it leaves everything as it is where `found_inf` is 1.
            torch._fused_adamw_(
                [self._parameters[name] for name in chosen],
                [grad for name in chosen if (grad := self._parameters[name].grad) is not None],
                [moment["exp_avg"] for moment in moments],
                [moment["exp_avg_sq"] for moment in moments],
                [],
                steps,
                lr=rate,
                beta1=self._sizes.beta1,
                beta2=self._sizes.beta2,
                weight_decay=weight_decay,
                eps=self._sizes.epsilon,
                amsgrad=False,
                maximize=False,
                grad_scale=None,
                found_inf=is_bad,
            )
            torch._foreach_sub_(steps, [is_bad] * len(steps))

    def _count(self, is_bad: Tensor) -> None:
        counters = self.counters
        counters.skipped.add_(is_bad)
        counters.in_a_row.add_(1).mul_(is_bad)
        if self._is_scaled:
            counters.growth.add_(1).mul_(1 - is_bad)
            grows = (counters.growth >= LOSS_SCALE_INTERVAL).float()
            counters.scale.mul_((1 + grows) * (1 - 0.5 * is_bad))
            counters.growth.mul_(1 - grows)

    def clear(self) -> None:
        """Set the gradients to zero; they stay where they are, because data-parallel training keeps them in buckets."""
        gradients = [grad for parameter in self._parameters.values() if (grad := parameter.grad) is not None]
        if gradients:
            torch._foreach_zero_(gradients)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """All state by name, as it lies on the device."""
        for name, moments in self._moments.items():
            for key, tensor in moments.items():
                yield f"{name}/{key}", tensor
        for key in ("scale", "growth", "skipped", "in_a_row"):
            yield f"/{key}", getattr(self.counters, key)

    def load(self, tensors: Mapping[str, Any]) -> None:
        """Continue from what `tensors` gave, as arrays.

        Raises:
            IncompatibleError: The parameters differ.
        """
        present = dict(self.tensors())
        check_names(set(present), set(tensors))
        for name, tensor in present.items():
            tensor.copy_(torch.as_tensor(tensors[name]))
        was_scaled = float(self.counters.growth) >= 0
        if self._is_scaled and not was_scaled:  # the run was trained in another precision before
            self.counters.scale.fill_(INITIAL_LOSS_SCALE)
            self.counters.growth.fill_(0.0)
        elif not self._is_scaled:
            self.counters.scale.fill_(1.0)
            self.counters.growth.fill_(-1.0)
