"""What a question took is told to the scheduler, whether or not a skill came of it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.unit.skills.model_cases import GOOD, make_proposer

from gamefleet.cluster.graph.events import ProposalFailed
from gamefleet.cluster.graph.state import GraphState
from gamefleet.skills.proposer import Proposal, ProposalContext, Proposer, Usage
from gamefleet.testing.crafting import WORLD
from gamefleet.testing.model_server import ModelServer, Reply
from gamefleet.topologies.job_graph.proposals import Answer, Proposals


def answer_to(proposer: Proposer) -> Answer:
    """What the scheduler's worker hands in."""
    done = threading.Event()
    proposals = Proposals(world=WORLD, proposer=proposer, wake=done.set)
    proposals.ask(GraphState(id="x"), 1)
    assert done.wait(300)
    answer = proposals.answer()
    assert answer is not None
    return answer


def test_requests_that_a_silent_server_may_charge_for_are_told_although_no_answer_came(tmp_path: Path) -> None:
    with ModelServer([Reply(text=GOOD, delay_s=60)]) as server:
        proposer = make_proposer(server, tmp_path)
        proposer.line.dialect()
        before = proposer.spent
        proposer.line.endpoint = replace(proposer.line.endpoint, read_timeout_s=0.2)
        answer = answer_to(proposer)

    assert isinstance(answer.event, ProposalFailed)
    assert answer.usage.requests > 0
    assert answer.usage.tokens_in == proposer.spent.tokens_in - before.tokens_in > 0


@dataclass
class Breaking:
    """A proposer that takes something and breaks."""

    spent: Usage

    def propose(self, context: ProposalContext) -> Proposal:
        self.spent = Usage(tokens_in=7, requests=1)
        raise KeyError("a mistake")

    def taken_since(self, before: Usage) -> Usage:
        return Usage(tokens_in=self.spent.tokens_in - before.tokens_in, requests=self.spent.requests)


def test_what_a_proposer_took_before_it_broke_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda said: None)

    answer = answer_to(Breaking(Usage(tokens_in=2)))
    for thread in threading.enumerate():
        if thread.name == "proposer":
            thread.join()

    assert isinstance(answer.event, ProposalFailed)
    assert answer.usage == Usage(tokens_in=5, requests=1)


def test_what_an_answer_took_is_told_once(tmp_path: Path) -> None:
    with ModelServer([Reply(text=GOOD)] * 9) as server:
        proposer = make_proposer(server, tmp_path)
        answer = answer_to(proposer)

    assert answer.usage == proposer.spent
    assert answer.usage.requests > 0
