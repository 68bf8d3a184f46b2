"""Adam with clipped gradients, whose state can be written down.

Job: one optimizer for one set of named parameters: clip, step, export, import. Place in the data flow: last stage of an
update. Left out: losses and schedules.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gamefleet.models.arrays import check_names

BETAS = (0.9, 0.999)
"""Decay of the first and second moment, as the paper has them."""


class ClippedAdam:
    """Adam (Kingma & Ba 2015) after clipping by global norm.

    Its moments are allocated at once: no update can then fail half-way because memory ran out.

    Args:
        parameters: What it trains, by name.
        learning_rate: Step size.
        epsilon: Added to the root of the second moment.
        max_norm: Gradients are scaled down to this global norm.
    """

    def __init__(
        self, parameters: Mapping[str, nn.Parameter], *, learning_rate: float, epsilon: float, max_norm: float
    ) -> None:
        self._parameters = dict(parameters)
        self._max_norm = max_norm
        self._learning_rate = learning_rate
        self._epsilon = epsilon
        self._state = {
            name: {
                "step": torch.zeros((), device=parameter.device),
                "exp_avg": torch.zeros_like(parameter, memory_format=torch.preserve_format),
                "exp_avg_sq": torch.zeros_like(parameter, memory_format=torch.preserve_format),
            }
            for name, parameter in self._parameters.items()
        }

    def clip(self) -> Tensor:
        """Clip the gradients; returns their global norm before that, a scalar that may be infinite or NaN."""
        return nn.utils.clip_grad_norm_(self._parameters.values(), self._max_norm, foreach=True)

    def step(self, share: float = 1.0) -> None:
        """Apply the gradients and drop them; parameters without one are left alone.

        Args:
            share: Of the learning rate.
        """
        chosen = [
            (parameter, grad, self._state[name])
            for name, parameter in self._parameters.items()
            if (grad := parameter.grad) is not None
        ]
        steps = [state["step"] for _, _, state in chosen]
        with torch.no_grad():
            torch._foreach_add_(steps, 1)
            # What torch.optim.Adam(fused=True) calls: the kernel needs no temporary tensors and is the fastest on CPU
            # and GPU. The class around it would import torch's compiler, a second of every start, to leave it unused.
            torch._fused_adam_(
                [parameter for parameter, _, _ in chosen],
                [grad for _, grad, _ in chosen],
                [state["exp_avg"] for _, _, state in chosen],
                [state["exp_avg_sq"] for _, _, state in chosen],
                [],
                steps,
                lr=share * self._learning_rate,
                beta1=BETAS[0],
                beta2=BETAS[1],
                weight_decay=0.0,
                eps=self._epsilon,
                amsgrad=False,
                maximize=False,
                grad_scale=None,
                found_inf=None,
            )
        self.clear()

    def clear(self) -> None:
        """Drop the gradients."""
        for parameter in self._parameters.values():
            parameter.grad = None

    def export_state(self) -> dict[str, Any]:
        """Moments and step counts as named arrays."""
        return {
            name: {key: value.cpu().numpy().copy() for key, value in self._state[name].items()}
            for name in self._parameters
        }

    def import_state(self, state: Mapping[str, Any]) -> None:
        """Continue from `export_state` of an optimizer of the same parameters.

        Raises:
            IncompatibleError: The parameters differ.
        """
        check_names(set(self._parameters), set(state))
        for name in self._parameters:
            for key, value in self._state[name].items():
                value.copy_(torch.tensor(state[name][key]))
