"""The tables of achievements are true: each row is done with exactly what it asks for, and fails with anything less."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from gamefleet.games.craftax.facts import read_facts
from gamefleet.games.craftax.names import CLASSIC_ACHIEVEMENTS
from gamefleet.games.craftax.variants import CLASSIC, FULL, Variant
from gamefleet.games.craftax.worlds import skill_world
from gamefleet.skills.world import Fact

FACED = {
    "Collect_Wood": "tree",
    "Collect_Drink": "water",
    "Collect_Stone": "stone",
    "Collect_Coal": "coal",
    "Collect_Iron": "iron",
    "Collect_Diamond": "diamond",
    "Collect_Sapphire": "sapphire",
    "Collect_Ruby": "ruby",
    "Eat_Plant": "ripe_plant",
}
"""The block that is faced; for all others grass."""

PLACE = (20, 20)
TRIES = 100
"""Of what succeeds one time in ten."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One row of the batch: a fact, and what is there."""

    fact: Fact
    held: Mapping[str, float]
    is_enough: bool


def cases_of(variant: Variant) -> list[Case]:
    found = []
    for fact in read_facts(variant):
        if not fact.is_verified:
            continue
        held = {**fact.requires, **fact.consumes}
        held.pop("did_place_plant", None)  # the ripe plant stands there already
        tries = TRIES if fact.name == "Collect_Sapling" else 1
        found += [Case(fact=fact, held=held, is_enough=True)] * tries
        less = [{**held, name: amount - 1} for name, amount in held.items() if name != "level"]
        found += [Case(fact=fact, held=one, is_enough=False) for one in less]
    return found


def world_arrays(variant: Variant, template: Mapping[str, Any], cases: list[Case]) -> dict[str, np.ndarray]:
    """A meadow for every case, with the player in the middle and what the case says."""
    arrays = {name: np.zeros((len(cases), *leaf.shape[1:]), leaf.dtype) for name, leaf in template.items()}
    arrays["map"][:] = variant.blocks.index("grass")
    arrays["player_position"][:] = PLACE
    arrays["player_direction"][:] = 1  # left
    for need in ("health", "food", "drink", "energy"):
        arrays[f"player_{need}"][:] = 9
    for attribute in ("dexterity", "strength", "intelligence"):
        if f"player_{attribute}" in arrays:
            arrays[f"player_{attribute}"][:] = 1
    for row, case in enumerate(cases):
        level = int(case.held.get("level", 0))
        floor = arrays["map"][row] if variant.is_classic else arrays["map"][row, level]
        if level:
            arrays["player_level"][row] = level
        floor[PLACE[0], PLACE[1] - 1] = variant.blocks.index(FACED.get(case.fact.name, "grass"))
        for number, block in enumerate(("table", "furnace")):
            if case.held.get(f"near_{block}"):
                floor[PLACE[0] + 1, PLACE[1] + number] = variant.blocks.index(block)
        for name, amount in case.held.items():
            if f"inventory/{name}" in arrays:
                arrays[f"inventory/{name}"][row] = amount
    return arrays


def action_of(variant: Variant, fact: Fact) -> int:
    name = fact.name.lower()
    return variant.actions.index(name if name in variant.actions else "do")


@pytest.mark.long
@pytest.mark.parametrize("variant", [CLASSIC, FULL], ids=["classic", "full"])
def test_a_fact_takes_exactly_what_its_row_says(variant: Variant, require_module: Callable[[str, str], None]) -> None:
    require_module("craftax", "make craftax")
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_disable_most_optimizations", True)
    from gamefleet.games.craftax.jax_world import make_jax_world

    compiled, world = make_jax_world(variant), skill_world(variant.env_name)
    shapes = jax.eval_shape(lambda key: compiled.generate(key, 1), jax.random.PRNGKey(0))
    template = compiled.to_arrays(jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes))
    names = dict(zip(template, jax.tree.leaves(shapes), strict=True))
    cases = cases_of(variant)
    states = compiled.from_arrays(world_arrays(variant, names, cases))
    actions = jnp.array([action_of(variant, case.fact) for case in cases], jnp.int32)

    def play(states: Any, key: Any) -> tuple[Any, Any]:
        moved, _ = compiled.step(key, states, actions)
        return compiled.features(states), compiled.features(moved)

    before, after = (np.asarray(rows) for rows in jax.jit(play)(states, jax.random.PRNGKey(0)))
    done: dict[str, list[bool]] = {}
    for row, case in enumerate(cases):
        gained = all(after[row, world.column(name)] >= amount for name, amount in case.fact.gain.items())
        bit = after[row, world.column(f"did_{case.fact.name.lower()}")] > 0
        if not case.is_enough:
            assert not bit, f"{case.fact.name} with only {case.held}"
            continue
        done.setdefault(case.fact.name, []).append(bool(gained and bit))
        if gained and bit:
            for name, amount in case.fact.consumes.items():
                assert after[row, world.column(name)] == before[row, world.column(name)] - amount, case.fact.name
            for name, amount in case.fact.gives.items():
                assert after[row, world.column(name)] == before[row, world.column(name)] + amount, case.fact.name
    tried = done.pop("Collect_Sapling")
    assert 1 <= sum(tried) <= 30
    assert {name for name, results in done.items() if not all(results)} == set()


def test_every_achievement_has_one_row_that_names_features_that_exist() -> None:
    for variant in (CLASSIC, FULL):
        world = skill_world(variant.env_name)
        assert {fact.name.lower() for fact in world.facts} == set(variant.achievements)
        assert len(world.facts) == len(variant.achievements)
        for fact in world.facts:
            for amounts in (fact.requires, fact.consumes, fact.gain, fact.gives):
                for name in amounts:
                    world.column(name)


def test_the_rows_say_which_of_them_were_run() -> None:
    for variant, count in ((CLASSIC, 18), (FULL, 27)):
        verified = [fact.name for fact in read_facts(variant) if fact.is_verified]
        assert len(verified) == count
        assert set(CLASSIC_ACHIEVEMENTS) > {name.lower() for name in verified} or variant is FULL
