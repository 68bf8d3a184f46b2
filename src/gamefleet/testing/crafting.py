"""A crafting world for skills that needs nothing but NumPy, with a learner that masters a skill in about a second.

Job: the public toy on which everything about skills is tested, and which users may try commands on: `--env_name
gamefleet.testing.crafting:WORLD`. Place in the data flow: as a game's world. Left out: dynamics (`crafting_state`),
what is seen of them (`crafting_view`), learning (`crafting_learner`, `crafting_trainer`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gamefleet.skills.world import Fact, SkillWorld, States
from gamefleet.testing.crafting_state import ACTIONS, BUILT, COLLECTED, FULL, ITEMS, RECIPES, generate, step
from gamefleet.testing.crafting_trainer import CraftingTrainer
from gamefleet.testing.crafting_view import features_of, make_features

STEPS_PER_WORLD = 40
"""Steps of random play from one fresh world, for states to try expressions on."""


def random_pairs(seed: int, num: int) -> tuple[States, States]:
    """Consecutive states of random play.

    Args:
        seed: Of worlds and actions.
        num: How many pairs.

    Returns:
        `(now, before)`, each float32[num, features].
    """
    play = random_play(seed, -(-num // STEPS_PER_WORLD), STEPS_PER_WORLD)
    return np.concatenate(play[1:])[:num], np.concatenate(play[:-1])[:num]


def random_play(seed: int, num: int, num_steps: int) -> States:
    """float32[num_steps + 1, num, features]: random play from fresh worlds; who dies stays as they were."""
    rng = np.random.default_rng(seed)
    worlds = generate(rng, num)
    states = [features_of(worlds)]
    for _ in range(num_steps):
        alive = np.flatnonzero(worlds.health > 0)
        moved = worlds.take(alive)
        step(moved, rng.integers(0, len(ACTIONS), num)[alive])
        worlds.put(alive, moved)
        states.append(features_of(worlds))
    return np.stack(states)


def start_features(seed: int, num: int) -> States:
    """float32[num, features] of fresh worlds."""
    return features_of(generate(np.random.default_rng(seed), num))


def make_trainer(settings: Mapping[str, Any] | None = None) -> CraftingTrainer:
    """The trainer of this world."""
    return CraftingTrainer(settings=dict(settings or {}))


def _start() -> dict[str, float]:
    varies = {"near_tree", "near_stone", "near_coal", "near_iron", "near_water"}
    fixed = {"health": float(FULL), "drink": float(FULL)}
    return {row.name: fixed.get(row.name, 0.0) for row in make_features() if row.name not in varies}


def _facts() -> tuple[Fact, ...]:
    collected = [
        _fact(f"Collect_{item.title()}", {} if tool is None else {tool: 1}, {}, {item: 1}, f"`do` where {item} is")
        for _, item, tool in COLLECTED
    ]
    drunk = _fact("Collect_Drink", {}, {}, {"did_collect_drink": 1}, "`do` where water is", gives={})
    built = [
        _fact(action.title(), {}, {item: amount}, {f"near_{action[6:]}": 1}, "where nothing stands yet", gives={})
        for action, (_, item, amount) in BUILT.items()
    ]
    made = [
        _fact(f"Make_{tool.title()}", dict.fromkeys(places, 1), parts, {tool: 1}, "beside what must be near")
        for tool, (parts, places) in RECIPES.items()
    ]
    return (collected[0], *built[:1], *made[:2], *collected[1:3], *built[1:], *made[2:4], collected[3], made[4], drunk)


def _fact(
    name: str,
    requires: Mapping[str, int],
    consumes: Mapping[str, int],
    gain: Mapping[str, int],
    how: str,
    *,
    gives: Mapping[str, int] | None = None,
) -> Fact:
    return Fact(
        name=name,
        requires={key: float(value) for key, value in requires.items()},
        consumes={key: float(value) for key, value in consumes.items()},
        gain={key: float(value) for key, value in gain.items()},
        gives={key: float(value) for key, value in (gain if gives is None else gives).items()},
        how=how,
        is_verified=True,
    )


WORLD = SkillWorld(
    name="gamefleet.testing.crafting:WORLD",
    features=make_features(),
    actions=ACTIONS,
    start=_start(),
    facts=_facts(),
    random_pairs=random_pairs,
    start_features=start_features,
    make_trainer=make_trainer,
    trainer_settings=("updates_per_checkpoint",),
    random_play=random_play,
)
"""The toy as a world for skills."""

__all__ = ["ACTIONS", "ITEMS", "WORLD", "make_trainer", "random_pairs", "random_play", "start_features"]
