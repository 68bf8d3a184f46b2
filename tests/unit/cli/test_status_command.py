"""`gamefleet status` says in a terminal what the dashboard says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.watch.run_folders import make_run

from gamefleet.cli.status import sparkline

COMMAND = [sys.executable, "-m", "gamefleet.cli.main", "status"]


def told(*arguments: str, status: int = 0) -> str:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == status, done.stderr
    return done.stdout if status == 0 else done.stderr


def test_one_run_is_told_with_its_sentence_numbers_curves_and_milestones(tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "red")
    text = told("red", "--runs-folder", str(tmp_path / "runs"))

    assert "stopped: asked to; saved at step 500 of 10,000" in text
    assert "step 500 of 10,000 (5.0 %)" in text
    assert "start/return" in text
    assert "7.14" in text
    assert "first_door (40)" in text


def test_a_folder_of_runs_is_told_in_a_line_each_and_a_damaged_one_kills_nothing(tmp_path: Path) -> None:
    for name in ("red", "blue"):
        make_run(tmp_path / name)
    (tmp_path / "red" / "state.json").write_bytes(b"\x00")
    (tmp_path / "red" / "metrics" / "train.jsonl").write_bytes(b"\x00\n" * 5)
    text = told("--runs-folder", str(tmp_path))

    assert [line.split()[0] for line in text.splitlines() if not line.startswith("!")] == ["blue", "red"]


def test_json_equals_the_files(tmp_path: Path) -> None:
    make_run(tmp_path / "red")
    found = json.loads(told(str(tmp_path / "red"), "--json"))[0]

    assert (found["step"], found["state"], found["reading"]) == (500, "stopped", 1.0)
    assert found["values"]["start/return"] == 50 / 7
    assert found["events"][0]["kind"] == "attempt_ended"


def test_an_unknown_run_is_an_error_with_its_neighbours(tmp_path: Path) -> None:
    make_run(tmp_path / "red")

    assert "Did you mean 'red'?" in told("redd", "--runs-folder", str(tmp_path), status=4)


@pytest.mark.parametrize("values", [[], [1.0], [2.0, 2.0], [0.0, 1.0, 0.5]])
def test_a_sparkline_has_a_mark_for_every_value(values: list[float]) -> None:
    assert len(sparkline(values)) == len(values)
