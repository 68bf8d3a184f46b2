"""Playing plans in the toy crafting world: experts one after the other, and where that leads.

Job: start states for a skill, and its success rate on fresh worlds. Place in the data flow: folders of the plan ->
`start_worlds` -> training -> `evaluate` -> frontier states. Left out: learning.

Axes: worlds, features.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from gamefleet.errors import CorruptCheckpointError
from gamefleet.identity import derive_seed
from gamefleet.skills.dependencies import needs
from gamefleet.skills.expression import parse_expression
from gamefleet.skills.functions import Evaluated, FunctionPart
from gamefleet.skills.sandbox import find_sandbox
from gamefleet.skills.sandbox_process import PythonSkill
from gamefleet.skills.skill import Skill
from gamefleet.skills.training import PlanStep, TrainingTask
from gamefleet.testing.crafting_learner import Floats, choose
from gamefleet.testing.crafting_state import Worlds, generate, step
from gamefleet.testing.crafting_view import features_of, make_features, observe

FEWEST_STARTS = 16
FRESH_WORLDS = 256
LARGEST_FRONTIER = 256

NAMES = tuple(feature.name for feature in make_features())
COLUMNS = {name: column for column, name in enumerate(NAMES)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A skill's reward and success, ready to be asked."""

    reward: Evaluated
    success: Evaluated
    max_steps: int

    def is_reached(self, now: Floats, before: Floats) -> NDArray[np.bool_]:
        """bool[worlds]: whether the skill has succeeded."""
        return np.asarray(self.success.evaluate(np, now, before) != 0)


@contextmanager
def opened(skill: Skill) -> Iterator[Goal]:
    """Parse a skill's expressions; one that is Python runs in a sandbox for as long as the block.

    Raises:
        SandboxMissingError: It is Python, and this machine cannot lock it up.
    """
    if not skill.python:
        reward, success = parse_expression(skill.reward, NAMES), parse_expression(skill.success, NAMES)
        yield Goal(reward=reward, success=success, max_steps=skill.max_steps)
        return
    with PythonSkill(skill.python, NAMES, find_sandbox()) as python:
        yield Goal(reward=FunctionPart(python, 0), success=FunctionPart(python, 1), max_steps=skill.max_steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How often a skill succeeded on fresh worlds.

    Args:
        started: Fresh worlds that were begun.
        reached: Those in which the plan got as far as this skill, with all that it needs.
        successes: Those in which it succeeded, too.
        ends: End states of the successes in which its gain is held.
    """

    started: int
    reached: int
    successes: int
    ends: Worlds


def read_arrays(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arrays of a safetensors file, and what its metadata holds as `numbers`.

    Raises:
        CorruptCheckpointError: It cannot be read.
    """
    try:
        with safe_open(path, "numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 # not a mapping
            numbers: dict[str, Any] = json.loads((file.metadata() or {}).get("numbers", "{}"))
    except (OSError, SafetensorError, ValueError) as error:
        remedy = "Train the skill that it belongs to again: gamefleet skills retry SKILL"
        raise CorruptCheckpointError(f"A file of a skill is damaged: {error}", where=path, remedy=remedy) from error
    return arrays, numbers


def meets(worlds: Worlds, least: Mapping[str, float]) -> NDArray[np.bool_]:
    """bool[worlds]: whether every named feature is at least what is asked."""
    features = features_of(worlds)
    found = np.ones(len(worlds), np.bool_)
    for name, amount in least.items():
        found &= features[:, COLUMNS[name]] >= amount
    return found


def begin(worlds: Worlds) -> Worlds:
    """Forget what was achieved: these bits never change back, so a skill that starts with one could not set it."""
    worlds.done[:] = False
    return worlds


def start_worlds(task: TrainingTask) -> Worlds:
    """Where the skill's episodes start: end states of what it depends on, the last first; without any, fresh worlds."""
    rng = np.random.default_rng(derive_seed(task.seed, purpose=f"start-{task.index}"))
    if not task.plan:
        return generate(rng, FRESH_WORLDS)
    for step_ in reversed(task.plan):
        path = step_.folder / "frontier.safetensors"
        if path.exists():
            worlds = Worlds(**read_arrays(path)[0])
            fitting = np.flatnonzero(meets(worlds, needs(task.skill)))
            if len(fitting) >= FEWEST_STARTS:
                return begin(worlds.take(fitting))
    played = play_plan(task.plan, generate(rng, FRESH_WORLDS), rng)
    fitting = np.flatnonzero(meets(played, needs(task.skill)))
    return begin(played.take(fitting)) if len(fitting) else begin(generate(rng, FRESH_WORLDS))


def evaluate(task: TrainingTask, network: Mapping[str, Floats], goal: Goal, rng: np.random.Generator) -> Evaluation:
    """Play the plan and then the skill on fresh worlds.

    Args:
        task: What is trained.
        network: Its expert so far.
        goal: Its expressions.
        rng: Of worlds and actions.
    """
    started, reached, parts = 0, 0, []
    while reached < task.episodes and started < 4 * task.episodes:
        worlds = play_plan(task.plan, generate(rng, task.episodes), rng)
        started += task.episodes
        worlds = begin(worlds.take(np.flatnonzero(meets(worlds, needs(task.skill)))[: task.episodes - reached]))
        reached += len(worlds)
        parts.append(play(worlds, network, goal, rng))
    ends = Worlds(**{name: np.concatenate([part.as_arrays()[name] for part in parts]) for name in Worlds.__slots__})
    held = np.flatnonzero(meets(ends, task.skill.gain))[:LARGEST_FRONTIER]
    return Evaluation(started=started, reached=reached, successes=len(ends), ends=ends.take(held))


def play_plan(plan: tuple[PlanStep, ...], worlds: Worlds, rng: np.random.Generator) -> Worlds:
    """The worlds in which all experts of a plan succeeded, one after the other."""
    for step_ in plan:
        path = step_.folder / f"expert_{step_.index}_policy" / "params.safetensors"
        with opened(step_.skill) as goal:
            worlds = play(begin(worlds), read_arrays(path)[0], goal, rng)
    return worlds


def play(worlds: Worlds, network: Mapping[str, Floats], goal: Goal, rng: np.random.Generator) -> Worlds:
    """End states of the worlds in which a skill succeeds within its limit, alive."""
    ends = worlds.take(slice(None))
    waiting, is_done = np.arange(len(worlds)), np.zeros(len(worlds), np.bool_)
    for _ in range(goal.max_steps):
        if not len(waiting):
            break
        current = ends.take(waiting)
        before = features_of(current)
        step(current, choose(network, observe(current), rng))
        is_alive = current.health > 0
        is_reached = goal.is_reached(features_of(current), before) & is_alive
        ends.put(waiting, current)
        is_done[waiting[is_reached]] = True
        waiting = waiting[is_alive & ~is_reached]
    return ends.take(np.flatnonzero(is_done))
