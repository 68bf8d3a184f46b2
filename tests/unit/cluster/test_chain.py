"""What a chain does next follows from its records and the scheduler's answer alone; silence says nothing."""

from dataclasses import replace
from typing import Any

import pytest

from gamefleet.cluster.chain import LOST_AFTER_S, REFUSED_AGAIN_S, SETTLED_S, YIELDED, decide, without_progress
from gamefleet.cluster.chain_view import Adopt, Answer, Cancel, ChainView, Give, Leg, Submission, Submit
from gamefleet.cluster.jobs import EndedJob, Ending, Job, JobState

NOW = 10_000.0


def submission(number: int, job: str = "", **facts: Any) -> Submission:
    accepted_at = NOW - 2 * SETTLED_S if job else 0.0
    return Submission(
        number=number, name=f"f.m0.{number}", asked_at=NOW - 1000.0, job=job, accepted_at=accepted_at, **facts
    )


def leg(number: int, submission: int | None = None, step: int = 0) -> Leg:
    return Leg(number=number, submission=submission or number, step=step)


def view(*submissions: Submission, **facts: Any) -> ChainView:
    return ChainView(member="m0", job_name="f.m0", submissions=submissions, **{"has_place": True, **facts})


def job(id: str, number: int, state: JobState = "running", reason: str = "") -> Job:
    return Job(id=id, name=f"f.m0.{number}", state=state, reason=reason)


def answer(*jobs: Job, ended: dict[str, Ending] | None = None) -> Answer:
    gone = {id: EndedJob(id=id, how=how) for id, how in (ended or {}).items()}
    return Answer(asked_at=NOW, jobs={one.id: one for one in jobs}, ended=gone)


def test_a_silent_scheduler_is_followed_by_nothing() -> None:
    for seen in (view(), view(submission(1, "7")), view(submission(1)), view(submission(1, "7"), ending="stopped")):
        assert decide(seen, None) == []


def test_a_chain_begins_once_it_has_a_place_under_the_cap() -> None:
    assert decide(view(), answer()) == [Submit(number=1)]
    assert decide(view(has_place=False), answer()) == []


def test_a_chain_that_was_handed_a_place_waits_for_the_last_job_of_the_one_that_had_it() -> None:
    handed = view(place_after="5")
    ending = Job(id="5", name="f.m1.9", state="running")

    assert decide(handed, answer(ending)) == [Submit(number=1, after="5")]
    assert decide(handed, answer()) == [Submit(number=1)], "an id that is no more may not be named to a scheduler"
    again = view(submission(1, "7"), place_after="5")
    assert decide(again, answer(ending, ended={"7": "completed"})) == [Submit(number=2, after="5")]
    yielded = view(submission(1, "7", outcome=YIELDED), place_after="5")
    assert decide(yielded, answer(ending, job("7", 1))) == [Submit(number=2, after="5")]


def test_a_chain_that_gave_its_place_away_and_was_started_again_queues_nothing_behind_its_old_job() -> None:
    assert decide(view(submission(1, "7"), legs=(leg(1),), has_place=False), answer(job("7", 1))) == []


def test_a_job_that_has_taken_its_leg_gets_one_successor_behind_it() -> None:
    running = view(submission(1, "7"), legs=(leg(1),))

    assert decide(running, answer(job("7", 1))) == [Submit(number=2, after="7")]
    assert decide(view(submission(1, "7")), answer(job("7", 1))) == [], "it may still find another job at work"
    followed = view(submission(1, "7"), submission(2, "8"), legs=(leg(1),))
    assert decide(followed, answer(job("7", 1), job("8", 2, "pending", "Dependency"))) == []


def test_a_job_that_ended_without_a_successor_gets_one_now() -> None:
    seen = view(submission(1, "7"), legs=(leg(1, step=-1),), step=500)

    assert decide(seen, answer(ended={"7": "timeout"})) == [Submit(number=2)]


def test_a_young_job_that_is_in_no_answer_is_not_taken_for_ended() -> None:
    young = replace(submission(1, "7"), accepted_at=NOW - SETTLED_S / 2)

    assert decide(view(young), answer()) == []
    assert decide(view(submission(1, "7")), answer()) == [Submit(number=2)], "an old one has surely ended"


def test_an_answer_that_was_lost_is_found_again_by_the_jobs_name() -> None:
    seen = view(submission(1))

    assert decide(seen, answer(job("8", 1), job("7", 1))) == [Adopt(number=1, job="7")]
    gone = Answer(asked_at=NOW, jobs={}, ended={"9": EndedJob(id="9", name="f.m0.1", how="completed")})
    assert decide(seen, gone) == [Adopt(number=1, job="9")]


def test_a_lost_job_is_handed_over_again_only_when_it_surely_does_not_exist() -> None:
    lost = replace(submission(1), asked_at=NOW - LOST_AFTER_S / 2)
    assert decide(view(lost), answer()) == []
    assert decide(view(submission(1)), Answer(asked_at=NOW, jobs={}, ended=None)) == [], "half an answer is none"
    assert decide(view(replace(submission(1), after="6", tries=2)), answer()) == [Submit(number=1, after="6", retry=2)]


def test_a_refused_job_is_handed_over_again_after_a_while() -> None:
    refused = replace(submission(1), asked_at=NOW - REFUSED_AGAIN_S / 2, refusal="QOSMaxSubmitJobPerUserLimit")

    assert decide(view(refused), answer()) == []
    assert decide(view(refused), answer(), patience_s=0.0) == [Submit(number=1, retry=1)]


def test_what_a_refused_job_left_behind_is_not_taken_for_a_job() -> None:
    refused = replace(submission(1), refusal="QOSMaxSubmitJobPerUserLimit")
    left = Answer(asked_at=NOW, jobs={}, ended={"9": EndedJob(id="9", name="f.m0.1", how="failed")})

    assert decide(view(refused), left) == [Submit(number=1, retry=1)]


def test_only_one_job_counts_for_a_submission() -> None:
    seen = view(submission(1, "7"), legs=(leg(1),))

    commands = decide(seen, answer(job("7", 1), job("9", 1, "pending")))

    assert Cancel(jobs=("9",), reason="another job counts for the same submission") in commands


@pytest.mark.parametrize("ending", ["done", "failed", "held", "stopped"])
def test_a_chain_that_has_ended_only_cancels_what_waits(ending: str) -> None:
    seen = view(submission(1, "7"), submission(2, "8"), legs=(leg(1),), ending=ending)

    commands = decide(seen, answer(job("7", 1), job("8", 2, "pending")))

    assert commands == [Cancel(jobs=("8",), reason=f"the chain is {ending}")]
    assert decide(seen, answer()) == []


def test_three_jobs_in_a_row_without_a_newer_checkpoint_end_the_chain() -> None:
    legs = tuple(leg(number, step=500) for number in (1, 2, 3))
    three = view(*(submission(number, str(number)) for number in (1, 2, 3)), legs=legs, step=500)

    [command] = decide(three, answer(ended={"3": "failed"}))

    assert isinstance(command, Give)
    assert command.mark == "failed"
    assert decide(replace(three, step=501), answer(ended={"3": "failed"})) == [Submit(number=4)]
    assert decide(replace(three, counts_from=1), answer(ended={"3": "failed"})) == [Submit(number=4)]


def test_progress_is_counted_per_job_and_yielding_proves_nothing() -> None:
    legs = (leg(1, step=0), leg(2, step=100), leg(3, step=100))
    jobs = [submission(number, str(number)) for number in (1, 2, 3)]

    assert without_progress(view(*jobs, legs=legs, step=100), ()) == 2
    yielded = replace(jobs[2], outcome=YIELDED)
    assert without_progress(view(jobs[0], jobs[1], yielded, legs=legs[:2], step=100), ()) == 1
    assert without_progress(view(*jobs, legs=legs, step=200), ()) == 0


def test_a_requeued_job_counts_from_its_first_leg() -> None:
    legs = (leg(1, 1, step=0), leg(2, 1, step=300))

    assert without_progress(view(submission(1, "7"), legs=legs, step=300), ()) == 0


def test_jobs_that_fail_with_their_successor_already_waiting_end_the_chain_too() -> None:
    jobs = [submission(number, str(number)) for number in (1, 2, 3, 4)]
    legs = tuple(replace(leg(number, step=-1), has_ended=True) for number in (1, 2, 3))
    seen = view(*jobs, legs=legs)
    ending = answer(job("3", 3, "ending"), job("4", 4, "pending", "Dependency"))

    [command] = decide(seen, ending)

    assert isinstance(command, Give)
    assert command.mark == "failed"
    training = replace(seen, legs=(*legs, leg(4, step=-1)))
    assert decide(training, answer(job("4", 4))) == [Submit(number=5, after="4")], "it is judged when it ends"


def test_a_job_that_somebody_cancelled_while_it_waited_holds_the_chain() -> None:
    seen = view(submission(1, "7"), submission(2, "8"), legs=(leg(1, step=-1),), step=500)

    [command] = decide(seen, answer(ended={"8": "cancelled"}))

    assert isinstance(command, Give)
    assert command.mark == "held"
    assert decide(replace(seen, counts_from=2), answer(ended={"8": "cancelled"})) == [Submit(number=3)]


def test_a_running_job_that_was_cancelled_is_followed_by_the_next() -> None:
    seen = view(submission(1, "7"), legs=(leg(1, step=-1),), step=500)

    assert decide(seen, answer(ended={"7": "cancelled"})) == [Submit(number=2)]


def test_a_job_that_yielded_is_followed_behind_the_one_at_work() -> None:
    yielded = submission(2, "8", outcome=YIELDED)
    seen = view(submission(1, "7"), yielded, legs=(leg(1),))

    assert decide(seen, answer(job("7", 1), job("8", 2))) == [Submit(number=3, after="7")]
    assert decide(seen, answer(job("7", 1), ended={"8": "completed"})) == [Submit(number=3, after="7")]


def test_a_job_that_can_never_start_ends_the_chain_and_is_cancelled() -> None:
    seen = view(submission(1, "7"))
    waiting = answer(job("7", 1, "pending", "PartitionTimeLimit"))

    commands = decide(seen, waiting, never_starts=lambda reason: f"no: {reason}")

    assert commands == [
        Give(mark="failed", reason="no: PartitionTimeLimit"),
        Cancel(jobs=("7",), reason="no: PartitionTimeLimit"),
    ]
    assert decide(seen, waiting) == []
