"""Checks on what a skill says: names, features, amounts, expressions, what it needs and whether it brings anything new.

Job: everything that can be judged without working out an expression. Place in the data flow: the first stage of
`verify`. Left out: numbers (`verify_numbers`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gamefleet.errors import nearest
from gamefleet.skills.dependencies import holdings_after, needs, plan_of
from gamefleet.skills.expression import ExpressionRefusedError, parse_expression
from gamefleet.skills.skill import MAX_DEPENDENCIES, Skill
from gamefleet.skills.verify_states import SampledStates
from gamefleet.skills.world import SkillWorld


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What verification lets pass.

    Args:
        largest_reward: Magnitude of one step's reward.
        largest_random_rate: Success rate of random play from which a skill is too easy, if its goal can be raised.
        max_dependencies: Direct dependencies.
    """

    largest_reward: float = 10.0
    largest_random_rate: float = 0.5
    max_dependencies: int = MAX_DEPENDENCIES


@dataclass(frozen=True, slots=True, kw_only=True)
class WordCase:
    """A skill in front of the checks.

    Args:
        skill: The proposal.
        world: Where it is to be trained.
        known: Skills that it may build on.
        names: Names that are taken.
        limits: What passes.
        dependencies: What it builds on, once that is resolved.
        plan: Names of the skills that are played before it, in order.
        holdings: What is certain to be there when it starts.
        sometimes: For each feature, the largest value in fresh worlds and in random play.
    """

    skill: Skill
    world: SkillWorld
    known: Mapping[str, Skill]
    names: frozenset[str]
    limits: Limits
    dependencies: tuple[str, ...] = ()
    plan: tuple[str, ...] = ()
    holdings: Mapping[str, float] = dataclasses.field(default_factory=dict)
    sometimes: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def with_plan(
        self, dependencies: tuple[str, ...], of_known: Mapping[str, Sequence[str]], states: SampledStates
    ) -> WordCase:
        """The case once it is known what the skill builds on."""
        plan = plan_of(self.skill.name, {**of_known, self.skill.name: dependencies})[:-1]
        largest = np.maximum(states.starts.max(axis=0), states.now.max(axis=0))
        return dataclasses.replace(
            self,
            dependencies=dependencies,
            plan=plan,
            holdings=holdings_after([self.known[name] for name in plan], self.world),
            sometimes=dict(zip(self.world.names, largest.tolist(), strict=True)),
        )


def check_name(case: WordCase) -> list[str]:
    """The name is not taken, whatever its case: on some disks two folders may not differ by case alone."""
    taken = {name.lower() for name in case.names}
    if case.skill.name.lower() in taken:
        return [f"There is already a skill named {case.skill.name}. Choose another name or another skill."]
    return []


def check_features(case: WordCase) -> list[str]:
    """Features exist, amounts fit, something is gained, and both expressions are allowed."""
    skill, world = case.skill, case.world
    parts = {"requires": skill.requires, "consumes": skill.consumes, "gain": skill.gain}
    reasons = [reason for part, amounts in parts.items() for reason in _check_amounts(world, part, amounts)]
    if not skill.gain:
        reasons.append("gain is empty: say which features are at least what when the skill has succeeded.")
    texts = (("reward", skill.reward), ("success", skill.success)) if not skill.python else ()
    for part, text in texts:
        try:
            parse_expression(text, world.names)
        except ExpressionRefusedError as error:
            reasons.append(f"{part}: {error}")
    return reasons


def _check_amounts(world: SkillWorld, part: str, amounts: Mapping[str, float]) -> list[str]:
    reasons = []
    for name, amount in amounts.items():
        if name not in world.names:
            reasons.append(f"{part}: there is no feature {name}. {nearest(name, world.names)}")
        elif amount > world.feature(name).high:
            reasons.append(f"{part}: {name} is at most {world.feature(name).high:g}, not {amount:g}.")
    return reasons


def check_dependencies(case: WordCase) -> list[str]:
    """Not too many: each one is an expert that the trainer has to hold."""
    if len(case.dependencies) > case.limits.max_dependencies:
        listed = ", ".join(case.dependencies)
        return [f"It builds on {len(case.dependencies)} skills ({listed}); at most {case.limits.max_dependencies}."]
    return []


def check_reachable(case: WordCase) -> list[str]:
    """What it needs is there when the skills that it builds on have succeeded one after the other."""
    reasons = []
    for name, least in needs(case.skill).items():
        there = case.holdings.get(name)
        if there is None:  # differs between fresh worlds: enough that it happens
            there = case.sometimes[name]
        if there < least:
            played = " then ".join(case.plan) or "nothing: no known skill gains it"
            reasons.append(
                f"It needs {name} >= {least:g}, but only {there:g} is certain after {played}. "
                f"Propose a skill that gains {name} first, or ask for less."
            )
    return reasons


def check_gain_is_novel(case: WordCase) -> list[str]:
    """All that is gained together is not there in every fresh world, and no known skill gains it together."""

    def covers(gain: Mapping[str, float]) -> bool:
        return all(max(gain.get(name, 0.0), fresh.get(name, 0.0)) >= amount for name, amount in wanted)

    fresh, wanted = case.world.start, case.skill.gain.items()
    by = next((name for name, skill in case.known.items() if covers(skill.gain)), "a fresh world" if covers({}) else "")
    listed = ", ".join(f"{name} {amount:g}" for name, amount in wanted)
    return (
        [f"Its gain ({listed}) is nothing new: {by} already gives as much. Ask for more or for something else."]
        if by
        else []
    )


WORD_CHECKS: tuple[tuple[str, Callable[[WordCase], list[str]]], ...] = (
    ("name", check_name),
    ("features", check_features),
    ("dependencies", check_dependencies),
    ("reachable", check_reachable),
    ("novel", check_gain_is_novel),
)
"""In order; the first two need no states and no dependencies."""
