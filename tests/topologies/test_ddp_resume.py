"""Several ranks learn as one: exactly, whenever they are cut, and alike whatever their number."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.topologies.ddp_processes import start_ranks
from tests.waiting import PATIENCE_S

from gamefleet.runs.checkpoint_reading import Checkpoint, find_checkpoint, open_checkpoint
from gamefleet.runs.events import read_events
from gamefleet.runs.metrics import read_metrics
from gamefleet.runs.paths import RunPaths


def carry_out(runs: list[dict[str, Any]], world: int) -> list[list[Any]]:
    """All ranks' accounts of all runs."""
    ranks = start_ranks(runs, world)
    try:
        answers = [process.communicate(timeout=PATIENCE_S) for process in ranks]
    finally:
        for process in ranks:
            process.kill()
            process.communicate()
    assert [process.returncode for process in ranks] == [0] * world, "\n".join(errors for _, errors in answers)
    return [json.loads(line) for out, _ in answers for line in out.splitlines()]


def last_checkpoint(folder: Path, name: str) -> Checkpoint:
    return open_checkpoint(find_checkpoint(folder / name))


def weights(folder: Path, name: str) -> dict[str, Any]:
    return {part: last_checkpoint(folder, name).part(part) for part in ("model", "optimizer")}


def assert_equal(left: dict[str, Any], right: dict[str, Any], *, tolerance: float) -> None:
    for part in left:
        assert left[part].keys() == right[part].keys()
        for name, array in left[part].items():
            np.testing.assert_allclose(right[part][name], array, rtol=0, atol=tolerance, err_msg=f"{part}: {name}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run folders of two ranks: one whole, one cut by rank 1 and resumed, one in smaller micro-batches; and of one."""
    folder = tmp_path_factory.mktemp("runs")

    def run(name: str, **more: Any) -> dict[str, Any]:
        settings = {"run": {"name": name, "runs_folder": str(folder)}, **more.pop("settings", {})}
        return {"settings": settings, **more}

    two = [
        run("whole"),
        run("cut", stops=[1, 9]),
        run("resumed", copy=str(folder / "cut"), start="resume"),
        run("small", settings={"trainer": {"batch_size_per_gpu": 32, "global_batch_size": 128}}),
    ]
    (folder / "accounts.json").write_text(json.dumps(carry_out(two, 2)))
    carry_out([run("alone", copy=str(folder / "cut"), start="resume")], 1)
    return folder


def test_ranks_agree_on_where_to_stop_when_one_of_them_has_to(folder: Path) -> None:
    accounts = json.loads((folder / "accounts.json").read_text())

    ends = {(rank, step): reason for rank, status, step, reason in accounts if status == "stopped"}
    assert [step for _, step in ends] == [8, 8]
    assert "max_runtime" in ends[1, 8]
    assert ends[0, 8] == "another rank has to stop"


def test_a_run_that_was_cut_and_resumed_is_bit_equal_to_one_that_was_not(folder: Path) -> None:
    assert last_checkpoint(folder, "cut").step == 8
    assert_equal(weights(folder, "whole"), weights(folder, "resumed"), tolerance=0)
    assert last_checkpoint(folder, "whole").part("trainer") == last_checkpoint(folder, "resumed").part("trainer")


def test_another_number_of_ranks_goes_on_with_the_same_batches_to_the_same_weights(folder: Path) -> None:
    alone = last_checkpoint(folder, "alone")

    assert alone.part("trainer") == last_checkpoint(folder, "whole").part("trainer")
    assert_equal(weights(folder, "whole"), weights(folder, "alone"), tolerance=1e-4)
    rows = read_metrics(RunPaths(folder / "alone").metrics("train")).rows
    assert [(row.step, row.values["run/ranks"]) for row in rows][-1] == (24, 1.0)


def test_micro_batches_change_nothing_but_rounding(folder: Path) -> None:
    assert_equal(weights(folder, "whole"), weights(folder, "small"), tolerance=1e-4)


def test_rows_and_events_tell_of_the_whole_run(folder: Path) -> None:
    paths = RunPaths(folder / "resumed")
    rows = read_metrics(paths.metrics("train")).rows

    assert [row.step for row in rows] == [8, 12, 16, 24]
    assert "evaluation/policy_loss" in rows[1].values
    assert rows[-1].values["run/decisions"] == last_checkpoint(folder, "resumed").part("trainer")["decisions"]
    kinds = [row["kind"] for row in read_events(paths.events("train")).rows]
    attempt = ["attempt_started", "training_began", "checkpoint_saved", "attempt_ended"]
    assert [kind for kind in kinds if kind != "settings_changed"] == attempt * 2
    assert json.loads(paths.state.read_text())["status"] == "finished"
