"""A run knows when to stop: by its own limit, by the job's end, by a signal; the earliest counts."""

from __future__ import annotations

import os
import signal

import pytest

from gamefleet.errors import ConfigError
from gamefleet.runs.deadline import MARGIN_S, Deadline, job_end, runtime_limit


class Clock:
    """A clock that a test sets."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


def make(clock: Clock, *, max_runtime_s: float | None = None, job_end: float | None = None) -> Deadline:
    return Deadline(max_runtime_s=max_runtime_s, job_end=job_end, monotonic=clock, wall=clock)


def test_without_a_limit_there_is_no_reason_to_stop(clock: Clock) -> None:
    deadline = make(clock)
    clock.now += 1e9

    assert deadline.reason() == ""
    assert deadline.remaining_s == float("inf")


def test_the_own_limit_counts_from_the_start(clock: Clock) -> None:
    deadline = make(clock, max_runtime_s=13_500)
    clock.now += 13_499

    assert deadline.reason() == ""
    assert deadline.remaining_s == pytest.approx(1.0)
    clock.now += 1
    assert deadline.reason() == "run.max_runtime_s = 13500 is over"


def test_the_end_of_the_job_leaves_a_margin(clock: Clock) -> None:
    deadline = make(clock, job_end=1000 + 4 * 3600)
    clock.now += 4 * 3600 - MARGIN_S - 1

    assert deadline.reason() == ""
    clock.now += 1
    assert deadline.reason() == "the job ends in 120 s"


@pytest.mark.parametrize(
    ("left_s", "margin_s"), [(14_400, 120), (1_200, 120), (600, 60), (60, 6), (30, 5), (1, 5), (-100, 5)]
)
def test_the_margin_is_a_tenth_of_a_short_job_and_never_nothing(clock: Clock, left_s: float, margin_s: float) -> None:
    assert make(clock, job_end=1000 + left_s).margin_s == pytest.approx(margin_s)


def test_the_margin_does_not_shrink_while_the_job_goes_on(clock: Clock) -> None:
    deadline = make(clock, job_end=1600)
    clock.now += 500

    assert deadline.margin_s == pytest.approx(60)


def test_the_margin_grows_with_the_slowest_checkpoint(clock: Clock) -> None:
    deadline = make(clock, job_end=1000 + 14_400)
    deadline.note_save(40.0)
    deadline.note_save(5.0)

    assert deadline.margin_s == MARGIN_S + 120.0
    clock.now += 14_400 - 240
    assert deadline.reason() != ""


def test_slow_saves_leave_a_short_job_half_of_its_time(clock: Clock) -> None:
    deadline = make(clock, job_end=1060)
    deadline.note_save(100.0)

    assert deadline.margin_s == 30
    assert deadline.reason() == ""


def test_the_earliest_limit_counts(clock: Clock) -> None:
    assert make(clock, max_runtime_s=100, job_end=5000).remaining_s == 100
    assert make(clock, max_runtime_s=10_000, job_end=3000).remaining_s == 2000 - MARGIN_S


def test_a_job_whose_end_is_not_known_gets_the_usual_limit() -> None:
    assert runtime_limit(None, is_in_job=True, job_end=None) == 13_500
    assert runtime_limit(None, is_in_job=True, job_end=5e9) is None
    assert runtime_limit(None, is_in_job=False, job_end=None) is None
    assert runtime_limit(60, is_in_job=True, job_end=None) == 60


def test_a_signal_may_be_repeated(clock: Clock) -> None:
    deadline = make(clock)

    with deadline.listening():
        for number in (signal.SIGUSR1, signal.SIGUSR1, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            os.kill(os.getpid(), number)
        assert deadline.reason() == "signal SIGUSR1"
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_the_schedulers_signal_is_a_hint_where_the_clock_knows_better(clock: Clock) -> None:
    deadline = make(clock, job_end=1000 + 4 * 3600)
    clock.now += 4 * 3600 - 240

    with deadline.listening():
        os.kill(os.getpid(), signal.SIGUSR1)
        assert deadline.reason() == ""
        clock.now += 120
        assert deadline.reason() == "the job ends in 120 s"
        os.kill(os.getpid(), signal.SIGTERM)
        assert deadline.reason() == "signal SIGTERM"


def test_the_same_signal_long_before_the_jobs_end_is_somebodys_wish(clock: Clock) -> None:
    deadline = make(clock, job_end=1000 + 4 * 3600)

    with deadline.listening():
        os.kill(os.getpid(), signal.SIGUSR1)
        assert deadline.reason() == "signal SIGUSR1"


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_a_reason_and_nothing_more(clock: Clock, number: signal.Signals) -> None:
    deadline = make(clock)

    with deadline.listening():
        os.kill(os.getpid(), number)
        assert deadline.reason() == f"signal {number.name}"


def test_a_second_interrupt_ends_the_program_at_once(clock: Clock) -> None:
    with make(clock).listening():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_afterwards_signals_mean_what_they_meant(clock: Clock) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT)}

    with make(clock).listening():
        assert signal.getsignal(signal.SIGTERM) != before[signal.SIGTERM]

    assert {number: signal.getsignal(number) for number in before} == before


def test_outside_of_a_job_there_is_no_end() -> None:
    assert job_end({}) is None
    assert job_end({"SLURM_JOB_END_TIME": ""}) is None


def test_an_end_that_is_no_number_is_named() -> None:
    with pytest.raises(ConfigError, match=r"'soon' \(SLURM_JOB_END_TIME\)"):
        job_end({"SLURM_JOB_END_TIME": "soon"})
