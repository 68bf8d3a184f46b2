"""What a learner does for a coordinator: a state that follows from the messages it got, and from nothing else.

Job: updates, a copy of the replay, the best actions; and all of it into and out of a checkpoint. Place in the data
flow: messages of a coordinator -> here -> answers. Left out: the line and its threads (`session`), files.

Two threads may work here at the same time: one asks (`answer`), one does everything else.

Axes: `env` (one game each), `time` (steps of a round), `update`, `batch`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from threading import Condition
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.actors.mind import NetworkMind, Situation
from gamefleet.experience.layout import FLAGS
from gamefleet.experience.replay import Replay
from gamefleet.experience.types import SequenceBatch, Slots
from gamefleet.experience.windows import Draw
from gamefleet.games.base import GamePackage
from gamefleet.runs.checkpoint import Checkpoint
from gamefleet.topologies.build import choose_device, intrinsic_weight, make_learner, make_network, make_replay
from gamefleet.topologies.config import RunConfig
from gamefleet.topologies.remote_learner.messages import Arrays, halved, observations
from gamefleet.topologies.restoring import learner_parts, learner_state
from gamefleet.transport.base import ClosedError

if TYPE_CHECKING:
    from gamefleet.learners.value import UpdateResult, ValueLearner

SITUATION = tuple(field.name for field in fields(Situation) if field.name != "obs")
BATCH = tuple(field.name for field in fields(SequenceBatch) if field.name not in ("obs", "num_windows"))
PART = "remote"
"""Name of the checkpoint's part with what belongs to neither network nor optimizer."""


class Work:
    """See the module's docstring.

    Args:
        package: The game.
        config: The coordinator's settings, with the device of this machine.
    """

    def __init__(self, package: GamePackage, config: RunConfig) -> None:
        spec = package.make_spec(config.game)
        device = choose_device(config.run.device)
        network = make_network(package, spec, config)
        self.config = config
        self.device = device
        self.learner: ValueLearner = make_learner(package, spec, config, network, device)
        self.replay: Replay | None = None
        if config.remote.batches == "indices":
            self.replay = make_replay(spec, config, state_size=network.state_size)
        self.version = 0
        self._mind_version = -1
        self._versions: dict[int, Arrays] = {0: self.learner.weights()}
        self.busy_s = self.idle_s = 0.0
        self._mind = NetworkMind(network, intrinsic_weights=np.full(1, intrinsic_weight(config)), device=device)
        self._asked: dict[int, dict[int, Situation]] = {}
        self._changed = Condition()
        self._is_stopped = False

    @property
    def state_size(self) -> int:
        """Numbers in a recurrent state."""
        return self._mind.state_size

    def note(self, header: Mapping[str, Any], arrays: Arrays) -> Situation:
        """Remember what was seen in a step, for the record that follows; call it in the order of the messages."""
        situation = Situation(obs=observations(arrays), **{name: np.array(arrays[name]) for name in SITUATION})
        if self.replay is not None:
            with self._changed:
                self._asked.setdefault(int(header["number"]), {})[int(header["group"])] = situation
                self._changed.notify_all()
        return situation

    def stop(self) -> None:
        """Let nobody wait here any more."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def answer(self, situation: Situation, version: int) -> dict[str, NDArray[Any]]:
        """The best actions by the weights of a version; waits until they are there.

        Args:
            situation: Of some or all games.
            version: Updates that the weights must have had.

        Returns:
            `actions` int16 `[env]` and `state` float32 `[env, state]`.

        Raises:
            ClosedError: `stop` was called first.
        """
        with self._changed:
            self._wait_for(lambda: version in self._versions)
            if self._mind_version != version:
                self._mind.refresh(self._versions[version], version=version)
                self._mind_version = version
                # Questions are about versions that only grow.
                self._versions = {known: weights for known, weights in self._versions.items() if known >= version}
            actions, state = self._mind.greedy(situation)
        return {"actions": actions, "state": state}

    def order(self, header: Mapping[str, Any], arrays: Arrays) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Make some updates.

        Returns:
            What is reported: their metrics, and priorities float64 `[update, batch]` where the replay has them.
        """
        results = self._purpose(header, self._batches(header, arrays))
        names = sorted({name for result in results for name in result.metrics})
        told = {"first": header["first"], "count": len(results), "names": names, "made": self.learner.num_updates}
        numbers = [[result.metrics.get(name, np.nan) for name in names] for result in results]
        metrics = np.array(numbers, np.float64).reshape(len(results), len(names))
        reported: dict[str, NDArray[Any]] = {"metrics": metrics}
        if results and self.config.replay.effective_exponent > 0:
            reported["priorities"] = np.stack([result.priorities for result in results])
        return {**told, "busy_s": self.busy_s, "idle_s": self.idle_s}, reported

    def refresh(self, version: int, *, is_asked: bool) -> None:
        """The present weights are this version; questions about it and about earlier ones may come.

        Args:
            version: Updates that were ordered by now.
            is_asked: Whether questions come at all; without them earlier versions are of no use.
        """
        weights = self.learner.weights()
        with self._changed:
            if not is_asked:
                self._versions = {}
            self._versions[version] = weights
            self.version = version
            self._changed.notify_all()

    def weights(self, kind: str) -> dict[str, NDArray[Any]]:
        """The present weights as they travel."""
        plain = self.learner.weights()
        return halved(plain) if kind == "bfloat16" else plain

    def record(self, header: Mapping[str, Any], arrays: Arrays) -> None:
        """Take in what was played in a round; arrays are `[time, env, ...]`."""
        if self.replay is None:
            return
        first = int(header["first_ask"])
        for step in range(len(arrays["action"])):
            if first >= 0:
                obs, state = self._take_asked(first + step, int(header["groups"]))
            else:
                obs = {name: array[step] for name, array in observations(arrays).items()}
                state = arrays["state"][step]
            slots = Slots(obs=obs, **{name: arrays[name][step] for name in FLAGS})
            self.replay.add(slots, state)

    def parts(self) -> dict[str, Any]:
        """Everything but the copy of the replay, as parts of a checkpoint."""
        return learner_parts(self.learner.export_state())

    def load(self, checkpoint: Checkpoint) -> None:
        """Become what a checkpoint of this side holds."""
        self.learner.import_state(learner_state(checkpoint))
        if self.replay is not None and checkpoint.replay is not None:
            self.replay.load(checkpoint.replay)
        self._asked = {}
        self._mind_version = -1
        self.refresh(int(checkpoint.part(PART)["version"]), is_asked=False)

    def save_replay(self, folder: Path, previous: Path | None) -> None:
        """Write the copy of the replay; see `Replay.save`."""
        if self.replay is not None:
            self.replay.save(folder, previous)

    def _batches(self, header: Mapping[str, Any], arrays: Arrays) -> list[SequenceBatch]:
        count = int(header["count"])
        if self.replay is None:
            return [self._batch(arrays, update, int(header["num_windows"])) for update in range(count)]
        index, replay = arrays["index"], self.replay
        known = arrays.get("probability")
        uniform = np.full(index.shape[1], 1.0 / max(1, replay.num_sampleable))
        chances = [uniform if known is None else known[update] for update in range(count)]
        return [replay.gather(Draw.of(index[update], chances[update])) for update in range(count)]

    def _batch(self, arrays: Arrays, update: int, num_windows: int) -> SequenceBatch:
        obs = {name: array[update] for name, array in observations(arrays).items()}
        return SequenceBatch(obs=obs, num_windows=num_windows, **{name: arrays[name][update] for name in BATCH})

    def _purpose(self, header: Mapping[str, Any], batches: list[SequenceBatch]) -> list[UpdateResult]:
        if header["purpose"] == "update":
            return [self.learner.update(batch) for batch in batches]
        assert self.learner.curiosity is not None
        for batch in batches:
            flat = {name: array.reshape(-1, *array.shape[2:]) for name, array in batch.obs.items()}
            self.learner.curiosity.warm_up(flat)
        return []

    def _take_asked(self, number: int, groups: int) -> tuple[dict[str, NDArray[Any]], NDArray[np.float32]]:
        # After a restart questions are repeated on their own stream, and may come after the record of the round.
        with self._changed:
            self._wait_for(lambda: len(self._asked.get(number, {})) == groups)
            asked = self._asked.pop(number)
            for older in [known for known in self._asked if known < number]:  # asked to measure, never recorded
                del self._asked[older]
        rows = [asked[group] for group in range(groups)]
        obs = {name: np.concatenate([row.obs[name] for row in rows]) for name in rows[0].obs}
        return obs, np.concatenate([row.state for row in rows])

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        self._changed.wait_for(lambda: self._is_stopped or condition())
        if self._is_stopped:
            raise ClosedError("the session has ended")


def with_device(config: RunConfig, device: Any) -> RunConfig:
    """A coordinator's settings on the device of this machine."""
    return replace(config, run=replace(config.run, device=device))


def updates_of(header: Mapping[str, Any], arrays: Arrays) -> tuple[UpdateResult, ...]:
    """The results that `Work.order` reported."""
    from gamefleet.learners.value import UpdateResult

    metrics, names = arrays["metrics"], header["names"]
    nothing = np.zeros((len(metrics), 0))
    priorities = arrays.get("priorities", nothing)
    return tuple(
        UpdateResult(
            priorities=priorities[update],
            metrics={name: float(value) for name, value in zip(names, metrics[update], strict=True) if value == value},
        )
        for update in range(len(metrics))
    )
