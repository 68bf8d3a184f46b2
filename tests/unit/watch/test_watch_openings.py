"""An attempt that begins between a look and a read takes back what it takes back."""

from pathlib import Path

import pytest

from gamefleet.runs.metrics import MetricsWriter, read_metrics
from gamefleet.runs.paths import RunPaths
from gamefleet.watch.run_view import RunView


@pytest.mark.parametrize("num_rows", [0, 1, 50])
def test_rows_that_were_read_while_a_new_attempt_began_do_not_count(tmp_path: Path, num_rows: int) -> None:
    paths = RunPaths(tmp_path / "red1")
    with MetricsWriter(paths.metrics("train"), attempt=1) as first:
        first.write(400, {"learner/loss": 7.0})
    view = RunView("red1", paths)
    view.look()
    with MetricsWriter(paths.metrics("train"), attempt=2) as second:
        for step in range(num_rows):
            second.write(step, {"learner/loss": 1.0})
        while view.read_on():
            pass
        second.write(90, {"learner/loss": 1.0})
    for _ in range(2):
        view.look()
        while view.read_on():
            pass

    assert view.metrics.curves["learner/loss"].num_points == num_rows + 1
    assert len(read_metrics(paths.metrics("train")).rows) == num_rows + 1
