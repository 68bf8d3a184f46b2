"""A skill graph survives ten thousand histories of faults; a scheduler with a mistake in it does not."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from gamefleet.cluster.graph import advance, jobs, proposals
from gamefleet.cluster.graph.events import Begun, JobMissing, Merge, Submit
from gamefleet.cluster.graph.room import Room
from gamefleet.cluster.graph.state import GraphState
from gamefleet.testing import graph_history
from gamefleet.testing.graph_history import GraphHistory

NUM_HISTORIES = 10_000
PER_TEST = 3200
QUICK = 400


def broken(seed: int) -> str:
    """Live through a history; returns what did not hold, with what happened before, or nothing."""
    history = GraphHistory(seed)
    try:
        history.run()
    except (AssertionError, KeyError) as error:
        return "\n".join([f"history {seed}: {error!r}", *map(str, history.happened[-30:])])
    return ""


def test_a_skill_graph_survives_some_histories_of_faults() -> None:
    assert [found for seed in range(QUICK) if (found := broken(seed))] == []


@pytest.mark.long
@pytest.mark.parametrize("first", range(QUICK, NUM_HISTORIES, PER_TEST))
def test_a_skill_graph_survives_many_histories_of_faults(first: int) -> None:
    assert [found for seed in range(first, first + PER_TEST) if (found := broken(seed))] == []


def test_histories_hold_every_kind_of_trouble() -> None:
    """A history in which nothing goes wrong proves nothing."""
    seen: set[str] = set()
    for seed in range(200):
        history = GraphHistory(seed)
        history.run()
        for _, event, commands in history.happened:
            seen.add(event if isinstance(event, str) else type(event).__name__)
            seen |= {type(command).__name__ for command in commands or ()}
        seen |= {job.how for node in history.state.skills for job in node.jobs}

    troubles = {"killed", "JobMissing", "JobSilent", "SubmitRefused", "MergeFailed", "Rejected", "ProposalFailed"}
    assert seen >= troubles | {"RetryAsked", "StopAsked", "Cancel", "Exhausted", "did_not_learn", "crashed"}
    assert seen >= {"interrupted", "timeout", "preempted", "node_fail", "out_of_memory", "damaged", "time_limit"}


def without(kind: type[Any]) -> Callable[..., Any]:
    """`begin` that forgets one kind of command."""

    def begin(*arguments: Any) -> Any:
        state, commands = advance.begin(*arguments)
        return state, [command for command in commands if not isinstance(command, kind)]

    return begin


def surely_new(*arguments: Any) -> Any:
    """`begin` that does not look for jobs which may exist."""
    state, commands = advance.begin(*arguments)
    return state, [
        Submit(skill_name=one.skill_name, leg=one.leg) if isinstance(one, Submit) else one for one in commands
    ]


def handed_over_again(state: GraphState, event: JobMissing, now: float) -> Any:
    """`missing` that does not care about a stop."""
    after, commands = jobs.missing(replace(state, is_stopping=False), event, now)
    return replace(after, is_stopping=state.is_stopping), commands


MISTAKES: dict[str, tuple[Any, str, Any]] = {
    "a lost job is handed over too soon": (jobs, "LOST_AFTER_S", -1.0),
    "what was saved is given up": (jobs, "goes_on", lambda node: False),
    "a failed dependency blocks nobody": (
        advance,
        "follows",
        lambda node, status, now: (
            "ready"
            if node.not_before <= now and all(status[name] == "completed" for name in node.dependencies)
            else "waiting"
        ),
    ),
    "the frontier never blocks": (proposals, "is_open", lambda state: True),
    "slots and memory are not counted": (Room, "place", lambda room, needs: -1),
    "a merge is not done again": (advance, "REACTIONS", {**advance.REACTIONS, Begun: without(Merge)}),
    "a stop hands over what never was": (advance, "REACTIONS", {**advance.REACTIONS, JobMissing: handed_over_again}),
    "jobs are not looked for": (advance, "REACTIONS", {**advance.REACTIONS, Begun: surely_new}),
    "failures are forgiven for ever": (jobs, "budget", lambda kind, max_retries: 10**6),
    "any dependency will do": (proposals, "objections", lambda state, event: ()),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_histories_notice_a_mistake(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*MISTAKES[mistake])
    monkeypatch.setattr(graph_history, "GIVE_UP_S", 100_000.0)

    assert any(broken(seed) for seed in range(150))
