"""The toy crafting world: its facts are true, its learner learns, and what is cut goes on exactly."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from gamefleet.skills.dependencies import plan_of, resolve
from gamefleet.skills.skill import Skill
from gamefleet.skills.training import PlanStep, Progress, TrainingOutcome, TrainingTask, lower_bound
from gamefleet.skills.world import Fact
from gamefleet.testing.crafting import WORLD
from gamefleet.testing.crafting_state import (
    ACTIONS,
    FURNACE,
    ITEMS,
    RING,
    STEPS_PER_DRINK,
    TABLE,
    Worlds,
    generate,
    step,
)
from gamefleet.testing.crafting_view import features_of, observe

WOOD = Skill(name="Collect_Wood", gain={"wood": 4}, reward="gained(wood)", success="wood >= 4", max_steps=60)
TABLE_SKILL = Skill(
    name="Place_Table",
    requires={"wood": 2},
    consumes={"wood": 2},
    gain={"near_table": 1},
    reward="gained(did_place_table)",
    success="near_table and did_place_table",
    max_steps=40,
)
PICKAXE = Skill(
    name="Make_Pickaxe",
    requires={"near_table": 1},
    consumes={"wood": 1},
    gain={"wood_pickaxe": 1},
    reward="gained(wood_pickaxe)",
    success="wood_pickaxe >= 1",
    max_steps=40,
)


def one_world() -> Worlds:
    """A world with its places in the order of `RING`, the player at the first."""
    worlds = generate(np.random.default_rng(0), 1)
    worlds.tiles[0] = RING
    worlds.place[0] = 0
    return worlds


def act(worlds: Worlds, *actions: str) -> Worlds:
    for action in actions:
        step(worlds, np.asarray([ACTIONS.index(action)]))
    return worlds


def value(worlds: Worlds, feature: str) -> float:
    return float(features_of(worlds)[0, WORLD.column(feature)])


def place_for(fact: Fact) -> tuple[Worlds, str]:
    """A world in which a fact can be carried out at once, and the action that does."""
    worlds = one_world()
    for name, amount in {**fact.requires, **fact.consumes}.items():
        if name in ITEMS:
            worlds.items[0, ITEMS.index(name)] = int(amount)
    if "near_table" in fact.requires:
        worlds.things[0, 1] = TABLE
    if "near_furnace" in fact.requires:
        worlds.things[0, 9] = FURNACE
    kinds = {"Collect_Wood": 0, "Collect_Stone": 2, "Collect_Coal": 4, "Collect_Iron": 5, "Collect_Drink": 6}
    worlds.place[0] = kinds.get(fact.name, 0)
    return worlds, "do" if fact.name in kinds else fact.name.lower()


@pytest.mark.parametrize("fact", WORLD.facts, ids=lambda fact: fact.name)
def test_a_fact_holds_with_exactly_what_it_asks_and_not_with_one_less(fact: Fact) -> None:
    worlds, action = place_for(fact)
    before = {name: value(worlds, name) for name in WORLD.names}
    act(worlds, action)

    assert value(worlds, f"did_{fact.name.lower()}") == 1
    assert all(value(worlds, name) >= amount for name, amount in fact.gain.items())
    assert all(value(worlds, name) == before[name] - amount for name, amount in fact.consumes.items())
    assert all(value(worlds, name) == before[name] + amount for name, amount in fact.gives.items())
    for name in {**fact.requires, **fact.consumes}:
        worlds, action = place_for(fact)
        if name in ITEMS:
            worlds.items[0, ITEMS.index(name)] -= 1
        else:
            worlds.things[worlds.things == (TABLE if name == "near_table" else FURNACE)] = 0
        assert value(act(worlds, action), f"did_{fact.name.lower()}") == 0


def test_a_fresh_world_is_as_its_start_says_in_every_world() -> None:
    states = WORLD.start_features(3, 50)

    for name, expected in WORLD.start.items():
        assert (states[:, WORLD.column(name)] == expected).all(), name
    assert {feature.name for feature in WORLD.features if feature.name not in WORLD.start} == {
        "near_tree", "near_stone", "near_coal", "near_iron", "near_water"
    }  # fmt: skip


def test_features_stay_within_their_ranges_and_bits_are_bits() -> None:
    now, before = WORLD.random_pairs(0, 3000)

    assert now.shape == before.shape == (3000, len(WORLD.features))
    for column, feature in enumerate(WORLD.features):
        assert now[:, column].min() >= feature.low
        assert now[:, column].max() <= feature.high
        assert not feature.is_bit or set(np.unique(now[:, column])) <= {0.0, 1.0}


def test_who_drinks_nothing_dies_in_the_end() -> None:
    worlds = act(one_world(), *["noop"] * (STEPS_PER_DRINK * 18))

    assert (value(worlds, "drink"), value(worlds, "health")) == (0, 0)


def test_observations_point_to_the_nearest_place_of_a_kind() -> None:
    worlds = one_world()  # tree tree stone stone coal iron water grass grass grass

    tree, stone, coal, iron, water = observe(worlds)[0, :20].reshape(5, 4)

    assert tree.tolist() == [1, 0, 0, 0]
    assert stone.tolist() == [0, 1, 0, 0], "two to the right"
    assert coal.tolist() == [0, 1, 0, 0]
    assert iron.tolist() == [0, 1, 0, 0], "five either way"
    assert water.tolist() == [0, 0, 1, 0], "four to the left"


def test_the_same_seed_gives_the_same_states() -> None:
    for one, other in zip(WORLD.random_pairs(7, 100), WORLD.random_pairs(7, 100), strict=True):
        np.testing.assert_array_equal(one, other)
    assert (WORLD.random_pairs(8, 100)[0] != WORLD.random_pairs(7, 100)[0]).any()


def train(
    folder: Path, skill: Skill, plan: tuple[PlanStep, ...] = (), should_stop: Callable[[], bool] = lambda: False
) -> TrainingOutcome | None:
    assert WORLD.make_trainer is not None
    task = TrainingTask(
        skill=skill,
        index=len(plan),
        attempt=1,
        seed=5,
        plan=plan,
        total_timesteps=400_000,
        num_envs=64,
        folder=folder / f"skill_{len(plan)}_{skill.name}",
    )
    reports: list[Progress] = []
    outcome = WORLD.make_trainer().train(task, reports.append, should_stop)
    assert [report.frames for report in reports] == sorted({report.frames for report in reports})
    return outcome


def publish(folder: Path, skill: Skill, index: int, outcome: TrainingOutcome) -> PlanStep:
    target = folder / f"{index}_{skill.name}"
    (target / f"expert_{index}_policy").mkdir(parents=True)
    save_file(dict(outcome.expert), target / f"expert_{index}_policy" / "params.safetensors")
    save_file(dict(outcome.frontier), target / "frontier.safetensors")
    return PlanStep(name=skill.name, index=index, skill=skill, folder=target)


def test_a_chain_of_skills_is_learned_each_from_where_the_one_before_ended(tmp_path: Path) -> None:
    steps: dict[str, PlanStep] = {}
    dependencies: dict[str, tuple[str, ...]] = {}
    for index, skill in enumerate((WOOD, TABLE_SKILL, PICKAXE)):
        dependencies[skill.name] = resolve(skill, {name: step.skill for name, step in steps.items()}, WORLD)
        plan = tuple(steps[name] for name in plan_of(skill.name, dependencies)[:-1])

        outcome = train(tmp_path, skill, plan)

        assert outcome is not None
        assert outcome.is_success, outcome.reason
        assert lower_bound(outcome.successes, outcome.episodes) >= 0.9
        assert outcome.started >= outcome.reached == outcome.episodes
        steps[skill.name] = publish(tmp_path, skill, index, outcome)
        ends = Worlds(**outcome.frontier)  # type: ignore[arg-type]
        features = features_of(ends)
        assert len(ends) > 100
        assert (ends.health > 0).all()
        assert all((features[:, WORLD.column(name)] >= amount).all() for name, amount in skill.gain.items())


def test_a_skill_that_cannot_be_learned_ends_when_its_steps_are_used_up(tmp_path: Path) -> None:
    assert WORLD.make_trainer is not None
    never = Skill(name="Never", gain={"iron": 9}, reward="gained(iron)", success="iron >= 9", max_steps=20)
    task = TrainingTask(
        skill=never,
        index=0,
        attempt=1,
        seed=0,
        plan=(),
        total_timesteps=20_000,
        num_envs=64,
        folder=tmp_path,
        episodes=32,
    )

    outcome = WORLD.make_trainer().train(task, lambda _: None, lambda: False)

    assert outcome is not None
    assert not outcome.is_success
    assert (outcome.successes, outcome.episodes, outcome.started) == (0, 32, 32)
    assert "used up" in outcome.reason


def test_training_that_is_stopped_again_and_again_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", WOOD)
    calls = 0

    def stops_every_third_time() -> bool:
        nonlocal calls
        calls += 1
        return calls % 3 == 0

    legs, cut = 0, None
    while cut is None:
        legs += 1
        cut = train(tmp_path / "cut", WOOD, (), stops_every_third_time)

    assert whole is not None
    assert legs > 3
    assert (cut.frames, cut.successes, cut.episodes) == (whole.frames, whole.successes, whole.episodes)
    for name, array in whole.expert.items():
        np.testing.assert_array_equal(cut.expert[name], array)
    for name, array in whole.frontier.items():
        np.testing.assert_array_equal(cut.frontier[name], array)
