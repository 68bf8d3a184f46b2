"""The game as a world for skills.

Job: features, facts and states to try expressions on, without JAX; and the compiled world for whoever trains. Place in
the data flow: the skill graph asks for it by the environment's name. Left out: training.

Expressions are tried on states that the tables make up: numbers within their ranges, and steps that do what some fact
says, because random play never comes to hold a pickaxe; and on random play that was recorded.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gamefleet.games.craftax import recorded_play
from gamefleet.games.craftax.facts import read_facts
from gamefleet.games.craftax.features import FAR, features
from gamefleet.games.craftax.variants import Variant, variant_of
from gamefleet.skills.world import Fact, Feature, SkillWorld, States

if TYPE_CHECKING:
    from gamefleet.games.craftax.jax_world import JaxWorld

_FULL_START = {"dexterity": 1.0, "strength": 1.0, "intelligence": 1.0, "mana": 9.0, "monsters_killed": 10.0}
"""In Craftax; the first ladder is open because ten kills are written down for its floor."""

_FIRST_LIGHT = 1 - math.cos(0.3 * math.pi) ** 3
"""Daylight of the first moment, from the package's course of a day: it begins three tenths into one."""

_NEEDS = ("health", "food", "drink", "energy")
_VARIES = ("near_", "distance_")
_NEVER_NEAR = ("table", "furnace", "ripe_plant")
"""What no fresh world has."""


def skill_world(env_name: str) -> SkillWorld:
    """The world of that name.

    Args:
        env_name: `Craftax-Classic-Symbolic-v1` or `Craftax-Symbolic-v1`.

    Raises:
        ConfigError: There is no such environment.
    """
    variant = variant_of(env_name)
    rows, facts = features(variant), read_facts(variant)

    def jax_world() -> JaxWorld:
        from gamefleet.games.craftax.jax_world import make_jax_world

        return make_jax_world(variant)

    return SkillWorld(
        name=env_name,
        features=rows,
        actions=variant.actions,
        start=start_values(variant),
        facts=facts,
        random_pairs=lambda seed, num: random_pairs(variant, facts, seed, num),
        start_features=lambda seed, num: start_features(variant, seed, num),
        jax_world=jax_world,
        packages=("craftax",),
        install="`make craftax` in a checkout, or `pip install 'gamefleet[craftax]'`.",
        random_play=lambda seed, num, num_steps: recorded_play.random_play(variant, seed, num, num_steps),
    )


def start_values(variant: Variant) -> dict[str, float]:
    """Features that are the same in every fresh world."""
    values = dict.fromkeys(_NEEDS, 9.0) | {"daylight": _FIRST_LIGHT}
    if not variant.is_classic:
        values |= _FULL_START
    found = {}
    for row in features(variant):
        kind, _, thing = row.name.partition("_")
        if f"{kind}_" not in _VARIES:
            found[row.name] = values.get(row.name, 0.0)
        elif thing in _NEVER_NEAR:
            found[row.name] = 0.0 if kind == "near" else FAR
    return found


def start_features(variant: Variant, seed: int, num: int) -> States:
    """float32[num, features] as fresh worlds have them."""
    rng = np.random.default_rng(seed)
    fixed = start_values(variant)
    states = _random_states(features(variant), rng, num)
    for column, row in enumerate(features(variant)):
        if row.name in fixed:
            states[:, column] = fixed[row.name]
    return states


def random_pairs(variant: Variant, facts: tuple[Fact, ...], seed: int, num: int) -> tuple[States, States]:
    """`(now, before)`, each float32[num, features]: some facts done, small changes of everything that drifts."""
    rng = np.random.default_rng(seed)
    rows = features(variant)
    columns = {row.name: column for column, row in enumerate(rows)}
    before = _random_states(rows, rng, num)
    now = before.copy()
    chosen = rng.integers(0, 2 * len(facts), num)
    for place, fact in enumerate(facts):
        _do(fact, columns, now, before, chosen == place)
    for name in _NEEDS:
        now[:, columns[name]] += rng.choice([-1.0, 0.0, 1.0], num, p=[0.1, 0.8, 0.1])
    for column, row in enumerate(rows):
        if row.name.startswith("distance_"):
            now[:, column] += rng.integers(-1, 2, num)
    _agree(columns, now)
    low, high = np.array([row.low for row in rows], np.float32), np.array([row.high for row in rows], np.float32)
    return np.clip(now, low, high).astype(np.float32), before


def _random_states(rows: tuple[Feature, ...], rng: np.random.Generator, num: int) -> States:
    """Whole numbers within their ranges, small ones more often."""
    highest = np.array([min(row.high, 30.0) for row in rows])
    lowest = np.array([max(row.low, 0.0) for row in rows])
    share = rng.random((num, len(rows))) ** 2
    whole = np.floor(lowest + share * (highest - lowest + 1))
    states: States = np.minimum(whole, highest).astype(np.float32)
    _agree({row.name: column for column, row in enumerate(rows)}, states)
    return states


def _agree(columns: dict[str, int], states: States) -> None:
    """What is near is a step or two away, and the other way round."""
    for name, column in columns.items():
        if name.startswith("near_"):
            distance = columns[name.replace("near_", "distance_", 1)]
            states[:, distance] = np.where(
                states[:, column] > 0, np.minimum(states[:, distance], 2), states[:, distance]
            )
            states[:, column] = states[:, column] * (states[:, distance] <= 2)


def _do(fact: Fact, columns: dict[str, int], now: States, before: States, doing: np.ndarray) -> None:
    """Carry out a fact in the rows that are doing it, from states in which it can be done."""
    for name, amount in {**fact.requires, **fact.consumes}.items():
        before[doing, columns[name]] = np.maximum(before[doing, columns[name]], amount)
        now[doing, columns[name]] = before[doing, columns[name]]
    for name, amount in fact.consumes.items():
        now[doing, columns[name]] -= amount
    for name, amount in fact.gain.items():
        gained = before[doing, columns[name]] + fact.gives[name] if name in fact.gives else amount
        now[doing, columns[name]] = np.maximum(now[doing, columns[name]], gained)
    done = columns.get(f"did_{fact.name.lower()}")
    if done is not None:
        now[doing, done] = 1.0
