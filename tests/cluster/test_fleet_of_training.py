"""A real training run that is carried by a chain of jobs ends in the very weights of one that was never cut."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import until

from gamefleet.cluster.fleet_paths import FleetPaths
from gamefleet.cluster.store import ENDINGS
from gamefleet.files import digest

GAMEFLEET = (sys.executable, "-m", "gamefleet.cli.main")
TOTAL_STEPS = 6_000
LIMIT_S = 40
PACE = TOTAL_STEPS // (LIMIT_S + 10)
"""Steps per second at most: no machine is so fast that one job of this limit could do them all."""


def gamefleet(*words: str, folder: Path) -> str:
    done = subprocess.run([*GAMEFLEET, *words], cwd=folder, capture_output=True, text=True, timeout=300)
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
def test_a_run_carried_by_local_jobs_equals_one_that_was_never_cut(repository: Path, tmp_path: Path) -> None:
    config = str(repository / "configs" / "smoke.toml")
    steps = ("--set", f"run.total_steps={TOTAL_STEPS}")
    gamefleet("train", "pokemon_red", "--config", config, "--run", "whole", "--no-video", *steps, folder=tmp_path)
    steps = (*steps, "--set", f"actors.max_steps_per_s={PACE}")
    gamefleet(
        *("fleet", "start", "--config", config, "--run", "carried", "--executor", "local"),
        *("--time-limit", f"0:00:{LIMIT_S}"),
        *("--gpus", "0", "--cpus", "2", "--notify", "echo $GAMEFLEET_EVENT $GAMEFLEET_MEMBER >> notices", *steps),
        folder=tmp_path,
    )

    # The mark is waited for: asking for the status again and again takes a core that the run needs.
    paths = FleetPaths(tmp_path / "runs" / "carried").chain("m0")
    until(lambda: any(paths.mark(kind).exists() for kind in ENDINGS), "the end of the chain")
    chain = only_chain(tmp_path)
    assert chain["state"] == "done", chain
    handovers = [row["handover"] for row in chain["legs"][:-1]]
    assert len(handovers) >= 1
    assert [handover["lost_steps"] for handover in handovers] == [0] * len(handovers)
    assert final_weights(tmp_path / "runs" / "carried") == final_weights(tmp_path / "runs" / "whole")
    until((tmp_path / "notices").exists, "the notice, which follows the mark")
    assert (tmp_path / "notices").read_text().split() == ["done", "m0"]
