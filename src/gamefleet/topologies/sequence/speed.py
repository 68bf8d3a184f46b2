"""How fast a run on records is: throughput, use of the accelerator, memory, waiting.

Job: gather what steps cost between two rows of metrics and turn it into numbers. Place in the data flow: between the
trainer's loop and `runs.metrics`. Left out: what is learned (`learners.sequence_metrics`).

Use of the accelerator is the share of its greatest speed at which the model's own arithmetic is done (Chowdhery et al.
2022, "PaLM", appendix B); work that is done twice to spare memory, and empty places of rows, do not count.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    import torch

    from gamefleet.experience.loader import PackedBatch

PEAK_TFLOPS: Sequence[tuple[str, float]] = (
    ("B200", 2250.0),
    ("GH200", 989.4),
    ("H200", 989.4),
    ("H100 PCIe", 756.0),
    ("H100 NVL", 835.5),
    ("H100", 989.4),
    ("A100", 312.0),
    ("A800", 312.0),
    ("L40S", 362.05),
    ("L40", 181.05),
    ("L4", 121.0),
    ("A40", 149.7),
    ("A30", 165.0),
    ("A10", 125.0),
    ("RTX A6000", 154.8),
    ("RTX 4090", 165.2),
    ("RTX 3090", 71.0),
    ("V100", 125.0),
    ("T4", 65.0),
)
"""Name within the device's name -> greatest speed of dense matrix products in bfloat16 (V100, T4: float16), summed in
float32, in 10^12 operations per second. Source: NVIDIA's data sheets and architecture white papers of these products;
where a sheet gives the figure with sparsity, half of it."""

METRICS: dict[str, tuple[str, str]] = {
    "speed/decisions_per_s": ("decisions/s", "Decisions learned from per second since the last row, over all ranks"),
    "speed/tokens_per_s": ("tokens/s", "Tokens of these decisions per second, over all ranks"),
    "speed/step_s": ("s", "Mean time from the end of one step to that of the next since the last row"),
    "speed/utilisation": ("1", "Share of the accelerators' greatest speed that the model's own arithmetic takes"),
    "speed/loader_wait_share": ("1", "Share of the time that the first rank waited for batches"),
    "speed/rank_wait_share": ("1", "Share of the time that the first rank waited for the other ranks to agree"),
    "data/efficiency": ("1", "Share of the rows' places that hold a decision"),
    "data/epoch": ("passes", "Passes over the data since the run began, the present one not counted"),
    "learner/learning_rate": ("1", "Of the next update"),
    "learner/loss_scale": ("1", "What the loss is multiplied with; 1 unless trained in float16"),
    "run/decisions": ("decisions", "Decisions learned from since the run began, repeats counted"),
    "run/ranks": ("ranks", "Processes that share the work in this attempt"),
    "memory/process_bytes": ("bytes", "Memory of the first rank's process"),
    "memory/device_peak_bytes": ("bytes", "Most memory of the first rank's accelerator held by tensors so far"),
}
"""Every metric of the trainer besides those of learning: unit and meaning."""


def peak_flops(device_name: str) -> float:
    """Greatest speed of an accelerator in operations per second; NaN when it is not in the table."""
    found = (tflops for name, tflops in PEAK_TFLOPS if name in device_name)
    return next(found, math.nan) * 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a network does per decision.

    Args:
        tokens_per_decision: As the decoder sees them.
        flops_per_token: Mean length of segments in tokens -> operations per token.
        peak_flops: Of all ranks' accelerators together; NaN when not known.
    """

    tokens_per_decision: int
    flops_per_token: Callable[[float], float]
    peak_flops: float

    def flops(self, decisions: float, squared_lengths: float) -> float:
        """Operations of so many decisions.

        Args:
            decisions: How many.
            squared_lengths: Sum of the squared lengths of their segments, in decisions.
        """
        mean_tokens = squared_lengths / max(1.0, decisions) * self.tokens_per_decision
        return decisions * self.tokens_per_decision * self.flops_per_token(mean_tokens)


class Speed:
    """Adds up what steps cost since the last row.

    Args:
        work: What the network does.
        clock: In seconds.
    """

    def __init__(self, work: Work, clock: Callable[[], float] = time.perf_counter) -> None:
        self._work, self._clock = work, clock
        self._restart()

    def _restart(self) -> None:
        self._began = self._clock()
        self._steps = self._places = 0
        self._loader_wait_s = self._rank_wait_s = self._paused_s = 0.0

    def note_batches(self, batches: Sequence[PackedBatch]) -> None:
        """A step's batches have been handed over to this rank."""
        self._steps += 1
        self._loader_wait_s += sum(batch.wait_s for batch in batches)
        self._places += sum(batch.segment.size for batch in batches)

    def note_rank_wait(self, seconds: float) -> None:
        """This rank has waited for the others so long."""
        self._rank_wait_s += seconds

    def note_pause(self, seconds: float) -> None:
        """So long no step was carried out for a good reason: an evaluation, a copy for a checkpoint."""
        self._paused_s += seconds

    def take(self, sums: Mapping[str, float], world: int) -> dict[str, float]:
        """A row, and start anew.

        Args:
            sums: Of all ranks since the last row, under the names of `sequence_losses.SUMS`.
            world: Number of ranks.
        """
        elapsed = max(self._clock() - self._began - self._paused_s, 1e-9)
        decisions = sums["decisions"]
        flops = self._work.flops(decisions, sums["tokens_seen"])
        row = {
            "speed/updates_per_s": self._steps / elapsed,
            "speed/step_s": elapsed / max(1, self._steps),
            "speed/decisions_per_s": decisions / elapsed,
            "speed/tokens_per_s": decisions * self._work.tokens_per_decision / elapsed,
            "speed/loader_wait_share": self._loader_wait_s / elapsed,
            "speed/rank_wait_share": self._rank_wait_s / elapsed,
            "data/efficiency": decisions / max(1, self._places * world),
        }
        utilisation = flops / elapsed / self._work.peak_flops
        self._restart()
        return row | ({"speed/utilisation": utilisation} if math.isfinite(utilisation) else {})


def memory_row(device: torch.device) -> dict[str, float]:
    """Memory of this process and of its accelerator."""
    row = {"memory/process_bytes": float(psutil.Process().memory_info().rss)}
    if device.type == "cuda":
        import torch

        row["memory/device_peak_bytes"] = float(torch.cuda.max_memory_allocated(device))
    return row
