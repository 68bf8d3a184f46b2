"""solo: one machine plays, records and learns, in rounds that give the same result at any speed.

Job: the wiring of one machine. Place in the data flow: the place where actor, replay and learner meet:
game -> actor -> replay -> learner -> weights -> policy. Left out: the run around it (checkpoints, metrics, deadline),
which is `training`, the same for every wiring; and other members (`shared_folder`).

A round is the unit of lockstep. The actor plays `round_length` vector steps with fixed weights; at the same time, in a
second thread, the learner performs the updates that are due on what was recorded *before* the round. At its end the
played slots enter the replay and the learner's weights reach the policy. Neither side sees the other's work of the same
round, so the result depends on neither thread timing nor the number of workers, and a run that is cut between two
rounds and resumed is bit-identical to one that was not. Two cores are busy although the result is that of one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gamefleet.actors.actor import Actor, Moment
from gamefleet.experience.replay import Replay
from gamefleet.experience.types import SequenceBatch
from gamefleet.transport.memory import MemoryWeights
from gamefleet.weights.snapshot import Weights

if TYPE_CHECKING:  # torch is imported while the games start, not before
    from gamefleet.actors.policy import EpsilonGreedyPolicy
    from gamefleet.learners.value import UpdateResult, ValueLearner


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How playing and learning take turns.

    Args:
        round_length: Vector steps per round; new weights reach the policy this often.
        replay_ratio: Trained slots per recorded slot; 1 means that each slot is trained on once on average.
        learning_starts_steps: Recorded steps before the first update.
        batch_size: Sequences per update.
        unroll: Trained slots per sequence.
        updates_per_episode: When above 0, updates are due by this, and not by the replay ratio.
        max_replay_ratio: More is never due.
    """

    round_length: int
    replay_ratio: float
    learning_starts_steps: int
    batch_size: int
    unroll: int
    updates_per_episode: float = 0.0
    max_replay_ratio: float = math.inf

    @property
    def count(self) -> Count:
        """The count of a run that begins with this schedule."""
        return Count(
            replay_ratio=self.replay_ratio,
            slots_per_update=self.batch_size * self.unroll,
            starts=self.learning_starts_steps,
            steps=self.learning_starts_steps,
            updates=0,
            updates_per_episode=self.updates_per_episode,
            max_replay_ratio=self.max_replay_ratio,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """From where on updates are due.

    Args:
        replay_ratio: Of the schedule.
        slots_per_update: Trained slots of one update.
        starts: The schedule's `learning_starts_steps`.
        steps: Recorded steps at which the count began.
        updates: Updates made by then.
        updates_per_episode: Of the schedule.
        max_replay_ratio: Of the schedule.
        episodes: Episodes that had ended when the count began.
    """

    replay_ratio: float
    slots_per_update: int
    starts: int
    steps: int
    updates: int
    updates_per_episode: float = 0.0
    max_replay_ratio: float = math.inf
    episodes: int = 0

    def due(self, steps: int, updates: int, episodes: int = 0) -> int:
        """Updates that the schedule allows now and that have not been made.

        Args:
            steps: Steps recorded so far.
            updates: Updates made so far.
            episodes: Episodes that have ended so far.
        """
        if steps < self.starts:
            return 0
        updates_per_step = self.replay_ratio / self.slots_per_update
        allowed = (steps - self.steps) * updates_per_step
        if self.updates_per_episode:
            most = (steps - self.steps) * self.max_replay_ratio / self.slots_per_update
            allowed = min((episodes - self.episodes) * self.updates_per_episode, most)
        return max(0, int(allowed) + self.updates - updates)

    def going_on(self, saved: Mapping[str, Any], steps: int, updates: int, episodes: int = 0) -> Count:
        """The count of a run that is resumed: the saved one, or with other settings a new one from here on.

        Without the new one, a resume with half the batch size would make up for all updates since the run's beginning.
        """
        before = Count(**saved)
        if replace(before, steps=self.steps, updates=self.updates, episodes=self.episodes) == self:
            return before
        return replace(self, steps=max(steps, self.starts), updates=updates, episodes=episodes)


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """Something that a round has to tell.

    Args:
        kind: A key of `runs.events.EVENTS`.
        sentence: For people who watch; empty for what only the files need.
        details: JSON values.
    """

    kind: str
    sentence: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round did.

    Args:
        moments: One per vector step.
        updates: One per update, in order.
        news: What happened besides, in order.
        sharing: Metrics of sharing with others; none on one machine.
    """

    moments: tuple[Moment, ...]
    updates: tuple[UpdateResult, ...]
    news: tuple[News, ...] = ()
    sharing: Mapping[str, float] = field(default_factory=dict)


class Sampler(Protocol):
    """Where batches come from: the replay, or one that mixes others' play into them."""

    def can_sample(self) -> bool:
        """Whether there is anything to draw."""
        ...

    def sample(self, batch_size: int) -> SequenceBatch:
        """Draw windows."""
        ...

    def update_priorities(self, index: NDArray[np.int64], priority: NDArray[np.float64]) -> None:
        """Set the priorities of drawn windows."""
        ...


class Solo:
    """The wiring of one machine; see the module's docstring.

    Args:
        actor: Plays; its policy is `policy`.
        policy: Receives the learner's weights after each round.
        replay: Holds what was recorded here.
        learner: Improves the weights.
        schedule: How playing and learning take turns.
    """

    def __init__(
        self, *, actor: Actor, policy: EpsilonGreedyPolicy, replay: Replay, learner: ValueLearner, schedule: Schedule
    ) -> None:
        self.actor = actor
        self.policy = policy
        self.replay = replay
        self.learner = learner
        self.schedule = schedule
        self._sampler: Sampler = replay
        self._count = schedule.count
        self._weights = MemoryWeights()
        self._exit = ExitStack()
        self._thread = self._exit.enter_context(ThreadPoolExecutor(max_workers=1, thread_name_prefix="learner"))
        self._exit.callback(actor.close)

    def __enter__(self) -> Solo:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the games and the learner's thread."""
        self._exit.close()

    def draw_from(self, sampler: Sampler) -> None:
        """Draw batches from elsewhere; before the first round."""
        self._sampler = sampler

    @property
    def must_save(self) -> bool:
        """Whether a checkpoint is needed out of turn; never on one machine."""
        return False

    @property
    def steps(self) -> int:
        """Steps recorded so far, over all environments."""
        return self.actor.total_steps

    @property
    def updates(self) -> int:
        """Updates made so far."""
        return self.learner.num_updates

    def run_round(self) -> Round:
        """Play and learn side by side, then exchange."""
        learning = self._thread.submit(self._learn, self.due())
        moments = tuple(self.actor.step() for _ in range(self.schedule.round_length))
        updates = learning.result()
        for moment in moments:
            self.replay.add(moment.slots, moment.state)
        if updates:
            self._weights.publish(Weights(version=self.updates, arrays=self.learner.weights()))
        newest = self._weights.newest(after=self.policy.version)
        if newest is not None:
            self.policy.refresh(newest.arrays, version=newest.version)
        return Round(moments=moments, updates=updates)

    def due(self) -> int:
        """Updates that are due on what has been recorded."""
        return self._count.due(self.steps, self.updates, self.actor.total_episodes)

    def refresh_policy(self) -> None:
        """Let the policy play with the learner's present weights; they came from elsewhere, without an update."""
        self.policy.refresh(self.learner.weights(), version=self.updates)

    def _learn(self, count: int) -> tuple[UpdateResult, ...]:
        if not count or not self._sampler.can_sample():
            return ()
        self._warm_up()
        return tuple(self._update() for _ in range(count))

    def _warm_up(self) -> None:
        """Show curiosity what random play looks like before the first update."""
        curiosity = self.learner.curiosity
        if curiosity is None or not curiosity.needs_warm_up:
            return
        num_slots = 0
        while num_slots < curiosity.settings.warm_up_steps:
            batch = self._sampler.sample(self.schedule.batch_size)
            curiosity.warm_up({name: array.reshape(-1, *array.shape[2:]) for name, array in batch.obs.items()})
            num_slots += batch.action.size

    def _update(self) -> UpdateResult:
        batch = self._sampler.sample(self.schedule.batch_size)
        result = self.learner.update(batch)
        self._sampler.update_priorities(batch.index, result.priorities)
        return result

    def export_state(self) -> dict[str, Any]:
        """Everything but the replay, as nested dicts of JSON values and arrays; only between rounds."""
        learner = {**self.learner.export_state(), "count": asdict(self._count)}
        return {"actor": self.actor.export_state(), "learner": learner}

    def import_state(self, state: Mapping[str, Any]) -> None:
        """Continue from `export_state`; the replay is loaded apart."""
        self.learner.import_state(state["learner"])
        self.actor.import_state(state["actor"])
        present = self.schedule.count
        saved = state["learner"].get("count", asdict(present))  # checkpoints of the first days have none
        self._count = present.going_on(saved, self.steps, self.updates, self.actor.total_episodes)
        self._weights = MemoryWeights()  # weights of another future could be newer than those of this one

    def save_replay(self, folder: Path, previous: Path | None) -> None:
        """Write the replay; see `Replay.save`."""
        self.replay.save(folder, previous)
