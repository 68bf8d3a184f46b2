"""A world's achievement table as a tree: what comes first, and how much later steps will ask for.

Job: the order in which facts are worth learning, what each builds on, and how much has to be carried along. Place in
the data flow: `SkillWorld.facts` -> here -> `catalogue`. Left out: skills, and what became of them.

Two kinds of features hold only for a while: what is near (`near_table`), and what was achieved (`did_place_table`,
forgotten when a skill begins). A place that was left behind has to be found or made again, so what it costs is carried.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gamefleet.skills.world import Fact, SkillWorld

PASSING = ("near_", "did_")
"""How names begin of features that hold only for a while."""

NEAR = "near_"

MOST_CARRIED = 9
"""Of one thing: to gather more at once takes too long to learn; what is short later is gathered then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactTree:
    """The facts of a world that can be reached.

    Args:
        world: Whose they are.
        order: Facts in the order in which they are proposed; each after what it builds on.
        ancestors: By name of a fact: all that it builds on, in that order.
    """

    world: SkillWorld
    order: tuple[Fact, ...]
    ancestors: Mapping[str, tuple[Fact, ...]]

    def needs_after(self, horizon: int) -> dict[str, dict[str, float]]:
        """What has to be left when a fact is done, so that all that build on it can be done without going back.

        Args:
            horizon: How many facts of the order are ever going to be learned.

        Returns:
            By name of a fact: amounts by feature, of what can be used up and was there before the fact or came by it.
        """
        found: dict[str, dict[str, float]] = {fact.name: {} for fact in self.order}
        for target in self.order[:horizon]:
            path = (*self.ancestors[target.name], target)
            for fact, amounts in zip(path, left_after(path), strict=True):
                for feature, amount in amounts.items():
                    if self._may_carry(fact, feature):
                        most = min(self.world.feature(feature).high, amount, MOST_CARRIED)
                        found[fact.name][feature] = max(found[fact.name].get(feature, 0.0), most)
        return found

    def _may_carry(self, fact: Fact, feature: str) -> bool:
        """Whether something that a fact builds on adds to a feature; otherwise parallel branches would wait."""
        return any(feature in other.gives for other in (*self.ancestors[fact.name], fact))


def make_tree(world: SkillWorld) -> FactTree:
    """Put a world's facts in order.

    First what was verified by running. The largest group of facts that have to do with each other leads; within it,
    what others build on comes just before it is needed, and what leads nowhere as soon as it can be done. Facts whose
    needs nothing can meet are left out.
    """
    levels = _earliest(world)
    facts = tuple(fact for fact in world.facts if fact.name in levels)
    parents = {fact.name: _parents(fact, world, levels) for fact in facts}
    above = {fact.name: _ancestors(fact.name, parents) for fact in facts}
    below = {fact.name: sum(fact.name in names for names in above.values()) for fact in facts}
    due = _due(facts, parents, levels)
    groups = _groups(facts, above)
    place = {fact.name: number for number, fact in enumerate(facts)}
    doubted = {fact.name for fact in facts if not fact.is_verified}
    order = sorted(
        facts,
        key=lambda fact: (
            bool(doubted & {fact.name, *above[fact.name]}),
            groups[fact.name],
            due[fact.name],
            not below[fact.name],
            place[fact.name],
        ),
    )
    ancestors = {fact.name: tuple(other for other in order if other.name in above[fact.name]) for fact in facts}
    return FactTree(world=world, order=tuple(order), ancestors=ancestors)


def conditions(fact: Fact) -> dict[str, float]:
    """All that must be there before, by feature: what has to hold, and what is used up."""
    names = dict.fromkeys([*fact.requires, *fact.consumes])
    return {name: max(fact.requires.get(name, 0.0), fact.consumes.get(name, 0.0)) for name in names}


def is_passing(feature: str) -> bool:
    """Whether a feature holds only for a while."""
    return feature.startswith(PASSING)


def is_met_at_start(world: SkillWorld, feature: str, least: float) -> bool:
    """Whether a fresh world has enough of a feature, or may have."""
    return world.start.get(feature, math.inf) >= least


def provides(fact: Fact, world: SkillWorld, feature: str, least: float) -> bool:
    """Whether a fact, done as often as need be, leads to enough of a feature."""
    return fact.gain.get(feature, 0.0) >= least or (
        fact.gives.get(feature, 0.0) > 0 and world.feature(feature).high >= least
    )


def left_after(path: Iterable[Fact]) -> list[dict[str, float]]:
    """What has to be left after each fact of a path for the rest of it: amounts by feature, of what is used up."""
    facts = tuple(path)
    spent = _spent(facts)
    used_up = sorted({feature for amounts in spent for feature in amounts})
    needed: dict[str, float] = {}
    left: list[dict[str, float]] = []
    for fact, amounts in zip(reversed(facts), reversed(spent), strict=True):
        left.append(dict(needed))
        for feature in used_up:
            before = 0.0 if feature in fact.gives else needed.get(feature, 0.0)
            least = max(before + amounts.get(feature, 0.0), fact.requires.get(feature, 0.0))
            needed[feature] = least
        needed = {feature: amount for feature, amount in needed.items() if amount > 0}
    return left[::-1]


def _spent(facts: tuple[Fact, ...]) -> list[dict[str, float]]:
    """What each fact of a path uses up, with what it costs to make places again that were left behind."""
    builders: dict[str, Fact] = {}
    here: set[str] = set()
    spent = []
    for fact in facts:
        amounts = dict(fact.consumes)
        for place in fact.requires:
            if place.startswith(NEAR) and place not in here and place in builders:
                for feature, amount in builders[place].consumes.items():
                    amounts[feature] = amounts.get(feature, 0.0) + amount
                here.add(place)
        made = {place for place in fact.gain if place.startswith(NEAR)}
        here = (here if fact.consumes else set()) | made  # who gathers walks away, who makes things stays
        builders.update((place, fact) for place in made)
        spent.append(amounts)
    return spent


def _earliest(world: SkillWorld) -> dict[str, int]:
    """How many facts have to come before, at least, one after the other; facts out of reach are missing."""
    levels: dict[str, int] = {}
    for level in range(len(world.facts)):
        reached = [fact for fact in world.facts if fact.name in levels]
        ready = [
            fact.name
            for fact in world.facts
            if fact.name not in levels
            and all(
                is_met_at_start(world, feature, least)
                or any(provides(other, world, feature, least) for other in reached)
                for feature, least in conditions(fact).items()
            )
        ]
        if not ready:
            break
        levels.update(dict.fromkeys(ready, level))
    return levels


def _parents(fact: Fact, world: SkillWorld, levels: Mapping[str, int]) -> tuple[str, ...]:
    """Which facts meet the conditions of a fact: for each the one that can be done earliest."""
    found = []
    for feature, least in conditions(fact).items():
        if not is_met_at_start(world, feature, least):
            able = [
                other.name
                for other in world.facts
                if other.name in levels and other.name != fact.name and provides(other, world, feature, least)
            ]
            found.append(min(able, key=lambda name: levels[name]))
    return tuple(dict.fromkeys(found))


def _ancestors(name: str, parents: Mapping[str, tuple[str, ...]]) -> set[str]:
    found: set[str] = set()
    waiting = list(parents[name])
    while waiting:
        parent = waiting.pop()
        if parent not in found:
            found.add(parent)
            waiting.extend(parents[parent])
    return found


def _due(facts: tuple[Fact, ...], parents: Mapping[str, tuple[str, ...]], levels: Mapping[str, int]) -> dict[str, int]:
    """At which level a fact is learned: before the first that builds on it, or at once where none does."""
    due: dict[str, int] = {}
    for fact in sorted(facts, key=lambda fact: -levels[fact.name]):
        children = [due[other.name] for other in facts if fact.name in parents[other.name]]
        due[fact.name] = min(children) - 1 if children else levels[fact.name]
    return due


def _groups(facts: tuple[Fact, ...], above: Mapping[str, set[str]]) -> dict[str, tuple[int, int]]:
    """Facts that have to do with each other, the largest group first, then as in the table."""
    groups: list[set[str]] = []
    for fact in facts:
        own = {fact.name, *above[fact.name]}
        touching = [group for group in groups if group & own]
        groups = [group for group in groups if not group & own] + [own.union(*touching)]
    place = {fact.name: number for number, fact in enumerate(facts)}
    return {name: (-len(group), min(place[other] for other in group)) for group in groups for name in group}
