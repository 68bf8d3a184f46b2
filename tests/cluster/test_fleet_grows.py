"""A run that has finished goes on when more steps are asked for."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest


@pytest.mark.long
def test_a_finished_run_goes_on_when_more_steps_are_asked_for(repository: Path, tmp_path: Path) -> None:
    def fleet(*words: str) -> str:
        command = [sys.executable, "-m", "gamefleet.cli.main", "fleet", *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def carry(steps: int) -> int:
        config = str(repository / "configs" / "smoke.toml")
        words = ("--run", "a", "--executor", "local", "--gpus", "0", "--set", f"run.total_steps={steps}")
        fleet("start", "--config", config, *words)
        give_up_at = time.monotonic() + 120
        while (chain := json.loads(fleet("status", "--json"))["chains"][0])["state"] != "done":
            assert time.monotonic() < give_up_at, chain
            time.sleep(1)
        return int(chain["step"])

    assert 400 <= carry(400) < 800
    assert "done" in fleet(
        "start",
        "--config",
        str(repository / "configs" / "smoke.toml"),
        "--run",
        "a",
        "--executor",
        "local",
        "--gpus",
        "0",
        "--set",
        "run.total_steps=400",
    )
    assert carry(800) >= 800
