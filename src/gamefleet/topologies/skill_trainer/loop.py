"""The loop that trains a skill.

Job: update, refresh the pool, evaluate when it looks good, save, stop; in that order, so that what comes out depends on
seeds and counts alone. Place in the data flow: `JaxSkillTrainer.train`. Left out: the parts that it puts together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gamefleet.errors import IncompatibleError
from gamefleet.learners.mixture import first_params
from gamefleet.learners.ppo import Account, PpoState
from gamefleet.skills.training import Progress, TrainingOutcome, TrainingTask
from gamefleet.skills.world import SkillWorld
from gamefleet.topologies.skill_trainer.mixture import DISTILLED, Verdict, distilled, judge
from gamefleet.topologies.skill_trainer.parts import Parts, Programs, make_parts
from gamefleet.topologies.skill_trainer.play import Evaluation, evaluate, join_states, key_of, read_experts
from gamefleet.topologies.skill_trainer.saving import Saved, checkpoint_folder, load_checkpoint, save_checkpoint
from gamefleet.topologies.skill_trainer.starts import Source, frontier_arrays, open_starts

FRONTIER_BATCHES = 3
"""Batches of fresh worlds that are played for end states, at most."""


@dataclass(slots=True, kw_only=True)
class Counts:
    """What a training has done so far; plain numbers.

    Args:
        frames: Steps trained.
        calls: Calls of the compiled program.
        episodes: Episodes that ended.
        drawn: States that were drawn from the source.
        seconds: Spent, over all legs.
        checked_at: Call of the last evaluation.
        window: Episodes, successes and rewards of the last calls.
        evaluations: What evaluations said.
    """

    frames: int = 0
    calls: int = 0
    episodes: int = 0
    drawn: int = 0
    seconds: float = 0.0
    checked_at: int = 0
    window: list[list[float]] = field(default_factory=list)
    evaluations: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Training:
    """A training as it goes.

    Args:
        parts: What stays.
        source: Where episodes begin.
        state: Of PPO.
        pool: States from which episodes begin now.
        counts: What was done.
    """

    parts: Parts
    source: Source
    state: PpoState
    pool: Any
    counts: Counts


def open_training(world: SkillWorld, task: TrainingTask, programs: Programs) -> Training:
    """Begin a training, or go on with the one that was saved."""
    experts = tuple(read_experts(world, task, programs.compiled.observation_size))
    parts = make_parts(world, task, programs, experts)
    source = open_starts(parts)
    pool = jax.tree.map(jnp.asarray, source(0, parts.settings.pool_states))
    state = parts.ppo.init(key_of(task.seed, "training"), pool, parts.goal)
    state = state._replace(params=first_params(experts, state.params, parts.settings.dependencies))
    training = Training(
        parts=parts, source=source, state=state, pool=pool, counts=Counts(drawn=parts.settings.pool_states)
    )
    saved = load_checkpoint(checkpoint_folder(task.folder, task.index))
    return training if saved is None else _restored(training, saved)


def run_training(
    training: Training,
    report: Callable[[Progress], None],
    should_stop: Callable[[], bool],
    clock: Callable[[], float],
) -> TrainingOutcome | None:
    """Train until the skill is good enough, its steps are used up, or somebody asks to stop.

    Args:
        training: What `open_training` made.
        report: Told how it goes, after every call of the compiled program.
        should_stop: Asked after every call.
        clock: Seconds.
    """
    task, counts = training.parts.task, training.counts
    began, before, saved_at = clock(), counts.seconds, clock()
    while True:
        if counts.frames >= task.total_timesteps:
            found = _evaluate(training, "last")
            return _outcome(training, found, f"{task.total_timesteps} steps are used up")
        account = _update(training)
        counts.seconds = before + clock() - began
        report(_progress(training, account))
        if _looks_good(training):
            found = _evaluate(training, str(counts.calls))
            counts.seconds = before + clock() - began
            if found.found.bound >= task.threshold:
                return _outcome(training, found, "the success rate is high enough")
        stops = should_stop()
        if stops or clock() - saved_at >= training.parts.settings.checkpoint_s:
            save_checkpoint(checkpoint_folder(task.folder, task.index), counts.frames, _saved(training))
            saved_at = clock()
        if stops:
            return None


def _update(training: Training) -> Account:
    """One call of the compiled program, and fresh states in the pool."""
    parts, counts = training.parts, training.counts
    training.state, account = parts.ppo.update(training.state, training.pool, parts.goal)
    num, size = parts.settings.refreshed_states, parts.settings.pool_states
    fresh = training.source(counts.drawn, num)
    # Rows are overwritten in turn, so that a state stays for size / num calls.
    row = counts.calls * num % (size - size % num)
    training.pool = parts.place(training.pool, fresh, jnp.int32(row))
    counts.drawn += num
    counts.calls += 1
    counts.frames += parts.ppo.settings.steps_per_call
    sums = Account(*(float(value) for value in account))
    counts.episodes += int(sums.episodes)
    counts.window.append([sums.episodes, sums.successes, sums.total])
    while len(counts.window) > 1 and sum(row[0] for row in counts.window[1:]) >= parts.settings.window_episodes:
        counts.window.pop(0)
    return sums


def _window(counts: Counts) -> tuple[float, float, float]:
    """Episodes, success rate and mean reward of the last calls."""
    episodes, successes, total = (sum(column) for column in zip(*counts.window, strict=True))
    return episodes, successes / max(episodes, 1.0), total / max(episodes, 1.0)


def _looks_good(training: Training) -> bool:
    """Whether an evaluation is worth its time."""
    settings, counts = training.parts.settings, training.counts
    episodes, rate, _ = _window(counts)
    bar = min(training.parts.task.threshold + settings.margin, 1.0)
    rested = not counts.checked_at or counts.calls - counts.checked_at >= settings.pause_calls
    return episodes >= settings.window_episodes / 2 and rate >= bar and rested


def _evaluate(training: Training, purpose: str) -> Verdict:
    parts, counts = training.parts, training.counts
    verdict = judge(parts, parts.ppo.expert(training.state), f"evaluation {purpose}")
    counts.checked_at = counts.calls
    counts.evaluations.append({"frames": counts.frames, **verdict.found.as_json()})
    return verdict


def _progress(training: Training, account: Account) -> Progress:
    counts = training.counts
    _, rate, mean = _window(counts)
    names = ("policy_loss", "value_loss", "entropy", "moved")
    return Progress(
        frames=counts.frames,
        success_rate=rate,
        episodes=counts.episodes,
        return_mean=mean,
        seconds=counts.seconds,
        losses={name: float(getattr(account, name)) for name in names},
    )


def _outcome(training: Training, verdict: Verdict, reason: str) -> TrainingOutcome:
    parts, counts, found = training.parts, training.counts, verdict.found
    expert = {name: np.asarray(array) for name, array in parts.ppo.expert(training.state).items()}
    is_success = found.bound >= parts.task.threshold
    ends, networks = list(verdict.plan.ends), dict(verdict.networks)
    statistics: dict[str, Any] = {
        "evaluation": found.as_json(),
        "evaluations": counts.evaluations,
        **verdict.statistics,
    }
    if is_success:
        more = _more_ends(training, ends)
        if more:
            # Played after the decision, in worlds of their own: an estimate that was not looked at to decide.
            statistics["confirmation"] = [one.as_json() for one in more]
        ends += [end for one in more for end in one.ends]
        if parts.settings.distils and parts.task.plan:
            networks[DISTILLED], statistics[DISTILLED] = distilled(parts, parts.ppo.expert(training.state), verdict)
    frontier = frontier_arrays(parts, join_states(ends))
    return TrainingOutcome(
        is_success=is_success,
        reason=reason if is_success else f"{reason}, and {found.successes} of {found.reached} worlds are too few",
        successes=found.successes,
        episodes=found.reached,
        reached=found.reached,
        started=found.started,
        frames=counts.frames,
        seconds=counts.seconds,
        expert=expert,
        frontier=frontier,
        statistics=statistics,
        networks=networks,
    )


def _more_ends(training: Training, ends: list[Any]) -> list[Evaluation]:
    """Further evaluations, until there are enough end states."""
    parts, found = training.parts, list[Evaluation]()
    have = sum(_num(end) for end in ends)
    expert = parts.ppo.expert(training.state)
    while have < parts.settings.frontier_states and len(found) < FRONTIER_BATCHES:
        found.append(evaluate(parts, expert, f"frontier {len(found)}", parts.task.episodes))
        have += sum(_num(end) for end in found[-1].ends)
    return found


def _num(states: Any) -> int:
    return int(jax.tree.leaves(states)[0].shape[0])


def _saved(training: Training) -> Saved:
    leaves = jax.tree.leaves((training.state, training.pool))
    arrays = {f"{place:03d}": np.asarray(leaf) for place, leaf in enumerate(leaves)}
    return Saved(arrays=arrays, counts={**asdict(training.counts), "task": _facts(training.parts.task)})


def _restored(training: Training, saved: Saved) -> Training:
    """The training as it was saved.

    Raises:
        IncompatibleError: It is a checkpoint of another task or of another version of the program.
    """
    task = saved.counts.pop("task", None)
    leaves, tree = jax.tree.flatten((training.state, training.pool))
    found = [saved.arrays.get(f"{place:03d}") for place in range(len(leaves))]
    fits = all(
        array is not None and array.shape == leaf.shape and array.dtype == leaf.dtype
        for array, leaf in zip(found, leaves, strict=True)
    )
    facts = _facts(training.parts.task)
    # An earlier version did not write down all of them.
    if not isinstance(task, dict) or {**facts, **task} != facts or not fits:
        raise IncompatibleError(
            "The checkpoint of this skill belongs to another training",
            value=task,
            where=checkpoint_folder(training.parts.task.folder, training.parts.task.index),
            remedy="Remove the folder to train anew.",
        )
    training.state, training.pool = jax.tree.unflatten(tree, [jnp.asarray(array) for array in found])
    training.counts = Counts(**saved.counts)
    return training


def _facts(task: TrainingTask) -> dict[str, Any]:
    """What must be the same for a checkpoint to go on; `saving.as_begun` sees to the last three."""
    plan = [[step.index, step.name] for step in task.plan]
    kept = {"num_envs": task.num_envs, "halvings": task.halvings, "settings": dict(task.settings)}
    return {"skill": task.skill.as_json(), "seed": task.seed, "plan": plan, **kept}
