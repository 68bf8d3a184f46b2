"""States to try a skill's expressions on: that may happen, of fresh worlds, and made up to show its gain, or not.

Job: sample a world once, and lift its states to where a skill starts and ends. Place in the data flow: `SkillWorld` ->
here -> the checks of `verify_words` and `verify_numbers`. Left out: judging.

Axes: num: states; features.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from gamefleet.skills.skill import Skill
from gamefleet.skills.world import SkillWorld, States

NUM_PAIRS = 4096
NUM_STARTS = 128
NUM_PLAYED = 64
STEPS_PLAYED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledStates:
    """What a world's states look like.

    Args:
        now: float32[num, features] after steps that may happen.
        before: float32[num, features] before these steps.
        starts: float32[num, features] of fresh worlds.
        play: float32[steps + 1, num, features] of random play; None where the world gives none.
    """

    now: States
    before: States
    starts: States
    play: States | None = None


def sample_states(world: SkillWorld, seed: int = 0) -> SampledStates:
    """Sample a world; the same seed gives the same states."""
    now, before = world.random_pairs(seed, NUM_PAIRS)
    starts = world.start_features(seed, NUM_STARTS)
    if world.random_play is None:
        return SampledStates(now=now, before=before, starts=starts)
    play = world.random_play(seed, NUM_PLAYED, STEPS_PLAYED)
    width = len(world.features)
    every = max(1, NUM_PLAYED * STEPS_PLAYED // NUM_PAIRS)
    now = np.concatenate([now, play[1:].reshape(-1, width)[::every]])
    before = np.concatenate([before, play[:-1].reshape(-1, width)[::every]])
    return SampledStates(now=now, before=before, starts=starts, play=play)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Steps: states after, and before.

    Args:
        now: float32[num, features].
        before: float32[num, features].
    """

    now: States
    before: States

    @classmethod
    def joined(cls, parts: Iterable[Pairs]) -> Pairs:
        """All of them, one after the other."""
        listed = list(parts)
        return cls(now=np.concatenate([p.now for p in listed]), before=np.concatenate([p.before for p in listed]))


def lifted(states: States, world: SkillWorld, least: Mapping[str, float]) -> States:
    """A copy in which every named feature is at least what is asked."""
    found = states.copy()
    for name, amount in least.items():
        column = world.column(name)
        found[:, column] = np.maximum(found[:, column], amount)
    return found


def with_values(states: States, world: SkillWorld, values: Mapping[str, float]) -> States:
    """A copy in which every named feature has this value."""
    found = states.copy()
    for name, value in values.items():
        found[:, world.column(name)] = value
    return found


def _used_up(states: States, world: SkillWorld, skill: Skill) -> States:
    found = states.copy()
    for name, amount in skill.consumes.items():
        column = world.column(name)
        found[:, column] = np.maximum(found[:, column] - amount, 0)
    return found


def pairs_with_gain(starts: States, world: SkillWorld, skill: Skill) -> Pairs:
    """Last steps of successes: the gain is reached by the last piece, or all at once.

    Args:
        starts: float32[num, features] where the skill starts.
        world: The world.
        skill: The skill.
    """
    last_piece = with_values(starts, world, {name: max(0.0, amount - 1) for name, amount in skill.gain.items()})
    all_at_once = with_values(starts, world, dict.fromkeys(skill.gain, 0.0))
    before = np.concatenate([last_piece, all_at_once])
    return Pairs(now=with_values(_used_up(before, world, skill), world, skill.gain), before=before)


def pairs_without_gain(starts: States, world: SkillWorld, skill: Skill) -> Pairs:
    """Steps after which the gain is not there: nothing happened, things were only used up, or one piece is missing.

    Args:
        starts: float32[num, features] where the skill starts.
        world: The world.
        skill: The skill.
    """
    nothing = with_values(starts, world, dict.fromkeys(skill.gain, 0.0))
    parts = [Pairs(now=nothing, before=nothing), Pairs(now=_used_up(nothing, world, skill), before=nothing)]
    for name, amount in skill.gain.items():
        others = with_values(nothing, world, {other: value for other, value in skill.gain.items() if other != name})
        almost = {name: max(0.0, amount - 1)}
        parts.append(Pairs(now=with_values(others, world, almost), before=nothing))
    return Pairs.joined(parts)
