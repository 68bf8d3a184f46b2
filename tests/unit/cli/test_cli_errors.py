"""Errors reach the user as one paragraph and an exit status; tracebacks only on request."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from gamefleet import __version__
from gamefleet.cli.errors import run_and_explain
from gamefleet.errors import (
    CheckpointError,
    ConfigError,
    DeviceMemoryError,
    GamefleetError,
    MissingDependencyError,
    RunFolderError,
    WorkerError,
)

Run = Callable[..., Any]


def raising(error: BaseException) -> Callable[[], NoReturn]:
    def command() -> NoReturn:
        raise error

    return command


def test_what_went_well_is_0() -> None:
    assert run_and_explain(lambda: None, debug=False) == 0


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (ConfigError, 2),
        (MissingDependencyError, 3),
        (RunFolderError, 4),
        (CheckpointError, 5),
        (WorkerError, 6),
        (DeviceMemoryError, 7),
    ],
)
def test_each_kind_of_error_has_its_status_and_one_paragraph(
    kind: type[GamefleetError], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    error = kind("It failed", value=3, where="here", remedy="Do that.")

    assert run_and_explain(raising(error), debug=False) == status
    captured = capsys.readouterr()
    assert captured.err == "gamefleet: It failed: 3 (here). Do that.\n"
    assert captured.out == ""


def test_with_debug_the_error_comes_with_its_traceback() -> None:
    with pytest.raises(ConfigError):
        run_and_explain(raising(ConfigError("It failed")), debug=True)
    with pytest.raises(ZeroDivisionError):
        run_and_explain(raising(ZeroDivisionError()), debug=True)


def test_an_interruption_is_130_and_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_and_explain(raising(KeyboardInterrupt()), debug=False) == 130
    assert capsys.readouterr().err == "gamefleet: Interrupted.\n"


def test_a_bug_is_70_and_says_where_its_traceback_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_and_explain(raising(ZeroDivisionError("oops")), debug=False) == 70

    text = capsys.readouterr().err
    assert "This is a bug in gamefleet: ZeroDivisionError: oops." in text
    assert "--debug" in text
    assert text.count("\n") == 1
    path = Path(re.findall(r"in (\S+\.txt)", text)[0])
    assert "Traceback (most recent call last)" in path.read_text()
    path.unlink()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["fly"], "No such command 'fly'"),
        (["runs", "list", "--colour"], "No such option: --colour"),
        (["export"], "Missing argument"),
    ],
)
def test_a_command_line_that_does_not_parse_is_2(gamefleet: Run, words: list[str], says: str) -> None:
    answer = gamefleet(*words)

    assert answer.status == 2
    assert says in answer.err
    assert "Traceback" not in answer.err


def test_a_refused_setting_is_2_without_a_traceback(gamefleet: Run) -> None:
    answer = gamefleet("config", "show", "--set", "learner.bach_size=3")

    assert answer.status == 2
    assert answer.err.startswith("gamefleet: There is no such setting: 'learner.bach_size' (--set). Did you mean")
    assert answer.out == ""


def test_debug_may_stand_anywhere(gamefleet: Run) -> None:
    for words in (["--debug", "config", "show"], ["config", "show", "--debug"]):
        assert gamefleet(*words).status == 0


def test_the_version_is_told(gamefleet: Run) -> None:
    assert gamefleet("--version").out == f"gamefleet {__version__}\n"


def test_an_interpreter_runs_the_commands_by_the_packages_name() -> None:
    told = subprocess.run([sys.executable, "-m", "gamefleet", "--version"], capture_output=True, text=True, check=True)

    assert told.stdout == f"gamefleet {__version__}\n"


def test_the_help_names_every_command_in_one_line_each(gamefleet: Run) -> None:
    answer = gamefleet("--help")

    assert answer.status == 0
    for name in ("train", "evaluate", "rollout", "demo", "bench", "export", "config", "runs"):
        assert re.search(rf"\b{name}\b +\w", answer.out), name


@pytest.mark.parametrize("words", [["config", "schema"], ["--version"]], ids=["more than a pipe holds", "one line"])
def test_a_reader_that_goes_away_is_no_error(words: list[str]) -> None:
    command = [sys.executable, "-m", "gamefleet.cli.main", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        err = process.stderr.read().decode()

    assert err == ""
    assert process.returncode in (0, 1)


def test_an_interruption_within_a_command_is_130_and_one_line(gamefleet: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from gamefleet.topologies import config

    monkeypatch.setattr(config, "ask", lambda **_: raising(KeyboardInterrupt())())
    answer = gamefleet("config", "show")

    assert answer.status == 130
    assert answer.err == "gamefleet: Interrupted.\n"
