"""Graphs of skills with real processes: commands, a second scheduler, kill -9 of schedulers, of jobs, of tmux."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.topologies.graph_cases import FIRST, KEY, start, state_of, statuses
from tests.waiting import PATIENCE_S, until
from typer.testing import CliRunner

from gamefleet.cli.main import make_app
from gamefleet.weights.experts import ExpertStore

SUMMARY = ".skills | group_by(.status) | map({status: .[0].status, count: length})"
WAITING = '.skills[] | select(.status=="waiting") | {name: .skill_name, deps: .dependencies}'
"""The guide's questions to `scheduler_state.json`."""


def ended(process: subprocess.Popen[str], timeout_s: float = PATIENCE_S) -> str:
    output, _ = process.communicate(timeout=timeout_s)
    assert process.returncode == 0, output
    return output


def contents(root: Path) -> str:
    return ExpertStore(root).latest().contents


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A graph that was trained undisturbed, two skills at once, by jobs of this machine."""
    root = tmp_path_factory.mktemp("trained")
    scheduler = start(root, *FIRST, "--executor", "local")
    until(lambda: "running" in statuses(root).values() or scheduler.poll() is not None, "a skill trains")
    second = start(root)
    refusal, _ = second.communicate(timeout=300)
    assert (second.returncode, "scheduled by process" in refusal) == (4, True), refusal
    output = ended(scheduler)
    assert output.startswith("proposer: catalogue (no network), as asked for\nexecutor: local"), output
    return root


def test_a_run_ends_with_every_skill_completed_and_a_second_scheduler_was_refused(trained: Path) -> None:
    assert statuses(trained) == dict.fromkeys(("Collect_Wood", "Place_Table", "Make_Wood_Pickaxe"), "completed")
    assert (trained / "skills/0_Collect_Wood/training.log").read_text().count("succeeded") == 1


def test_the_guides_questions_to_the_state_are_answered(trained: Path, require_program: Callable[..., str]) -> None:
    jq = require_program("jq", "apt-get install jq")

    def ask(question: str, text: str) -> Any:
        done = subprocess.run([jq, "-c", question], input=text, capture_output=True, text=True, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    state = (trained / "scheduler_state.json").read_text()
    assert ask(SUMMARY, state) == [[{"status": "completed", "count": 3}]]
    waiting = state.replace('"status": "completed",\n      "success_rate"', '"status": "waiting",\n "success_rate"')
    assert ask(WAITING, waiting)[1] == {"name": "Place_Table", "deps": ["Collect_Wood"]}


def test_status_and_logs_show_the_same_to_people(trained: Path) -> None:
    run = CliRunner()

    shown = run.invoke(make_app(), ["skills", "status", "--graph-path", str(trained)]).output
    assert "3 skills: 3 completed" in shown
    assert "generation: full (3 skills were wanted)" in shown
    assert json.loads(run.invoke(make_app(), ["skills", "status", "--graph_path", str(trained), "--json"]).output)
    assert "3 skills: 3 completed" in run.invoke(make_app(), ["skills", "watch", "--graph-path", str(trained)]).output
    log = run.invoke(make_app(), ["skills", "logs", "Collect_Wood", "--graph-path", str(trained), "-n", "1"]).output
    assert "succeeded: " in log
    assert log == run.invoke(make_app(), ["skills", "logs", "0", "--graph-path", str(trained), "-n", "1"]).output


@pytest.mark.long
def test_a_scheduler_that_is_killed_at_any_moment_is_followed_by_one_that_needs_only_the_folder(
    trained: Path, tmp_path: Path
) -> None:
    chance = random.Random(1)
    scheduler = start(tmp_path, *FIRST, "--executor", "local", "--max_parallel_skills", "1")
    for kills in range(6):
        claim = tmp_path / "attempts" / f"attempt-{kills + 1:03d}.json"
        until(claim.exists, "it has begun")
        until(lambda: (tmp_path / "settings.json").exists(), "its settings are kept")
        time.sleep(chance.uniform(0.0, 2.0))
        scheduler.kill()
        scheduler.communicate()
        scheduler = start(tmp_path)
    ended(scheduler)

    assert contents(tmp_path) == contents(trained), "one after the other, and killed: the same mixture"
    assert [skill["attempts"] for skill in state_of(tmp_path)["skills"]] == [1, 1, 1]
    assert len(list((tmp_path / "jobs").iterdir())) == 3, "each skill was trained by one job"


def pids_of_jobs(root: Path, word: str) -> list[int]:
    """Processes below a graph's jobs whose command line holds a word."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if str(root) in " ".join(line) and word in line:
            found.append(process.pid)
    return found


@pytest.mark.long
@pytest.mark.parametrize("victim", ["train", "gamefleet.cluster.local.job"])
def test_a_job_that_is_killed_goes_on_from_its_checkpoint(victim: str, trained: Path, tmp_path: Path) -> None:
    scheduler = start(tmp_path, *FIRST, "--executor", "local", "--max_nodes", "1")
    checkpoints = "training_runs/*/checkpoint.safetensors"
    until(lambda: list(tmp_path.glob(checkpoints)) or scheduler.poll() is not None, "a checkpoint is there")
    pids = pids_of_jobs(tmp_path, victim)
    assert not any(KEY in str(psutil.Process(pid).environ()) for pid in pids), "the key is the proposer's alone"
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    ended(scheduler)

    (skill,) = state_of(tmp_path)["skills"]
    assert [job["how"] for job in skill["jobs"]] == ["interrupted", "succeeded"]
    assert (skill["attempts"], skill["status"]) == (1, "completed")


@pytest.fixture
def tmux(monkeypatch: pytest.MonkeyPatch, require_program: Callable[..., str]) -> Iterator[Callable[..., str]]:
    """Call with the words of a tmux command for the test's own server."""
    program = require_program("tmux", "apt-get install tmux")
    sockets = tempfile.mkdtemp()
    monkeypatch.setenv("TMUX_TMPDIR", sockets)

    def call(*words: str) -> str:
        command = [program, "-L", "graph", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False).stdout.strip()

    yield call
    call("kill-server")
    shutil.rmtree(sockets)


@pytest.mark.long
def test_in_tmux_a_skill_has_a_session_of_its_name_and_survives_the_end_of_the_server(
    tmux: Callable[..., str], tmp_path: Path, require_module: Callable[..., None]
) -> None:
    require_module("libtmux", "pip install gamefleet[tmux]")
    more = ("--executor", "tmux", "--tmux-socket", "graph", "--max_nodes", "1")
    scheduler = start(tmp_path, *FIRST, *more)
    checkpoints = "training_runs/*/checkpoint.safetensors"
    until(lambda: list(tmp_path.glob(checkpoints)) or scheduler.poll() is not None, "a checkpoint is there")

    sessions = tmux("list-sessions", "-F", "#{session_name}")
    tmux("kill-server")
    output = ended(scheduler)

    (skill,) = state_of(tmp_path)["skills"]
    assert sessions == skill["session"] == f"gamefleet_e0_{skill['skill_name']}", output
    assert skill["jobs"][0]["how"] in ("stopped", "cancelled"), "it saved, if it got the time"
    assert [job["how"] for job in skill["jobs"][1:]] == ["succeeded"]
    assert skill["attempts"] == 1


@pytest.mark.long
def test_a_stop_lets_a_skill_save_and_the_next_start_goes_on_with_the_same_attempt(tmp_path: Path) -> None:
    scheduler = start(tmp_path, *FIRST, "--executor", "local", "--max_nodes", "1", "--total_timesteps", "1e9")
    checkpoints = "training_runs/*/checkpoint.safetensors"
    until(lambda: list(tmp_path.glob(checkpoints)) or scheduler.poll() is not None, "a checkpoint is there")

    CliRunner().invoke(make_app(), ["skills", "stop", "--graph-path", str(tmp_path)])
    output = ended(scheduler)
    time.sleep(0.1)

    (skill,) = state_of(tmp_path)["skills"]
    if skill["status"] != "completed":  # it may just have learned it
        assert "stopped; 1 waiting" in output or "stopped; 1 ready" in output
        assert skill["jobs"][0]["how"] == "stopped"
        ended(start(tmp_path))
    (skill,) = state_of(tmp_path)["skills"]
    assert (skill["status"], skill["attempts"]) == ("completed", 1)
