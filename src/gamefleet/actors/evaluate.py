"""Playing fixed seeds to the end, for comparisons.

Job: let a policy play every seed once and say what it reached. Place in the data flow: vector + policy -> results,
which `compare` turns into a table. Left out: recording for the replay (`actor`) and curricula: evaluation starts at the
beginning, or at one state for all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.actors.accounts import Accounts, EpisodeSummary
from gamefleet.actors.policy import Decision, Policy
from gamefleet.actors.steps import LEAVE_ALONE, Restart, Vector, VectorStep
from gamefleet.games.base import ScriptedPlayer


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeResult:
    """What one seed came to.

    Args:
        seed: The episode's.
        summary: The episode in numbers.
        first_steps: Steps from the episode's start to each milestone that it reached itself.
    """

    seed: int
    summary: EpisodeSummary
    first_steps: Mapping[str, int]


class ScriptedPolicy:
    """Hand-written players as a policy; each starts anew with every episode.

    Args:
        makers: One function per game that makes its player.
    """

    def __init__(self, makers: Sequence[Callable[[], ScriptedPlayer]]) -> None:
        self._makers = tuple(makers)
        self._players: dict[int, ScriptedPlayer] = {}
        self._state = np.zeros((len(self._makers), 0), np.float32)

    def act(self, view: VectorStep) -> Decision:
        """See `Policy.act`."""
        actions = np.zeros(len(self._makers), np.int16)
        for env in np.flatnonzero(~view.ended).tolist():
            if view.is_first[env] or env not in self._players:
                self._players[env] = self._makers[env]()
            actions[env] = self._players[env].act()
        return Decision(actions=actions, state=self._state)

    def export_state(self) -> dict[str, Any]:
        """See `Policy.export_state`; players read all they need from their game."""
        return {}

    def import_state(self, state: Mapping[str, Any]) -> None:
        """See `Policy.import_state`."""


def evaluate(
    vector: Vector, policy: Policy, *, seeds: Sequence[int], max_steps: int, start: bytes | None = None
) -> list[EpisodeResult]:
    """Play each seed once.

    Args:
        vector: The games; each takes the next seed when its episode is over.
        policy: Chooses actions for all games of the vector.
        seeds: Of the episodes. With `start` they only count the episodes, because the state holds its randomness.
        max_steps: Episodes are cut after so many steps.
        start: A saved state to start from instead of the beginning.

    Returns:
        One result per seed, in the order of `seeds`.
    """
    return _Evaluation(vector, policy, max_steps, start).run(seeds)


class _Evaluation:
    """The episodes in progress: `_turns` says which game plays which seed, by position in the list."""

    def __init__(self, vector: Vector, policy: Policy, max_steps: int, start: bytes | None) -> None:
        self._vector = vector
        self._policy = policy
        self._max_steps = max_steps
        self._start = start
        self._accounts = Accounts(vector.spec, vector.num_envs)
        self._turns: dict[int, tuple[int, int]] = {}
        self._restarts: dict[int, Restart] = {}
        self._first_steps: dict[int, dict[str, int]] = {}

    def run(self, seeds: Sequence[int]) -> list[EpisodeResult]:
        waiting = deque(enumerate(seeds))
        results: dict[int, EpisodeResult] = {}
        for env in range(min(len(seeds), self._vector.num_envs)):
            self._begin(env, waiting.popleft())
        actions = self._choose(None)
        while self._turns:
            view = self._play(actions)
            for env in self._finished(view):
                position, _ = self._turns[env]
                results[position] = self._result(view, env)
                del self._turns[env]
                if waiting:
                    self._begin(env, waiting.popleft())
            actions = self._choose(view)
        return [results[position] for position in range(len(seeds))]

    def _begin(self, env: int, turn: tuple[int, int]) -> None:
        self._turns[env] = turn
        self._restarts[env] = Restart(seed=turn[1], state=self._start)
        self._first_steps[env] = {}

    def _choose(self, view: VectorStep | None) -> NDArray[np.int16]:
        actions = np.full(self._vector.num_envs, LEAVE_ALONE, np.int16)
        playing = [env for env in self._turns if env not in self._restarts]
        if view is not None:
            actions[playing] = self._policy.act(view).sent[playing]
        return actions

    def _play(self, actions: NDArray[np.int16]) -> VectorStep:
        restarts, self._restarts = self._restarts, {}
        self._vector.send(actions, restarts)
        view = self._vector.receive()
        stepped = (actions != LEAVE_ALONE) & ~view.lost
        for env, index in np.argwhere(self._accounts.add(view, stepped)).tolist():
            name = self._vector.spec.milestones[index]
            self._first_steps[env][name] = int(self._accounts.num_steps[env])
        for env, restart in restarts.items():
            self._accounts.begin(env, restart, view)
        # An episode that was lost with its worker is played again: its seed deserves a whole one.
        for env in np.flatnonzero(view.lost).tolist():
            if env in self._turns:
                self._begin(env, self._turns[env])
        return view

    def _finished(self, view: VectorStep) -> list[int]:
        is_over = view.ended | (self._accounts.num_steps >= self._max_steps)
        return [env for env in sorted(self._turns) if is_over[env] and env not in self._restarts]

    def _result(self, view: VectorStep, env: int) -> EpisodeResult:
        outcome = "terminated" if view.terminated[env] else "truncated"
        summary = self._accounts.summary(env, outcome)
        return EpisodeResult(seed=self._turns[env][1], summary=summary, first_steps=self._first_steps[env])
