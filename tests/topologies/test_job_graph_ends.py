"""How a run of a graph of skills ends, and what people read then."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from tests.topologies.graph_cases import JobsHere, schedule, state_of, statuses
from tests.unit.skills.model_cases import GOOD, make_proposer

from gamefleet.cli.skills_run import say_end
from gamefleet.cluster.graph.events import Exhausted
from gamefleet.cluster.graph.state import GraphState
from gamefleet.skills.cost import Caps
from gamefleet.skills.proposer import Proposal
from gamefleet.testing.model_server import ModelServer, Reply
from gamefleet.topologies.job_graph.paths import GraphPaths
from gamefleet.topologies.job_graph.proposals import without_skill

SPENT = "120 of 3000 tokens are spent, and the next question could take the rest. Raise --max_tokens to go on"


def test_a_cap_that_is_spent_is_told_everywhere_and_a_higher_one_goes_on(tmp_path: Path) -> None:
    root = tmp_path / "graph"
    with ModelServer([Reply(text=GOOD)]) as server:
        proposer = make_proposer(server, tmp_path, caps=Caps(tokens=3000))
        outcome = schedule(root, JobsHere(root), proposer=proposer, asked={"max_nodes": 1})

        assert outcome.startswith(f"no skills; {SPENT}")
        assert state_of(root)["frontier"] == {"state": "exhausted", "why": outcome.removeprefix("no skills; ")}
        events = [json.loads(line) for line in GraphPaths(root).events.read_text().splitlines()]
        assert [event["kind"] for event in events] == ["proposer_exhausted", "graph_ended"]
        assert events[0]["reason"].startswith(SPENT)
        assert server.questions == []

        outcome = schedule(root, JobsHere(root), proposer=make_proposer(server, tmp_path), asked={"max_nodes": 1})

    assert (outcome, statuses(root)) == ("1 completed; 1 skills were wanted", {"Collect_Wood": "completed"})


def test_whoever_has_no_more_says_why() -> None:
    answer = without_skill(Proposal(skill=None, text="the conversation\n holds no further skill", is_exhausted=True), 7)

    assert answer.event == Exhausted(number=7, reason="the conversation holds no further skill")


def test_the_last_line_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        say_end(tmp_path, GraphState(id="x", outcome=f"no skills; {SPENT}."))

    assert capsys.readouterr().out == f"The run has ended: no skills; {SPENT}.\n"
