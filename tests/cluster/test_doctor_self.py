"""What `gamefleet doctor` tries out itself: GPU, a game, one save and resume, the checkpoint of a run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from gamefleet.cluster.checks.base import Result, run_checks
from gamefleet.cluster.checks.programs import Completed, Programs
from gamefleet.files import read_json, remove_folder
from gamefleet.runs.paths import RunPaths
from gamefleet.topologies.run_check import check_checkpoint, judge_checkpoints
from gamefleet.topologies.self_check import (
    CUT_STEP,
    LAST_STEP,
    judge_child,
    judge_gpu,
    judge_no_gpu,
    self_checks,
    train_tiny,
    tried,
)

GAME = "pokemon_red"


def test_a_card_is_told_with_its_memory() -> None:
    assert judge_gpu("Card", 24 << 30, 23 << 30, 20 << 30).found == "Card, 24.7 of 25.8 GB free"


@pytest.mark.parametrize(
    ("total", "free", "words"),
    [(12 << 30, 11 << 30, "are expected of a job's GPU"), (24 << 30, 1 << 30, "1.1 of 25.8 GB free")],
)
def test_a_card_that_is_too_small_or_taken_is_a_warning_with_smaller_settings(
    total: int, free: int, words: str
) -> None:
    result = judge_gpu("Card", total, free, 20 << 30)
    assert result.status == "warning"
    assert words in result.found
    assert "learner.batch_size" in result.remedy


def test_a_driver_that_pytorch_does_not_see_is_a_warning_and_no_driver_is_none() -> None:
    assert judge_no_gpu(False, "2", None).status == "skipped"
    assert "without CUDA" in judge_no_gpu(True, "2", None).found
    assert "nvidia-smi" in judge_no_gpu(True, "2", "12.8").remedy


def test_a_process_that_dies_is_one_failed_line_with_the_signal() -> None:
    result = judge_child(Completed(status=-signal.SIGILL, out="", err=""), "by hand")
    assert result.status == "failed"
    assert "SIGILL" in result.found
    assert "by hand" in result.remedy


def test_a_process_that_fails_tells_its_last_words() -> None:
    result = judge_child(Completed(status=1, out="", err="Traceback\nKeyError: 'x'\n"), "by hand")
    assert result == Result(status="failed", found="KeyError: 'x'", remedy="by hand")


def test_an_unknown_game_fails_with_those_that_there_are() -> None:
    result = tried("environment", "chess", "")
    assert result.status == "failed"
    assert GAME in result.remedy


@pytest.mark.long
def test_everything_is_tried_in_processes_of_its_own_and_nothing_stays(tmp_path: Path) -> None:
    with Programs(os.environ) as programs:
        found = {check.name: result for check, result in run_checks(self_checks(GAME, tmp_path, programs))}
    assert found["environment"].status == "ok", found["environment"]
    assert found["save-and-resume"].status == "ok", found["save-and-resume"]
    assert "equal to an uncut run" in found["save-and-resume"].found
    assert found["gpu"].status in ("ok", "skipped", "warning")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one run, which has a checkpoint at CUT_STEP and one at LAST_STEP."""
    folder = tmp_path_factory.mktemp("runs")
    train_tiny(GAME, folder, CUT_STEP, "first")
    train_tiny(GAME, folder, LAST_STEP, "resume")
    return folder


@pytest.fixture
def runs(trained: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    shutil.copytree(trained, tmp_path / "runs")
    return tmp_path / "runs"


def damage(folder: Path) -> None:
    """Change one byte in the middle of a file, and keep its size."""
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def test_the_newest_checkpoint_of_a_sound_run_is_whole(runs: Path) -> None:
    result = check_checkpoint(runs, "doctor", GAME)
    assert result.status == "ok"
    assert f"step {LAST_STEP}" in result.found


def test_a_damaged_newest_checkpoint_is_a_warning_that_names_the_file_and_the_one_that_is_used(runs: Path) -> None:
    damage(RunPaths(runs / "doctor").checkpoint(LAST_STEP))
    result = check_checkpoint(runs, "doctor", GAME)
    assert result.status == "warning"
    assert f"step {CUT_STEP} is whole" in result.found
    assert "model.safetensors" in result.found
    assert f"gamefleet train {GAME} --run doctor --resume" in result.remedy


def test_a_run_of_which_no_checkpoint_can_be_read_fails(runs: Path) -> None:
    for step in (CUT_STEP, LAST_STEP):
        damage(RunPaths(runs / "doctor").checkpoint(step))
    result = check_checkpoint(runs, "doctor", GAME)
    assert result.status == "failed"
    assert "none of 2" in result.found
    assert "--fresh" in result.remedy


def test_a_run_without_a_checkpoint_is_skipped(runs: Path) -> None:
    for step in (CUT_STEP, LAST_STEP):
        remove_folder(RunPaths(runs / "doctor").checkpoint(step))
    assert check_checkpoint(runs, "doctor", GAME).status == "skipped"
    assert judge_checkpoints(None, [], "resume").status == "skipped"


def test_the_tiny_run_learns_before_and_after_the_cut(trained: Path, tmp_path: Path) -> None:
    updates = [
        read_json(folder / "state.json")["updates"] for _, folder in RunPaths(trained / "doctor").found_checkpoints()
    ]
    assert 0 < updates[0] < updates[1]


def test_a_disk_that_is_full_fails_the_save_with_what_to_do(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting is not possible here")
    try:
        result = tried("save-and-resume", GAME, str(folder))
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    assert result.status == "failed"
    assert "No space left" in result.found
    assert "runs list" in result.remedy
