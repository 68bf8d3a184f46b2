"""The actor: plays all games of a vector and records them.

Job: the loop body between games and replay. Place in the data flow: view -> policy -> vector -> `Moment` (slots for the
replay, recurrent states, episode summaries, milestones). Left out: when weights change and checkpoints are written
(`topologies`), how games run (`Vector`) and where episodes start (`Curriculum`).

A game whose view is its episode's last one is not stepped but restarted: its slot is recorded with `is_last`, and the
following slot is the next episode's first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gamefleet.actors.accounts import Accounts, EpisodeSummary, Standing
from gamefleet.actors.curriculum import Curriculum
from gamefleet.actors.explorer import Explorer
from gamefleet.actors.firsts import Firsts, MilestoneEvent
from gamefleet.actors.policy import Policy
from gamefleet.actors.saved import SavedState, pack, unpack
from gamefleet.actors.steps import STEP_FIELDS, Restart, Vector, VectorStep, WorkerFailure
from gamefleet.errors import IncompatibleError
from gamefleet.experience.types import Slots


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One recorded step of all games.

    Args:
        slots: For the replay; own copies.
        state: float32 `[env, state]`, the recurrent state before each slot.
        episodes: Episodes that ended.
        milestones: Milestones reached for the first time.
        saved: States that the curriculum wished for.
        failures: Workers that failed.
    """

    slots: Slots
    state: NDArray[np.float32]
    episodes: tuple[EpisodeSummary, ...]
    milestones: tuple[MilestoneEvent, ...]
    saved: tuple[SavedState, ...]
    failures: tuple[WorkerFailure, ...]


class Observer(Protocol):
    """Looks at every step of all games between two steps."""

    def observe(self, moment: Moment) -> None:
        """Take in a step; the games stand still meanwhile, so be quick."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pending:
    """What was seen and done in the step that is in flight."""

    obs: dict[str, NDArray[Any]]
    actions: NDArray[np.int16]
    state: NDArray[np.float32]
    is_first: NDArray[np.bool_]
    ended: NDArray[np.bool_]
    terminated: NDArray[np.bool_]
    restarts: Mapping[int, Restart]
    interrupted: tuple[int, ...]


class Actor:
    """Plays and records; see the module's docstring.

    Args:
        vector: The games.
        policy: Chooses actions.
        curriculum: Says where episodes start.
        seed: Of the run.
    """

    def __init__(self, *, vector: Vector, policy: Policy, curriculum: Curriculum, seed: int) -> None:
        self.vector = vector
        self.policy = policy
        self.curriculum = curriculum
        self.total_steps = 0
        self.total_episodes = 0
        self.firsts = Firsts(vector.spec.milestones)
        self._accounts = Accounts(vector.spec, vector.num_envs)
        self._explorer = Explorer(vector, curriculum, self._accounts, seed=seed)
        self._view: VectorStep | None = None
        self._pending: _Pending | None = None
        self._observers: list[Observer] = []

    def attach(self, observer: Observer) -> None:
        """Let somebody look at every step from now on, after those who already do."""
        self._observers.append(observer)

    def step(self) -> Moment:
        """Play one step of all games."""
        self.send()
        return self.collect()

    def send(self) -> None:
        """Choose actions for the present view and start the step."""
        view = self._view if self._view is not None else self._begin()
        decision = self.policy.act(view)
        interrupted = self._explorer.take_interrupts(view)
        restarts = self._explorer.choose([*np.flatnonzero(view.ended).tolist(), *interrupted])
        self._pending = _Pending(
            obs={name: array.copy() for name, array in view.obs.items()},
            actions=decision.actions,
            state=decision.state,
            is_first=view.is_first.copy(),
            ended=view.ended,
            terminated=view.terminated.copy(),
            restarts=restarts,
            interrupted=interrupted,
        )
        self.vector.send(decision.sent, restarts)

    def collect(self) -> Moment:
        """Wait for the step and record it."""
        pending, self._pending = self._pending, None
        if pending is None:
            raise RuntimeError("collect() without send()")
        view = self._view = self.vector.receive()
        stepped = ~view.lost
        stepped[list(pending.restarts)] = False
        episodes = self._cut_short(pending, view)
        fresh = self._accounts.add(view, stepped)
        self.total_steps += int(stepped.sum())
        self._open(pending, view)
        episodes += self._ended(view)
        self.total_episodes += len(episodes)
        moment = Moment(
            slots=_slots(pending, view, stepped),
            state=pending.state,
            episodes=tuple(episodes),
            milestones=self.firsts.add(fresh, self._accounts, self.total_steps),
            saved=self._explorer.show(view, fresh, self.total_steps),
            failures=view.failures,
        )
        for observer in self._observers:
            observer.observe(moment)
        return moment

    def episode(self, env: int) -> EpisodeSummary:
        """The episode that a game is in, as far as it went."""
        return self._accounts.summary(env, "playing")

    def standing(self, env: int) -> Standing:
        """How the episode that a game is in stands."""
        return self._accounts.standing(env)

    def close(self) -> None:
        """End the games."""
        self.vector.close()

    def export_state(self) -> dict[str, Any]:
        """Everything that shapes the future, games included; only when no step is in flight."""
        if self._pending is not None:
            raise RuntimeError("export_state() between send() and collect()")
        view = self._view if self._view is not None else self._begin()
        games = self.vector.save_states(range(self.vector.num_envs))
        return {
            "num_envs": self.vector.num_envs,
            "games": {str(env): pack(state) if state else b"" for env, state in enumerate(games)},
            "view": {name: getattr(view, name).copy() for name in STEP_FIELDS},
            "obs": {name: array.copy() for name, array in view.obs.items()},
            "total_steps": self.total_steps,
            "total_episodes": self.total_episodes,
            "firsts": self.firsts.export_state(),
            "accounts": self._accounts.export_state(),
            "explorer": self._explorer.export_state(),
            "policy": self.policy.export_state(),
        }

    def import_state(self, state: Mapping[str, Any]) -> None:
        """Continue exactly from `export_state`, in this or another process, with any number of workers.

        Raises:
            IncompatibleError: The state has another number of games or is of another game version.
        """
        if state["num_envs"] != self.vector.num_envs:
            raise IncompatibleError(
                "The checkpoint has another number of games",
                value=state["num_envs"],
                where="actors.num_envs",
                remedy=f"Resume with --set actors.num_envs={state['num_envs']}.",
            )
        self.total_steps = int(state["total_steps"])
        self.total_episodes = int(state["total_episodes"])
        self.firsts.import_state(state["firsts"])
        self._accounts.import_state(state["accounts"])
        self._explorer.import_state(state["explorer"])
        self.policy.import_state(state["policy"])
        self._view = self._restore_games(state)

    def _begin(self) -> VectorStep:
        envs = range(self.vector.num_envs)
        restarts = self._explorer.choose(envs)
        self.vector.send(np.zeros(len(envs), np.int16), restarts)
        self._view = view = self.vector.receive()
        for env in envs:
            self._accounts.begin(env, restarts[env], view)
        self._explorer.show(view, np.zeros_like(view.milestones), self.total_steps)
        return view

    def _restore_games(self, state: Mapping[str, Any]) -> VectorStep:
        packed = [state["games"][str(env)] for env in range(self.vector.num_envs)]
        restarts = {
            env: Restart(seed=env, state=unpack(game), new_episode=False) if game else Restart(seed=env)
            for env, game in enumerate(packed)
        }
        self.vector.send(np.zeros(self.vector.num_envs, np.int16), restarts)
        self.vector.receive()
        fields: dict[str, Any] = {name: np.array(array) for name, array in state["view"].items()}
        view = VectorStep(obs={name: np.array(array) for name, array in state["obs"].items()}, **fields)
        # A game whose worker had just failed when the checkpoint was written has no state: it is cut here.
        view.truncated[[env for env, game in enumerate(packed) if not game]] = True
        return view

    def _cut_short(self, pending: _Pending, view: VectorStep) -> list[EpisodeSummary]:
        cut = dict.fromkeys(np.flatnonzero(view.lost & ~pending.ended).tolist(), "lost")
        cut.update(dict.fromkeys(pending.interrupted, "interrupted"))
        return [self._accounts.summary(env, outcome) for env, outcome in sorted(cut.items())]

    def _open(self, pending: _Pending, view: VectorStep) -> None:
        for env in np.flatnonzero(view.lost).tolist():
            self._accounts.begin(env, Restart(seed=0), view)
        for env, restart in pending.restarts.items():
            if not view.lost[env]:
                self._accounts.begin(env, restart, view)

    def _ended(self, view: VectorStep) -> list[EpisodeSummary]:
        outcomes = {env: "terminated" if view.terminated[env] else "truncated" for env in np.flatnonzero(view.ended)}
        return [self._accounts.summary(int(env), outcome) for env, outcome in outcomes.items()]


def _slots(pending: _Pending, view: VectorStep, stepped: NDArray[np.bool_]) -> Slots:
    return Slots(
        obs=pending.obs,
        action=np.where(stepped, pending.actions, 0).astype(np.int16),
        reward=np.where(stepped, view.reward, np.float32(0.0)),
        is_first=pending.is_first,
        # A game that did not move has no transition here: its slot is the last of its episode, whoever cut it.
        is_last=~stepped,
        is_terminal=pending.terminated,
    )
