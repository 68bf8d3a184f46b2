"""Cutting what an actor plays into chunks that others can learn from and play again.

Job: collect the moments of a vector into `ChunkContent`s of one game each, with the game's state at the first slot.
Place in the data flow: beside the replay: actor -> here -> file -> shared folder. Left out: who played with which
weights (the caller knows), files (`experience.chunk_file`), and whether a chunk is honest (`resimulate`).

When states are saved: a `Moment` holds slot t, but the step that made it whole has already moved the games on: they
stand at slot t + 1. So the state of a chunk whose first slot is t + 1 must be asked for right after the moment of slot
t, before that slot has been seen. Hence two rules: a chunk that is about to be full (`chunk_steps` transitions) orders
the state of the next one a moment early, and the games whose slot t was their episode's last one are saved right
away, because slot t + 1 begins another episode. A game whose present view is already known to be an episode's last one
is not saved: a chunk that begins there would have no transition.

A chunk that is full ends at slot t + chunk_steps, and the next one begins with the same observation: that slot is in
both, its transition in the second only.

Nothing of this changes the run: saving reads, and the moments belong to whoever asked for them.

Axes: `env` (one game each), `time` (slots of a chunk), `state` (numbers of a recurrent state).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from gamefleet.actors.actor import Moment
from gamefleet.actors.saved import pack
from gamefleet.actors.steps import Vector
from gamefleet.errors import ConfigError
from gamefleet.experience.chunk_file import ChunkContent
from gamefleet.experience.types import Slots

MIN_SLOTS = 2
"""Of a chunk with a transition."""

_ENDED = ("terminated", "truncated")
"""Outcomes of an episode whose last slot is the next one; those cut short have theirs already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedChunk:
    """A chunk and the game that it comes from.

    Args:
        env: The game.
        content: What happened.
    """

    env: int
    content: ChunkContent


@dataclass(slots=True)
class _Open:
    """A chunk that is being recorded.

    Args:
        start: The game's packed state at its first slot.
        moments: One per slot; shared by all games, nothing is copied before the chunk is finished.
        following: The state at the next chunk's first slot, once it was saved.
    """

    start: bytes
    moments: list[Moment] = field(default_factory=list)
    following: bytes = b""


class ChunkRecorder:
    """See the module's docstring.

    Args:
        vector: The games; in this process or in workers.
        chunk_steps: Transitions of a chunk at most.

    Raises:
        ConfigError: Chunks would have no transition.
    """

    def __init__(self, vector: Vector, *, chunk_steps: int) -> None:
        if chunk_steps < 1:
            raise ConfigError(
                "A chunk needs a step", value=chunk_steps, where="chunk_steps", remedy="Choose at least 1."
            )
        self._vector = vector
        self._chunk_steps = chunk_steps
        self._open: dict[int, _Open] = {}

    def begin(self) -> None:
        """Start all chunks at the next slot, forgetting those in progress.

        May be left out: then they begin after the first moment. Call it where an actor goes on (`import_state`): the
        games must have been started and no step be in flight.
        """
        self._open = {}
        self._begin(range(self._vector.num_envs))

    def observe(self, moment: Moment) -> list[RecordedChunk]:
        """Take one moment, right after the actor gave it and before its next `send`.

        Args:
            moment: Every one since `begin`, in order.

        Returns:
            Chunks that it finished.
        """
        finished: list[RecordedChunk] = []
        for env, is_last in enumerate(moment.slots.is_last.tolist()):
            chunk = self._open.get(env)
            if chunk is None:
                continue
            chunk.moments.append(moment)
            if is_last or len(chunk.moments) > self._chunk_steps:
                finished += _finished(env, self._open.pop(env))
                if not is_last and chunk.following:
                    self._open[env] = _Open(start=chunk.following, moments=[moment])
        self._save(ended={episode.env for episode in moment.episodes if episode.outcome in _ENDED})
        return finished

    def cut(self) -> list[RecordedChunk]:
        """End all chunks where they are, before a pause or the end; go on with `begin`.

        The observation after the last action of each game is not known here, so its last transition is left out.

        Returns:
            Chunks that have a transition.
        """
        cut = [chunk for env, started in self._open.items() for chunk in _finished(env, started)]
        self._open = {}
        return cut

    def _save(self, *, ended: set[int]) -> None:
        """Ask for the states of games whose next slot begins a chunk."""
        self._begin(env for env in range(self._vector.num_envs) if env not in self._open and env not in ended)
        full = [env for env, chunk in self._open.items() if len(chunk.moments) == self._chunk_steps]
        for env, state in self._states(env for env in full if env not in ended):
            self._open[env].following = state

    def _begin(self, envs: Iterable[int]) -> None:
        for env, state in self._states(envs):
            self._open[env] = _Open(start=state)

    def _states(self, envs: Iterable[int]) -> list[tuple[int, bytes]]:
        """Packed states; without the games whose worker just failed, which the next step will restart."""
        wanted = list(envs)
        states = self._vector.save_states(wanted) if wanted else []
        return [(env, pack(state)) for env, state in zip(wanted, states, strict=True) if state]


def _finished(env: int, chunk: _Open) -> list[RecordedChunk]:
    if len(chunk.moments) < MIN_SLOTS:
        return []
    state = np.stack([moment.state[env] for moment in chunk.moments])
    return [
        RecordedChunk(env=env, content=ChunkContent(slots=_slots(env, chunk.moments), state=state, start=chunk.start))
    ]


def _slots(env: int, moments: list[Moment]) -> Slots:
    """One game's column of the moments, made to look like an episode of its own."""
    all_slots = [moment.slots for moment in moments]
    action = np.array([slots.action[env] for slots in all_slots], np.int16)
    reward = np.array([slots.reward[env] for slots in all_slots], np.float32)
    is_terminal = np.array([slots.is_terminal[env] for slots in all_slots], np.bool_)
    action[-1], reward[-1] = 0, 0.0
    times = np.arange(len(moments))
    return Slots(
        obs={name: np.stack([slots.obs[name][env] for slots in all_slots]) for name in all_slots[0].obs},
        action=action,
        reward=reward,
        is_first=times == 0,
        is_last=times == len(moments) - 1,
        is_terminal=is_terminal,
    )
