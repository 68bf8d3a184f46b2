"""How a skill's job ended: only an evaluated success counts, each failure has its kind, its budget and its pause."""

from typing import Any

import pytest
from tests.unit.cluster.graph_driver import Driver, asks, submits

from gamefleet.cluster.graph.advance import advance
from gamefleet.cluster.graph.events import Finish, JobEnded, MergeFailed
from gamefleet.cluster.graph.failures import Remains, Report, classify
from gamefleet.cluster.graph.state import Failure, Limits, Needs
from gamefleet.cluster.jobs import Ending

SUCCESS: dict[str, Any] = {
    "status": "succeeded",
    "successes": 248,
    "episodes": 256,
    "lower_bound": 0.943,
    "frames": 120_000,
}


def kind_of(**remains: Any) -> str:
    return classify(Remains(**{"how": "completed", "exit_code": 0, **remains}), 0.9).kind


def test_a_success_is_one_that_was_evaluated() -> None:
    assert kind_of(result=SUCCESS) == "succeeded"
    assert kind_of(result=SUCCESS, how=None) == "succeeded", "an executor that forgot the job does not matter"
    assert kind_of(result=SUCCESS, how="node_fail") == "succeeded", "nor does one that lost the machine afterwards"


def test_a_checkpoint_and_an_exit_code_of_zero_are_no_success() -> None:
    assert kind_of(frames=1_000_000) == "crashed"


@pytest.mark.parametrize(
    "change",
    [
        {"episodes": 0, "successes": 0},
        {"lower_bound": 0.85},
        {"successes": 200},
        {"successes": 300},
        {"lower_bound": 0.99},
    ],
)
def test_a_claim_of_success_that_its_episodes_do_not_show_is_a_failure(change: dict[str, Any]) -> None:
    assert kind_of(result={**SUCCESS, **change}) == "unproven"


@pytest.mark.parametrize(
    ("how", "exit_code", "kind"),
    [
        ("failed", 1, "crashed"),
        ("failed", 137, "interrupted"),
        ("failed", None, "interrupted"),
        ("failed", 2, "invalid"),
        ("failed", 3, "invalid"),
        ("failed", 7, "out_of_memory"),
        ("out_of_memory", 1, "out_of_memory"),
        ("timeout", None, "timeout"),
        ("preempted", None, "preempted"),
        ("node_fail", None, "node_fail"),
        ("cancelled", None, "cancelled"),
        ("unknown", None, "interrupted"),
        (None, None, "interrupted"),
    ],
)
def test_every_death_has_its_kind(how: Ending | None, exit_code: int | None, kind: str) -> None:
    assert kind_of(how=how, exit_code=exit_code) == kind


def test_a_result_that_cannot_be_read_or_says_nonsense_is_damaged() -> None:
    assert kind_of(is_damaged=True) == "damaged"
    assert kind_of(result={"status": "splendid"}) == "damaged"


def test_a_library_that_complains_of_memory_ran_out_of_it() -> None:
    words = "jaxlib.XlaRuntimeError: RESOURCE_EXHAUSTED: Failed to allocate request"

    assert kind_of(how="failed", exit_code=70, last_words=words) == "out_of_memory"


def test_what_a_log_said_last_is_the_reason() -> None:
    report = classify(Remains(how="failed", exit_code=1, last_words="ValueError: nan"), 0.9)

    assert report.reason == "ValueError: nan"


def test_a_failed_dependency_blocks_all_above_it_and_the_run_asks_for_another_way_and_ends() -> None:
    graph = Driver(limits=Limits(max_retries=0, max_waiting_skills=9, max_nodes=3)).begin()
    graph.accept("A")
    graph.accept("B", "A")
    graph.accept("C", "B")

    commands = graph.end("A", "did_not_learn")

    assert graph.statuses() == {"A": "failed", "B": "blocked", "C": "blocked"}
    assert graph.node("C").reason == "it needs B (blocked)"
    assert asks(commands), "another way"
    graph.accept("D")
    graph.end("D")
    graph.accept("E")
    graph.end("E")
    graph.accept("F")
    assert isinstance(graph.end("F")[-1], Finish)


def test_one_failure_stops_nobody_else() -> None:
    graph = Driver(limits=Limits(max_retries=0)).begin()
    graph.accept("A")
    graph.accept("B")

    graph.end("A", "crashed")

    assert graph.statuses() == {"A": "failed", "B": "running"}
    graph.end("B")
    assert graph.node("B").status == "completed"


def test_two_retries_are_two_further_attempts() -> None:
    graph = Driver(limits=Limits(max_retries=2)).begin()
    graph.accept("A")

    for _ in range(3):
        graph.end("A", "did_not_learn", frames=1000)

    assert graph.node("A").status == "failed"
    assert [job.attempt for job in graph.node("A").jobs] == [1, 2, 3]


def test_each_kind_of_failure_has_its_own_budget() -> None:
    graph = Driver(limits=Limits(max_retries=1, pause_s=0.0)).begin()
    graph.accept("A")

    graph.end("A", "did_not_learn")
    graph.end("A", "crashed")

    assert graph.node("A").status == "running"
    assert graph.node("A").spent == {"did_not_learn": 1, "crashed": 1}


def test_what_was_cut_short_goes_on_in_the_same_attempt() -> None:
    graph = Driver(limits=Limits(pause_s=0.0)).begin()
    graph.accept("A")

    for kind in ("interrupted", "timeout", "preempted", "cancelled", "node_fail"):
        graph.end("A", kind, frames=100)

    assert {job.attempt for job in graph.node("A").jobs} == {1}
    assert [job.leg for job in graph.node("A").jobs] == [1, 2, 3, 4, 5, 6]


def test_an_attempt_that_gets_on_may_be_cut_short_any_number_of_times() -> None:
    graph = Driver(limits=Limits(pause_s=0.0)).begin()
    graph.accept("A")

    for number in range(50):
        graph.end("A", "timeout", frames=100 * (number + 1))

    assert graph.node("A").status == "running"


def test_one_that_gets_nowhere_is_given_up() -> None:
    graph = Driver(limits=Limits(pause_s=0.0)).begin()
    graph.accept("A")

    for _ in range(4):
        graph.end("A", "timeout", frames=100)
    graph.end("A", "timeout", frames=100)

    assert graph.node("A").status == "failed"
    assert graph.node("A").failure == Failure(kind="timeout", reason="timeout")


def test_crashes_are_followed_by_ever_longer_pauses() -> None:
    graph = Driver(limits=Limits(max_retries=2, pause_s=15.0)).begin()
    graph.accept("A")

    graph.end("A", "crashed")
    assert graph.node("A").status == "waiting"
    assert submits(graph.wait(14.0)) == []
    assert submits(graph.wait(1.0)) == ["A"]
    graph.end("A", "crashed")
    assert submits(graph.wait(29.0)) == []
    assert submits(graph.wait(1.0)) == ["A"]


def test_wrong_settings_are_not_tried_again() -> None:
    graph = Driver(limits=Limits(max_retries=5)).begin()
    graph.accept("A")

    graph.end("A", "invalid")

    assert graph.node("A").status == "failed"


def test_a_skill_that_ran_out_of_a_gpus_memory_asks_for_more() -> None:
    limits = Limits(pause_s=0.0, gpus_gb=(24.0,), needs=Needs(gpu_memory_gb=10.0))
    graph = Driver(limits=limits).begin()
    graph.accept("A")

    graph.end("A", "out_of_memory")
    assert graph.node("A").needs == Needs(gpu_memory_gb=15.0)
    graph.end("A", "out_of_memory")

    assert graph.node("A").needs == Needs(gpu_memory_gb=22.5)


def test_a_damaged_expert_is_trained_again_and_keeps_its_index() -> None:
    graph = Driver(limits=Limits(pause_s=0.0)).begin()
    graph.accept("A")
    leg = graph.node("A").jobs[-1].leg

    ended = JobEnded(skill_name="A", leg=leg, report=Report(kind="succeeded"))
    graph.state, _ = advance(graph.state, ended, graph.now)
    graph.do(MergeFailed(skill_name="A", attempt=1, reason="checksum", is_damaged=True))

    assert (graph.node("A").status, graph.node("A").index, graph.node("A").attempts) == ("running", 0, 2)
