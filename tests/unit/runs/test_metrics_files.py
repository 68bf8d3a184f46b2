"""Metrics and events survive kills; curves never go backwards."""

from __future__ import annotations

import json
import math
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gamefleet.errors import RunFolderError
from gamefleet.runs.events import EventWriter, read_events
from gamefleet.runs.lines import LineWriter, read_lines
from gamefleet.runs.metrics import MetricsWriter, averages, read_metrics


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics" / "train.jsonl"


def steps_of(path: Path) -> list[int]:
    return [row.step for row in read_metrics(path).rows]


def test_what_was_written_is_read(path: Path) -> None:
    with MetricsWriter(path, attempt=1) as writer:
        writer.write(100, {"learner/loss": 0.5})
        writer.write(200, {"learner/loss": np.float32(0.25), "episode/return": 3})

    metrics = read_metrics(path)
    assert metrics.names == ("episode/return", "learner/loss")
    assert metrics.curve("learner/loss") == [(100, 0.5), (200, 0.25)]
    assert metrics.curve("episode/return") == [(200, 3)]
    assert (metrics.num_ignored, metrics.num_superseded) == (0, 0)


def test_a_missing_file_has_no_rows(path: Path) -> None:
    assert read_metrics(path).rows == ()


def test_numbers_that_are_not_finite_are_kept_as_missing(path: Path) -> None:
    with MetricsWriter(path, attempt=1) as writer:
        writer.write(1, {"a": math.nan, "b": math.inf, "c": 1.0})

    (row,) = read_metrics(path).rows
    assert math.isnan(row.values["a"])
    assert math.isnan(row.values["b"])
    assert read_metrics(path).curve("a") == []
    assert "NaN" not in path.read_text()


def test_what_an_attempt_repeats_supersedes_what_was_written_before(path: Path) -> None:
    with MetricsWriter(path, attempt=1) as writer:
        for step in range(100, 600, 100):
            writer.write(step, {"x": 1.0})
    with MetricsWriter(path, attempt=2, resumed_step=300) as writer:
        for step in (400, 500, 600):
            writer.write(step, {"x": 2.0})

    metrics = read_metrics(path)
    assert metrics.curve("x") == [(100, 1.0), (200, 1.0), (300, 1.0), (400, 2.0), (500, 2.0), (600, 2.0)]
    assert metrics.num_superseded == 2
    assert {row.attempt for row in metrics.rows} == {1, 2}


def test_an_attempt_that_died_before_its_first_row_supersedes_too(path: Path) -> None:
    with MetricsWriter(path, attempt=1) as writer:
        for step in (0, 100, 200):
            writer.write(step, {"x": 1.0})
    MetricsWriter(path, attempt=2, resumed_step=100).close()
    assert steps_of(path) == [0, 100]

    MetricsWriter(path, attempt=3).close()  # without any checkpoint
    assert steps_of(path) == []


def test_a_half_written_last_line_is_ignored_and_counted(path: Path) -> None:
    with MetricsWriter(path, attempt=1) as writer:
        writer.write(1, {"x": 1.0})
        writer.write(2, {"x": 1.0})
    path.write_bytes(path.read_bytes()[:-9])

    metrics = read_metrics(path)
    assert [row.step for row in metrics.rows] == [1]
    assert metrics.num_ignored == 1


def test_the_next_writer_does_not_continue_a_half_written_line(path: Path) -> None:
    with MetricsWriter(path, attempt=1) as writer:
        writer.write(1, {"x": 1.0})
    with open(path, "ab") as stream:
        stream.write(b'{"attempt":1,"st')
    with MetricsWriter(path, attempt=2, resumed_step=1) as writer:
        writer.write(2, {"x": 1.0})

    metrics = read_metrics(path)
    assert [row.step for row in metrics.rows] == [1, 2]
    assert metrics.num_ignored == 1


def test_garbage_between_the_lines_is_ignored_and_counted(path: Path) -> None:
    with MetricsWriter(path, attempt=1) as writer:
        writer.write(1, {"x": 1.0})
    with open(path, "ab") as stream:
        stream.write(b"\x00\xff\x00\n[1, 2]\n{}\n")

    metrics = read_metrics(path)
    assert [row.step for row in metrics.rows] == [1]
    assert metrics.num_ignored == 3


WRITER = """
    import sys
    from pathlib import Path
    from gamefleet.runs.metrics import MetricsWriter

    writer = MetricsWriter(Path(sys.argv[1]), attempt=1)
    for step in range(10**9):
        writer.write(step, {"x": float(step)})
        if step % 1000 == 999:
            print(step, flush=True)
"""


def test_every_announced_row_survives_a_kill(path: Path, start_program: Callable[..., subprocess.Popen[str]]) -> None:
    process = start_program(WRITER, path)
    assert process.stdout is not None
    for _ in range(3):
        announced = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    process.communicate()

    metrics = read_metrics(path)
    assert [row.step for row in metrics.rows] == list(range(len(metrics.rows)))
    assert metrics.rows[-1].step >= announced
    assert metrics.num_ignored <= 1


def test_a_folder_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(RunFolderError, match="Choose a folder you may write to"):
        LineWriter(tmp_path / "file" / "metrics" / "x.jsonl")


def test_averages_leave_out_what_is_missing() -> None:
    means = averages([{"a": 1.0, "b": math.nan}, {"a": 3.0, "b": math.nan}, {"c": 5.0}])

    assert means["a"] == 2.0
    assert means["c"] == 5.0
    assert math.isnan(means["b"])


def test_events_are_read_with_their_details(tmp_path: Path) -> None:
    with EventWriter(tmp_path / "train.jsonl", attempt=2) as writer:
        writer.write("milestone_reached", step=7, milestone="badge", route=("a", "b"))

    (event,) = read_events(tmp_path / "train.jsonl").rows
    assert {key: event[key] for key in ("kind", "attempt", "step", "milestone", "route")} == {
        "kind": "milestone_reached",
        "attempt": 2,
        "step": 7,
        "milestone": "badge",
        "route": ["a", "b"],
    }


def test_only_events_of_the_table_may_be_written(tmp_path: Path) -> None:
    with EventWriter(tmp_path / "x.jsonl", attempt=1) as writer, pytest.raises(AssertionError, match="not in EVENTS"):
        writer.write("something_else")


def test_closing_twice_does_nothing(path: Path) -> None:
    writer = LineWriter(path)
    writer.write({"a": 1})
    writer.close()
    writer.close()

    assert json.loads(path.read_text()) == {"a": 1}
    assert read_lines(path).num_ignored == 0


def test_rows_of_an_attempt_that_was_taken_over_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    with MetricsWriter(path, attempt=1) as zombie:
        zombie.write(100, {"a": 1.0})
        zombie.write(200, {"a": 1.0})
        with MetricsWriter(path, attempt=2, resumed_step=100) as successor:
            zombie.write(300, {"a": 1.0})
            successor.write(200, {"a": 2.0})
            zombie.write(400, {"a": 1.0})

    metrics = read_metrics(path)

    assert metrics.curve("a") == [(100, 1.0), (200, 2.0)]
    assert metrics.num_superseded == 3


def test_a_fence_is_asked_before_each_line(tmp_path: Path) -> None:
    answers: list[Exception | None] = [None] * 3

    def fence() -> None:
        if (answer := answers.pop() if answers else RunFolderError("taken over")) is not None:
            raise answer

    with MetricsWriter(tmp_path / "train.jsonl", attempt=1, fence=fence) as writer:  # opens, and writes a first line
        writer.write(100, {"a": 1.0})
        with pytest.raises(RunFolderError, match="taken over"):
            writer.write(200, {"a": 1.0})
    with pytest.raises(RunFolderError, match="taken over"):
        EventWriter(tmp_path / "events.jsonl", attempt=1, fence=fence)

    assert read_metrics(tmp_path / "train.jsonl").curve("a") == [(100, 1.0)]
    assert not (tmp_path / "events.jsonl").exists()
