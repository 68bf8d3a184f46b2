"""One sentence says where a run stands, and what is wrong is told with what mends it."""

import time
from dataclasses import replace
from typing import Any

import pytest

from gamefleet.watch.alarms import Signs, alarms
from gamefleet.watch.events import Event
from gamefleet.watch.sentence import Pause, Situation, moment, sentence, state_of

NOW = time.mktime((2026, 3, 4, 13, 0, 0, 0, 0, -1))
RUN = Situation(
    name="red", game="toy", total_steps=1000, step=500, saved_step=400, silence_s=5.0, status="running", now=NOW
)
AT_1402 = NOW + 3720
AWAY = Pause(where="gpu:5555", why="nobody answers there", since_s=NOW - 180)
FULL = Pause(where="gpu:5555", why="the learner cannot save: no space", since_s=NOW - 180)


def chain(**facts: Any) -> dict[str, Any]:
    return {"legs": [{}, {}, {}], "state": "running", "jobs": [], "time_limit_s": 4 * 3600, **facts}


def job(state: str, **facts: Any) -> dict[str, Any]:
    return {"id": "17", "state": state, "reason_text": "", "ends_at": None, "expected_start": None, **facts}


def test_a_chain_says_which_job_is_at_work_until_when_and_that_the_next_is_queued() -> None:
    jobs = [job("running", ends_at=AT_1402), job("pending", reason_text="it waits for the job before it")]
    run = replace(RUN, steps_per_s=0.025, chain=chain(jobs=jobs))  # 500 steps take 20,000 s: this job and two more

    assert sentence(run) == "training; job 3 of about 5 ends at 14:02, the next is queued"
    assert state_of(run) == "training"


def test_without_a_speed_nothing_is_guessed() -> None:
    run = replace(RUN, chain=chain(jobs=[job("running", ends_at=AT_1402)]))

    assert sentence(run) == "training; job 3 ends at 14:02, the next is not queued yet"


def test_a_run_between_jobs_says_why_its_job_waits_and_when_it_may_start() -> None:
    waiting = job("pending", reason_text="others come first", expected_start=AT_1402)
    run = replace(RUN, has_ended=True, chain=chain(state="queued", jobs=[waiting]))

    assert state_of(run) == "queued"
    assert sentence(run) == (
        "queued: job 4 waits, others come first; expected to start at 14:02; saved at step 400 of 1,000"
    )


@pytest.mark.parametrize(
    ("changes", "state", "words"),
    [
        ({"steps_per_s": 0.1}, "training", "training; about 83 minutes left"),
        ({"has_begun": False}, "training", "starting: the first round is not done yet"),
        ({"silence_s": 100.0}, "training", "training; the last sign of life is 100 seconds old"),
        ({"silence_s": 900.0, "holder": "process 7 on n3"}, "interrupted", "process 7 on n3 has given no sign of life"),
        ({"is_dead": True, "holder": "process 7 on n3"}, "interrupted", "process 7 on n3 is gone without a word"),
        (
            {"pause": AWAY},
            "paused",
            "paused: the learner at gpu:5555 is out of reach for 3 minutes (nobody answers there); it goes on",
        ),
        (
            {"pause": FULL},
            "paused",
            "paused for 3 minutes: the learner cannot save: no space (at gpu:5555); it goes on",
        ),
        ({"pause": AWAY, "is_dead": True, "holder": "process 7"}, "interrupted", "process 7 is gone without a word"),
        ({"pause": AWAY, "status": "stopped", "has_ended": True}, "stopped", "stopped; saved at step 400"),
        ({"status": "finished", "has_ended": True, "changed_s": NOW}, "finished", "all 500 steps are done, at 13:00"),
        ({"status": "stopped", "reason": "Ctrl-C", "has_ended": True}, "stopped", "stopped: Ctrl-C; saved at step 400"),
        ({"status": "", "silence_s": None, "step": 0}, "waiting", "nothing has begun here yet"),
        ({"status": "", "silence_s": 9.0, "has_ended": True}, "stopped", "stopped; saved at step 400"),
    ],
)
def test_every_state_has_its_sentence(changes: dict[str, Any], state: str, words: str) -> None:
    run = replace(RUN, **changes)

    assert state_of(run) == state
    assert words in sentence(run)


def test_other_days_have_their_name() -> None:
    assert moment(NOW + 86400, NOW) == "Thu 05 Mar 13:00"


def event(kind: str, age_s: float = 60.0, **details: Any) -> Event:
    text = ", ".join(f"{name} {value}" for name, value in details.items())
    return Event(time_s=NOW - age_s, kind=kind, step=1, attempt=1, text=text, details=details)


def happened(kind: str, **details: Any) -> dict[str, Any]:
    return {"last": {kind: event(kind, **details)}}


MIA = {"member": "mia", "is_quarantined": True, "reason": "not finite"}


@pytest.mark.parametrize(
    ("signs", "level", "words"),
    [
        ({"row_age_s": 1000.0}, "serious", "no progress for 17 minutes"),
        ({"free_bytes": 1 << 30}, "serious", "has 1.1 GB left"),
        ({"free_bytes": 5 << 30}, "warning", "GB left"),
        ({"without_value": {"learner/loss": 3}}, "serious", "learner/loss has not been finite for 3 rows"),
        ({"values": {"learner/skipped_updates": 2.0}}, "warning", "2 updates were left out"),
        (happened("checkpoint_rejected", reason="x"), "warning", "unreadable and set aside"),
        (happened("sharing_failed", reason="gone"), "serious", "Sharing failed"),
        (happened("worker_restarted"), "warning", "worker crashed"),
        ({"members": [MIA]}, "serious", "mia is in quarantine: not finite"),
        ({"problems": ["metrics: 3 lines could not be read"]}, "warning", "3 lines could not be read"),
        ({"run": replace(RUN, is_dead=True)}, "serious", "interrupted"),
        ({"run": replace(RUN, pause=AWAY)}, "serious", "The learner at gpu:5555 is out of reach: nobody answers there"),
        ({"run": replace(RUN, pause=FULL)}, "serious", "The run waits: the learner cannot save: no space"),
        ({"run": replace(RUN, chain=chain(state="held", reason="it failed"))}, "serious", "chain is held: it failed"),
        ({"run": replace(RUN, chain=chain(silence="no answer"))}, "warning", "The scheduler does not answer"),
        (
            {"run": replace(RUN, chain=chain(jobs=[job("pending", reason_text="others come first")]))},
            "warning",
            "Job 17 waits: others come first",
        ),
        (
            {"run": replace(RUN, chain=chain(jobs=[job("pending", never_starts="too large")]))},
            "serious",
            "Job 17 can never start: too large",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_what_mends_it(signs: dict[str, Any], level: str, words: str) -> None:
    found = [alarm for alarm in alarms(Signs(**{"run": RUN, **signs})) if words in alarm.text]

    assert [alarm.level for alarm in found] == [level]
    assert found[0].remedy


def test_a_run_that_is_well_has_no_alarms() -> None:
    old = event("worker_restarted", age_s=86400)
    shared = {"sharing_failed": event("sharing_failed", 120), "sharing_again": event("sharing_again", 60)}
    signs = Signs(run=RUN, row_age_s=5.0, free_bytes=1 << 40, last={"worker_restarted": old, **shared})

    assert alarms(signs) == []


def test_a_run_that_waits_for_its_learner_is_not_accused_of_making_no_progress() -> None:
    [alarm] = alarms(Signs(run=replace(RUN, pause=AWAY), row_age_s=5000.0))

    assert "out of reach" in alarm.text
    assert "gamefleet learner serve" in alarm.remedy


def test_a_hand_over_between_two_jobs_is_no_alarm() -> None:
    waiting = job("pending", reason="Dependency", reason_text="it waits for another job to end")
    others = job("pending", reason="Resources", reason_text="nodes are taken")
    for jobs in ([waiting], [job("ending"), others]):
        assert alarms(Signs(run=replace(RUN, chain=chain(jobs=jobs)))) == []


def test_a_dead_job_of_a_chain_is_not_for_a_person_to_start_again() -> None:
    run = replace(RUN, is_dead=True, chain=chain(state="between jobs", fleet="red"))
    [alarm] = alarms(Signs(run=run))

    assert alarm.level == "warning"
    assert "gamefleet fleet status --run red" in alarm.remedy


def test_one_slow_row_does_not_move_the_end_of_the_run() -> None:
    run = replace(RUN, steps_per_s=0.001, pace=0.1)

    assert sentence(run) == "training; about 83 minutes left"


def test_rows_that_were_always_rare_are_no_alarm() -> None:
    assert alarms(Signs(run=RUN, row_age_s=1000.0, row_interval_s=500.0)) == []


def test_a_copy_is_not_judged_by_the_disk_and_the_clock_of_this_machine() -> None:
    assert alarms(Signs(run=RUN, row_age_s=5000.0, free_bytes=1, is_copy=True)) == []
