"""A source that fails, hangs or lies takes nothing else with it."""

import threading

from tests.waiting import PATIENCE_S, until

from gamefleet.errors import RunFolderError
from gamefleet.watch.contained import Outcome, Source, contained
from gamefleet.watch.providers import Checks, told


def test_whatever_is_raised_becomes_a_sentence() -> None:
    def bug() -> None:
        raise KeyError("legs")

    def known() -> None:
        raise RunFolderError("The disk is gone", remedy="Look for it.")

    assert "KeyError: 'legs'" in contained(bug).error
    assert contained(known).error == "The disk is gone. Look for it."
    assert contained(lambda: 3) == Outcome(3)


def test_a_source_that_hangs_is_told_and_its_last_answer_stays() -> None:
    now = [0.0]
    release = threading.Event()
    answers = iter([{"available": True}, None])

    def read() -> object:
        answer = next(answers)
        if answer is None:
            release.wait(PATIENCE_S)
        return answer

    source = Source(read=read, interval_s=10.0, clock=lambda: now[0])
    assert source.latest(wait_s=PATIENCE_S) == Outcome({"available": True})
    now[0] = 11.0
    assert source.latest() == Outcome({"available": True})
    now[0] = 60.0
    outcome = source.latest()
    release.set()

    assert told(outcome, error_of="the jobs") == {
        "available": True,
        "error": "the jobs: there has been no answer for 49 s",
    }


def test_a_source_is_asked_again_only_when_its_answer_is_old() -> None:
    now, asked = [0.0], []
    source = Source(read=lambda: asked.append(1), interval_s=10.0, clock=lambda: now[0])
    for second in (0.0, 5.0, 9.0, 12.0):
        now[0] = second
        source.latest(wait_s=5.0)
        wait_for(source)

    assert len(asked) == 2


def test_news_make_a_source_ask_soon_and_often_for_a_while() -> None:
    now, asked, attempts = [0.0], [], [1]
    source = Source(read=lambda: asked.append(now[0]), interval_s=20.0, clock=lambda: now[0], news=lambda: attempts[0])
    for second in range(120):
        now[0] = float(second)
        attempts[0] = 2 if second >= 65 else 1
        source.latest(wait_s=5.0)
        wait_for(source)

    assert [at for at in asked if 60 <= at < 100] == [*range(65, 95, 3)]


def test_checks_that_break_off_keep_their_results() -> None:
    def run(tell: object) -> None:
        assert callable(tell)
        tell({"name": "ssh", "status": "ok"})
        raise OSError("no such program")

    checks = Checks(run)
    assert checks.as_json()["state"] == "never"
    checks.start()
    until(lambda: checks.as_json()["state"] == "done", "the end of the checks")

    answer = checks.as_json()
    assert (answer["results"], answer["error"]) == ([{"name": "ssh", "status": "ok"}], "no such program")


def wait_for(source: Source) -> None:
    thread = source._thread
    if thread is not None:
        thread.join(PATIENCE_S)
