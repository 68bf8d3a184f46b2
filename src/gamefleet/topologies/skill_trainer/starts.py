"""Where the episodes of a skill begin.

Job: fresh worlds for a skill that builds on nothing; otherwise the end states of what it builds on. Place in the data
flow: the loop draws from it, first a pool, then a few states after every call. Left out: what is done with them.

The end states of the last skill of the plan are taken when everything that the new skill builds on was played on the
way to them, and nearly all of them hold what it asks for. Otherwise the plan is played in fresh worlds, as it is when
the skill is evaluated: the few states that hold enough by chance are no fair sample of those where it will start.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from gamefleet.errors import CheckpointError, CorruptCheckpointError
from gamefleet.skills.dependencies import needs
from gamefleet.skills.training import PlanStep
from gamefleet.topologies.skill_trainer.goal import least_amounts
from gamefleet.topologies.skill_trainer.parts import Parts
from gamefleet.topologies.skill_trainer.play import MAX_BATCHES, join_states, key_of, make_plan, play_fresh, take_rows

FRONTIER_FILE = "frontier.safetensors"
PLAYED = "played"
"""Name of the array with the global indices of the skills that led to the states of a frontier."""

Source = Callable[[int, int], Any]
"""`(first, num) -> states`: the states number `first` and following of an endless row; the same on every call."""


def open_starts(parts: Parts) -> Source:
    """The states where the skill begins.

    Raises:
        CheckpointError: No state can be found that holds what the skill asks for.
    """
    if not parts.task.plan:
        return lambda first, num: parts.generate(key_of(parts.task.seed, f"starts {first}"), num)
    states = _frontier_states(parts)
    if states is None:
        states = _played_states(parts)
    order = np.random.default_rng(parts.task.seed).permutation(_num(states))

    def take(first: int, num: int) -> Any:
        rows = order[np.arange(first, first + num) % len(order)]
        return jax.tree.map(lambda leaf: leaf[rows], states)

    return take


def frontier_arrays(parts: Parts, ends: Any) -> dict[str, NDArray[Any]]:
    """End states as arrays for a file."""
    indices = [*(step.index for step in parts.task.plan), parts.task.index]
    return {**parts.compiled.to_arrays(ends), PLAYED: np.array(indices, np.int32)}


def _frontier_states(parts: Parts) -> Any | None:
    """End states of the plan's last skill that will do; None where they will not.

    That is where there are none (an expert that came from elsewhere), where its skill did not build on all the others,
    or where too few of them hold what is asked for.
    """
    arrays = _read_frontier(parts.task.plan[-1])
    played = arrays.pop(PLAYED, np.zeros(0, np.int32))
    if not {step.index for step in parts.task.plan} <= set(played.tolist()):
        return None
    states = parts.compiled.from_arrays(arrays)
    found = _that_hold(parts, states)
    least = max(parts.settings.least_states, parts.settings.least_share * _num(states))
    return found if _num(found) >= least else None


def _read_frontier(step: PlanStep) -> dict[str, NDArray[Any]]:
    path = step.folder / FRONTIER_FILE
    try:
        return load_file(path)
    except FileNotFoundError:
        return {}
    except (OSError, SafetensorError) as error:
        raise CorruptCheckpointError(
            f"The end states of {step.name} are damaged ({error})",
            where=path,
            remedy="Remove the file and train the skill again: gamefleet skills retry.",
        ) from error


def _that_hold(parts: Parts, states: Any) -> Any:
    """The states that hold what the skill asks for."""
    least = least_amounts(needs(parts.task.skill), parts.world)
    features = np.asarray(jax.jit(parts.compiled.features)(states))
    return take_rows(states, np.asarray((features >= least).all(1)))


def _played_states(parts: Parts) -> Any:
    """States to which the plan leads in fresh worlds."""
    skills = [step.skill for step in parts.task.plan]
    plan = make_plan(parts.world, skills, parts.experts, needs(parts.task.skill))
    found: list[Any] = []
    for batch in range(MAX_BATCHES):
        played = play_fresh(parts, plan, f"starts {batch}", parts.settings.pool_states)
        found.append(take_rows(played.states, np.asarray(played.is_done)))
        if sum(_num(states) for states in found) >= parts.settings.frontier_states:
            break
    states = join_states(found)
    if not _num(states):
        raise CheckpointError(
            f"The plan never led to a state in which {parts.task.skill.name} could start",
            value=needs(parts.task.skill),
            where=" -> ".join(skill.name for skill in skills),
            remedy="Ask for less in `requires` and `consumes`, or build on skills that leave more.",
        )
    return states


def _num(states: Any) -> int:
    return int(jax.tree.leaves(states)[0].shape[0])
