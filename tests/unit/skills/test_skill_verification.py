"""Every step of verification refuses what it is for, with a reason, and lets pass what is right."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from tests.unit.skills.crafting_skills import PICKAXE, TABLE, WOOD

from gamefleet.skills.program import Program, run_program
from gamefleet.skills.skill import Skill
from gamefleet.skills.verify import Known, Limits, SampledStates, Verdict, sample_states, verify
from gamefleet.testing.crafting import WORLD


@pytest.fixture(scope="module")
def states() -> SampledStates:
    return sample_states(WORLD)


def known(*skills: Mapping[str, Any], **rest: Any) -> Known:
    return Known(skills={skill["name"]: Skill.from_json(skill) for skill in skills}, **rest)


def check(states: SampledStates, proposal: Any, *others: Mapping[str, Any], **rest: Any) -> Verdict:
    return verify(proposal, WORLD, known(*others), states=states, **rest)


def refused_for(verdict: Verdict, step: str) -> str:
    """The reasons, when this step and no other refused."""
    assert not verdict.accepted
    assert verdict.statistics["failed_checks"] == [step], verdict.reasons
    return " ".join(verdict.reasons)


def test_a_chain_of_good_skills_passes_every_step(states: SampledStates) -> None:
    wood, table, pickaxe = (
        check(states, WOOD),
        check(states, TABLE, WOOD),
        check(states, PICKAXE, WOOD, TABLE),
    )

    assert [verdict.reasons for verdict in (wood, table, pickaxe)] == [(), (), ()]
    assert all(verdict.accepted for verdict in (wood, table, pickaxe))
    assert wood.skill == Skill.from_json(WOOD)
    assert pickaxe.dependencies == ("Collect_Wood", "Place_Table")
    assert pickaxe.statistics["plan"] == ["Collect_Wood", "Place_Table"]
    assert wood.statistics["random_success_rate"] < 0.5
    assert wood.statistics["reward_range"][1] == 5.0


@pytest.mark.parametrize("proposal", [{}, {"name": 3}, [], "skill", None, {**WOOD, "code": "1"}])
def test_schema_refuses_what_is_no_skill(states: SampledStates, proposal: Any) -> None:
    assert refused_for(check(states, proposal), "schema")


def test_schema_holds_a_skill_that_a_program_made_to_the_same_limits(states: SampledStates) -> None:
    made = dataclasses.replace(Skill.from_json(WOOD), max_steps=10**9)

    assert "max_steps" in refused_for(check(states, made), "schema")
    assert check(states, Skill.from_json(WOOD)).accepted


@pytest.mark.parametrize("name", ["Collect_Wood", "collect_wood", "COLLECT_WOOD"])
def test_names_may_not_be_taken_whatever_their_case(states: SampledStates, name: str) -> None:
    more = {**WOOD, "name": name, "gain": {"wood": 7}, "success": "wood >= 7"}

    assert name in refused_for(check(states, more, WOOD), "name")
    assert check(states, {**more, "name": "Collect_More_Wood"}, WOOD).accepted


def test_names_of_skills_that_failed_are_taken_too(states: SampledStates) -> None:
    verdict = verify(WOOD, WORLD, Known(taken_names=("Collect_Wood",)), states=states)

    assert refused_for(verdict, "name")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"gain": {"gold": 1}}, "no feature gold"),
        ({"requires": {"wod": 1}}, "Did you mean 'wood'"),
        ({"gain": {"wood": 10}}, "at most 9"),
        ({"consumes": {"near_table": 2}}, "at most 1"),
        ({"gain": {}}, "gain is empty"),
        ({"reward": "gained(gold)"}, "Unknown name"),
        ({"reward": "__import__('os')"}, "reward: "),
        ({"success": "wood.real >= 5"}, "success: "),
    ],
)
def test_features_amounts_and_expressions_have_to_exist(
    states: SampledStates, changes: dict[str, Any], reason: str
) -> None:
    assert reason in refused_for(check(states, {**WOOD, **changes}), "features")


def test_a_dependency_that_is_not_known_is_refused(states: SampledStates) -> None:
    verdict = check(states, {**TABLE, "depends_on": ["Chop_Wood"]}, WOOD)

    assert "Chop_Wood" in refused_for(verdict, "dependencies")
    assert check(states, {**TABLE, "depends_on": ["Collect_Wood"]}, WOOD).accepted


def test_more_dependencies_than_allowed_are_refused(states: SampledStates) -> None:
    verdict = check(states, PICKAXE, WOOD, TABLE, limits=Limits(max_dependencies=1))

    assert "at most 1" in refused_for(verdict, "dependencies")


def test_what_is_needed_has_to_be_there_after_the_plan(states: SampledStates) -> None:
    little = {**WOOD, "gain": {"wood": 2}, "success": "wood >= 2"}

    assert "Propose a skill that gains wood first" in refused_for(check(states, TABLE), "reachable")
    # Two pieces are enough for the table, which uses them up: none is left for the pickaxe.
    assert "only 0 is certain" in refused_for(check(states, PICKAXE, little, TABLE), "reachable")
    assert check(states, TABLE, little).accepted
    # Trees differ between worlds, but there are some.
    assert check(states, {**WOOD, "requires": {"near_tree": 1}}).accepted


def test_a_gain_that_is_known_is_refused_and_a_larger_or_combined_one_is_not(states: SampledStates) -> None:
    again = {**WOOD, "name": "Chop"}
    fewer = {**again, "gain": {"wood": 4}, "success": "wood >= 4"}
    more = {**again, "gain": {"wood": 6}, "success": "wood >= 6"}

    assert "Collect_Wood already gives as much" in refused_for(check(states, again, WOOD), "novel")
    assert refused_for(check(states, fewer, WOOD), "novel")
    assert check(states, more, WOOD).accepted
    rested = {**WOOD, "gain": {"health": 9}, "reward": "gained(health)", "success": "health >= 9"}
    assert "a fresh world" in refused_for(check(states, rested), "novel")


def test_expressions_have_to_run_as_the_trainer_will_run_them(states: SampledStates) -> None:
    def in_one_number(program: Program, now: Any, before: Any) -> Any:
        return run_program(program, now, before).sum()

    def in_double(program: Program, now: Any, before: Any) -> Any:
        return run_program(program, now, before).astype(np.float64)

    def without_end(program: Program, now: Any, before: Any) -> Any:
        return run_program(program, now, before) / np.float32(0)

    def differently(program: Program, now: Any, before: Any) -> Any:
        return run_program(program, now, before) + np.float32(1)

    with np.errstate(all="ignore"):
        reasons = [
            refused_for(check(states, WOOD, run=run), "runs")
            for run in (in_one_number, in_double, without_end, differently)
        ]
    assert ["not one number each" in reasons[0], "float64" in reasons[1]] == [True, True]
    assert ["not finite" in reasons[2], "differs from the text" in reasons[3]] == [True, True]
    assert check(states, WOOD, run=run_program).accepted


def test_a_constant_reward_is_refused_and_a_rare_one_is_not(states: SampledStates) -> None:
    verdict = check(states, {**WOOD, "reward": "0"})

    assert not verdict.accepted
    assert "reward_varies" in verdict.statistics["failed_checks"]
    # Random play never comes to iron, so its reward is 0 throughout; the made-up steps show that it is not constant.
    tools = {**PICKAXE, "name": "Make_Tools", "requires": {}, "gain": {"wood_pickaxe": 1, "stone_pickaxe": 1}}
    tools |= {"success": "wood_pickaxe and stone_pickaxe", "consumes": {}, "max_steps": 500}
    iron = {**WOOD, "name": "Collect_Iron", "gain": {"iron": 1}, "reward": "gained(iron)", "success": "iron >= 1"}
    assert not (states.now[:, WORLD.column("iron")] > 0).any()
    assert check(states, iron | {"requires": {"stone_pickaxe": 1}}, tools).accepted


def test_a_reward_that_pays_for_something_else_is_refused(states: SampledStates) -> None:
    for reward in ("gained(stone)", "-gained(wood)", "gained(drink) + gained(coal)"):
        assert "Pay for the gain" in refused_for(check(states, {**WOOD, "reward": reward}), "reward_pays_for_gain")


def test_a_success_that_is_there_from_the_start_is_refused(states: SampledStates) -> None:
    stock = {**WOOD, "name": "Stock", "requires": {"wood": 5}, "gain": {"stone": 1}}
    stock |= {"reward": "gained(stone)", "success": "wood >= 5 or stone >= 1"}

    verdict = check(states, stock, WOOD)

    assert "success_at_start" in verdict.statistics["failed_checks"]
    assert any("already true in 100%" in reason for reason in verdict.reasons)
    assert check(states, stock | {"success": "stone >= 1"}, WOOD).accepted


def test_a_success_that_the_gain_does_not_bring_is_refused(states: SampledStates) -> None:
    # Wood comes one by one, so no step gains five: the state has to be asked, not the step.
    in_one_step = check(states, {**WOOD, "success": "gained(wood) >= 5 and wood >= 5"})
    asks_for_more = check(states, {**WOOD, "success": "wood >= 5 and stone >= 1"})

    assert "Test the state after the step" in refused_for(in_one_step, "success_follows_gain")
    assert "false in 100%" in refused_for(asks_for_more, "success_follows_gain")


def test_a_success_without_the_gain_is_refused(states: SampledStates) -> None:
    # What builds on the skill would start without its product.
    gross = check(states, {**WOOD, "success": "wood >= 4"})

    assert "wood >= 5 does not hold" in refused_for(gross, "success_holds_gain")


def test_a_reward_beyond_the_limit_is_refused(states: SampledStates) -> None:
    large = {**WOOD, "reward": "100 * gained(wood)"}

    assert "+-10" in refused_for(check(states, large), "reward_bounded")
    assert check(states, large, limits=Limits(largest_reward=1000)).accepted


def test_a_reward_for_standing_still_is_refused(states: SampledStates) -> None:
    for reward in ("wood", "gained(wood) + 0.01", "gained(wood) + 0.1 * near_tree"):
        assert "standing still" in refused_for(check(states, {**WOOD, "reward": reward}), "standing_still")
    assert check(states, {**WOOD, "reward": "gained(wood) - 0.01"}).accepted


def test_a_goal_that_random_play_reaches_is_refused_if_it_can_be_raised(states: SampledStates) -> None:
    one = {**WOOD, "gain": {"wood": 1}, "success": "wood >= 1"}
    drink = {**WOOD, "name": "Drink", "gain": {"did_collect_drink": 1}}
    drink |= {"reward": "gained(did_collect_drink)", "success": "did_collect_drink"}

    verdict = check(states, one)

    assert "Raise the goal" in refused_for(verdict, "too_easy")
    assert verdict.statistics["random_success_rate"] > 0.5
    assert check(states, one, limits=Limits(largest_random_rate=1.0)).accepted
    assert check(states, drink).accepted, "a bit cannot be raised"


def test_where_no_random_play_is_at_hand_its_rate_is_not_made_up() -> None:
    world = dataclasses.replace(WORLD, random_play=None)
    one = {**WOOD, "gain": {"wood": 1}, "success": "wood >= 1"}

    verdict = verify(one, world)

    assert verdict.accepted
    assert verdict.statistics["random_success_rate"] is None


def test_the_random_rate_is_that_of_playing_until_the_limit(states: SampledStates) -> None:
    assert states.play is not None
    wood = states.play[..., WORLD.column("wood")]
    for max_steps in (10, 50):
        one = {**WOOD, "gain": {"wood": 2}, "success": "wood >= 2", "max_steps": max_steps}
        expected = (wood[1 : max_steps + 1] >= 2).any(axis=0).mean()

        assert check(states, one).statistics["random_success_rate"] == pytest.approx(expected, abs=1e-3)


def test_all_objections_of_a_stage_are_told_at_once(states: SampledStates) -> None:
    verdict = check(states, {**WOOD, "reward": "500 + wood", "success": "wood >= 1"})

    assert {"success_holds_gain", "reward_bounded", "standing_still"} <= set(verdict.statistics["failed_checks"])
    assert len(verdict.reasons) >= 3


def test_dependencies_that_are_frozen_are_not_resolved_again(states: SampledStates) -> None:
    beside = {**WOOD, "name": "Hoard", "requires": {"near_table": 1}, "gain": {"wood": 7}, "success": "wood >= 7"}

    resolved = verify(beside, WORLD, known(WOOD, TABLE), states=states)
    frozen = verify(beside, WORLD, known(WOOD, TABLE, dependencies={"Place_Table": ()}), states=states)

    assert resolved.statistics["plan"] == ["Collect_Wood", "Place_Table"]
    assert frozen.statistics["plan"] == ["Place_Table"]


def test_the_same_proposal_gets_the_same_verdict(states: SampledStates) -> None:
    assert check(states, WOOD) == check(sample_states(WORLD), WOOD)


def test_every_proposal_of_the_catalogue_passes_on_the_toy_world(states: SampledStates) -> None:
    from gamefleet.skills.catalogue import CatalogueProposer
    from gamefleet.skills.proposer import KnownSkill, ProposalContext

    accepted: dict[str, Verdict] = {}
    while len(accepted) < len(WORLD.facts):
        rows = tuple(
            KnownSkill(skill=verdict.skill, index=place, status="completed", dependencies=verdict.dependencies)
            for place, verdict in enumerate(accepted.values())
            if verdict.skill is not None
        )
        context = ProposalContext(world=WORLD, known=rows, wanted=len(WORLD.facts) - len(accepted))
        skill = CatalogueProposer().propose(context).skill
        assert skill is not None
        graph = Known(
            skills={row.skill.name: row.skill for row in rows},
            dependencies={row.skill.name: row.dependencies for row in rows},
        )
        accepted[skill.name] = verify(skill, WORLD, graph, states=states)
        assert accepted[skill.name].reasons == ()
