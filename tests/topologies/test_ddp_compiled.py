"""Compiled blocks learn what plain ones do, and their checkpoints are the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.topologies.test_ddp_resume import assert_equal, carry_out, weights

from gamefleet.runs.metrics import read_metrics
from gamefleet.runs.paths import RunPaths

pytestmark = pytest.mark.long

STEPS = 6


def learned(folder: Path, name: str) -> dict[tuple[int, str], float]:
    rows = read_metrics(RunPaths(folder / name).metrics("train")).rows
    return {(row.step, key): row.values[key] for row in rows for key in ("policy/loss", "value/loss")}


def test_compiled_blocks_learn_like_plain_ones(
    require_program: Callable[[str, str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_program("g++", "apt-get install g++")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCHINDUCTOR_COMPILE_THREADS", "1")  # a pool of processes costs more than it saves here

    def run(name: str, compile_setting: str) -> dict[str, Any]:
        named = {"name": name, "runs_folder": str(tmp_path), "total_steps": STEPS, "metrics_interval_steps": 2}
        # Micro-batches of two rows for a step of three: one of them has an empty row, in the same form.
        trainer = {"compile": compile_setting, "batch_size_per_gpu": 64, "global_batch_size": 96}
        return {"settings": {"run": named, "trainer": trainer, "evaluation": {"interval_steps": 0}}}

    carry_out([run("plain", "off"), run("compiled", "on")], 1)

    assert list((tmp_path / "cache").rglob("*.cpp")), "something was compiled"
    assert learned(tmp_path, "compiled") == pytest.approx(learned(tmp_path, "plain"), rel=1e-3, abs=1e-4)
    assert len(learned(tmp_path, "plain")) == 2 * STEPS // 2
    assert_equal(weights(tmp_path, "plain"), weights(tmp_path, "compiled"), tolerance=1e-4)
