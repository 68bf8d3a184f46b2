"""`gamefleet train` for games that are learned from records: plans, refusals, and ranks that speak with one voice."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]

SMALL = ("--mock-data", "--size", "tiny", "--batch-size-per-gpu", 64)
QUICK = ("--set", "data.mock_records=64", "--set", "data.workers=0", "--set", "learner.schedule=constant")


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--data-dir", "/nope"), "There are no parsed games in a folder: '/nope'"),
        (("--size", "tyni", "--mock-data"), "There is no such size: 'tyni'"),
        (("--mock-data", "--min-elo", "9999"), "asked for: a rating of at least 9999"),
        (("--mock-data", "--memory", "128"), "--memory is asked of jobs, and this would train here"),
    ],
)
def test_a_dry_run_refuses_what_training_would_refuse(
    gamefleet: Call, nowhere: Path, words: tuple[str, ...], error: str
) -> None:
    said = gamefleet("train", "showdown", "--dry-run", *words)

    assert (said.status, list(nowhere.iterdir())) == (2, [])
    assert error in said.err


def test_a_rank_is_told_that_it_has_no_use_for_what_jobs_are_asked_for(
    gamefleet: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "1")):
        monkeypatch.setenv(name, value)
    said = gamefleet("train", "showdown", *SMALL, "--memory", 128, "--partition", "gpu", "--dry-run")

    assert said.status == 0, said.err
    assert "note: --memory and --partition would be asked of a job" in said.out


def test_the_plan_of_a_run_that_goes_on_has_its_own_settings(gamefleet: Call) -> None:
    done = gamefleet("train", "showdown", *SMALL, *QUICK, "--max-steps", 2, "--eval-every", 2, "--run", "own")
    said = gamefleet("train", "showdown", "--resume", "--dry-run", "--max-steps", 7)

    assert done.status == 0, done.err
    assert "evaluation at step 2, on records set aside: policy loss " in done.err
    assert "Run: own, which goes on at step 2." in said.out
    assert "Network: tiny. Data: 64 invented records." in said.out
    assert "Steps: 7, a checkpoint every 15 minutes, an evaluation every 2 steps." in said.out
    assert "64 decisions per step" in said.out


def test_of_several_ranks_one_says_what_is_wrong_and_all_end_alike(nowhere: Path) -> None:
    words = [sys.executable, "-m", "gamefleet.cli.main", "train", "showdown", "--gpus-per-node", "2"]
    done = subprocess.run([*words, "--data-dir", "/nope"], capture_output=True, text=True, timeout=300)

    assert done.returncode == 2
    assert done.stderr.splitlines() == [line for line in done.stderr.splitlines() if line.startswith("gamefleet: ")]
    assert done.stderr.count("There are no parsed games in a folder: '/nope'") == 1
    assert list(nowhere.iterdir()) == []
