"""What is asked and what is accepted when a graph wants one more skill: limits on dependencies, and Python."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.unit.skills.crafting_skills import PICKAXE, TABLE, WOOD

from gamefleet.cluster.graph.events import Accepted, Rejected
from gamefleet.cluster.graph.state import GraphState, Node
from gamefleet.skills.proposer import Proposal, ProposalContext
from gamefleet.skills.sandbox import Sandbox
from gamefleet.skills.skill import Skill
from gamefleet.skills.world import SkillWorld
from gamefleet.testing.crafting import WORLD
from gamefleet.topologies.job_graph.proposals import Proposals

LOCKED = Sandbox(program="bwrap", description="not started by these tests")


@dataclass
class Saying:
    """A proposer that always proposes one skill."""

    proposal: Proposal
    asked: list[ProposalContext] = field(default_factory=list)

    def propose(self, context: ProposalContext) -> Proposal:
        self.asked.append(context)
        return self.proposal


def graph() -> GraphState:
    """A graph with two skills."""
    below = {"Collect_Wood": (), "Place_Table": ("Collect_Wood",)}
    return GraphState(
        id="x",
        skills=tuple(
            Node(
                skill_name=skill["name"],
                index=index,
                status="completed",
                skill=Skill.from_json(skill).as_json(),
                dependencies=below[skill["name"]],
            )
            for index, skill in enumerate((WOOD, TABLE))
        ),
    )


def proposals(proposal: Proposal, **more: Any) -> Proposals:
    return Proposals(**{"world": WORLD, "proposer": Saying(proposal), "wake": lambda: None, **more})


@pytest.mark.parametrize(
    ("of_the_graph", "of_the_proposer", "is_accepted"), [(8, 8, True), (2, 4, True), (1, 4, False), (8, 1, False)]
)
@pytest.mark.parametrize("way", ["resolved", "by the user's resolver"])
def test_the_lower_limit_of_dependencies_holds_however_they_were_found(
    way: str, of_the_graph: int, of_the_proposer: int, is_accepted: bool
) -> None:
    proposal = Proposal(skill=Skill.from_json(PICKAXE), text="", max_dependencies=of_the_proposer)
    more = {} if way == "resolved" else {"resolver": lambda skill, known, world: list(known)}

    answer = proposals(proposal, max_dependencies=of_the_graph, **more).consider(graph(), 1)

    assert isinstance(answer.event, Accepted) == is_accepted
    if isinstance(answer.event, Rejected):
        assert answer.event.reasons == ("It builds on 2 skills (Collect_Wood, Place_Table); at most 1.",)


@pytest.mark.parametrize(
    ("world", "sandbox", "is_allowed"),
    [(WORLD, LOCKED, True), (WORLD, None, False), (dataclasses.replace(WORLD, make_trainer=None), LOCKED, False)],
    ids=["a trainer of its own", "not asked for", "compiled"],
)
def test_proposers_are_told_of_python_only_where_it_can_be_trained(
    world: SkillWorld, sandbox: Sandbox | None, is_allowed: bool
) -> None:
    saying = Saying(Proposal(skill=None, text="none"))

    proposals(Proposal(skill=None, text="none"), proposer=saying, world=world, sandbox=sandbox).consider(graph(), 1)

    assert [context.allows_python for context in saying.asked] == [is_allowed]
