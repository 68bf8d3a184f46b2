"""A real training run that is carried by a chain of jobs ends in the very weights of one that was never cut."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from gamefleet.files import digest

GAMEFLEET = (sys.executable, "-m", "gamefleet.cli.main")
TOTAL_STEPS = 6_000


def gamefleet(*words: str, folder: Path) -> str:
    done = subprocess.run([*GAMEFLEET, *words], cwd=folder, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


def only_chain(folder: Path) -> dict[str, Any]:
    [chain] = json.loads(gamefleet("fleet", "status", "--json", folder=folder))["chains"]
    found: dict[str, Any] = chain
    return found


def final_weights(run: Path) -> dict[str, str]:
    checkpoint = max((run / "checkpoints").glob("step-*"))
    assert int(checkpoint.name.removeprefix("step-")) >= TOTAL_STEPS
    return {name: digest(checkpoint / f"{name}.safetensors") for name in ("model", "optimizer", "actor")}


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_run_carried_by_local_jobs_equals_one_that_was_never_cut(repository: Path, tmp_path: Path) -> None:
    config = str(repository / "configs" / "smoke.toml")
    steps = ("--set", f"run.total_steps={TOTAL_STEPS}")
    gamefleet(
        *("fleet", "start", "--config", config, "--run", "carried", "--executor", "local", "--time-limit", "0:00:20"),
        *("--gpus", "0", "--cpus", "2", "--notify", "echo $GAMEFLEET_EVENT $GAMEFLEET_MEMBER >> notices", *steps),
        folder=tmp_path,
    )

    give_up_at = time.monotonic() + 420
    while (chain := only_chain(tmp_path))["state"] != "done":
        assert time.monotonic() < give_up_at, chain
        time.sleep(2)

    handovers = [row["handover"] for row in chain["legs"][:-1]]
    assert len(handovers) >= 1
    assert [handover["lost_steps"] for handover in handovers] == [0] * len(handovers)
    gamefleet("train", "pokemon_red", "--config", config, "--run", "whole", "--no-video", *steps, folder=tmp_path)
    assert final_weights(tmp_path / "runs" / "carried") == final_weights(tmp_path / "runs" / "whole")
    assert (tmp_path / "notices").read_text().split() == ["done", "m0"]
