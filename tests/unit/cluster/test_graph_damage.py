"""What a skill graph does when files of a skill that was completed turn out to be damaged."""

from __future__ import annotations

from tests.unit.cluster.graph_driver import Driver, asks, submits

from gamefleet.cluster.graph.events import JobEnded, RetryAsked
from gamefleet.cluster.graph.failures import Remains, Report, classify
from gamefleet.cluster.graph.state import GraphState, Limits

REASON = "The end states of Table are damaged (skills/1_Table/frontier.safetensors)"


def chain(max_nodes: int = 9) -> Driver:
    """Wood and Table are completed, Pickaxe trains, Sword needs Pickaxe."""
    graph = Driver(limits=Limits(max_nodes=max_nodes, max_waiting_skills=9)).begin()
    graph.accept("Wood")
    graph.accept("Table", "Wood")
    graph.accept("Pickaxe", "Table")
    graph.accept("Sword", "Pickaxe")
    graph.end("Wood")
    graph.end("Table")
    return graph


def say_damaged(graph: Driver, name: str, damaged: str) -> None:
    report = Report(kind="damaged_dependency", reason=REASON, result={"damaged_skill": damaged})
    graph.now += 5
    graph.do(JobEnded(skill_name=name, leg=graph.node(name).jobs[-1].leg, report=report))


def test_a_damaged_dependency_fails_itself_blocks_what_is_above_and_costs_no_retries() -> None:
    graph = chain()

    say_damaged(graph, "Pickaxe", "Table")

    assert graph.statuses() == {"Wood": "completed", "Table": "failed", "Pickaxe": "blocked", "Sword": "blocked"}
    assert graph.node("Table").reason.startswith(REASON)
    assert graph.node("Table").reason.endswith("gamefleet skills retry Table")
    assert graph.node("Pickaxe").reason == "it needs Table (failed)"
    assert graph.node("Pickaxe").spent == {}
    assert graph.started == ["Wood", "Table", "Pickaxe"]


def test_a_damaged_dependency_is_no_reason_to_propose_anything_else() -> None:
    graph = chain(max_nodes=10)
    graph.accept("Apple")
    number = graph.state.proposing.number  # under way

    say_damaged(graph, "Pickaxe", "Table")
    graph.accept("Berry")

    assert not graph.is_asking
    assert graph.state.proposing.number == number
    graph.end("Apple")
    graph.end("Berry")
    assert "files of Table are damaged" in graph.state.outcome
    assert not asks(graph.begin().last), "nor by the next start"


def test_a_retry_trains_the_damaged_one_anew_under_its_index_and_then_what_waits_for_it() -> None:
    graph = chain()
    say_damaged(graph, "Pickaxe", "Table")

    assert submits(graph.do(RetryAsked(skill_name="Table"))) == ["Table"]
    assert (graph.node("Table").index, graph.node("Table").attempts) == (1, 2)
    assert graph.statuses()["Pickaxe"] == "waiting"
    assert submits(graph.end("Table")) == ["Pickaxe"]
    graph.end("Pickaxe")
    graph.end("Sword")
    assert set(graph.statuses().values()) == {"completed"}


def test_what_builds_on_a_completed_skill_waits_for_a_damaged_one_further_down() -> None:
    graph = chain()
    graph.end("Pickaxe")

    say_damaged(graph, "Sword", "Wood")

    assert graph.statuses() == {"Wood": "failed", "Table": "completed", "Pickaxe": "completed", "Sword": "blocked"}
    assert submits(graph.do(RetryAsked(skill_name="Sword"))) == ["Wood"], "asking for what is blocked goes down to it"
    assert graph.statuses()["Sword"] == "waiting"
    assert submits(graph.end("Wood")) == ["Sword"]


def test_late_news_of_damage_do_not_undo_a_training_that_mended_it() -> None:
    graph = chain()
    graph.accept("Shovel", "Table")
    say_damaged(graph, "Pickaxe", "Table")
    graph.do(RetryAsked(skill_name="Table"))
    graph.end("Table")

    say_damaged(graph, "Shovel", "Table")

    assert graph.statuses()["Table"] == "completed"
    assert graph.statuses()["Shovel"] == "running"


def test_a_job_that_blames_nobody_known_fails_at_once() -> None:
    graph = chain()
    say_damaged(graph, "Pickaxe", "Nobody")
    assert graph.node("Pickaxe").status == "failed"


def test_the_state_with_damage_comes_back_whole_and_the_kind_is_read_from_a_result() -> None:
    graph = chain()
    say_damaged(graph, "Pickaxe", "Table")
    assert GraphState.from_json(graph.state.to_json()) == graph.state

    result = {"status": "damaged_dependency", "damaged_skill": "Table", "reason": REASON}
    assert classify(Remains(how="completed", result=result), 0.9).kind == "damaged_dependency"
