"""Which skills a skill builds on, in which order they are played, and what they leave behind.

Job: resolve dependencies from what a skill requires, by a function that users may replace. Place in the data flow: an
accepted proposal -> `resolve` -> the scheduler; `plan_of` -> the trainer. Left out: waiting for them (`cluster`).

A plug-in is a function `(skill, known, world) -> names`, named as `module:function`:

    def manual(skill, known, world):
        overrides = {"Make_Diamond_Pickaxe": ["Mine_Diamond", "Make_Pickaxe"]}
        return overrides.get(skill.name) or resolve_by_requirements(skill, known, world)
"""

from __future__ import annotations

import heapq
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from gamefleet.errors import ConfigError, nearest
from gamefleet.skills.skill import MAX_DEPENDENCIES, Skill
from gamefleet.skills.world import SkillWorld, load_named

Resolver = Callable[[Skill, Mapping[str, Skill], SkillWorld], Sequence[str]]
"""Names what a skill builds on; `known` are the skills that may be built on, in order of acceptance."""

FORM = "Name a function (skill, known, world) -> names."


class DependencyError(ConfigError):
    """A skill depends on one that is not known, on itself, or on too many."""


def needs(skill: Skill) -> dict[str, float]:
    """What must be there before: the larger of `requires` and `consumes` for each feature."""
    names = dict.fromkeys([*skill.requires, *skill.consumes])
    return {name: max(skill.requires.get(name, 0.0), skill.consumes.get(name, 0.0)) for name in names}


def resolve_by_requirements(skill: Skill, known: Mapping[str, Skill], world: SkillWorld) -> tuple[str, ...]:
    """The default: for everything that the skill needs and a fresh world lacks, the first known skill that gains it.

    Names that the proposal states itself (`depends_on`) are taken as they are. What no known skill gains is left to
    verification, which refuses skills that cannot start.
    """
    if skill.depends_on is not None:
        return skill.depends_on
    lacking = {name: least for name, least in needs(skill).items() if world.start.get(name, 0.0) < least}
    found = (_first_that_gains(name, least, known) for name, least in lacking.items())
    chosen = {name for name in found if name is not None and name != skill.name}
    return tuple(name for name in known if name in chosen)


def _first_that_gains(feature: str, least: float, known: Mapping[str, Skill]) -> str | None:
    return next((name for name, other in known.items() if other.gain.get(feature, 0.0) >= least), None)


def load_resolver(path: str) -> Resolver:
    """The plug-in that a `module:function` names.

    Raises:
        ConfigError: There is none, or it is not a function of three.
    """
    found = load_named(path, "a dependency resolver")
    if not callable(found):
        raise ConfigError("Not a function", value=path, remedy=FORM)
    try:
        inspect.signature(found).bind(None, {}, None)
    except TypeError as error:
        raise ConfigError(f"Not a dependency resolver ({error})", value=path, remedy=FORM) from error
    except ValueError:
        pass  # one that does not tell what it takes
    return cast(Resolver, found)


def resolve(
    skill: Skill, known: Mapping[str, Skill], world: SkillWorld, resolver: Resolver = resolve_by_requirements
) -> tuple[str, ...]:
    """What a skill builds on, checked: known skills only, without itself, none twice.

    Args:
        skill: A new skill.
        known: Skills that may be built on, by name, in order of acceptance.
        world: Where it is trained.
        resolver: Who decides.

    Raises:
        DependencyError: The resolver named something else.
    """
    names = tuple(dict.fromkeys(resolver(skill, known, world)))
    if skill.name in names:
        raise DependencyError("A skill cannot depend on itself", value=skill.name)
    for name in names:
        if name not in known:
            raise DependencyError(
                f"{skill.name} depends on an unknown skill", value=name, remedy=nearest(str(name)[:48], known)
            )
    if len(names) > MAX_DEPENDENCIES:
        raise DependencyError(f"More than {MAX_DEPENDENCIES} dependencies", value=list(names), where=skill.name)
    return names


def plan_of(name: str, dependencies: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The skills that are played for a skill: all it depends on, each after its own dependencies, itself last.

    Args:
        name: The skill.
        dependencies: Direct dependencies by skill, in order of acceptance, which decides between possible orders.

    Raises:
        DependencyError: A name is not known, or skills depend on each other in a circle.
    """
    wanted = _ancestors(name, dependencies)
    order = {skill: place for place, skill in enumerate(dependencies)}
    waiting = {skill: set(dependencies[skill]) for skill in wanted}
    ready = [(order[skill], skill) for skill, before in waiting.items() if not before]
    heapq.heapify(ready)
    plan: list[str] = []
    while ready:
        _, done = heapq.heappop(ready)
        plan.append(done)
        for skill, before in waiting.items():
            if done in before:
                before.remove(done)
                if not before:
                    heapq.heappush(ready, (order[skill], skill))
    if len(plan) < len(wanted):
        circle = sorted(wanted - set(plan))
        raise DependencyError("Skills depend on each other in a circle", value=circle, where=name)
    return tuple(plan)


def _ancestors(name: str, dependencies: Mapping[str, Sequence[str]]) -> set[str]:
    """The skill and all it depends on, directly or not."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        skill = waiting.pop()
        if skill not in dependencies:
            raise DependencyError("Unknown skill", value=skill, where=name, remedy=nearest(skill, dependencies))
        if skill not in found:
            found.add(skill)
            waiting.extend(dependencies[skill])
    return found


def holdings_after(plan: Sequence[Skill], world: SkillWorld) -> dict[str, float]:
    """What is certain to be there when the skills of a plan have succeeded one after the other.

    Args:
        plan: Skills in the order in which they are played.
        world: Gives what a fresh world has and how much of a feature fits.
    """
    holdings = dict(world.start)
    for skill in plan:
        for name, amount in skill.consumes.items():
            holdings[name] = max(0.0, holdings.get(name, 0.0) - amount)
        for name, amount in skill.gain.items():
            holdings[name] = max(holdings.get(name, 0.0), min(amount, world.feature(name).high))
    return holdings
