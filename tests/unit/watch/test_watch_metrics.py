"""The page's reader of metrics says what `read_metrics` says, whatever the file holds and however it grows."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamefleet.runs.metrics import MetricsWriter, read_metrics
from gamefleet.watch.attempts import AttemptFile
from gamefleet.watch.metrics import MOST_NAMES, RunMetrics
from gamefleet.watch.tail import LONGEST_LINE_BYTES, Tail


def read(path: Path) -> RunMetrics:
    metrics = RunMetrics(path)
    catch_up(metrics)
    return metrics


def catch_up(metrics: RunMetrics) -> None:
    metrics.look()
    while metrics.read_on():
        pass


def row(attempt: int, step: int, **values: float) -> bytes:
    return json.dumps({"attempt": attempt, "step": step, "time": 1.0 * step, "values": values}).encode() + b"\n"


def opening(attempt: int, step: int) -> bytes:
    return json.dumps({"attempt": attempt, "resumed_step": step, "time": 0.0}).encode() + b"\n"


def assert_same(path: Path, metrics: RunMetrics) -> None:
    expected = read_metrics(path)
    assert (metrics.rows, metrics.superseded) == (len(expected.rows), expected.num_superseded)
    assert metrics.ignored + bool(metrics.file.tail.cut) == expected.num_ignored
    for name in expected.names:
        curve = expected.curve(name)
        seen = metrics.curves[name].view(points=10_000) if curve else {"step": [], "last": []}
        assert list(zip(seen["step"], seen["last"], strict=True)) == curve


LINES = st.one_of(
    st.builds(row, st.integers(1, 4), st.integers(0, 60), a=st.floats(allow_nan=False), b=st.just(float("nan"))),
    st.builds(opening, st.integers(1, 4), st.integers(-1, 60)),
    st.sampled_from([b"\n", b"rubbish\n", b"\x00\xff\n", b"[1]\n", b"{}\n", b'{"step": "x"}\n', b'{"half": ']),
)


@given(st.lists(LINES, max_size=40), st.integers(1, 5), st.sampled_from([150, 1 << 24]))
def test_it_agrees_with_the_reader_of_whole_files_also_while_the_file_grows(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], pieces: int, searched_bytes: int
) -> None:
    path = tmp_path_factory.mktemp("metrics") / "train.jsonl"
    metrics = RunMetrics(path)
    metrics.file.searched_bytes = searched_bytes

    for piece in range(pieces):
        begin, end = len(lines) * piece // pieces, len(lines) * (piece + 1) // pieces
        with open(path, "ab") as stream:
            stream.write(b"".join(lines[begin:end]))
        catch_up(metrics)

    if all(line.endswith(b"\n") for line in lines):
        assert_same(path, metrics)
    assert read(path).curves == metrics.curves


def test_rows_that_a_later_attempt_wrote_again_are_left_out_of_curves_that_showed_them(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    with MetricsWriter(path, attempt=1) as writer:
        for step in range(0, 100, 10):
            writer.write(step, {"x": float(step)})
    metrics = read(path)
    assert metrics.curves["x"].num_points == 10

    with MetricsWriter(path, attempt=2, resumed_step=40) as writer:
        writer.write(50, {"x": -1.0})
    catch_up(metrics)

    assert metrics.curves["x"].view(points=100)["last"] == [0.0, 10.0, 20.0, 30.0, 40.0, -1.0]
    assert (metrics.rows, metrics.superseded, metrics.step) == (6, 5, 50)


def test_the_newest_row_is_known_before_the_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(opening(1, -1) + b"".join(row(1, step, x=step / 2) for step in range(50_000)))
    metrics = RunMetrics(path)
    metrics.look()

    assert (metrics.step, metrics.value("x"), metrics.rows) == (49_999, 24_999.5, 0)
    assert metrics.reading < 0.1
    catch_up(metrics)
    assert (metrics.rows, metrics.reading) == (50_000, 1.0)


def test_a_line_that_a_kill_cut_off_is_told_and_kills_nothing(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(row(1, 10, x=1.0) + b'{"attempt": 1, "step"')
    metrics = read(path)
    assert "the last line is not whole" in metrics.problem

    with open(path, "ab") as stream:
        stream.write(b': 20, "time": 1.0, "values": {"x": 2.0}}\n')
    catch_up(metrics)
    assert (metrics.rows, metrics.problem) == (2, "")


def test_a_line_without_an_end_costs_no_memory_and_what_follows_is_read(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(row(1, 10, x=1.0) + b"x" * (5 * LONGEST_LINE_BYTES) + b"\n" + row(1, 20, x=2.0))
    metrics = read(path)

    assert metrics.curves["x"].view(points=9)["last"] == [1.0, 2.0]
    assert "could not be read" in metrics.problem
    assert metrics.ignored >= 1


def test_lines_that_could_not_be_read_are_counted_in_words(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(b"\x00\x01\x02\n" + b"{}\n" + b"[" * 100_000 + b"\n" + row(1, 10, x=1.0))

    assert read(path).problem == "3 lines could not be read"


def test_a_file_that_is_replaced_or_cut_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(b"".join(row(1, step, x=1.0) for step in range(100)))
    metrics = read(path)
    path.unlink()
    path.write_bytes(row(1, 5, y=2.0))
    catch_up(metrics)
    assert (list(metrics.curves), metrics.rows, metrics.step) == (["y"], 1, 5)

    os.truncate(path, 0)
    catch_up(metrics)
    assert (metrics.rows, metrics.curves) == (0, {})


def test_what_is_no_plain_file_is_a_sentence(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "train.jsonl")
    assert "is no plain file" in read(tmp_path / "train.jsonl").problem
    (tmp_path / "folder.jsonl").mkdir()
    assert "is no plain file" in read(tmp_path / "folder.jsonl").problem
    (tmp_path / "secret").write_bytes(row(1, 1, x=1.0))
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "secret")
    assert read(tmp_path / "link.jsonl").curves == {}


def test_names_without_number_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(
        row(1, 1, **{f"n{number}": 1.0 for number in range(MOST_NAMES + 88)}) + row(1, 2, **{"x" * 999: 1.0})
    )
    metrics = read(path)

    assert len(metrics.curves) == MOST_NAMES
    assert metrics.crowded_out == 89
    assert "89 values were left out" in metrics.problem


def test_an_opening_that_was_half_written_at_the_first_look_counts(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    second = opening(2, 10)
    path.write_bytes(opening(1, -1) + row(1, 10, x=1.0) + row(1, 20, x=2.0) + second[:20])
    metrics = read(path)
    assert metrics.rows == 2

    with open(path, "ab") as stream:
        stream.write(second[20:])
    catch_up(metrics)
    assert (metrics.rows, metrics.superseded) == (1, 1)


def test_an_empty_or_missing_file_is_nothing_wrong(tmp_path: Path) -> None:
    metrics = read(tmp_path / "train.jsonl")

    assert (metrics.problem, metrics.rows, metrics.reading) == ("", 0, 1.0)
    assert AttemptFile(tail=Tail(path=tmp_path / "none")).look() == "same"
