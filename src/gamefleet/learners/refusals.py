"""What a learner refuses, in sentences.

Job: say what does not fit together before the first update, and what to lower when an update needs too much memory.
Place in the data flow: called by `ValueLearner`. Left out: settings out of their range, which `settings` refuses.
"""

from __future__ import annotations

import torch

from gamefleet.errors import ConfigError, DeviceMemoryError
from gamefleet.experience.types import SequenceBatch
from gamefleet.learners.settings import ValueSettings
from gamefleet.models.recurrent import RecurrentQNetwork


def check_fit(network: RecurrentQNetwork, settings: ValueSettings, *, is_curious: bool, is_symmetric: bool) -> None:
    """Raise `ConfigError` unless the network and the game have what the settings ask for.

    Args:
        network: The online network.
        settings: Numbers of the algorithm.
        is_curious: Whether there is an intrinsic reward.
        is_symmetric: Whether the game has an augmentation.
    """
    if network.num_heads != (2 if is_curious else 1):
        raise ConfigError(
            "The network's heads do not fit curiosity",
            value=network.num_heads,
            remedy="It needs 2 heads with curiosity and 1 without.",
        )
    if settings.augment and not is_symmetric:
        raise ConfigError(
            "This game has no symmetries to augment by", value=True, where="learner.augment", remedy="Turn it off."
        )
    if settings.auxiliary_weight and not hasattr(network.encoder, "auxiliary_loss"):
        raise ConfigError(
            "This game's encoder has no auxiliary loss",
            value=settings.auxiliary_weight,
            where="learner.auxiliary_weight",
            remedy="Set it to 0.",
        )


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
