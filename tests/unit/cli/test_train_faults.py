"""`gamefleet train` under what happens to runs: kills, second starts, damaged files, other settings, full disks."""

from __future__ import annotations

import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import PATIENCE_S, until

from gamefleet.files import read_json
from gamefleet.runs.events import read_events
from gamefleet.runs.metrics import read_metrics
from gamefleet.runs.paths import RunPaths

pytestmark = pytest.mark.long

SETTINGS = """
[run]
checkpoint_interval_steps = 64
metrics_interval_steps = 32
device = "cpu"
[game]
max_episode_steps = 50
[network]
hidden_size = 8
head_size = 4
encoder = {kind = "slim"}
[learner]
batch_size = 2
learning_starts_steps = 64
[curiosity]
enabled = false
[replay]
capacity_steps = 500
unroll = 5
burn_in = 5
[actors]
num_envs = 2
num_workers = 0
"""


Run = Callable[..., Any]
Train = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "tiny.toml").write_text(SETTINGS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def paths(folder: Path) -> RunPaths:
    return RunPaths(folder / "runs" / "a")


@pytest.fixture
def train(gamefleet: Run, folder: Path) -> Train:
    """Train in this process until so many steps are done."""

    def run(steps: int, *words: str, name: str = "a") -> Any:
        return gamefleet(*words_for(steps, *words, name=name))

    return run


def words_for(steps: int, *words: str, name: str = "a") -> list[str]:
    start = ["train", "pokemon_red", "--config", "tiny.toml", "--run", name, "--no-video"]
    return [*start, "--total-steps", str(steps), *words]


@pytest.fixture
def running(folder: Path, paths: RunPaths) -> Iterator[subprocess.Popen[str]]:
    """A training process that has written a checkpoint."""
    command = [sys.executable, "-m", "gamefleet.cli.main", *words_for(10**9)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        until(lambda: paths.found_checkpoints() or process.poll() is not None)
        yield process
        process.kill()


def explained(answer: Any, status: int, says: str) -> None:
    assert answer.status == status, answer.err
    assert re.search(says, answer.err), answer.err
    assert "Traceback" not in answer.err


def test_a_killed_run_resumes_from_its_last_checkpoint_and_its_curve_never_goes_back(
    train: Train, paths: RunPaths, running: subprocess.Popen[str]
) -> None:
    explained(train(1, "--resume"), 4, rf"in use by process {running.pid}")
    explained(train(1, "--fresh"), 4, rf"in use by process {running.pid}")
    running.send_signal(signal.SIGKILL)
    running.communicate()
    newest = paths.found_checkpoints()[-1][0]

    answer = train(newest + 200, "--resume")

    assert answer.status == 0, answer.err
    assert f"resuming runs/a at step {newest:,}" in answer.err
    state = read_json(paths.state)
    assert (state["status"], state["attempt"]) == ("finished", 2)
    assert state["step"] >= newest + 200
    steps = [row.step for row in read_metrics(paths.metrics("train")).rows]
    assert steps == sorted(set(steps))


def test_a_signal_ends_a_run_with_a_checkpoint(paths: RunPaths, running: subprocess.Popen[str]) -> None:
    running.send_signal(signal.SIGUSR1)
    out, err = running.communicate(timeout=PATIENCE_S)

    assert running.returncode == 0, err
    assert "signal SIGUSR1" in out
    assert read_json(paths.state)["step"] == paths.found_checkpoints()[-1][0]
    assert read_events(paths.events("train")).rows[-1]["kind"] == "attempt_ended"
    assert read_json(paths.attempt(1))["outcome"] == "ended"


def test_what_is_there_is_not_overwritten_and_what_does_not_fit_is_named(train: Train, folder: Path) -> None:
    assert train(64).status == 0

    explained(train(64), 4, r"--resume.*--fresh")
    explained(train(64, "--resume", "--fresh"), 2, r"exclude each other")
    other = train(64, "--resume", "--set", "network.hidden_size=16")
    explained(other, 5, r"architecture\.hidden_size: 16 here, 8 there")
    explained(train(64, "--resume", name="ab"), 4, r"no run to resume.*Leave out --resume.*a")
    explained(train(64, "--set", "game.rom=missing.gb", name="c"), 3, r"missing\.gb")
    explained(train(64, "--set", "run.runs_folder=tiny.toml", name="d"), 4, r"tiny\.toml")

    assert sorted(path.name for path in (folder / "runs").iterdir()) == ["a"]


def test_a_damaged_checkpoint_is_named_and_set_aside_and_without_a_whole_one_fresh_is_asked_for(
    train: Train, paths: RunPaths
) -> None:
    assert train(200).status == 0
    (paths.found_checkpoints()[-1][1] / "replay" / "index.json").write_text("{}")

    assert train(250, "--resume").status == 0
    rejected = [event for event in read_events(paths.events("train")).rows if event["kind"] == "checkpoint_rejected"]
    assert "index.json" in rejected[0]["reason"]
    assert len(list(paths.checkpoints.glob("unreadable-*"))) == 1

    for _, checkpoint in paths.found_checkpoints():
        (checkpoint / "model.safetensors").write_bytes(b"")
    explained(train(300, "--resume"), 5, r"None of the \d checkpoints.*--fresh")
    assert train(64, "--fresh").status == 0


def test_a_full_disk_ends_a_run_with_its_last_checkpoint_untouched(train: Train, paths: RunPaths) -> None:
    assert train(64).status == 0
    before = {path: (path / "MANIFEST.json").read_bytes() for _, path in paths.found_checkpoints()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    # No file may grow beyond 40 kB any more, as under a quota; the games' states alone are larger.
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, limits[1]))
    try:
        answer = train(200, "--resume")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    explained(answer, 4, r"No space left.*Free some space")
    assert {path: (path / "MANIFEST.json").read_bytes() for path in before} == before
    assert list(paths.checkpoints.glob(".tmp-*")) == []
    assert train(200, "--resume").status == 0


def test_the_settings_of_a_run_are_kept_and_changes_are_events(train: Train, paths: RunPaths, folder: Path) -> None:
    assert train(64).status == 0
    (folder / "tiny.toml").write_text("")

    assert train(64, "--resume", "--set", "learner.learning_rate=0.5").status == 0

    resolved = read_json(paths.resolved)
    assert resolved["network"]["hidden_size"] == 8
    assert resolved["learner"]["learning_rate"] == 0.5
    changes = [row for row in read_events(paths.events("train")).rows if row["kind"] == "settings_changed"]
    assert list(changes[-1]["changes"]) == ["learner.learning_rate"]
