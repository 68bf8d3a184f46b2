"""Training as users start it under the real torchrun: in half precision, profiled, and resumed by one rank."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from tests.waiting import PATIENCE_S

from gamefleet.runs.metrics import read_metrics
from gamefleet.runs.paths import RunPaths

pytestmark = pytest.mark.long

TORCHRUN = ("torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "--")
"""Behind `--` torchrun leaves options alone; it would take `--run` for a short form of its own `--run-path`."""
PROGRAM = "gamefleet.cli.main"
WORDS = (
    "train",
    "showdown",
    "--mock-data",
    "--size=tiny",
    "--batch-size-per-gpu=64",
    "--eval-every=0",
    "--run=precise",
)
SETTINGS = ("data.mock_records=32", "data.workers=0", "learner.schedule=constant", "run.metrics_interval_steps=2")
PROFILED_STEPS, STEPS = 2, 6
"""Steps that are profiled come after four others."""


def trained(folder: Path, launcher: tuple[str, ...], *words: str, settings: tuple[str, ...]) -> str:
    """Train in a process of its own; what it said."""
    assigned = [word for setting in settings for word in ("--set", setting)]
    command = [sys.executable, "-P", "-m", *launcher, PROGRAM, *WORDS, *words, *assigned]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_torchrun_trains_in_bfloat16_with_a_profile_and_one_rank_goes_on_in_float16(tmp_path: Path) -> None:
    bfloat16 = (*SETTINGS, "trainer.precision=bfloat16", f"trainer.profile_steps={PROFILED_STEPS}")
    first = trained(tmp_path, TORCHRUN, "--max-steps", str(STEPS), settings=bfloat16)
    float16 = ("trainer.precision=float16", "trainer.profile_steps=0")
    second = trained(tmp_path, (), "--max-steps", str(STEPS + 2), "--resume", settings=float16)

    paths = RunPaths(tmp_path / "runs" / "precise")
    assert f"profile of {PROFILED_STEPS} steps: " in first
    (profile,) = paths.root.rglob("profile-step-*.json")
    names = {event.get("name", "") for event in json.loads(profile.read_text())["traceEvents"]}
    assert {f"ProfilerStep#{number}" for number in (4, 5)} <= names
    assert any("bmm" in name or "addmm" in name or name == "aten::mm" for name in names)
    assert f"resuming runs/precise at step {STEPS:,} with 1 ranks" in second
    assert "128 decisions per step = 1 ranks x 128 in 2 micro-batches of 64" in second
    rows = {row.step: row.values for row in read_metrics(paths.metrics("train")).rows}
    assert [rows[step]["run/ranks"] for step in (2, 4, 6, 8)] == [2.0, 2.0, 2.0, 1.0]
    assert [rows[step]["learner/loss_scale"] > 1 for step in (2, 4, 6, 8)] == [False, False, False, True]
    losses = [rows[step]["policy/loss"] for step in (2, 4, 6, 8)]
    assert all(map(math.isfinite, losses))
