"""A skill as numbers that the compiled programs take.

Job: expressions, amounts and limits of skills as arrays. Place in the data flow: tasks -> here -> PPO and plans. Left
out: everything that needs JAX.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.skills.dependencies import needs
from gamefleet.skills.expression import parse_expression
from gamefleet.skills.program import Program, compile_program
from gamefleet.skills.skill import Skill
from gamefleet.skills.world import SkillWorld

FORGOTTEN = "did_"
"""How names begin of features that are forgotten when a skill begins, so that they can be gained again."""

Floats = NDArray[np.float32]


def compile_text(text: str, world: SkillWorld) -> Program:
    """An expression over a world's features as a program."""
    return compile_program(parse_expression(text, world.names))


def stack_programs(texts: Sequence[str], world: SkillWorld) -> Program:
    """Several expressions as programs with a leading axis."""
    programs = [compile_text(text, world) for text in texts]
    return Program(*(np.stack(parts) for parts in zip(*programs, strict=True)))


def least_amounts(amounts: Mapping[str, float], world: SkillWorld, *, keeps_bits: bool = False) -> Floats:
    """float32[features]: at least so much; -inf where nothing is asked.

    Args:
        amounts: By feature.
        world: Has the features.
        keeps_bits: Ask for achievements, too. They are forgotten between skills, so that only the skill that has just
            ended still shows them; that the others were done is what a plan is for.
    """
    least = np.full(len(world.features), -np.inf, np.float32)
    for name, amount in amounts.items():
        if keeps_bits or not name.startswith(FORGOTTEN):
            least[world.column(name)] = amount
    return least


def plan_arrays(skills: Sequence[Skill], last: Mapping[str, float], world: SkillWorld, size: int) -> dict[str, Any]:
    """What `learners.ppo_plan.Plan` holds, but for the experts.

    Args:
        skills: In the order in which they are played.
        last: What must be there after the last one.
        world: Has the features.
        size: Steps to pad to.
    """
    asked = [needs(skill) for skill in skills] + [last] * (size + 1 - len(skills))
    least = np.stack([least_amounts(amounts, world) for amounts in asked])
    providers = np.full(least.shape, -1, np.int32)
    for step in range(len(skills) + 1):
        for place in reversed(range(min(step, len(skills)))):
            gained = least_amounts(skills[place].gain, world)
            providers[step, np.isfinite(least[step]) & (gained >= least[step])] = place
    padded = [skills[min(place, len(skills) - 1)] for place in range(size)]
    return {
        "success": stack_programs([skill.success for skill in padded], world),
        "max_steps": np.array([skill.max_steps for skill in padded], np.int32),
        "needs": least,
        "providers": providers,
        "length": np.int32(len(skills)),
    }


def padded_size(num_skills: int) -> int:
    """Steps that a plan is padded to: few different sizes, because each is compiled anew."""
    size = 8
    while size < num_skills:
        size *= 2
    return size
