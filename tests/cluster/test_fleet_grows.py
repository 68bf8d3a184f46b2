"""A run that has finished goes on when more steps are asked for."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.waiting import until

from gamefleet.cluster.fleet_paths import FleetPaths
from gamefleet.cluster.store import ENDINGS


@pytest.mark.long
def test_a_finished_run_goes_on_when_more_steps_are_asked_for(repository: Path, tmp_path: Path) -> None:
    def fleet(*words: str) -> str:
        command = [sys.executable, "-m", "gamefleet.cli.main", "fleet", *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def carry(steps: int) -> int:
        config = str(repository / "configs" / "smoke.toml")
        words = ("--run", "a", "--executor", "local", "--gpus", "0", "--set", f"run.total_steps={steps}")
        fleet("start", "--config", config, *words)
        # The mark is waited for: asking for the status again and again takes a core that the run needs.
        paths = FleetPaths(tmp_path / "runs" / "a").chain("m0")
        until(lambda: any(paths.mark(kind).exists() for kind in ENDINGS), "the end of the chain")
        chain = json.loads(fleet("status", "--json"))["chains"][0]
        assert chain["state"] == "done", chain
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
