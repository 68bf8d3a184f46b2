"""docs/metrics.md explains every metric and event that a run writes, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gamefleet.learners.metrics import METRICS as LEARNER_METRICS
from gamefleet.learners.sequence_metrics import METRICS as SEQUENCE_METRICS
from gamefleet.runs.events import EVENTS
from gamefleet.topologies.job_graph.metrics import METRICS as SKILL_METRICS
from gamefleet.topologies.job_graph.news import EVENTS as GRAPH_EVENTS
from gamefleet.topologies.report import METRICS as RUN_METRICS
from gamefleet.topologies.sequence.speed import METRICS as TRAINER_METRICS

METRICS = {**LEARNER_METRICS, **RUN_METRICS, **SEQUENCE_METRICS, **TRAINER_METRICS, **SKILL_METRICS}


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs" / "metrics.md").read_text()


@pytest.fixture(scope="module")
def rows(page: str) -> dict[str, list[str]]:
    """Metric -> unit, formula, healthy range."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line[:3] == "| `"]
    return {name.strip("`"): rest for name, *rest in cells if "/" in name}


def test_every_metric_is_explained_once_and_no_other(page: str, rows: dict[str, list[str]]) -> None:
    assert sorted(rows) == sorted(METRICS)
    assert all(page.count(f"\n| `{name}` |") == 1 for name in METRICS)


def test_units_are_those_of_the_code(rows: dict[str, list[str]]) -> None:
    assert {name: row[0] for name, row in rows.items()} == {name: unit for name, (unit, _) in METRICS.items()}


def test_every_metric_has_a_formula_and_a_healthy_range(rows: dict[str, list[str]]) -> None:
    assert [name for name, row in rows.items() if len(row) != 3 or not all(row)] == []


def test_metrics_are_grouped_by_the_first_word_of_their_name() -> None:
    assert all(re.fullmatch(r"[a-z]+/[a-z_<>]+", name) for name in METRICS)


def test_every_event_is_explained(page: str) -> None:
    section = page.partition("## Events")[2]

    assert dict(re.findall(r"^\| `([a-z_]+)` \| (.+) \|$", section, re.MULTILINE)) == {**EVENTS, **GRAPH_EVENTS}
