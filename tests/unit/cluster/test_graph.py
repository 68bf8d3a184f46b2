"""The scheduler of a skill graph: what starts, what waits, what is asked for, what a crash leaves to do again."""

import json

import pytest
from tests.unit.cluster.graph_driver import Driver, asks, submits

from gamefleet.cluster.graph import proposals
from gamefleet.cluster.graph.advance import advance, next_wake
from gamefleet.cluster.graph.events import (
    Begun,
    Cancel,
    Exhausted,
    Finish,
    JobMissing,
    JobSilent,
    Merge,
    MergeFailed,
    ProposalFailed,
    Propose,
    Rejected,
    RetryAsked,
    StopAsked,
    Submit,
    SubmitRefused,
)
from gamefleet.cluster.graph.order import plan
from gamefleet.cluster.graph.state import Failure, GraphState, Limits, Needs
from gamefleet.errors import RunFolderError


def test_the_guides_workflow_a_and_b_start_at_once_and_c_when_both_are_done() -> None:
    graph = Driver().begin()

    assert submits(graph.accept("A")) == ["A"]
    assert submits(graph.accept("B")) == ["B"]
    assert submits(graph.accept("C", "A", "B")) == []
    assert graph.statuses() == {"A": "running", "B": "running", "C": "waiting"}
    assert submits(graph.end("A")) == []
    assert submits(graph.end("B")) == ["C"]


def test_the_guides_frontier_stays_open_for_skills_without_dependencies_and_blocks_on_one_that_waits() -> None:
    graph = Driver().begin()

    for name in ("Collect_Wood", "Collect_Stone", "Eat_Food"):
        assert graph.is_asking
        graph.accept(name)
    graph.accept("Make_Pickaxe", "Collect_Wood", "Collect_Stone")

    assert not graph.is_asking
    graph.end("Eat_Food")
    assert not graph.is_asking, "a completion alone does not open the frontier"
    graph.end("Collect_Wood")
    assert not graph.is_asking
    assert asks(graph.end("Collect_Stone"))


def test_more_skills_may_wait_where_the_setting_says_so() -> None:
    graph = Driver(limits=Limits(max_waiting_skills=3)).begin()

    graph.accept("A")
    graph.accept("B", "A")
    graph.accept("C", "B")
    assert graph.is_asking
    graph.accept("D", "C")

    assert not graph.is_asking


def test_three_equal_skills_with_three_slots_take_as_long_as_one() -> None:
    graph = Driver(limits=Limits(max_parallel_skills=3, max_nodes=3)).begin()

    for name in ("A", "B", "C"):
        graph.accept(name)
    assert graph.started == ["A", "B", "C"]
    begun = graph.now
    for name, after_s in (("A", 900.0), ("B", 0.0), ("C", 0.0)):
        graph.end(name, after_s=after_s)

    assert graph.state.outcome == "3 completed; 3 skills were wanted"
    assert graph.now - begun == 900.0


def test_no_more_start_than_there_are_slots() -> None:
    graph = Driver(limits=Limits(max_parallel_skills=2)).begin()

    for name in ("A", "B", "C"):
        graph.accept(name)

    assert graph.started == ["A", "B"]
    assert graph.statuses()["C"] == "ready"
    assert submits(graph.end("B")) == ["C"]


def test_among_ready_skills_the_one_at_the_foot_of_the_longest_way_starts_first() -> None:
    graph = Driver(limits=Limits(max_parallel_skills=1, max_waiting_skills=9, max_nodes=9)).begin()
    graph.accept("Long", estimate_s=1000)
    graph.accept("Foot", estimate_s=100)
    graph.accept("Short", estimate_s=50)
    graph.accept("Top", "Foot", estimate_s=900)

    graph.end("Long")

    assert graph.started == ["Long", "Foot"]
    graph.end("Foot")
    assert graph.started == ["Long", "Foot", "Top"], "900 s are left above, 50 beside"


def test_estimates_follow_what_completed_skills_took() -> None:
    graph = Driver(limits=Limits(max_parallel_skills=1, max_waiting_skills=9)).begin()
    graph.accept("First")
    graph.accept("Said", estimate_s=400)
    graph.accept("Unsaid")

    graph.end("First", after_s=1000)

    assert graph.started[-1] == "Unsaid", "like the first it is thought to take 1000 s"


def test_a_plan_holds_everything_below_in_topological_order() -> None:
    graph = Driver(limits=Limits(max_waiting_skills=9)).begin()
    for name, below in (("wood", []), ("water", []), ("table", ["wood"]), ("axe", ["table"]), ("hut", ["axe", "wood"])):
        graph.accept(name, *below)

    assert [node.skill_name for node in plan(graph.state, "hut")] == ["wood", "table", "axe"]
    assert plan(graph.state, "water") == ()


def test_memory_of_gpus_is_shared_out_and_nothing_overtakes_what_waits_for_it() -> None:
    limits = Limits(max_parallel_skills=9, gpus_gb=(24.0, 16.0), needs=Needs(gpu_memory_gb=12.0))
    graph = Driver(limits=limits).begin()

    for name in ("A", "B", "C", "D"):
        graph.accept(name)
    graph.accept("Small", needs=Needs(gpu_memory_gb=1.0))

    assert graph.started == ["A", "B", "C"]
    assert [graph.node(name).jobs[-1].gpu for name in "ABC"] == [0, 1, 0]
    graph.end("B")
    assert graph.started[3:] == ["D", "Small"]
    assert graph.node("D").jobs[-1].gpu == 1


def test_a_skill_that_no_empty_machine_could_hold_fails_with_the_numbers() -> None:
    graph = Driver(limits=Limits(gpus_gb=(24.0,), max_nodes=1)).begin()

    graph.accept("Huge", needs=Needs(gpu_memory_gb=40.0))

    assert graph.statuses() == {"Huge": "failed"}
    assert "40 GB" in graph.node("Huge").reason


def test_cores_are_counted_where_the_machine_names_them() -> None:
    graph = Driver(limits=Limits(cpus=4, needs=Needs(cpus=2.0))).begin()

    for name in ("A", "B", "C"):
        graph.accept(name)

    assert graph.started == ["A", "B"]


def test_what_failed_is_replaced_but_not_for_ever() -> None:
    graph = Driver(limits=Limits(max_nodes=2, max_retries=0)).begin()

    for number in range(4):
        assert graph.is_asking, f"skill {number}"
        graph.accept(f"S{number}")
        graph.end(f"S{number}", "did_not_learn")

    assert graph.state.outcome == "4 failed; 2 skills were wanted, and as many have been replaced"


def test_a_proposal_that_was_refused_is_kept_with_its_reasons_and_another_is_asked_for() -> None:
    graph = Driver(limits=Limits(max_rejections=3)).begin()

    commands = graph.do(
        Rejected(number=1, skill_name="Bad", reasons=("its reward is constant",), skill={"name": "Bad"})
    )

    assert asks(commands)
    assert graph.state.rejections[0].reasons == ("its reward is constant",)
    graph.do(Rejected(number=2, skill_name="Bad", reasons=("again",)))
    commands = graph.do(Rejected(number=3, skill_name="Bad", reasons=("again",)))
    assert commands == [Finish(reason="no skills; 3 proposals in a row were refused")]


@pytest.mark.parametrize(
    ("name", "dependencies", "reason"),
    [
        ("A", (), "the name 'A' is taken"),
        ("B", ("Nobody",), "no skill of this graph"),
        ("B", ("B",), "no skill of this graph"),
        ("B", ("Lost",), "which is failed"),
        ("B", ("A", "A"), "2 times"),
    ],
)
def test_what_does_not_fit_into_the_graph_is_refused_whatever_the_verification_said(
    name: str, dependencies: tuple[str, ...], reason: str
) -> None:
    graph = Driver(limits=Limits(max_retries=0)).begin()
    graph.accept("A")
    graph.accept("Lost")
    graph.end("Lost", "did_not_learn")

    graph.accept(name, *dependencies)

    assert "B" not in graph.statuses()
    assert reason in graph.state.rejections[-1].reasons[0]


def test_a_proposer_that_fails_is_asked_again_later_and_training_goes_on_meanwhile() -> None:
    graph = Driver(limits=Limits(max_proposer_failures=3)).begin()
    graph.accept("A")

    graph.do(ProposalFailed(number=2, reason="429 Too Many Requests"))

    assert not graph.is_asking
    assert graph.statuses() == {"A": "running"}
    assert next_wake(graph.state) == graph.now + 10.0
    assert asks(graph.wait(10.0))
    graph.do(ProposalFailed(number=3, reason="429"))
    assert not asks(graph.wait(10.0))
    assert asks(graph.wait(10.0))
    graph.do(ProposalFailed(number=4, reason="429"))
    assert graph.end("A")[-1] == Finish(reason="1 completed; the proposer failed: 429")


def test_a_refused_key_ends_generation_at_once() -> None:
    graph = Driver().begin()

    commands = graph.do(ProposalFailed(number=1, reason="401 invalid key", is_lasting=True))

    assert commands == [Finish(reason="no skills; the proposer failed: 401 invalid key")]


def test_a_proposer_that_knows_no_more_is_asked_again_when_a_skill_has_ended() -> None:
    graph = Driver().begin()
    graph.accept("A")
    graph.do(Exhausted(number=2))

    assert not graph.is_asking
    assert asks(graph.end("A"))
    assert graph.do(Exhausted(number=3)) == [Finish(reason="1 completed; the proposer knows no more")]


def test_why_a_proposer_has_no_more_is_the_reason_of_the_end_until_another_start_asks_again() -> None:
    graph = Driver().begin()
    graph.accept("A")
    spent = "900 of 1000 tokens are spent"
    graph.do(Exhausted(number=2, reason=spent))
    assert proposals.why_no_more(graph.state) == spent

    graph.end("A")
    assert graph.do(Exhausted(number=3, reason=spent)) == [Finish(reason=f"1 completed; {spent}")]

    assert asks(graph.do(Begun(limits=graph.limits))), "the cap may have been raised"
    assert graph.state.proposing.no_more_reason == ""


def test_that_nothing_more_is_known_may_be_out_of_date() -> None:
    graph = Driver().begin()
    graph.accept("A")
    graph.end("A")

    assert asks(graph.do(Exhausted(number=2))), "it was asked before A was done"


def test_a_successor_does_again_what_may_not_have_been_done() -> None:
    graph = Driver().begin()
    graph.accept("A")
    state = GraphState.from_json({**graph.state.to_json(), "skills": [lost(as_json(graph)[0])]})

    _, commands = advance(state, Begun(limits=Limits()), 2000.0)

    assert commands == [Submit(skill_name="A", leg=1, may_exist=True), Propose(number=2)]


def test_a_successor_that_is_to_stop_asks_for_nothing_and_lets_what_trains_save() -> None:
    graph = Driver().begin()
    graph.accept("A")
    assert graph.is_asking

    commands = graph.do(Begun(limits=graph.limits, is_stopping=True))

    assert commands == [Cancel(skill_name="A", leg=1, job="job 1", reason="stop", is_polite=True)]
    assert graph.end("A", "stopped") == [Finish(reason="stopped; 1 ready")]
    assert asks(graph.do(Begun(limits=graph.limits))), "the question that was lost is asked by the next one"
    assert graph.state.proposing.number == 2


def test_a_job_that_never_was_is_not_handed_over_by_a_successor_that_is_to_stop() -> None:
    graph = Driver().begin()
    graph.accept("A")
    graph.state = GraphState.from_json({**graph.state.to_json(), "skills": [lost(as_json(graph)[0])]})
    graph.state, commands = advance(graph.state, Begun(limits=Limits(), is_stopping=True), graph.now)
    assert commands == [Submit(skill_name="A", leg=1, may_exist=True)]

    commands = graph.do(JobMissing(skill_name="A", leg=1, is_certain=True))

    assert commands == [Finish(reason="stopped; 1 ready")]
    assert (graph.node("A").attempts, graph.node("A").jobs) == (0, ())
    assert submits(graph.do(Begun(limits=Limits()))) == ["A"]


def test_a_successor_asks_for_nothing_that_a_wish_or_a_new_limit_makes_needless() -> None:
    graph = Driver(limits=Limits(max_retries=0, max_nodes=2)).begin()
    graph.accept("A")
    graph.accept("B")
    graph.end("A", "crashed")
    assert graph.is_asking, "for another one in its stead"

    commands = graph.do(Begun(limits=graph.limits, retried=("A",)))

    assert (submits(commands), asks(commands)) == (["A"], False)
    assert asks(graph.do(Begun(limits=Limits(max_nodes=3))))
    assert not asks(graph.do(Begun(limits=Limits(max_nodes=2))))


def as_json(graph: Driver) -> list[dict[str, object]]:
    found: list[dict[str, object]] = graph.state.to_json()["skills"]
    return found


def test_a_job_that_is_not_found_is_handed_over_again_only_when_it_can_no_longer_turn_up() -> None:
    graph = Driver().begin()
    graph.accept("A")
    graph.state = GraphState.from_json({**graph.state.to_json(), "skills": [{**lost(as_json(graph)[0])}]})

    graph.do(JobSilent(skill_name="A", leg=1))

    assert submits(graph.wait(29.0)) == []
    graph.started.clear()
    assert [c.may_exist for c in graph.wait(1.0) if isinstance(c, Submit)] == [True]
    graph.state = GraphState.from_json({**graph.state.to_json(), "skills": [{**lost(as_json(graph)[0])}]})
    assert submits(graph.do(JobMissing(skill_name="A", leg=1))) == [], "30 s are too soon"
    graph.now += 90.0
    assert submits(graph.do(JobMissing(skill_name="A", leg=1))) == ["A"]
    assert graph.node("A").jobs[-1].tries == 2


def lost(node: dict[str, object]) -> dict[str, object]:
    """A skill whose job was handed over without an answer."""
    (job,) = node["jobs"]  # type: ignore[misc]
    return {**node, "status": "launching", "jobs": [{**job, "id": ""}]}


def test_a_local_job_that_is_not_there_is_handed_over_at_once() -> None:
    graph = Driver().begin()
    graph.accept("A")
    graph.state = GraphState.from_json({**graph.state.to_json(), "skills": [lost(as_json(graph)[0])]})

    assert submits(graph.do(JobMissing(skill_name="A", leg=1, is_certain=True))) == ["A"]


def test_a_job_that_is_refused_for_now_costs_nothing_and_comes_again() -> None:
    graph = Driver(limits=Limits(max_retries=0)).begin()
    graph.accept("A")

    graph.do(SubmitRefused(skill_name="A", leg=1, reason="too many jobs", is_temporary=True))

    assert graph.node("A").status == "waiting"
    assert graph.node("A").attempts == 0
    assert submits(graph.wait(60.0)) == ["A"]
    assert graph.node("A").attempts == 1


def test_a_merge_that_finds_no_room_is_tried_until_it_succeeds() -> None:
    graph = Driver().begin()
    graph.accept("A")
    state = graph.state
    graph.end("A")
    graph.state = GraphState.from_json({**state.to_json(), "skills": [{**as_json(graph)[0], "status": "merging"}]})

    graph.do(MergeFailed(skill_name="A", attempt=1, reason="disk full", is_damaged=False))

    assert graph.node("A").status == "merging"
    assert graph.wait(graph.limits.pause_s)[0] == Merge(skill_name="A", attempt=1)
    assert graph.node("A").status == "completed"


def test_a_stop_lets_jobs_save_starts_nothing_and_a_restart_goes_on() -> None:
    graph = Driver(limits=Limits(max_parallel_skills=1)).begin()
    graph.accept("A")
    graph.accept("B")

    commands = graph.do(StopAsked())

    assert commands == [Cancel(skill_name="A", leg=1, job="job 1", reason="stop", is_polite=True)]
    graph.wait(120.0)
    assert graph.last == [Cancel(skill_name="A", leg=1, job="job 1", reason="stop", is_polite=False)]
    assert isinstance(graph.end("A", "stopped", frames=50)[-1], Finish)
    assert graph.node("A").spent == {}
    commands = graph.do(Begun(limits=graph.limits))
    assert submits(commands) == ["A"]
    assert (graph.node("A").attempts, graph.node("A").jobs[-1].leg) == (1, 2)


def test_a_skill_over_its_time_is_ended_and_fails() -> None:
    graph = Driver(limits=Limits(skill_time_limit_s=3600)).begin()
    graph.accept("A")

    assert next_wake(graph.state) == graph.now + 3600
    assert graph.wait(3599) == []
    assert graph.wait(1) == [Cancel(skill_name="A", leg=1, job="job 1", reason="time_limit")]
    graph.end("A", "cancelled")
    assert graph.node("A").status == "failed"
    assert graph.node("A").failure == Failure(kind="time_limit", reason="time_limit")


def test_a_person_may_have_a_failed_skill_tried_again_and_what_it_blocked_with_it() -> None:
    graph = Driver(limits=Limits(max_retries=0)).begin()
    graph.accept("A")
    graph.accept("B", "A")
    graph.end("A", "crashed")
    assert graph.statuses() == {"A": "failed", "B": "blocked"}

    graph.do(RetryAsked(skill_name="B"))

    assert graph.statuses() == {"A": "running", "B": "waiting"}
    assert graph.node("A").jobs[-1].attempt == 2
    graph.end("A")
    assert graph.started[-1] == "B"


def test_what_nobody_can_train_is_not_tried_again_and_counts_for_nothing() -> None:
    graph = Driver(limits=Limits(max_nodes=1, max_retries=0)).begin()
    graph.accept("A", skill={"reward": "0", "success": "0"})
    kept = {"status": "failed", "generation": 1, "jobs": []}
    nodes = [{**as_json(graph)[0], **kept, "skill_name": name, "index": place} for place, name in enumerate("XYZ")]
    graph.state = GraphState.from_json({**GraphState(id="graph").to_json(), "skills": nodes})

    assert asks(graph.do(Begun(limits=graph.limits))), "three that an older run left replace nothing"
    graph.do(RetryAsked(skill_name="Y"))
    assert graph.statuses() == {"X": "failed", "Y": "failed", "Z": "failed"}
    assert submits(graph.accept("B", skill={"reward": "0", "success": "0", "python": "..."})) == ["B"]
    graph.end("B", "crashed")
    assert submits(graph.do(RetryAsked(skill_name="B"))) == ["B"], "Python says what is rewarded"


def test_late_news_of_a_leg_that_no_longer_counts_changes_nothing() -> None:
    graph = Driver(limits=Limits(pause_s=0.0)).begin()
    graph.accept("A")
    graph.end("A", "crashed")
    state = graph.state

    graph.do(JobSilent(skill_name="A", leg=1))
    graph.do(SubmitRefused(skill_name="A", leg=1, reason="no", is_temporary=False))

    assert graph.state == state


def test_the_state_is_json_that_people_can_read_and_comes_back_whole() -> None:
    graph = Driver().begin()
    graph.accept("A", skill={"name": "A", "reward": "gained(wood)"})
    graph.accept("B", "A")
    graph.end("A", "interrupted", frames=7)

    content = json.loads(json.dumps(graph.state.to_json()))

    assert GraphState.from_json(content) == graph.state
    assert content["version"] == 1
    assert [(one["skill_name"], one["status"], one["dependencies"]) for one in content["skills"]] == [
        ("A", "waiting", []),
        ("B", "waiting", ["A"]),
    ]


@pytest.mark.parametrize("content", [{"version": 99}, {}, {"version": 1, "id": "x", "skills": [{"index": 1}]}])
def test_a_state_of_a_later_version_or_a_damaged_one_is_refused_with_what_to_do(content: dict[str, object]) -> None:
    with pytest.raises(RunFolderError, match="scheduler state"):
        GraphState.from_json(content, where="scheduler_state.json")
