"""Settings of learning from recorded play, free of torch so that `config show` starts fast.

Job: which loss, how large the steps are, and how both follow the batch size. Place in the data flow: part of
`SequenceConfig`; read by `sequence`, `sequence_optimizer` and the trainer. Left out: the network's shape, data, ranks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from gamefleet.learners.settings import check_range

Objective = Literal["imitation", "binary", "exp"]
Scaling = Literal["sqrt", "linear", "none"]
Schedule = Literal["cosine", "wsd", "constant"]

LEAST_BETA = 0.5
"""Below it the rule of scaling betas is not followed: it is derived for decays close to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceSettings:
    """Imitation and offline learning; AdamW with the usual numbers of language models (Touvron et al. 2023).

    Args:
        objective: `imitation` copies every shown action; `binary` those that led to more than the value expected; `exp`
            counts each action by exp(advantage / temperature).
        advantage_temperature: Of `exp`, in units of the chance to win.
        max_action_weight: No action counts more than this; of `exp`.
        value_weight: What the value's loss counts beside the policy's.
        learning_rate: Peak, at the reference batch size.
        reference_batch_size: Decisions per step at which the numbers here are meant (4 GPUs of 256).
        scaling: How they follow the batch size: `sqrt` (with betas and epsilon, for Adam), `linear`, or `none`.
        schedule: After the warm-up: `cosine`, `wsd` (stay, then fall in a straight line) or `constant`.
        warmup_share: Of all steps, over which the learning rate rises from 0.
        decay_share: Of all steps, over which it falls at the end; of `wsd`.
        final_share: Of the peak, at the end.
        beta1: Decay of the first moment.
        beta2: Decay of the second moment.
        epsilon: Added to the root of the second moment.
        weight_decay: Of matrices, per unit of learning rate; norms, biases and embeddings have none.
        max_gradient_norm: Gradients are scaled down to this global norm.
        max_skipped_updates: This many updates in a row without a finite gradient end the run.
    """

    objective: Objective = "imitation"
    advantage_temperature: float = 0.25
    max_action_weight: float = 8.0
    value_weight: float = 0.5
    learning_rate: float = 3e-4
    reference_batch_size: int = 1024
    scaling: Scaling = "sqrt"
    schedule: Schedule = "cosine"
    warmup_share: float = 0.01
    decay_share: float = 0.2
    final_share: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.95
    epsilon: float = 1e-8
    weight_decay: float = 0.1
    max_gradient_norm: float = 1.0
    max_skipped_updates: int = 20

    def __post_init__(self) -> None:
        """Refuse values outside their range.

        Raises:
            ConfigError: Names the setting and its range.
        """
        for name in ("reference_batch_size", "max_skipped_updates"):
            check_range(f"learner.{name}", getattr(self, name), 1, math.inf)
        for name in ("learning_rate", "epsilon", "max_gradient_norm", "advantage_temperature", "max_action_weight"):
            check_range(f"learner.{name}", getattr(self, name), 1e-12, math.inf)
        for name in ("warmup_share", "decay_share", "final_share", "beta1", "beta2"):
            check_range(f"learner.{name}", getattr(self, name), 0.0, 1.0)
        for name in ("value_weight", "weight_decay"):
            check_range(f"learner.{name}", getattr(self, name), 0.0, math.inf)

    def rate_share(self, step: int, total_steps: int) -> float:
        """Which share of the peak learning rate the update after `step` updates has.

        Source: cosine: Loshchilov & Hutter 2017; warm-up, stable, decay: Hu et al. 2024, "MiniCPM".
        """
        warmup = max(1, round(self.warmup_share * total_steps))
        if step < warmup:
            return (step + 1) / warmup
        if self.schedule == "constant":
            return 1.0
        fall = total_steps - warmup if self.schedule == "cosine" else max(1, round(self.decay_share * total_steps))
        fallen = min(1.0, max(0.0, (step - (total_steps - fall)) / max(1, fall)))
        kept = (1 + math.cos(math.pi * fallen)) / 2 if self.schedule == "cosine" else 1 - fallen
        return self.final_share + (1 - self.final_share) * kept


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSizes:
    """The numbers of AdamW at a batch size.

    Args:
        learning_rate: Peak.
        beta1: Decay of the first moment.
        beta2: Decay of the second moment.
        epsilon: Added to the root of the second moment.
        sentence: How they came about, for people.
    """

    learning_rate: float
    beta1: float
    beta2: float
    epsilon: float
    sentence: str


def step_sizes(settings: SequenceSettings, batch_size: int) -> StepSizes:
    """Scale the numbers from the reference batch size to the run's.

    Args:
        settings: Numbers at the reference.
        batch_size: Decisions per step, over all ranks.

    Source: square root: Malladi et al. 2022, "On the SDEs and Scaling Rules for Adaptive Gradient Algorithms",
    definition 5.3: rate times sqrt(k), 1 - beta times k, epsilon over sqrt(k); linear: Goyal et al. 2017, for SGD.
    """
    ratio = batch_size / settings.reference_batch_size
    rate, betas, epsilon = settings.learning_rate, (settings.beta1, settings.beta2), settings.epsilon
    if settings.scaling == "linear":
        rate *= ratio
    if settings.scaling == "sqrt":
        rate *= math.sqrt(ratio)
        epsilon /= math.sqrt(ratio)
        betas = (scaled_beta(betas[0], ratio), scaled_beta(betas[1], ratio))
    rule = {
        "sqrt": "square-root rule of Malladi et al. 2022 for Adam",
        "linear": "linear rule of Goyal et al. 2017",
        "none": "not scaled",
    }[settings.scaling]
    sentence = (
        f"learning rate {rate:.3g}, betas {betas[0]:.4g} and {betas[1]:.4g}, epsilon {epsilon:.2g} at {batch_size:,} "
        f"decisions per step ({settings.learning_rate:g} at {settings.reference_batch_size:,}; {rule}"
        f"{kept_betas(settings, ratio) if settings.scaling == 'sqrt' else ''})"
    )
    return StepSizes(learning_rate=rate, beta1=betas[0], beta2=betas[1], epsilon=epsilon, sentence=sentence)


def kept_betas(settings: SequenceSettings, ratio: float) -> str:
    """What to say where the rule would take decays further down than they go."""
    wanted = [1 - ratio * (1 - beta) for beta in (settings.beta1, settings.beta2)]
    if all(beta >= LEAST_BETA for beta in wanted):
        return ""
    return f", which would make the betas {wanted[0]:.4g} and {wanted[1]:.4g}: none is taken below {LEAST_BETA:g}"


def scaled_beta(beta: float, ratio: float) -> float:
    """A decay at `ratio` times the batch size; one that is below the least already stays."""
    return max(min(beta, LEAST_BETA), 1 - ratio * (1 - beta))
