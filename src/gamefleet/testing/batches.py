"""Random batches that obey the time convention, for tests and benchmarks of learners.

Job: a `SequenceBatch` for any game spec, with episode ends where they are wanted. Place in the data flow: stands in for
the replay. Left out: games; the arrays are noise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.experience.types import SequenceBatch
from gamefleet.games.base import ArraySpec, GameSpec


def random_batch(
    spec: GameSpec,
    *,
    batch_size: int,
    num_slots: int,
    state_size: int,
    end_rate: float = 0.0,
    rng: np.random.Generator,
) -> SequenceBatch:
    """Windows of noise.

    Args:
        spec: Names, shapes, types and ranges of the arrays, and the number of actions.
        batch_size: Windows.
        num_slots: Slots of each, burn-in and look-ahead included.
        state_size: Numbers in a recurrent state.
        end_rate: Probability that a slot is an episode's last one; half of these are terminal.
        rng: Where the noise comes from.
    """
    shape = (batch_size, num_slots)
    is_last = rng.random(shape) < end_rate
    is_first = shifted(is_last, False)
    action = np.where(is_last, 0, rng.integers(spec.num_actions, size=shape)).astype(np.int16)
    reward = np.where(is_last, 0.0, rng.normal(size=shape)).astype(np.float32)
    return SequenceBatch(
        obs={array.name: noise(array, shape, rng) for array in spec.observations},
        action=action,
        reward=reward,
        previous_action=np.where(is_first, -1, shifted(action, -1)).astype(np.int16),
        previous_reward=np.where(is_first, 0.0, shifted(reward, 0.0)).astype(np.float32),
        is_first=is_first,
        is_last=is_last,
        is_terminal=is_last & (rng.random(shape) < 0.5),
        state=rng.normal(size=(batch_size, state_size)).astype(np.float32),
        index=np.arange(batch_size, dtype=np.int64),
        probability=rng.uniform(0.001, 0.01, size=batch_size),
        num_windows=1000,
    )


def noise(array: ArraySpec, shape: tuple[int, int], rng: np.random.Generator) -> NDArray[Any]:
    """Uniform noise in an array's range, `[batch, time, ...]`."""
    full_shape = (*shape, *array.shape)
    if np.issubdtype(np.dtype(array.dtype), np.integer):
        return rng.integers(int(array.low), int(array.high), size=full_shape, dtype=array.dtype, endpoint=True)
    return rng.uniform(array.low, array.high, size=full_shape).astype(array.dtype)


def shifted(values: NDArray[Any], first: Any) -> NDArray[Any]:
    """Values one slot later along time, with `first` in front."""
    return np.concatenate([np.full_like(values[:, :1], first), values[:, :-1]], axis=1)
