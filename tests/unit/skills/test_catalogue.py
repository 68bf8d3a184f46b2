"""The embedded proposer: the order of a tech tree, amounts that last, other ways after failures."""

from collections.abc import Callable, Collection
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gamefleet.games.craftax.worlds import skill_world
from gamefleet.skills.catalogue import MAX_VERSIONS, CatalogueProposer
from gamefleet.skills.catalogue_tree import left_after, make_tree
from gamefleet.skills.dependencies import holdings_after, needs, plan_of
from gamefleet.skills.proposer import KnownSkill, ProposalContext, Rejection
from gamefleet.skills.skill import Skill
from gamefleet.skills.verify import Known, sample_states, verify
from gamefleet.skills.world import Fact, Feature, SkillWorld
from gamefleet.testing.crafting import WORLD

FIRST_SIX = [
    "Collect_Wood",
    "Place_Table",
    "Make_Wood_Pickaxe",
    "Make_Wood_Sword",
    "Collect_Stone",
    "Make_Stone_Pickaxe",
]


CLASSIC = skill_world("Craftax-Classic-Symbolic-v1")
FULL = skill_world("Craftax-Symbolic-v1")


def walk(
    total: int,
    *,
    known: tuple[KnownSkill, ...] = (),
    fails: Collection[str] = (),
    refuses: Callable[[Skill], str] = lambda skill: "",
    max_dependencies: int = 8,
    world: SkillWorld = WORLD,
) -> tuple[tuple[KnownSkill, ...], tuple[Rejection, ...]]:
    """Ask until nothing more is proposed; skills named in `fails` are trained in vain, with all that builds on them."""
    rejections: tuple[Rejection, ...] = ()
    lost = set(fails)
    while len(known) < total:
        context = ProposalContext(
            world=world,
            known=known,
            rejections=rejections,
            wanted=total - len(known),
            max_dependencies=max_dependencies,
        )
        skill = CatalogueProposer().propose(context).skill
        if skill is None:
            break
        reason = refuses(skill)
        if reason:
            rejections += (Rejection(skill=skill.as_json(), reasons=(reason,)),)
            continue
        depends_on = skill.depends_on or ()
        status = "failed" if skill.name in lost else "blocked" if lost & set(depends_on) else "done"
        lost |= {skill.name} if status != "done" else set()
        known += (KnownSkill(skill=skill, index=len(known), status=status, dependencies=depends_on),)
    return known, rejections


def names(known: tuple[KnownSkill, ...]) -> list[str]:
    return [one.skill.name for one in known]


@pytest.mark.parametrize("world", [WORLD, CLASSIC], ids=["toy", "Craftax-Classic"])
def test_the_first_six_skills_are_the_known_chain(world: SkillWorld) -> None:
    known, _ = walk(6, world=world)

    assert names(known) == FIRST_SIX
    assert [one.dependencies for one in known] == [
        (),
        ("Collect_Wood",),
        ("Place_Table",),
        ("Place_Table",),
        ("Make_Wood_Pickaxe",),
        ("Collect_Stone",),
    ]


def test_amounts_cover_all_that_the_chain_uses_up() -> None:
    known, _ = walk(6)
    gain = {one.skill.name: one.skill.gain for one in known}

    # Table 2, pickaxe 1, and for the stone pickaxe 1 and another table where the stone is, 2.
    assert gain["Collect_Wood"] == {"wood": 6}
    assert gain["Place_Table"] == {"near_table": 1, "wood": 4}
    assert gain["Collect_Stone"] == {"stone": 1, "wood": 3}


def test_a_run_of_two_skills_begins_like_one_of_six() -> None:
    assert walk(2)[0] == walk(6)[0][:2]


def test_a_longer_run_gathers_more_at_once_but_never_more_than_fits() -> None:
    known, _ = walk(40)
    gain = {one.skill.name: one.skill.gain for one in known}

    assert gain["Collect_Wood"] == {"wood": 9}
    assert len(known) == len(WORLD.facts)


@pytest.mark.parametrize(
    ("world", "total"),
    [(WORLD, 6), (WORLD, 40), (CLASSIC, 6), (CLASSIC, 40), (FULL, 80)],
    ids=["toy-6", "toy-40", "Craftax-Classic-6", "Craftax-Classic-40", "Craftax-80"],
)
def test_every_proposal_passes_the_verification(world: SkillWorld, total: int) -> None:
    known, _ = walk(total, world=world)
    states = sample_states(world)

    accepted: dict[str, Skill] = {}
    edges: dict[str, tuple[str, ...]] = {}
    for one in known:
        verdict = verify(one.skill, world, Known(skills=accepted, dependencies=edges), states=states)
        assert verdict.reasons == (), one.skill.name
        assert verdict.dependencies == one.dependencies
        accepted[one.skill.name] = one.skill
        edges[one.skill.name] = verdict.dependencies
    assert len(known) >= min(total, len(world.facts) * 0.9)


def test_what_was_not_verified_by_running_comes_last() -> None:
    known, _ = walk(80, world=FULL)
    doubted = {fact.name for fact in FULL.facts if not fact.is_verified}
    places = [number for number, name in enumerate(names(known)) if name in doubted]

    assert doubted
    assert names(known)[0] == "Collect_Wood"
    assert min(places) > names(known).index("Make_Diamond_Pickaxe")


@pytest.mark.parametrize("fails", [(), ("Place_Table",), ("Collect_Stone", "Collect_Stone_2"), ("Collect_Wood",)])
def test_every_plan_leaves_what_the_skill_requires(fails: tuple[str, ...]) -> None:
    known, _ = walk(40, fails=fails)
    skills = {one.skill.name: one.skill for one in known if one.status == "done"}
    edges = {one.skill.name: one.dependencies for one in known if one.status == "done"}

    for name, skill in skills.items():
        holdings = holdings_after([skills[step] for step in plan_of(name, edges)[:-1]], WORLD)
        short = {feature: least for feature, least in needs(skill).items() if holdings[feature] < least}
        assert short == {}, name


def test_a_failed_skill_is_proposed_again_in_an_easier_form_under_another_name() -> None:
    known, _ = walk(8, fails=["Collect_Wood"])

    first, second = known[0].skill, known[1].skill
    assert (first.name, second.name) == ("Collect_Wood", "Collect_Wood_2")
    assert second.gain["wood"] < first.gain["wood"]
    assert second.max_steps > first.max_steps
    assert known[2].dependencies == ("Collect_Wood_2",)


def test_what_is_short_after_an_easier_form_is_gathered_again_later() -> None:
    known, _ = walk(40, fails=["Collect_Stone", "Collect_Stone_2"])
    index = {one.skill.name: one for one in known}

    assert index["Collect_Stone_3"].skill.gain["stone"] == 1
    assert "Collect_Stone_4" in index["Make_Iron_Pickaxe"].dependencies


def test_a_fact_is_given_up_after_a_few_versions_and_what_needs_it_is_not_proposed() -> None:
    fails = ["Place_Table", *(f"Place_Table_{number}" for number in range(2, 9))]
    known, _ = walk(40, fails=fails)

    assert sum(name.startswith("Place_Table") for name in names(known)) == MAX_VERSIONS
    assert [name for name in names(known) if not name.startswith("Place_Table")] == ["Collect_Wood", "Collect_Drink"]


def test_nothing_is_built_on_a_skill_whose_dependency_is_lost() -> None:
    known, _ = walk(3)
    wood, table, pickaxe = known
    lost = KnownSkill(skill=table.skill, index=1, status="failed", dependencies=table.dependencies)

    proposal = CatalogueProposer().propose(ProposalContext(world=WORLD, known=(wood, lost, pickaxe), wanted=5))

    assert proposal.skill is not None
    assert proposal.skill.name == "Place_Table_2"


def test_a_proposal_that_cannot_be_made_harder_is_not_made_again() -> None:
    known, rejections = walk(40, refuses=lambda skill: "no" if skill.name.startswith("Place_Table") else "")

    assert [rejection.skill["name"] for rejection in rejections] == ["Place_Table"]
    assert names(known) == ["Collect_Wood", "Collect_Drink"]


def test_a_proposal_that_was_refused_comes_back_harder_and_under_another_name() -> None:
    known, rejections = walk(6, refuses=lambda skill: "too easy" if skill.gain.get("wood", 9) < 8 else "")

    assert [rejection.skill["name"] for rejection in rejections][:2] == ["Collect_Wood", "Place_Table"]
    assert known[0].skill.name == "Collect_Wood_2"
    assert known[0].skill.gain["wood"] == 8


def test_a_name_that_is_taken_without_a_skill_makes_the_proposal_neither_easier_nor_harder() -> None:
    context = ProposalContext(world=WORLD, wanted=6)
    first = CatalogueProposer().propose(context).skill
    second = CatalogueProposer().propose(replace(context, taken_names=("Collect_Wood",))).skill

    assert first is not None
    assert second == replace(first, name="Collect_Wood_2")


def test_no_proposal_is_ever_repeated() -> None:
    known, rejections = walk(40, refuses=lambda skill: "no" if "pickaxe" in skill.reward else "")

    seen = [*names(known), *(str(rejection.skill["name"]) for rejection in rejections)]
    assert len(seen) == len(set(seen))


@settings(max_examples=25)
@given(st.sets(st.sampled_from([fact.name for fact in WORLD.facts])), st.integers(1, 20), st.integers(1, 4))
def test_whatever_fails_it_ends_and_asks_for_nothing_that_is_not_there(
    fails: set[str], total: int, max_dependencies: int
) -> None:
    known, _ = walk(total, fails=fails, max_dependencies=max_dependencies)

    assert len(names(known)) == len(set(names(known)))
    for number, one in enumerate(known):
        assert set(one.dependencies) <= set(names(known[:number]))
        assert len(one.dependencies) <= max_dependencies


def test_the_same_question_gets_the_same_proposal_whatever_was_asked_before() -> None:
    known, _ = walk(4)
    context = ProposalContext(world=WORLD, known=known, wanted=4)
    proposer = CatalogueProposer()
    walk(9)

    assert proposer.propose(context) == CatalogueProposer().propose(context)


def test_a_known_skill_of_another_proposer_is_not_proposed_again() -> None:
    timber = Skill(name="Get_Timber", gain={"wood": 9.0}, reward="gained(wood)", success="wood >= 9", max_steps=200)
    known = (KnownSkill(skill=timber, index=0, status="done"),)

    skill = CatalogueProposer().propose(ProposalContext(world=WORLD, known=known, wanted=5)).skill

    assert skill is not None
    assert (skill.name, skill.depends_on) == ("Place_Table", ("Get_Timber",))


def test_at_the_end_it_says_that_it_knows_no_more() -> None:
    known, _ = walk(40)

    proposal = CatalogueProposer().propose(ProposalContext(world=WORLD, known=known, wanted=5))

    assert proposal.skill is None
    assert proposal.is_exhausted
    assert "nothing more" in proposal.text


def fact(name: str, needs: dict[str, float], consumes: dict[str, float], gain: dict[str, float]) -> Fact:
    gives = {key: value for key, value in gain.items() if not key.startswith(("near_", "did_"))}
    return Fact(name=name, requires=needs, consumes=consumes, gain=gain, gives=gives, how="somehow", is_verified=True)


def world_of(*facts: Fact) -> SkillWorld:
    columns = {key for one in facts for key in (*one.requires, *one.consumes, *one.gain)}
    features = tuple(Feature(name=name, low=0, high=9, meaning="a thing") for name in sorted(columns))
    return SkillWorld(
        name="small",
        features=features,
        actions=("noop",),
        start=dict.fromkeys(columns, 0.0),
        facts=facts,
        random_pairs=WORLD.random_pairs,
        start_features=WORLD.start_features,
    )


def test_facts_that_nothing_leads_to_are_left_out() -> None:
    tree = make_tree(world_of(fact("Open", {"key": 1}, {}, {"did_open": 1}), fact("Dig", {}, {}, {"clay": 1})))

    assert [one.name for one in tree.order] == ["Dig"]


def test_facts_that_need_each_other_are_left_out() -> None:
    world = world_of(fact("Egg", {"hen": 1}, {}, {"egg": 1}), fact("Hen", {"egg": 1}, {}, {"hen": 1}))

    assert make_tree(world).order == ()


def test_a_longer_way_is_not_taken_where_a_shorter_one_leads_there() -> None:
    world = world_of(
        fact("Trade", {"coin": 1}, {}, {"clay": 1}),
        fact("Dig", {}, {}, {"clay": 1}),
        fact("Sell", {"clay": 1}, {}, {"coin": 1}),
        fact("Bake", {"clay": 1}, {}, {"brick": 1}),
    )
    tree = make_tree(world)

    assert [one.name for one in tree.ancestors["Bake"]] == ["Dig"]


def test_what_is_gathered_on_the_way_needs_not_be_carried_from_the_start() -> None:
    path = (
        fact("Dig", {}, {}, {"clay": 1}),
        fact("Bake", {}, {"clay": 2}, {"brick": 1}),
        fact("Dig_Again", {}, {}, {"clay": 1}),
        fact("Mould", {}, {"clay": 3}, {"jar": 1}),
    )

    assert [amounts.get("clay", 0.0) for amounts in left_after(path)] == [2, 0, 3, 0]
