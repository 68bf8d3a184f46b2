"""`gamefleet runs` lists runs with their true state, and deletes none that is in use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gamefleet.runs.checkpoint import CheckpointStore
from gamefleet.runs.claim import claim
from gamefleet.runs.folder import open_run
from gamefleet.runs.manifest import Compatibility, RunFacts
from gamefleet.runs.paths import RunPaths

Run = Callable[..., Any]
COMPATIBILITY = Compatibility(game="toy 1", observation={}, reward={}, architecture={})
FACTS = RunFacts(game="toy", seed=1, asked="", resolved={}, compatibility=COMPATIBILITY)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A runs folder with a finished run, one that died, and one that never saved."""
    for name, status in (("done", "finished"), ("died", "running"), ("early", "")):
        with open_run(tmp_path / name, FACTS) as run:
            if status:
                run.write_state(status=status, step=1500, total_steps=3000)
    return tmp_path


def lines_of(answer: Any) -> dict[str, str]:
    """Name of the run -> its line."""
    return {line.split()[0]: line for line in answer.out.splitlines()[1:]}


def test_runs_are_listed_with_game_state_steps_size_and_age(gamefleet: Run, folder: Path) -> None:
    lines = lines_of(gamefleet("runs", "list", "--runs-folder", folder))

    assert list(lines) == ["died", "done", "early"]
    assert "toy" in lines["done"]
    assert "finished" in lines["done"]
    assert "1,500 of 3,000" in lines["done"]
    assert "MB" in lines["done"]
    assert "ago" in lines["done"]


def test_a_run_that_says_it_runs_but_has_no_process_was_interrupted(gamefleet: Run, folder: Path) -> None:
    assert "interrupted" in lines_of(gamefleet("runs", "list", "--runs-folder", folder))["died"]


def test_a_run_with_a_process_is_running(gamefleet: Run, folder: Path) -> None:
    held = claim(RunPaths(folder / "done"), {})

    assert "running" in lines_of(gamefleet("runs", "list", "--runs-folder", folder))["done"]
    held.release()


def test_a_damaged_run_is_listed_as_such(gamefleet: Run, folder: Path) -> None:
    (folder / "early" / "manifest.json").write_text("{")

    assert "damaged" in lines_of(gamefleet("runs", "list", "--runs-folder", folder))["early"]


def test_an_empty_folder_says_so(gamefleet: Run, tmp_path: Path) -> None:
    assert gamefleet("runs", "list", "--runs-folder", tmp_path).out == f"There are no runs in {tmp_path}.\n"


def test_a_run_is_deleted_without_a_question_only_with_yes(
    gamefleet: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import io
    import sys

    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    refused = gamefleet("runs", "rm", "done", "--runs-folder", folder)
    assert refused.status == 1
    assert (folder / "done").exists()

    assert gamefleet("runs", "rm", "done", "--yes", "--runs-folder", folder).status == 0
    assert not (folder / "done").exists()
    assert sorted(path.name for path in folder.iterdir()) == ["died", "early"]


def test_a_run_in_use_is_not_deleted(gamefleet: Run, folder: Path) -> None:
    held = claim(RunPaths(folder / "done"), {})
    answer = gamefleet("runs", "rm", "done", "--yes", "--runs-folder", folder)
    held.release()

    assert answer.status == 4
    assert "in use by process" in answer.err
    assert (folder / "done" / "manifest.json").exists()


@pytest.mark.parametrize("name", ["dona", "..", "../done", ""])
def test_what_is_no_run_is_not_deleted(gamefleet: Run, folder: Path, name: str) -> None:
    answer = gamefleet("runs", "rm", name, "--yes", "--runs-folder", folder)

    assert answer.status == 4
    assert "There is no such run" in answer.err
    assert len(list(folder.iterdir())) == 3


def test_weights_are_exported_with_their_provenance(gamefleet: Run, folder: Path, tmp_path: Path) -> None:
    import safetensors

    store = CheckpointStore(RunPaths(folder / "done"), compatibility=COMPATIBILITY, fence=lambda: None)
    store.save(2500, {"model": {"core.weight": np.eye(3, dtype=np.float32)}, "optimizer": {"step": 4}})
    output = tmp_path / "weights.safetensors"

    answer = gamefleet("export", folder / "done", "--output", output)

    assert answer.status == 0
    with safetensors.safe_open(output, "numpy") as opened:
        assert list(opened.keys()) == ["core.weight"]
        np.testing.assert_array_equal(opened.get_tensor("core.weight"), np.eye(3))
        metadata = opened.metadata()
    assert (metadata["run"], metadata["step"]) == ("done", "2500")
    assert metadata["compatibility"] == COMPATIBILITY.hash


def test_a_damaged_checkpoint_is_not_exported(gamefleet: Run, folder: Path, tmp_path: Path) -> None:
    store = CheckpointStore(RunPaths(folder / "done"), compatibility=COMPATIBILITY, fence=lambda: None)
    checkpoint = store.save(1, {"model": {"x": np.ones(3)}}).folder
    (checkpoint / "model.safetensors").write_bytes(b"")

    answer = gamefleet("export", checkpoint, "--output", tmp_path / "w.safetensors")

    assert answer.status == 5
    assert "model.safetensors" in answer.err
    assert not (tmp_path / "w.safetensors").exists()
