"""Checks: told in order, each within its time, skipped with the first cause, chosen by name or group."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable

import pytest

from gamefleet.cluster.checks.base import Check, Result, choose, failed, not_asked, ok, run_checks, skipped, warning
from gamefleet.errors import ClusterError, ConfigError


def check(name: str, run: Callable[[], Result], *needs: str, group: str = "g", timeout_s: float = 300.0) -> Check:
    return Check(name=name, group=group, run=run, needs=needs, timeout_s=timeout_s)


def results(*checks: Check) -> dict[str, Result]:
    return {done.name: result for done, result in run_checks(checks)}


def raising(error: Exception) -> Callable[[], Result]:
    def run() -> Result:
        raise error

    return run


def test_results_come_in_the_order_of_the_list_whichever_check_ends_first() -> None:
    second_is_done = threading.Event()

    def first() -> Result:
        assert second_is_done.wait(300), "checks run side by side"
        return ok("first")

    def second() -> Result:
        second_is_done.set()
        return ok("second")

    told = [(done.name, result.found) for done, result in run_checks([check("a", first), check("b", second)])]
    assert told == [("a", "first"), ("b", "second")]


def test_a_check_that_hangs_fails_after_its_time_and_holds_up_nothing_else() -> None:
    release = threading.Event()

    def hang() -> Result:
        release.wait(300)
        return ok("too late")

    found = results(check("hanging", hang, timeout_s=0.2), check("other", lambda: ok("fine")))
    release.set()
    assert (found["hanging"].status, found["other"].status) == ("failed", "ok")
    assert "no answer" in found["hanging"].found
    assert found["hanging"].remedy


def test_what_needs_a_failed_check_is_skipped_and_names_the_first_cause() -> None:
    found = results(
        check("root", lambda: failed("broken", "mend it")),
        check("middle", lambda: ok("never asked"), "root"),
        check("leaf", lambda: ok("never asked"), "middle"),
    )
    assert [found[name].status for name in ("middle", "leaf")] == ["skipped", "skipped"]
    assert {found[name].found for name in ("middle", "leaf")} == {"not looked at, because of root"}


def test_what_needs_a_skipped_check_gives_its_reason() -> None:
    found = results(check("root", lambda: skipped("no host was named")), check("leaf", lambda: ok("x"), "root"))
    assert found["leaf"] == Result(status="skipped", found="no host was named", seconds=found["leaf"].seconds)


def test_a_warning_does_not_stop_what_needs_it() -> None:
    found = results(check("root", lambda: warning("slow", "wait")), check("leaf", lambda: ok("fine"), "root"))
    assert found["leaf"].status == "ok"


def test_a_need_that_was_not_chosen_does_not_count() -> None:
    assert results(check("leaf", lambda: ok("fine"), "absent"))["leaf"].status == "ok"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ClusterError("No answer", value="squeue", where="n1", remedy="Wait."), "No answer: 'squeue' (n1)"),
        (PermissionError(13, "Permission denied", "/x"), "Permission denied"),
        (subprocess.TimeoutExpired("squeue", 20), "no answer within 20 s"),
        (subprocess.SubprocessError("broken"), "broken"),
    ],
)
def test_an_error_of_the_system_is_a_finding(error: Exception, words: str) -> None:
    found = results(check("a", raising(error)))["a"]
    assert found.status == "failed"
    assert words in found.found
    assert found.remedy


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_of_a_check_is_one_failed_line_and_no_end_of_the_report() -> None:
    found = results(check("faulty", raising(KeyError("x"))), check("other", lambda: ok("fine")))
    for thread in threading.enumerate():
        if thread.name == "faulty":
            thread.join(300)  # its traceback is this test's, not the next one's
    assert (found["faulty"].status, found["other"].status) == ("failed", "ok")
    assert "broke" in found["faulty"].found


def test_findings_are_one_line_and_say_how_long_they_took() -> None:
    def slow() -> Result:
        time.sleep(0.02)
        return ok("two\n  lines")

    found = results(check("a", slow))["a"]
    assert found.found == "two lines"
    assert found.seconds >= 0.02


def test_checks_are_chosen_by_name_and_by_group() -> None:
    checks = [check("a", lambda: ok("")), check("b", lambda: ok(""), group="h"), check("c", lambda: ok(""), group="h")]
    assert [chosen.name for chosen in choose(checks, ["a", "h"])] == ["a", "b", "c"]
    assert [chosen.name for chosen in choose(checks, ["c"])] == ["c"]
    assert choose(checks, []) == checks


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match="'clock'"):
        choose(not_asked(["clock", "quota"], "g", "why"), ["clok"])
