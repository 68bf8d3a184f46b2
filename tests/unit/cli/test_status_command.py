"""`gamefleet status` says in a terminal what the dashboard says."""

import json
from pathlib import Path

import pytest
from tests.watch.run_folders import make_run

from gamefleet.cli.status import pace, sparkline, status
from gamefleet.errors import RunFolderError


def told(capsys: pytest.CaptureFixture[str], run: str = "", *, folder: Path, as_json: bool = False) -> str:
    status(run, watch=False, as_json=as_json, runs_folder=folder)
    return capsys.readouterr().out


def test_one_run_is_told_with_its_sentence_numbers_curves_and_milestones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path / "runs" / "red")
    text = told(capsys, "red", folder=tmp_path / "runs")

    assert "stopped: asked to; saved at step 500 of 10,000" in text
    assert "step 500 of 10,000 (5.0 %)" in text
    assert "start/return" in text
    assert "7.14" in text
    assert "first_door (40)" in text


def test_a_run_that_learns_from_records_is_told_by_its_loss_and_its_decisions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = {"data/epoch": 0.0, "policy/loss": 1.25, "speed/updates_per_s": 2.0, "speed/decisions_per_s": 128.0}
    paths = make_run(tmp_path / "read", game="showdown")
    row = {"attempt": 1, "step": 500, "time": 1_000.0, "values": values}
    paths.metrics("train").write_text(json.dumps({"attempt": 1, "resumed_step": -1}) + "\n" + json.dumps(row) + "\n")
    found = json.loads(told(capsys, str(paths.root), folder=tmp_path, as_json=True))[0]

    assert found["is_recorded"]
    assert found["curves"][:2] == ["policy/loss", "speed/decisions_per_s"]
    assert found["steps_per_s"] == 2.0
    assert pace(found) == ", 2 steps/s, 128 decisions/s"


def test_a_folder_of_runs_is_told_in_a_line_each_and_a_damaged_one_kills_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("red", "blue"):
        make_run(tmp_path / name)
    (tmp_path / "red" / "state.json").write_bytes(b"\x00")
    (tmp_path / "red" / "metrics" / "train.jsonl").write_bytes(b"\x00\n" * 5)
    text = told(capsys, folder=tmp_path)

    assert [line.split()[0] for line in text.splitlines() if not line.startswith("!")] == ["blue", "red"]


def test_json_equals_the_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(tmp_path / "red")
    found = json.loads(told(capsys, str(tmp_path / "red"), folder=tmp_path, as_json=True))[0]

    assert (found["step"], found["state"], found["reading"]) == (500, "stopped", 1.0)
    assert found["values"]["start/return"] == 50 / 7
    assert found["events"][0]["kind"] == "attempt_ended"


def test_an_unknown_run_is_an_error_with_its_neighbours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(tmp_path / "red")

    with pytest.raises(RunFolderError, match="Did you mean 'red'"):
        told(capsys, "redd", folder=tmp_path)


@pytest.mark.parametrize("values", [[], [1.0], [2.0, 2.0], [0.0, 1.0, 0.5]])
def test_a_sparkline_has_a_mark_for_every_value(values: list[float]) -> None:
    assert len(sparkline(values)) == len(values)
