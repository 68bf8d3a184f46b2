"""Playing plans: evaluation of a skill on fresh worlds, and states where a skill may start.

Job: load the experts of a plan, play it in worlds that nobody has trained in, and count. Place in the data flow: the
loop asks for evaluations; `starts` for states. Left out: the compiled program (`learners.ppo_plan`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from gamefleet.identity import derive_seed
from gamefleet.learners.mixture import stack_params
from gamefleet.learners.ppo_network import Params
from gamefleet.learners.ppo_plan import Plan, Played
from gamefleet.skills.skill import Skill
from gamefleet.skills.training import TrainingTask, lower_bound
from gamefleet.skills.world import SkillWorld
from gamefleet.topologies.skill_trainer.goal import least_amounts, padded_size, plan_arrays
from gamefleet.topologies.skill_trainer.parts import Parts
from gamefleet.weights.experts import check_plays, read_policy

Rows = NDArray[np.bool_]

MAX_BATCHES = 4
"""Batches of fresh worlds in which a plan is played when few worlds get to where it matters."""


def key_of(seed: int, purpose: str) -> Any:
    """A JAX key for one random stream."""
    value = derive_seed(seed, purpose=purpose)
    return jnp.array([value >> 32, value & 0xFFFFFFFF], jnp.uint32)


def read_experts(world: SkillWorld, task: TrainingTask, observation_size: int) -> list[dict[str, NDArray[np.float32]]]:
    """The networks of the skills that a task builds on, verified.

    Args:
        world: Where they play.
        task: Has the plan.
        observation_size: Of the world's observations.

    Raises:
        CheckpointError: One is missing.
        CorruptCheckpointError: One is damaged.
        IncompatibleError: One was trained in another world.
    """
    found = []
    for step in task.plan:
        expert = read_policy(step.folder, step.index)
        check_plays(
            expert.facts,
            env_name=world.name,
            feature_hash=world.feature_hash(),
            observation_size=observation_size,
        )
        found.append({name: np.asarray(array, np.float32) for name, array in expert.params.items()})
    return found


def make_plan(
    world: SkillWorld, skills: Sequence[Skill], experts: Sequence[Mapping[str, Any]], last: Mapping[str, float]
) -> Plan:
    """A plan for the compiled player.

    Args:
        world: Where it is played.
        skills: In order.
        experts: Their networks.
        last: What must be there after the last skill.
    """
    size = padded_size(len(skills))
    arrays = {name: jax.tree.map(jnp.asarray, array) for name, array in plan_arrays(skills, last, world, size).items()}
    return Plan(experts=stack_params(experts, padded_size), **arrays)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How often a skill succeeds in fresh worlds.

    Args:
        successes: Worlds in which it succeeded.
        reached: Worlds in which it was its turn.
        started: Worlds that were begun.
        deaths: Worlds in which the player died while it was its turn.
        failed_in: How many worlds failed in which skill, by name.
        mean_steps: Of the skill, where it succeeded.
        frames: Steps of the plan's last skill that were played.
        ends: End states of successes: the player lives, and what the skill gains is there.
    """

    successes: int
    reached: int
    started: int
    deaths: int
    failed_in: Mapping[str, int]
    mean_steps: float
    ends: tuple[Any, ...]

    @property
    def bound(self) -> float:
        """Lower confidence bound of the success rate."""
        return lower_bound(self.successes, self.reached)

    def as_json(self) -> dict[str, Any]:
        """For statistics."""
        return {
            "successes": self.successes,
            "reached": self.reached,
            "started": self.started,
            "deaths": self.deaths,
            "failed_in": dict(self.failed_in),
            "mean_steps": round(self.mean_steps, 1),
            "lower_bound": round(self.bound, 4),
        }


def evaluate(parts: Parts, expert: Params, purpose: str, wanted: int, gate: Params | None = None) -> Evaluation:
    """Play the whole plan in fresh worlds.

    Args:
        parts: Of the training.
        expert: The skill's own network.
        purpose: Names the random stream: other worlds for other purposes.
        wanted: Worlds in which it should be the skill's turn; batches are added while far fewer get there.
        gate: Decides who acts instead of the plan.
    """
    skills = skills_of(parts)
    plan = plan_of(parts, expert)._replace(gate=gate)
    batches: list[Played] = []
    reached = 0
    while reached < wanted / 2 and len(batches) < MAX_BATCHES:
        batches.append(play_fresh(parts, plan, f"{purpose} {len(batches)}", wanted))
        reached += int((np.asarray(batches[-1].got_to) >= len(skills) - 1).sum())
    return _summarise(parts, skills, batches)


def skills_of(parts: Parts) -> tuple[Skill, ...]:
    """The skills of the whole plan, the own one last."""
    return (*(step.skill for step in parts.task.plan), parts.task.skill)


def plan_of(parts: Parts, expert: Params) -> Plan:
    """The whole plan.

    Args:
        parts: Of the training.
        expert: The skill's own network.
    """
    return make_plan(parts.world, skills_of(parts), [*parts.experts, expert], {})


def play_fresh(parts: Parts, plan: Plan, purpose: str, num: int) -> Played:
    """Play a plan in fresh worlds, all of them to the end."""
    worlds = parts.generate(key_of(parts.task.seed, f"{purpose} worlds"), num)
    return parts.player(worlds, plan, key_of(parts.task.seed, f"{purpose} play"))


def take_rows(states: Any, rows: Rows) -> Any:
    """The states of the chosen rows."""
    places = np.flatnonzero(rows)
    return jax.tree.map(lambda leaf: np.asarray(leaf)[places], states)


def join_states(parts: Sequence[Any]) -> Any:
    """Several groups of states as one."""
    return jax.tree.map(lambda *leaves: np.concatenate([np.asarray(leaf) for leaf in leaves]), *parts)


def _summarise(parts: Parts, skills: Sequence[Skill], batches: Sequence[Played]) -> Evaluation:
    last = len(skills) - 1
    rows = {name: np.concatenate([np.asarray(getattr(one, name)) for one in batches]) for name in Played._fields[1:]}
    is_turn = rows["got_to"] >= last
    failures = Counter(skills[min(place, last)].name for place in rows["failed_in"] if place >= 0)
    gain = least_amounts(parts.task.skill.gain, parts.world, keeps_bits=True)
    ends = [
        take_rows(one.states, np.asarray(one.is_done) & (np.asarray(one.features) >= gain).all(1)) for one in batches
    ]
    done = rows["is_done"]
    return Evaluation(
        successes=int(done.sum()),
        reached=int(is_turn.sum()),
        started=len(done),
        deaths=int((rows["died"] & is_turn).sum()),
        failed_in=dict(failures),
        mean_steps=float(rows["last_steps"][done].mean()) if done.any() else 0.0,
        ends=tuple(ends),
    )
