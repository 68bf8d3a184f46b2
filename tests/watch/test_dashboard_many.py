"""Fifty members and two million lines of metrics stay usable: answers come while reading goes on, memory is bounded."""

import os
from pathlib import Path

import psutil
import pytest
from tests.waiting import until
from tests.watch.run_folders import Page, make_run, served

from gamefleet.runs.metrics import MetricsWriter

MEMBERS, LINES = 50, 40_000
GROWTH_BYTES = 120 << 20
"""Of the process, for 150 curves: 40 KB each, two pieces of a file, and what Python keeps."""


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    first = make_run(tmp_path / "m00", rows=1)
    path = first.metrics("train")
    path.unlink()
    with MetricsWriter(path, attempt=1):
        pass
    rows = (
        f'{{"attempt":1,"step":{10 * row},"time":{row}.5,"values":{{"start/return":{row % 977}.25,'
        f'"learner/loss":{1 / row:.9f},"speed/steps_per_s":{100 + row % 7}.0}}}}\n'
        for row in range(1, LINES + 1)
    )
    with open(path, "a") as stream:
        stream.writelines(rows)
    for number in range(1, MEMBERS):
        paths = make_run(tmp_path / f"m{number:02}", rows=1)
        paths.metrics("train").unlink()
        os.link(path, paths.metrics("train"))  # fifty files to read, one on the disk
    return tmp_path


@pytest.mark.long
def test_fifty_members_and_two_million_lines_are_shown_while_they_are_read_and_all_are_counted(fleet: Path) -> None:
    process = psutil.Process()
    before = process.memory_info().rss
    with served(fleet) as page:
        until(lambda: len(page.get("/api/runs")) == MEMBERS)
        until(lambda: all(row["step"] == 10 * LINES for row in page.get("/api/runs")))
        assert page.get("/api/metrics?run=m49")["reading"] < 1  # the newest numbers came long before the last line
        assert page.get("/api/now?run=m49")["values"]["speed/steps_per_s"] == 100 + LINES % 7

        until(lambda: all_read(page))
        assert sum(page.get(f"/api/metrics?run=m{number:02}")["rows"] for number in range(MEMBERS)) == MEMBERS * LINES
        runs = "&".join(f"run=m{number:02}" for number in range(MEMBERS))
        curves = page.get(f"/api/curves?{runs}&name=start/return&points=500")["curves"]
        assert len(curves) == MEMBERS
        for curve in curves:
            assert (max(curve["high"]), min(curve["low"]), curve["num_points"]) == (976.25, 0.25, LINES)
    assert process.memory_info().rss - before < GROWTH_BYTES


def all_read(page: Page) -> bool:
    return all(page.get(f"/api/metrics?run=m{number:02}")["reading"] == 1 for number in range(0, MEMBERS, 7)) and all(
        view.metrics.reading == 1 for view in page.answers.site.views
    )
