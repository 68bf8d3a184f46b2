"""What a skill builds on, in which order that is played, and who may decide it."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamefleet.errors import ConfigError
from gamefleet.skills.dependencies import DependencyError, holdings_after, load_resolver, plan_of, resolve
from gamefleet.skills.skill import Skill
from gamefleet.skills.world import SkillWorld, load_world
from gamefleet.testing.crafting import WORLD


def make(name: str, requires: dict[str, float], gain: dict[str, float], **rest: object) -> Skill:
    return Skill(name=name, requires=requires, gain=gain, reward="0", success="0", max_steps=9, **rest)  # type: ignore[arg-type]


WOOD = make("Collect_Wood", {}, {"wood": 5})
TABLE = make("Place_Table", {}, {"near_table": 1}, consumes={"wood": 2})
PICKAXE = make("Make_Pickaxe", {"near_table": 1, "wood": 1}, {"wood_pickaxe": 1}, consumes={"wood": 1})
STONE = make("Collect_Stone", {"wood_pickaxe": 1}, {"stone": 2})
KNOWN = {skill.name: skill for skill in (WOOD, TABLE, PICKAXE, STONE)}


def prefer_nothing(skill: Skill, known: Mapping[str, Skill], world: SkillWorld) -> Sequence[str]:
    """A plug-in, as users write one."""
    return ["Collect_Wood"] if skill.name == "Mine_Diamond" else []


def name_a_stranger(skill: Skill, known: Mapping[str, Skill], world: SkillWorld) -> Sequence[str]:
    return ["Collect_Gold"]


def test_a_skill_depends_on_what_gains_what_a_fresh_world_lacks() -> None:
    earlier: dict[str, Skill] = {}
    found = {}
    for name, skill in KNOWN.items():
        found[name] = resolve(skill, earlier, WORLD)
        earlier[name] = skill

    assert found == {
        "Collect_Wood": (),
        "Place_Table": ("Collect_Wood",),
        "Make_Pickaxe": ("Collect_Wood", "Place_Table"),
        "Collect_Stone": ("Make_Pickaxe",),
    }


def test_what_a_fresh_world_has_needs_no_skill() -> None:
    assert resolve(make("Rest", {"health": 9}, {"drink": 9}), KNOWN, WORLD) == ()


def test_a_skill_that_gains_too_little_is_not_built_on() -> None:
    assert resolve(make("Hoard", {"wood": 6}, {"stone": 9}), KNOWN, WORLD) == ()


def test_what_the_proposal_states_itself_is_taken() -> None:
    stated = make("Fence", {"stone": 2}, {"wood": 9}, depends_on=("Collect_Wood", "Collect_Wood"))

    assert resolve(stated, KNOWN, WORLD) == ("Collect_Wood",)


def test_an_unknown_dependency_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(DependencyError, match="Did you mean 'Collect_Wood'"):
        resolve(make("Fence", {}, {"stone": 9}, depends_on=("Colect_Wood",)), KNOWN, WORLD)


def test_a_skill_that_depends_on_itself_is_refused() -> None:
    with pytest.raises(DependencyError, match="itself"):
        resolve(make("Fence", {}, {"stone": 9}, depends_on=("Fence",)), KNOWN, WORLD)


def test_a_plug_in_decides_and_its_answer_is_checked() -> None:
    resolver = load_resolver(f"{__name__}:prefer_nothing")

    assert resolve(make("Mine_Diamond", {"stone": 1}, {"iron": 9}), KNOWN, WORLD, resolver) == ("Collect_Wood",)
    assert resolve(PICKAXE, KNOWN, WORLD, resolver) == ()
    with pytest.raises(DependencyError, match="Collect_Gold"):
        resolve(PICKAXE, KNOWN, WORLD, name_a_stranger)


@pytest.mark.parametrize(
    "path",
    ["nothing", "no.such.module:f", "gamefleet.testing.crafting:nothing", ":f", "a:", "gamefleet.errors:__doc__"],
)
def test_a_plug_in_that_is_none_is_refused(path: str) -> None:
    with pytest.raises(ConfigError):
        load_resolver(path)


def test_a_world_is_loaded_by_name_and_nothing_else_is_one() -> None:
    assert load_world("gamefleet.testing.crafting:WORLD") is WORLD
    with pytest.raises(ConfigError, match="Not a SkillWorld"):
        load_world("gamefleet.testing.crafting:ACTIONS")


def test_a_plan_holds_all_that_is_built_on_in_order_and_the_skill_last() -> None:
    dependencies = {"a": (), "b": (), "c": ("a",), "d": ("c", "b"), "e": ("d",), "other": ("a",)}

    assert plan_of("e", dependencies) == ("a", "b", "c", "d", "e")
    assert plan_of("a", dependencies) == ("a",)


def test_circles_and_unknown_names_are_refused() -> None:
    with pytest.raises(DependencyError, match="circle"):
        plan_of("a", {"a": ("b",), "b": ("c",), "c": ("a",)})
    with pytest.raises(DependencyError, match="Unknown skill"):
        plan_of("a", {"a": ("b",)})


@given(st.lists(st.sets(st.integers(0, 11)), min_size=1, max_size=12))
def test_any_plan_is_complete_ordered_and_repeats_nothing(links: list[set[int]]) -> None:
    dependencies = {
        f"s{place}": [f"s{other}" for other in sorted(found) if other < place] for place, found in enumerate(links)
    }
    last = f"s{len(links) - 1}"

    plan = plan_of(last, dependencies)

    assert plan[-1] == last
    assert len(set(plan)) == len(plan)
    for place, name in enumerate(plan):
        assert set(dependencies[name]) <= set(plan[:place])


def test_holdings_follow_what_a_plan_uses_up_and_gains() -> None:
    after = holdings_after([WOOD, TABLE, PICKAXE, STONE], WORLD)

    assert (after["wood"], after["near_table"], after["wood_pickaxe"], after["stone"]) == (2, 1, 1, 2)
    assert after["health"] == WORLD.start["health"]
