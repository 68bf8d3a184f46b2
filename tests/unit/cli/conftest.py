"""The command line as a user meets it: words in; exit status, standard output and standard error out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from gamefleet.cli.main import main


@dataclass(frozen=True)
class Answer:
    status: int
    out: str
    err: str


@pytest.fixture
def gamefleet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Run `gamefleet` with some words in this process."""

    def run(*words: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["gamefleet", *map(str, words)])
        with pytest.raises(SystemExit) as ending:
            main()
        captured = capsys.readouterr()
        return Answer(status=int(ending.value.code or 0), out=captured.out, err=captured.err)

    return run
