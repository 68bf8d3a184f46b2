"""Programs that are asked: their words, their end, and that none outlives the questions."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import psutil
import pytest
from tests.waiting import PATIENCE_S, until

from gamefleet.cluster.checks.programs import NOT_FOUND_STATUS, Completed, Programs, through


def sleepers(marker: str) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if marker in " ".join(cmdline(process))]


def cmdline(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def test_status_and_words_of_a_program_come_back() -> None:
    with Programs(os.environ) as programs:
        assert programs(["sh", "-c", "echo out; echo err >&2; exit 3"], PATIENCE_S) == Completed(
            status=3, out="out\n", err="err\n"
        )


def test_a_program_that_is_not_there_is_an_answer() -> None:
    with Programs(os.environ) as programs:
        answer = programs(["no-such-program"], PATIENCE_S)
    assert answer.status == NOT_FOUND_STATUS
    assert answer.last_words == "no-such-program: not found"


def test_a_program_that_hangs_is_killed_with_all_that_it_started() -> None:
    with Programs(os.environ) as programs, pytest.raises(subprocess.TimeoutExpired):
        programs(["sh", "-c", "sleep 912.31 & sleep 912.31"], 0.3)
    until(lambda: not sleepers("912.31"), "the end of both")


def test_what_a_program_leaves_behind_cannot_hold_up_the_report() -> None:
    # The child keeps the pipe open although the program itself has ended, as connections that stay open do.
    with Programs(os.environ) as programs, pytest.raises(subprocess.TimeoutExpired):
        programs(["sh", "-c", "sleep 913.31 & exit 0"], 0.3)
    until(lambda: not sleepers("913.31"), "the end of the child")


def test_programs_have_no_terminal_and_no_input() -> None:
    with Programs(os.environ) as programs:
        answer = programs(["sh", "-c", "cat; (exec </dev/tty) 2>/dev/null && echo terminal"], PATIENCE_S)
    assert answer.out == ""


def test_the_last_words_are_of_the_error_if_there_is_one() -> None:
    assert Completed(status=1, out="a\n", err="b\nc\n\n").last_words == "c"
    assert Completed(status=1, out="a\n", err="").last_words == "a"
    assert "without a word" in Completed(status=1, out="", err="").last_words


def test_a_command_for_another_host_arrives_there_as_it_was(tmp_path: Path) -> None:
    # `env` stands in for ssh: both hand the last word to a shell.
    strange = str(tmp_path / "with space and 'quote'")
    with Programs(os.environ) as programs:
        there = through(programs, ["sh", "-c"])
        assert there(["printf", "%s|", strange, "$HOME"], PATIENCE_S).out == f"{strange}|$HOME|"
