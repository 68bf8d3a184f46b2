"""Learning from two replays at once: what was played here, and what others sent.

Job: draw batches of both in a bounded proportion and lead priorities back to where they belong. Place in the data flow:
in a replay's place in front of the learner, when a member takes experience from others. Left out: what fills the two.

Why two replays and not one: own experience stays exactly as it is without others, whatever they send; when a member
turns out to lie, the foreign replay is emptied; and the share of foreign windows is a setting instead of a race.

The proportion: with W_o own and W_f foreign windows, `share = min(max_share, W_f / (W_o + W_f))` of a batch is foreign,
rounded to whole windows: as many as a single replay of both would give on average, but never more than `max_share`.

Importance weights: a batch of B windows takes B_f from the foreign replay, each drawn there with probability p, and
B - B_f from the own one. A foreign window is therefore in a place of the batch with the probability (B_f / B) p, an own
one with ((B - B_f) / B) p: this is what `SequenceBatch.probability` says, and `num_windows` is W_o + W_f. The weights
1 / (num_windows probability) that learners make of it then undo the mixing as well as the priorities: with exponent 1
the weighted mean of a batch has the mean over all windows of both as its expectation, whatever `max_share` is. (If B_f
rounds to zero, foreign windows cannot be drawn and do not count: the batch is that of the own replay.)

Handles: own windows keep theirs, which are not negative; a foreign window h has -1 - h.

Axes: `batch` (own windows first), `time`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.errors import ConfigError
from gamefleet.experience.layout import FLAGS
from gamefleet.experience.replay import Replay
from gamefleet.experience.types import SequenceBatch

_ARRAYS = (*FLAGS, "previous_action", "previous_reward", "state")


class MixedReplay:
    """See the module's docstring.

    Args:
        own: What was played here.
        foreign: What others sent; of the same layout and window lengths, and with random numbers of its own.
        max_share: Largest foreign part of a batch, 0 to 1.

    Raises:
        ConfigError: The replays' windows differ, or `max_share` is out of range.
    """

    def __init__(self, own: Replay, foreign: Replay, max_share: float) -> None:
        if not 0.0 <= max_share <= 1.0:
            raise ConfigError(
                "The foreign share of a batch is out of range", value=max_share, remedy="Choose a number from 0 to 1."
            )
        if _window_facts(own) != _window_facts(foreign):
            raise ConfigError(
                "Own and foreign experience have windows of another kind",
                value=_window_facts(foreign),
                where=f"own: {_window_facts(own)}",
                remedy="Make both replays with the same layout, replay.unroll, replay.burn_in and learner.num_steps.",
            )
        self.own = own
        self.foreign = foreign
        self.max_share = max_share

    @property
    def share(self) -> float:
        """The foreign part of a batch at present, before it is rounded to whole windows."""
        num_foreign = self.foreign.num_sampleable
        return min(self.max_share, num_foreign / (num_foreign + self.own.num_sampleable)) if num_foreign else 0.0

    def can_sample(self) -> bool:
        """Whether there is an own window to draw: nobody learns from others alone."""
        return self.own.can_sample()

    def sample(self, batch_size: int) -> SequenceBatch:
        """Draw windows of both; without foreign ones exactly what `own` would give, random numbers included.

        Args:
            batch_size: How many.

        Raises:
            ValueError: There is no own window yet; ask `can_sample`.
        """
        # One own window at least, so that a batch always has a part of either kind or is purely own.
        num_foreign = min(round(batch_size * self.share), batch_size - 1) if self.can_sample() else 0
        if num_foreign == 0:
            return self.own.sample(batch_size)
        own, foreign = self.own.sample(batch_size - num_foreign), self.foreign.sample(num_foreign)
        return _joined(own, foreign)

    def update_priorities(self, index: NDArray[np.int64], priority: NDArray[np.float64]) -> None:
        """Set the priorities of drawn windows in the replay that each comes from.

        Args:
            index: `SequenceBatch.index`.
            priority: float64 `[batch]`, before the exponent.

        Raises:
            ValueError: A priority is not finite; nothing was changed.
        """
        is_foreign = index < 0
        if not is_foreign.any():
            self.own.update_priorities(index, priority)
            return
        if not np.isfinite(priority).all():
            raise ValueError(f"priorities must be finite, got {priority.tolist()}")
        self.own.update_priorities(index[~is_foreign], priority[~is_foreign])
        self.foreign.update_priorities(-1 - index[is_foreign], priority[is_foreign])


def _window_facts(replay: Replay) -> dict[str, Any]:
    return {
        "layout": {name: (tuple(shape), np.dtype(dtype).name) for name, (shape, dtype) in replay.layout.items()},
        "unroll": replay.settings.unroll,
        "burn_in": replay.settings.burn_in,
        "num_steps": replay.num_steps,
    }


def _joined(own: SequenceBatch, foreign: SequenceBatch) -> SequenceBatch:
    num_own, num_foreign = len(own.index), len(foreign.index)
    parts = np.repeat([num_own, num_foreign], [num_own, num_foreign]) / (num_own + num_foreign)
    arrays = {name: np.concatenate([getattr(own, name), getattr(foreign, name)]) for name in _ARRAYS}
    return SequenceBatch(
        obs={name: np.concatenate([array, foreign.obs[name]]) for name, array in own.obs.items()},
        index=np.concatenate([own.index, -1 - foreign.index]),
        probability=np.concatenate([own.probability, foreign.probability]) * parts,
        num_windows=own.num_windows + foreign.num_windows,
        **arrays,
    )
