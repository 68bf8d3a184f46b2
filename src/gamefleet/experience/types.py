"""What experience is made of: slots as actors record them, sequences as learners consume them.

Job: the two array bundles that cross from actors to learners. Place in the data flow: actors write `Slots`, the
replay keeps them in streams, learners read `SequenceBatch`. Left out: storage (`replay`) and targets
(`learners.returns`).

Axes: `stream` (one environment's endless recording), `batch` (sampled sequences), `time`.

Time convention: `action[t]` answers `obs[t]`; `reward[t]` is what it caused. An episode of T actions takes T + 1 slots:
the last one holds the final observation, has `is_last` set, and its action and reward are zero and mean nothing. If
the game ended there (terminated), `is_terminal` is set too and its value is zero; otherwise (truncated) its value
bootstraps. This is the RLDS convention (Ramos et al. 2021), chosen because a truncated episode keeps its last
observation without a second array.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """One moment of several streams.

    Args:
        obs: Named arrays `[stream, ...]`, packed as the game gives them.
        action: int16 `[stream]`.
        reward: float32 `[stream]`, caused by `action`.
        is_first: bool `[stream]`, the first observation of an episode.
        is_last: bool `[stream]`, the final observation of an episode.
        is_terminal: bool `[stream]`, the final observation of an episode that the game ended.
    """

    obs: Mapping[str, NDArray[Any]]
    action: NDArray[np.int16]
    reward: NDArray[np.float32]
    is_first: NDArray[np.bool_]
    is_last: NDArray[np.bool_]
    is_terminal: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceBatch:
    """Windows of streams, for recurrent learning with burn-in.

    The time axis has `burn_in + unroll + num_steps` slots: burn-in warms the recurrent state up without loss, the
    unroll is trained on, the last `num_steps` are looked at only for n-step targets. A window may hold an episode
    boundary; nothing flows across it, because the state is zeroed where `is_first` is set and returns end at `is_last`.

    Args:
        obs: Named arrays `[batch, time, ...]`.
        action: int16 `[batch, time]`.
        reward: float32 `[batch, time]`.
        previous_action: int16 `[batch, time]`, -1 at an episode's first slot.
        previous_reward: float32 `[batch, time]`, 0 at an episode's first slot.
        is_first: bool `[batch, time]`.
        is_last: bool `[batch, time]`.
        is_terminal: bool `[batch, time]`.
        state: float32 `[batch, state_size]`, the recurrent state that the actor had before the window's first slot.
        index: int64 `[batch]`, the window's handle for priority updates.
        probability: float64 `[batch]`, with which it was drawn.
        num_windows: Windows that could have been drawn, for importance weights.
    """

    obs: Mapping[str, NDArray[Any]]
    action: NDArray[np.int16]
    reward: NDArray[np.float32]
    previous_action: NDArray[np.int16]
    previous_reward: NDArray[np.float32]
    is_first: NDArray[np.bool_]
    is_last: NDArray[np.bool_]
    is_terminal: NDArray[np.bool_]
    state: NDArray[np.float32]
    index: NDArray[np.int64]
    probability: NDArray[np.float64]
    num_windows: int
