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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.actors.accounts import Accounts, EpisodeSummary
from gamefleet.actors.curriculum import Curriculum, Sight
from gamefleet.actors.policy import Policy, make_rng
from gamefleet.actors.saved import SavedState, pack, unpack
from gamefleet.actors.steps import START, STEP_FIELDS, Restart, Vector, VectorStep, WorkerFailure
from gamefleet.errors import IncompatibleError
from gamefleet.experience.types import Slots


@dataclass(frozen=True, slots=True, kw_only=True)
class MilestoneEvent:
    """A milestone that the run reached for the first time, or for the first time from the true beginning.

    Args:
        milestone: Its name.
        env: The game.
        origin: Where the episode started.
        total_steps: The run's steps then.
        path_steps: Steps since the game's beginning, those before the episode's start state included.
    """

    milestone: str
    env: int
    origin: str
    total_steps: int
    path_steps: int


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pending:
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
        self.first_steps: dict[str, int] = {}
        self.first_steps_from_start: dict[str, int] = {}
        self._num_saved = 0
        self._rng = make_rng(seed, purpose="curriculum")
        self._accounts = Accounts(vector.spec, vector.num_envs)
        self._view: VectorStep | None = None
        self._interrupt: tuple[int, ...] = ()
        self._pending: _Pending | None = None

    def step(self) -> Moment:
        """Play one step of all games."""
        self.send()
        return self.collect()

    def send(self) -> None:
        """Choose actions for the present view and start the step."""
        view = self._view if self._view is not None else self._begin()
        decision = self.policy.act(view)
        ended = view.ended
        interrupted = tuple(env for env in self._interrupt if not ended[env])
        self._interrupt = ()
        going = sorted({*np.flatnonzero(ended).tolist(), *interrupted})
        restarts = {env: self.curriculum.choose(env, self._rng) for env in going}
        self._pending = _Pending(
            obs={name: array.copy() for name, array in view.obs.items()},
            actions=decision.actions,
            state=decision.state,
            is_first=view.is_first.copy(),
            ended=ended,
            terminated=view.terminated.copy(),
            restarts=restarts,
            interrupted=interrupted,
        )
        self.vector.send(decision.actions, restarts)

    def collect(self) -> Moment:
        """Wait for the step and record it."""
        pending, self._pending = self._pending, None
        if pending is None:
            raise RuntimeError("collect() without send()")
        view = self._view = self.vector.receive()
        stepped = ~view.lost
        stepped[list(pending.restarts)] = False
        episodes = self._close(pending, view)
        fresh = self._accounts.add(view, stepped)
        self.total_steps += int(stepped.sum())
        self._open(pending, view)
        episodes += [self._accounts.summary(env, _outcome(view, env)) for env in np.flatnonzero(view.ended).tolist()]
        self.total_episodes += len(episodes)
        milestones = self._first_times(fresh) if fresh.any() else ()
        return Moment(
            slots=_slots(pending, view, stepped),
            state=pending.state,
            episodes=tuple(episodes),
            milestones=milestones,
            saved=self._show(view, fresh),
            failures=view.failures,
        )

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
            "interrupt": list(self._interrupt),
            "totals": {"steps": self.total_steps, "episodes": self.total_episodes, "saved": self._num_saved},
            "first_steps": dict(self.first_steps),
            "first_steps_from_start": dict(self.first_steps_from_start),
            "accounts": self._accounts.export_state(),
            "rng": self._rng.bit_generator.state,
            "policy": self.policy.export_state(),
            "curriculum": self.curriculum.export_state(),
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
        totals = state["totals"]
        self.total_steps, self.total_episodes = int(totals["steps"]), int(totals["episodes"])
        self._num_saved = int(totals["saved"])
        self.first_steps = dict(state["first_steps"])
        self.first_steps_from_start = dict(state["first_steps_from_start"])
        self._interrupt = tuple(state["interrupt"])
        self._accounts.import_state(state["accounts"])
        self._rng.bit_generator.state = state["rng"]
        self.policy.import_state(state["policy"])
        self.curriculum.import_state(state["curriculum"])
        self._view = self._restore_games(state)

    def _begin(self) -> VectorStep:
        envs = range(self.vector.num_envs)
        restarts = {env: self.curriculum.choose(env, self._rng) for env in envs}
        self.vector.send(np.zeros(self.vector.num_envs, np.int16), restarts)
        self._view = view = self.vector.receive()
        for env in envs:
            self._accounts.begin(env, restarts[env], view)
        self._show(view, np.zeros_like(view.milestones))
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

    def _close(self, pending: _Pending, view: VectorStep) -> list[EpisodeSummary]:
        cut = dict.fromkeys(pending.interrupted, "interrupted")
        lost = dict.fromkeys(np.flatnonzero(view.lost & ~pending.ended).tolist(), "lost")
        return [self._accounts.summary(env, outcome) for env, outcome in sorted({**lost, **cut}.items())]

    def _open(self, pending: _Pending, view: VectorStep) -> None:
        for env in np.flatnonzero(view.lost).tolist():
            self._accounts.begin(env, Restart(seed=0, origin=START), view)
        for env, restart in pending.restarts.items():
            if not view.lost[env]:
                self._accounts.begin(env, restart, view)

    def _first_times(self, fresh: NDArray[np.bool_]) -> tuple[MilestoneEvent, ...]:
        events = []
        for env, index in np.argwhere(fresh).tolist():
            name, origin = self.vector.spec.milestones[index], self._accounts.origins[env]
            known = self.first_steps_from_start if origin == START else self.first_steps
            if name in known:
                continue
            for record in (known, self.first_steps):
                record.setdefault(name, self.total_steps)
            path_steps = int(self._accounts.path_steps[env])
            event = MilestoneEvent(
                milestone=name, env=env, origin=origin, total_steps=self.total_steps, path_steps=path_steps
            )
            events.append(event)
        return tuple(events)

    def _show(self, view: VectorStep, fresh: NDArray[np.bool_]) -> tuple[SavedState, ...]:
        accounts = self._accounts
        sight = Sight(view=view, fresh=fresh, origins=accounts.origins, path_steps=accounts.path_steps)
        wishes = self.curriculum.observe(sight)
        self._interrupt = wishes.interrupt
        # Nothing can be explored from an episode's end.
        envs = [env for env in wishes.save if not view.ended[env]]
        if not envs:
            return ()
        states = self.vector.save_states(envs)
        saved = tuple(self._label(env, state, sight) for env, state in zip(envs, states, strict=True) if state)
        for entry in saved:
            self.curriculum.keep(entry)
        return saved

    def _label(self, env: int, state: bytes, sight: Sight) -> SavedState:
        self._num_saved += 1
        view, reached = sight.view, np.flatnonzero(sight.fresh[env])
        milestone = self.vector.spec.milestones[reached[-1]] if len(reached) else "cell"
        return SavedState(
            name=f"{milestone}#{self._num_saved}",
            milestone=milestone,
            env=env,
            parent=sight.origins[env],
            total_steps=self.total_steps,
            episode_steps=int(self._accounts.num_steps[env]),
            path_steps=int(sight.path_steps[env]),
            cell=int(view.cell[env]),
            progress=float(view.progress[env]),
            milestones=view.milestones[env].copy(),
            packed=pack(state),
        )


def _slots(pending: _Pending, view: VectorStep, stepped: NDArray[np.bool_]) -> Slots:
    # A game that did not move has no transition here: its slot is the last of its episode, whoever cut it.
    is_last = ~stepped
    return Slots(
        obs=pending.obs,
        action=np.where(stepped, pending.actions, 0).astype(np.int16),
        reward=np.where(stepped, view.reward, np.float32(0.0)),
        is_first=pending.is_first,
        is_last=is_last,
        is_terminal=pending.terminated,
    )


def _outcome(view: VectorStep, env: int) -> str:
    return "terminated" if view.terminated[env] else "truncated"
