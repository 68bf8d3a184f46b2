"""Training a skill in the toy crafting world: as a game's trainer does it, in a second.

Job: a `SkillTrainer`: start where the plan ends, train until the success rate on fresh worlds is sure enough, save
checkpoints that resume exactly. Place in the data flow: `TrainingTask` -> here -> `TrainingOutcome`. Left out: the
learner (`crafting_learner`), playing plans (`crafting_play`).

Axes: worlds, features, inputs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from safetensors.numpy import save

from gamefleet import files
from gamefleet.identity import derive_seed
from gamefleet.skills.training import Progress, TrainingOutcome, TrainingTask, lower_bound
from gamefleet.testing.crafting_learner import Floats, Network, Rollout, choose, fresh_network, improve, values
from gamefleet.testing.crafting_play import Evaluation, Goal, evaluate, opened, read_arrays, start_worlds
from gamefleet.testing.crafting_state import ACTIONS, Worlds, step
from gamefleet.testing.crafting_view import NUM_INPUTS, features_of, observe

STEPS_PER_UPDATE = 16
UPDATES_PER_CHECK = 10
RECENT_EPISODES = 256
SUCCESS_REWARD = 1.0
"""Added to the skill's own reward when it succeeds."""

CHECKPOINT = "checkpoint.safetensors"


@dataclass(slots=True, kw_only=True)
class _Training:
    """All that changes while a skill is trained; a checkpoint holds it whole."""

    network: Network
    moments: Network
    worlds: Worlds
    ages: Floats
    recent: Floats
    rng: np.random.Generator
    counts: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(("updates", "frames", "ended", "seconds"), 0)
    )

    def as_bytes(self) -> bytes:
        parts = {"network": self.network, "moments": self.moments, "worlds": self.worlds.as_arrays()}
        arrays = {f"{part}/{name}": array for part, group in parts.items() for name, array in group.items()}
        arrays |= {"ages": self.ages, "recent": self.recent}
        numbers = {"rng": self.rng.bit_generator.state, "counts": self.counts}
        return save(arrays, metadata={"numbers": json.dumps(numbers)})


@dataclass(slots=True, kw_only=True)
class CraftingTrainer:
    """Trains skills of the toy crafting world on one core.

    Args:
        settings: `updates_per_checkpoint`: how often to save, 10 unless given.
        clock: Seconds, for the account of time only.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    clock: Callable[[], float] = time.perf_counter

    def train(
        self, task: TrainingTask, report: Callable[[Progress], None], should_stop: Callable[[], bool]
    ) -> TrainingOutcome | None:
        """Train one skill; as `SkillTrainer.train` says."""
        with opened(task.skill) as goal:
            return self._train(task, goal, report, should_stop)

    def _train(
        self, task: TrainingTask, goal: Goal, report: Callable[[Progress], None], should_stop: Callable[[], bool]
    ) -> TrainingOutcome | None:
        starts = start_worlds(task)
        training = self._begin(task, starts)
        every = int({**self.settings, **task.settings}.get("updates_per_checkpoint", UPDATES_PER_CHECK))
        seconds, since = training.counts["seconds"], self.clock()
        while training.counts["frames"] < task.total_timesteps:
            losses = _update(training, goal, starts)
            training.counts["seconds"] = seconds + self.clock() - since
            is_check = training.counts["updates"] % UPDATES_PER_CHECK == 0
            if is_check:
                report(_progress(training, losses))
            stops = should_stop()
            if stops or training.counts["updates"] % every == 0:
                files.write_bytes(task.folder / CHECKPOINT, training.as_bytes())
            if is_check and _looks_good(training, task):
                found = _evaluate(training, task, goal)
                if lower_bound(found.successes, found.reached) >= task.threshold:
                    return _outcome(training, found, "the success rate is high enough", is_success=True)
            if stops:
                return None
        return _outcome(training, _evaluate(training, task, goal), "total_timesteps are used up", task=task)

    def _begin(self, task: TrainingTask, starts: Worlds) -> _Training:
        path = task.folder / CHECKPOINT
        files.make_folder(task.folder)
        if path.exists():
            return _restore(*read_arrays(path))
        rng = np.random.default_rng(derive_seed(task.seed, purpose=f"train-{task.index}-{task.attempt}"))
        network = fresh_network(NUM_INPUTS, len(ACTIONS))
        return _Training(
            network=network,
            moments={f"{part}/{name}": np.zeros_like(network[name]) for part in ("mean", "square") for name in network},
            worlds=starts.take(rng.integers(0, len(starts), task.num_envs)),
            ages=np.zeros(task.num_envs, np.float32),
            recent=np.zeros(RECENT_EPISODES, np.float32),
            rng=rng,
        )


def _restore(arrays: dict[str, Any], numbers: dict[str, Any]) -> _Training:
    def group(prefix: str) -> dict[str, Any]:
        return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}

    rng = np.random.default_rng()
    rng.bit_generator.state = numbers["rng"]
    return _Training(
        network=group("network/"),
        moments=group("moments/"),
        worlds=Worlds(**group("worlds/")),
        ages=arrays["ages"],
        recent=arrays["recent"],
        rng=rng,
        counts=numbers["counts"],
    )


def _update(training: _Training, goal: Goal, starts: Worlds) -> dict[str, float]:
    """Play a rollout and learn from it."""
    moments = [_play_step(training, goal, starts) for _ in range(STEPS_PER_UPDATE)]
    inputs, actions, rewards, is_over = (np.stack(part) for part in zip(*moments, strict=True))
    following = values(training.network, observe(training.worlds))
    rollout = Rollout(inputs=inputs, actions=actions, rewards=rewards, is_over=is_over, next_values=following)
    training.counts["updates"] += 1
    training.counts["frames"] += actions.size
    return improve(training.network, training.moments, int(training.counts["updates"]), rollout)


def _play_step(training: _Training, goal: Goal, starts: Worlds) -> tuple[Floats, Any, Floats, Any]:
    worlds = training.worlds
    inputs, before = observe(worlds), features_of(worlds)
    actions = choose(training.network, inputs, training.rng)
    step(worlds, actions)
    now = features_of(worlds)
    is_success = goal.is_reached(now, before) & (worlds.health > 0)
    rewards = np.asarray(goal.reward.evaluate(np, now, before) + SUCCESS_REWARD * is_success, np.float32)
    training.ages += 1
    is_over = is_success | (worlds.health <= 0) | (training.ages >= goal.max_steps)
    _start_again(training, starts, is_over, is_success)
    return inputs, actions, rewards, is_over


def _start_again(training: _Training, starts: Worlds, is_over: Any, is_success: Any) -> None:
    rows = np.flatnonzero(is_over)
    ended = int(training.counts["ended"])
    training.recent[(ended + np.arange(len(rows))) % RECENT_EPISODES] = is_success[rows]
    training.counts["ended"] = ended + len(rows)
    training.ages[rows] = 0
    training.worlds.put(rows, starts.take(training.rng.integers(0, len(starts), len(rows))))


def _recent_rate(training: _Training) -> float:
    known = min(int(training.counts["ended"]), RECENT_EPISODES)
    return float(training.recent[:known].mean()) if known else 0.0


def _looks_good(training: _Training, task: TrainingTask) -> bool:
    """Whether an evaluation may succeed: they cost as much as many updates."""
    is_enough = training.counts["ended"] >= RECENT_EPISODES
    return is_enough and _recent_rate(training) >= min(1.0, task.threshold + 0.04)


def _evaluate(training: _Training, task: TrainingTask, goal: Goal) -> Evaluation:
    seed = derive_seed(task.seed, purpose=f"evaluate-{task.index}-{task.attempt}-{training.counts['updates']}")
    return evaluate(task, training.network, goal, np.random.default_rng(seed))


def _progress(training: _Training, losses: dict[str, float]) -> Progress:
    rate = _recent_rate(training)
    return Progress(
        frames=int(training.counts["frames"]),
        success_rate=rate,
        episodes=int(training.counts["ended"]),
        return_mean=rate * SUCCESS_REWARD,
        seconds=float(training.counts["seconds"]),
        losses=losses,
    )


def _outcome(
    training: _Training, found: Evaluation, reason: str, *, is_success: bool = False, task: TrainingTask | None = None
) -> TrainingOutcome:
    if task is not None:
        is_success = lower_bound(found.successes, found.reached) >= task.threshold
    return TrainingOutcome(
        is_success=is_success,
        reason=reason,
        successes=found.successes,
        episodes=found.reached,
        reached=found.reached,
        started=found.started,
        frames=int(training.counts["frames"]),
        seconds=float(training.counts["seconds"]),
        expert=dict(training.network),
        frontier=found.ends.as_arrays(),
        statistics={"training_success_rate": _recent_rate(training), "episodes": int(training.counts["ended"])},
    )
