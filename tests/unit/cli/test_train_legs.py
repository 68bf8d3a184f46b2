"""`gamefleet train` as the jobs of a chain run it: one after the other, and two at once when a machine was lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import PATIENCE_S, until

from gamefleet.files import read_json
from gamefleet.runs.events import read_events
from gamefleet.runs.leg import LEG_VARIABLE
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

ENDLESS = 10**9

Train = Callable[..., Any]
Process = subprocess.Popen[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "tiny.toml").write_text(SETTINGS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def paths(folder: Path) -> RunPaths:
    return RunPaths(folder / "runs" / "a")


@pytest.fixture
def legs(paths: RunPaths) -> Path:
    folder = paths.fleet / "m0" / "legs"
    folder.mkdir(parents=True)
    return folder


def words_for(steps: int, *words: str, name: str = "a") -> list[str]:
    start = ["train", "pokemon_red", "--config", "tiny.toml", "--run", name, "--no-video"]
    return [*start, "--total-steps", str(steps), *words]


def environment_of(legs: Path, number: int) -> dict[str, str]:
    """Make a leg; what its job would set."""
    (legs / f"{number:04d}").mkdir()
    return {LEG_VARIABLE: str(legs / f"{number:04d}"), "SLURM_JOB_ID": f"10{number}", "SLURM_JOB_END_TIME": "5e9"}


@pytest.fixture
def train(gamefleet: Train, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Train:
    """Train in this process until so many steps are done, under some environment variables."""

    def run(steps: int, *words: str, name: str = "a", **environment: str) -> Any:
        with monkeypatch.context() as patch:
            for variable, value in environment.items():
                patch.setenv(variable, value)
            return gamefleet(*words_for(steps, *words, name=name))

    return run


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., Process]]:
    """Start a training process that goes on for ever."""
    processes: list[Process] = []

    def begin(**environment: str) -> Process:
        command = [sys.executable, "-m", "gamefleet.cli.main", *words_for(ENDLESS, "--auto-resume")]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
        )
        processes.append(process)
        return process

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def committed(paths: RunPaths) -> dict[str, bytes]:
    """All files of a run that anybody reads, with what they hold."""
    files = (path for path in paths.root.rglob("*") if path.is_file() and ".tmp-" not in str(path))
    return {path.relative_to(paths.root).as_posix(): path.read_bytes() for path in files if "logs" not in path.parts}


def learned(checkpoint: Path) -> dict[str, bytes]:
    """The files of a checkpoint that hold nothing but the run's state."""
    files = [*checkpoint.glob("*.safetensors"), *checkpoint.glob("replay/*.zst")]
    return {path.name: path.read_bytes() for path in files}


def events(paths: RunPaths, kind: str) -> list[dict[str, Any]]:
    return [row for row in read_events(paths.events("train")).rows if row["kind"] == kind]


@pytest.mark.parametrize("is_frozen", [True, False], ids=["frozen", "training"])
def test_a_later_leg_takes_over_from_a_process_that_goes_on_and_which_then_commits_nothing(
    train: Train, start: Callable[..., Process], paths: RunPaths, legs: Path, is_frozen: bool
) -> None:
    old = start(**environment_of(legs, 1))
    until(lambda: len(paths.found_checkpoints()) > 1 or old.poll() is not None)
    if is_frozen:
        old.send_signal(signal.SIGSTOP)  # as on a machine that the others believe lost
    environment = environment_of(legs, 2)
    if not is_frozen:
        out, err = old.communicate(timeout=PATIENCE_S)
    newest = paths.found_checkpoints()[-1][0]

    answer = train(newest + 200, "--auto-resume", **environment)

    assert answer.status == 0, answer.err
    assert read_json(paths.attempt(2))["leg"] == {"chain": str(legs), "number": 2}
    before = committed(paths)
    if is_frozen:
        old.send_signal(signal.SIGCONT)
        out, err = old.communicate(timeout=PATIENCE_S)
    assert old.returncode == 4, out + err
    assert "Leg 1 no longer holds this run: leg 2 took over" in err
    assert committed(paths) == before

    assert train(newest + 200, name="uncut").status == 0
    uncut = RunPaths(paths.root.with_name("uncut"))
    assert learned(paths.found_checkpoints()[-1][1]) == learned(uncut.found_checkpoints()[-1][1])
    steps = [row.step for row in read_metrics(paths.metrics("train")).rows]
    assert steps == sorted(set(steps))


def test_a_process_of_a_later_leg_takes_over_while_the_old_one_trains(
    start: Callable[..., Process], paths: RunPaths, legs: Path
) -> None:
    processes = []
    for number in (1, 2, 3):
        process = start(**environment_of(legs, number))
        processes.append(process)
        until(lambda: len(events(paths, "training_began")) == len(processes) or processes[-1].poll() is not None)
    ends = [process.communicate(timeout=PATIENCE_S) for process in processes[:2]]
    processes[2].send_signal(signal.SIGUSR1)
    processes[2].send_signal(signal.SIGUSR1)
    last = processes[2].communicate(timeout=PATIENCE_S)

    assert [process.returncode for process in processes] == [4, 4, 0], [*ends, last]
    assert [row["leg"] for row in events(paths, "attempt_started")] == [1, 2, 3]
    assert read_json(paths.state)["attempt"] == 3
    steps = [row.step for row in read_metrics(paths.metrics("train")).rows]
    assert steps == sorted(set(steps))


def test_without_a_leg_or_with_the_same_one_a_second_start_is_refused(
    train: Train, start: Callable[..., Process], paths: RunPaths, legs: Path
) -> None:
    environment = environment_of(legs, 1)
    old = start(**environment)
    until(lambda: paths.found_checkpoints() or old.poll() is not None)

    for answer in (train(ENDLESS, "--auto-resume"), train(ENDLESS, "--auto-resume", **environment)):
        assert answer.status == 4
        assert f"in use by process {old.pid}" in answer.err
    assert old.poll() is None


def test_a_chain_of_legs_leaves_its_account_in_the_events(train: Train, paths: RunPaths, legs: Path) -> None:
    assert train(128, "--auto-resume", **environment_of(legs, 1)).status == 0
    assert train(256, "--auto-resume", **environment_of(legs, 2)).status == 0

    kinds = ("attempt_started", "training_began", "attempt_ended")
    started, *others = (events(paths, kind) for kind in kinds)
    assert [(row["leg"], row["job"]) for row in started] == [(1, "101"), (2, "102")]
    assert [row["resumed_step"] for row in started] == [-1, others[-1][0]["step"]]
    for attempt, (began, ended) in enumerate(zip(*others, strict=True), start=1):
        assert (began["attempt"], ended["attempt"]) == (attempt, attempt)
        assert began["seconds"] > 0
        assert ended["first_round_at"] <= began["time"] <= ended["last_round_at"] + 1 <= ended["time"] + 1
        assert 0 < ended["trained_s"] <= ended["last_round_at"] - ended["first_round_at"] + 0.01
        assert ended["saving_s"] > 0
    saves = events(paths, "checkpoint_saved")
    assert saves[-1]["trained_s"] == events(paths, "attempt_ended")[-1]["trained_s"]


def test_a_run_that_has_finished_is_left_as_it_is(train: Train, paths: RunPaths) -> None:
    assert train(64, "--auto-resume").status == 0
    before = committed(paths)

    answer = train(64, "--auto-resume")

    assert answer.status == 0
    assert "'a' has finished already, at step 64" in answer.out
    assert committed(paths) == before
    assert train(96, "--auto-resume").status == 0
    assert read_json(paths.state)["attempt"] == 2


def test_automatic_resumes_need_a_name_and_no_second_word(gamefleet: Train, train: Train) -> None:
    answer = gamefleet("train", "pokemon_red", "--auto-resume")
    assert (answer.status, "--run" in answer.err) == (2, True)

    answer = train(64, "--auto-resume", "--fresh")
    assert answer.status == 2
    assert "exclude each other" in answer.err


def test_a_job_that_is_nearly_over_stops_with_a_checkpoint(train: Train, paths: RunPaths) -> None:
    environment = {"SLURM_JOB_ID": "7", "SLURM_JOB_END_TIME": f"{time.time() + 1:.0f}"}

    answer = train(ENDLESS, "--auto-resume", **environment)

    assert answer.status == 0, answer.err
    assert "the job ends in" in answer.out
    assert len(paths.found_checkpoints()) == 1
