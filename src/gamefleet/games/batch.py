"""Many games at once: what a batch of them is, and the extra word that some games are told with an action.

Job: the types through which actors see games that are moved together by array operations. Place in the data flow: such
games write `StepRows`, which actors lay over the arrays of a vector. Left out: single games (`base`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.base import GameSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRows:
    """Where a batch of games writes its steps: one row per game, the fields of `Step`.

    Args:
        obs: Named arrays `[env, ...]`.
        terms: float32 `[env, term]`.
        terminated: bool `[env]`.
        truncated: bool `[env]`.
        milestones: bool `[env, milestone]`.
        cell: uint64 `[env]`.
        progress: float32 `[env]`.
    """

    obs: Mapping[str, NDArray[Any]]
    terms: NDArray[np.float32]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    milestones: NDArray[np.bool_]
    cell: NDArray[np.uint64]
    progress: NDArray[np.float32]


class BatchGame(Protocol):
    """Many games of one kind that are moved by the same array operations; otherwise as `Game`, for each of them.

    It was made with `StepRows`, and writes the rows of the games that it is called for. Games are numbered from 0.
    """

    def reset(self, envs: NDArray[np.int64], seeds: Sequence[int]) -> None:
        """As `Game.reset`, for several games."""
        ...

    def step(self, envs: NDArray[np.int64], actions: NDArray[np.int16]) -> None:
        """As `Game.step`, for several games."""
        ...

    def save_states(self, envs: Sequence[int]) -> list[bytes]:
        """As `Game.save_state`, for several games."""
        ...

    def restore_states(self, envs: Sequence[int], states: Sequence[bytes], new_episode: Sequence[bool]) -> None:
        """As `Game.restore_state`, for several games.

        Raises:
            IncompatibleError: A state is none of this game version; nothing was changed.
        """
        ...


def empty_rows(spec: GameSpec, num_envs: int) -> StepRows:
    """Zeroed rows for a batch of games that nobody else looks at."""
    return StepRows(
        obs={array.name: np.zeros((num_envs, *array.shape), array.dtype) for array in spec.observations},
        terms=np.zeros((num_envs, len(spec.reward_terms)), np.float32),
        terminated=np.zeros(num_envs, np.bool_),
        truncated=np.zeros(num_envs, np.bool_),
        milestones=np.zeros((num_envs, len(spec.milestones)), np.bool_),
        cell=np.zeros(num_envs, np.uint64),
        progress=np.zeros(num_envs, np.float32),
    )


def with_intent(action: NDArray[np.int16], greedy: NDArray[np.int16], num_actions: int) -> NDArray[np.int16]:
    """Actions as a game that hears intents gets them: what is done, and what would have been done without exploring.

    Source: Hu & Foerster 2020, "Simplified Action Decoder for Deep Multi-Agent Reinforcement Learning", section 4.
    """
    return (action + num_actions * greedy).astype(np.int16)


def split_intent(sent: NDArray[np.int16], num_actions: int) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """The action and the greedy action in what `with_intent` made."""
    greedy, action = np.divmod(sent, np.int16(num_actions))
    return action.astype(np.int16), greedy.astype(np.int16)
