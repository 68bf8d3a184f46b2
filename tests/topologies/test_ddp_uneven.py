"""Numbers of ranks that cannot share a step's rows equally learn the same from the same, also when a run changes them.

A step is four rows, of which one of three ranks takes two; in micro-batches of one row, some of which are empty; or two
rows, of which one of three ranks takes none.
"""

from pathlib import Path
from typing import Any

import pytest
from tests.topologies.test_ddp_resume import assert_equal, carry_out, last_checkpoint, weights

from gamefleet.runs.metrics import read_metrics
from gamefleet.runs.paths import RunPaths

pytestmark = pytest.mark.long

LEARNED = ("policy/loss", "value/loss", "evaluation/policy_loss", "evaluation/value_loss", "run/decisions")
STEPS, ROW_STEPS, EVALUATION_STEPS = 12, 2, 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of 12 steps on one rank and on three, and one on 1, then 3, then 2 ranks."""
    folder = tmp_path_factory.mktemp("runs")

    def run(name: str, rows: int = 4, *, most: int = 4, until: int = STEPS, **more: Any) -> dict[str, Any]:
        named = {"name": name, "runs_folder": str(folder), "total_steps": until, "metrics_interval_steps": ROW_STEPS}
        trainer = {"batch_size_per_gpu": 32 * most, "global_batch_size": 32 * rows}
        constant = {"schedule": "constant"}  # where a leg ends changes no learning rate
        measured = {"interval_steps": EVALUATION_STEPS}
        return {"settings": {"run": named, "trainer": trainer, "learner": constant, "evaluation": measured}, **more}

    carry_out([run("one"), run("one-of-few", 2), run("relay", until=4)], 1)
    second = run("relay", until=8, start="resume")
    carry_out([run("three"), run("three-of-few", 2), run("three-in-parts", most=1), second], 3)
    carry_out([run("relay", start="resume")], 2)
    return folder


def learned(folder: Path, name: str) -> dict[tuple[int, str], float]:
    rows = read_metrics(RunPaths(folder / name).metrics("train")).rows
    return {(row.step, key): row.values[key] for row in rows for key in LEARNED if key in row.values}


@pytest.mark.parametrize(
    ("name", "alone"),
    [("three", "one"), ("three-of-few", "one-of-few"), ("three-in-parts", "one"), ("relay", "one")],
)
def test_any_number_of_ranks_learns_the_same_from_the_same_decisions(folder: Path, name: str, alone: str) -> None:
    expected, found = learned(folder, alone), learned(folder, name)

    assert len(expected) == 3 * STEPS // ROW_STEPS + 2 * STEPS // EVALUATION_STEPS
    assert {key: found[key] for key in expected} == pytest.approx(expected, rel=0, abs=1e-5)
    assert last_checkpoint(folder, name).part("trainer") == last_checkpoint(folder, alone).part("trainer")
    assert_equal(weights(folder, alone), weights(folder, name), tolerance=1e-4)


def test_a_run_tells_how_many_ranks_it_had_at_each_time(folder: Path) -> None:
    rows = read_metrics(RunPaths(folder / "relay").metrics("train")).rows

    assert {row.step: row.values["run/ranks"] for row in rows} == {
        **dict.fromkeys((2, 4), 1.0),
        **dict.fromkeys((6, 8), 3.0),
        **dict.fromkeys((10, 12), 2.0),
    }
