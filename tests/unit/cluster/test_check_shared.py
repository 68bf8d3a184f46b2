"""What a shared folder must keep: seen by two real processes, and judged where a test cannot break it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from gamefleet.cluster.checks.base import run_checks
from gamefleet.cluster.checks.peer import peer, take_names
from gamefleet.cluster.checks.shared import (
    NUM_NAMES,
    check_clock,
    check_link,
    judge_clock,
    judge_exclusive,
    judge_rename,
    judge_times,
    judge_visibility,
    shared_checks,
)


def test_a_local_folder_keeps_all_promises_and_is_left_clean(tmp_path: Path) -> None:
    found = {check.name: result for check, result in run_checks(shared_checks(tmp_path))}
    needed = ("rename", "exclusive-file", "exclusive-folder", "sync", "visibility", "clock")
    assert {name: found[name].status for name in needed} == dict.fromkeys(needed, "ok"), found
    assert all(result.status in ("ok", "warning") for result in found.values())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_fails_with_a_remedy_in_every_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = [result for _, result in run_checks(shared_checks(tmp_path / "file"))]
    assert {result.status for result in found} == {"failed"}
    assert all(result.remedy for result in found)


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_the_second_process_takes_only_what_is_free(tmp_path: Path, kind: str) -> None:
    assert take_names(tmp_path, kind, 5) == [0, 1, 2, 3, 4]
    with peer() as other:
        other.ask(do="take", folder=str(tmp_path), kind=kind, count=8)
        assert other.result() == [5, 6, 7]


def test_the_second_process_tells_of_its_errors(tmp_path: Path) -> None:
    with peer() as other:
        other.ask(do="take", folder=str(tmp_path / "absent"), kind="file", count=1)
        with pytest.raises(OSError, match="absent"):
            other.result()


def test_the_second_process_notices_a_file_that_is_written_in_place(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("a\n" * 4)
    with peer() as other:
        other.ask(do="read", folder=str(tmp_path), name="file", stop="stop")
        path.write_text("a\nb\n")
        time.sleep(0.2)  # long enough for one look: the half-written state stays
        path.unlink()
        time.sleep(0.2)
        (tmp_path / "stop").touch()
        counts = other.result()
    assert counts["torn"] > 0
    assert counts["missing"] > 0


def test_a_file_that_never_comes_is_not_seen(tmp_path: Path) -> None:
    with peer() as other:
        other.ask(do="look", folder=str(tmp_path), name="never", content="x", wait_s=0.05)
        assert other.result() < 0


def test_half_and_missing_files_fail() -> None:
    assert judge_rename(100, 0, 0).status == "ok"
    for missing, torn in ((1, 0), (0, 1)):
        result = judge_rename(100, missing, torn)
        assert result.status == "failed"
        assert "not atomic" in result.remedy


def test_a_name_made_twice_or_never_fails() -> None:
    every = set(range(NUM_NAMES))
    assert judge_exclusive("file", every - {3}, {3}).status == "ok"
    assert "both made 1" in judge_exclusive("file", every, {3}).found
    assert "neither made 1" in judge_exclusive("folder", every - {3}, set()).found


def test_a_file_that_is_seen_late_is_a_warning_and_one_that_is_not_seen_a_failure() -> None:
    assert judge_visibility(0.1, 65, "n1").status == "ok"
    assert judge_visibility(30.0, 65, "n1").status == "warning"
    result = judge_visibility(-1.0, 65, "n1")
    assert result.status == "failed"
    assert "df DIR" in result.remedy


def test_whole_seconds_are_a_warning() -> None:
    assert judge_times([5_000_000_000, 6_000_000_000]).status == "warning"
    assert judge_times([5_000_000_001, 5_003_000_000]).status == "ok"


@pytest.mark.parametrize(
    ("least", "most", "status", "words"),
    [
        (-0.6, 0.5, "ok", "agree"),
        (9.0, 10.0, "warning", "9 s ahead of"),
        (-301.0, -300.0, "failed", "300 s behind"),
        (299.0, 301.0, "failed", "299 s ahead of"),
    ],
)
def test_clocks_are_judged_by_what_is_certain_of_their_difference(
    least: float, most: float, status: str, words: str
) -> None:
    result = judge_clock(least, most, "the server")
    assert result.status == status
    assert words in result.found
    assert ("timedatectl" in result.remedy) == (status != "ok")


def test_a_clock_of_this_machine_that_is_wrong_is_found_by_a_probe_file(tmp_path: Path) -> None:
    result = check_clock(tmp_path, lambda: time.time() + 600)
    assert result.status == "failed"
    assert "600 s behind" in result.found


def test_hard_links_are_as_exclusive_as_files(tmp_path: Path) -> None:
    assert check_link(tmp_path).status == "ok"
