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
        # The fused kernel needs no temporary tensors and is the fastest of the three on CPU and GPU.
        self._adam = torch.optim.Adam(self._parameters.values(), lr=learning_rate, eps=epsilon, fused=True)
        for parameter in self._parameters.values():
            self._adam.state[parameter] = {
                "step": torch.zeros((), device=parameter.device),
                "exp_avg": torch.zeros_like(parameter, memory_format=torch.preserve_format),
                "exp_avg_sq": torch.zeros_like(parameter, memory_format=torch.preserve_format),
            }

    def clip(self) -> Tensor:
        """Clip the gradients; returns their global norm before that, a scalar that may be infinite or NaN."""
        return nn.utils.clip_grad_norm_(self._parameters.values(), self._max_norm, foreach=True)

    def step(self) -> None:
        """Apply the gradients and drop them."""
        self._adam.step()
        self.clear()

    def clear(self) -> None:
        """Drop the gradients."""
        self._adam.zero_grad(set_to_none=True)

    def export_state(self) -> dict[str, Any]:
        """Moments and step counts as named arrays."""
        return {
            name: {key: value.cpu().numpy().copy() for key, value in self._adam.state[parameter].items()}
            for name, parameter in self._parameters.items()
        }

    def import_state(self, state: Mapping[str, Any]) -> None:
        """Continue from `export_state` of an optimizer of the same parameters.

        Raises:
            IncompatibleError: The parameters differ.
        """
        check_names(set(self._parameters), set(state))
        for name, parameter in self._parameters.items():
            for key, value in self._adam.state[parameter].items():
                value.copy_(torch.tensor(state[name][key]))
