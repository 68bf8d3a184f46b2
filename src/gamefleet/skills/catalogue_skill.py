"""A row of an achievement table as a skill: amounts, reward, success.

Job: write the skill that learns one fact, given what has to be left afterwards. Place in the data flow:
`catalogue_tree` -> here -> `catalogue`. Left out: which fact comes next and what it builds on.

Rewards are differences of what is held, up to what is asked for. So nothing is earned twice by giving it up and taking
it again, nor by standing still.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from gamefleet.skills.catalogue_tree import NEAR, conditions, is_met_at_start, is_passing
from gamefleet.skills.skill import MAX_STEPS, Skill
from gamefleet.skills.world import Fact, SkillWorld

KEEP_WEIGHT, KEEP_TOTAL = 0.2, 0.5
"""What losing one of the things that later skills need costs, and all of them, where reaching a goal is worth 1."""

NEAR_WEIGHT = 0.1
"""What getting to a place that is needed is worth."""

BASE_STEPS, STEPS_PER_ITEM, STEPS_TO_WALK, STEPS_TO_EXPLORE = 100, 10, 100, 100
"""Length of an episode: at least, for each thing to gather, to find a place again, where nothing says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What decides how the skill of a fact is written.

    Args:
        fact: What to learn.
        name: What the skill is called.
        depends_on: Names of the skills that it builds on directly.
        holdings: What is certain to be there when it starts, by feature.
        left: What should be left when it is done, by feature.
        easier: How often the fact was tried in vain.
        harder: How often it was refused, most likely as too easy.
    """

    fact: Fact
    name: str
    depends_on: tuple[str, ...]
    holdings: Mapping[str, float]
    left: Mapping[str, float]
    easier: int = 0
    harder: int = 0


def write_skill(draft: Draft, world: SkillWorld) -> Skill:
    """The skill of a draft."""
    fact = draft.fact
    goals = _goals(draft, world)
    kept = _kept(draft, goals)
    requires = {**_lasting(fact, world), **{place: 1.0 for place in fact.requires if _is_here(draft, place)}}
    for feature, amount in kept.items():
        requires[feature] = max(requires.get(feature, 0.0), amount + fact.consumes.get(feature, 0.0))
    gain = {**goals, **kept}
    return Skill(
        name=draft.name,
        description=_description(fact, goals),
        requires=requires,
        consumes=dict(fact.consumes),
        gain=gain,
        reward=_reward(draft, goals, kept),
        success=" and ".join(f"{feature} >= {_number(amount)}" for feature, amount in gain.items()),
        max_steps=_steps(draft, goals),
        depends_on=draft.depends_on,
    )


def can_be_harder(fact: Fact, world: SkillWorld, harder: int) -> bool:
    """Whether a skill of this fact that was refused so often as too easy can ask for more."""
    rows = [world.feature(feature) for feature in fact.gives if feature in fact.gain]
    return any(fact.gain[row.name] + 2 * harder <= row.high for row in rows)


def lacking(fact: Fact, world: SkillWorld, holdings: Mapping[str, float]) -> dict[str, float]:
    """What a fact needs and would not have, of what lasts: least amounts by feature."""
    needed = _lasting(fact, world)
    return {feature: least for feature, least in needed.items() if holdings.get(feature, 0.0) < least}


def _lasting(fact: Fact, world: SkillWorld) -> dict[str, float]:
    """What must be held when a skill begins: no places, nothing that is forgotten, nothing that every world has."""
    return {
        feature: least
        for feature, least in conditions(fact).items()
        if not is_passing(feature) and not is_met_at_start(world, feature, least)
    }


def _is_here(draft: Draft, feature: str) -> bool:
    return feature.startswith(NEAR) and draft.holdings.get(feature, 0.0) >= 1


def _goals(draft: Draft, world: SkillWorld) -> dict[str, float]:
    """What the skill is after: the lasting part of what the fact gains, or the bit that says it was done."""
    fact = draft.fact
    lasting = {name: amount for name, amount in fact.gain.items() if not name.startswith("did_")}
    goals = dict(lasting or fact.gain)
    for feature in fact.gives:
        if feature in goals:
            wanted = max(goals[feature], draft.left.get(feature, 0.0))
            wanted = max(goals[feature], math.ceil(wanted / 2**draft.easier)) + 2 * draft.harder
            goals[feature] = float(min(world.feature(feature).high, wanted))
    return goals


def _kept(draft: Draft, goals: Mapping[str, float]) -> dict[str, float]:
    """What is carried through the skill, as far as it is there; who failed before is not asked for that."""
    if draft.easier:
        return {}
    room = {name: draft.holdings.get(name, 0.0) - draft.fact.consumes.get(name, 0.0) for name in draft.left}
    amounts = {name: min(amount, room[name]) for name, amount in draft.left.items() if name not in goals}
    return {name: amount for name, amount in amounts.items() if amount > 0}


def _reward(draft: Draft, goals: Mapping[str, float], kept: Mapping[str, float]) -> str:
    gives = draft.fact.gives
    terms = [_progress(name, amount) if name in gives else _reached(name, amount) for name, amount in goals.items()]
    weight = min(KEEP_WEIGHT, round(KEEP_TOTAL / max(1.0, sum(kept.values())), 3))
    terms += [f"{weight} * ({_progress(feature, amount)})" for feature, amount in kept.items()]
    terms += [
        f"{NEAR_WEIGHT} * gained({place})"
        for place in draft.fact.requires
        if place.startswith(NEAR) and place not in goals and not _is_here(draft, place)
    ]
    return " + ".join(terms)


def _reached(feature: str, amount: float) -> str:
    if is_passing(feature):
        return f"gained({feature})"
    return f"({feature} >= {_number(amount)}) - (before({feature}) >= {_number(amount)})"


def _progress(feature: str, amount: float) -> str:
    return f"min({feature}, {_number(amount)}) - min(before({feature}), {_number(amount)})"


def _steps(draft: Draft, goals: Mapping[str, float]) -> int:
    fact = draft.fact
    steps = BASE_STEPS + STEPS_PER_ITEM * sum(goals[feature] for feature in fact.gives if feature in goals)
    if any(place.startswith(NEAR) and not _is_here(draft, place) for place in fact.requires):
        steps += STEPS_TO_WALK
    if not fact.gives and not fact.consumes:
        steps += STEPS_TO_EXPLORE
    return min(MAX_STEPS, int(steps) << draft.easier)  # twice as long after each failure


def _description(fact: Fact, goals: Mapping[str, float]) -> str:
    amounts = ", ".join(f"{feature} {_number(amount)}" for feature, amount in goals.items())
    return f"{fact.name.replace('_', ' ')} ({amounts}): {fact.how}."[:400]


def _number(amount: float) -> str:
    return f"{amount:g}"
