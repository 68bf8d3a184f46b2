"""`gamefleet check` on this machine: which checks there are, what a glance leaves out, what it says of bad data."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gamefleet.cluster.checks.nodes import Wanted, check_nodes, node_checks, options
from gamefleet.cluster.checks.programs import Completed
from gamefleet.cluster.jobs import Resources
from gamefleet.cluster.launch_resources import LaunchSize
from gamefleet.cluster.profile import ClusterProfile
from gamefleet.files import write_json
from gamefleet.runs.events import EventWriter
from gamefleet.runs.paths import RunPaths
from gamefleet.topologies.recorded.check import check_data, check_ranks, check_tiny_run, difference

Call = Callable[..., Any]


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/nonexistent")
    return tmp_path


def test_a_glance_looks_at_the_data_and_leaves_out_what_takes_minutes(gamefleet: Call) -> None:
    said = gamefleet("check", "--json", "--only", "recorded", "--only", "nodes", "--only", "packages")
    found = {check["name"]: check for check in json.loads(said.out)["checks"]}

    assert said.status == 0, said.out
    assert found["data"]["status"] == "ok"
    assert "come with showdown" in found["data"]["found"]
    for name in ("all-reduce", "train-and-resume"):
        assert found[name]["status"] == "skipped"
        assert "--comprehensive" in found[name]["found"]
    assert found["nodes"]["status"] == found["nodes-trial-job"]["status"] == "skipped", "there is no cluster here"


def test_a_data_folder_without_parsed_battles_is_a_failure_with_what_mends_it(gamefleet: Call, nowhere: Path) -> None:
    said = gamefleet("check", "--only", "data", "--data-dir", nowhere)

    assert said.status == 1
    assert "FAIL  data" in said.out
    assert "replays parse" in said.out


def test_all_records_that_come_with_the_game_can_be_read() -> None:
    result = check_data("showdown", "", "whole")

    assert result.status == "ok"
    assert max(int(word) for word in result.found.split() if word.isdigit()) > 100


def test_a_game_that_is_learned_by_playing_has_no_data_to_check() -> None:
    assert check_data("hanabi", "", "glance").status == "skipped"


@pytest.mark.long
def test_ranks_on_this_machine_agree() -> None:
    result = check_ranks("showdown", 2)

    assert result.status == "ok", result.found
    assert "2 ranks agree" in result.found


@pytest.mark.long
def test_a_tiny_run_saves_and_goes_on(nowhere: Path) -> None:
    result = check_tiny_run("showdown", nowhere)

    assert result.status == "ok", result.found
    assert list(nowhere.iterdir()) == [], "nothing is left behind"


def test_a_run_that_did_not_go_on_where_it_stopped_is_found_out(nowhere: Path) -> None:
    write_json(nowhere / "state.json", {"step": 5, "status": "finished"})
    with EventWriter(RunPaths(nowhere).events("train"), attempt=2) as events:
        events.write("attempt_started", step=0, resumed_step=-1)

    assert difference(nowhere, nowhere) == "began at step -1 and not at 3"


WANTED = Wanted(
    size=LaunchSize(nodes=2, gpus_per_node=4, time_s=3600), profile=ClusterProfile(), environment={"PATH": ""}
)


def test_without_slurm_nodes_are_not_looked_at() -> None:
    assert check_nodes(WANTED).status == "skipped"


def test_the_trial_asks_for_all_nodes_at_once() -> None:
    asked = Resources(nodes=2, tasks_per_node=4, gpus=4, cpus=8, partition="gpu", exclusive=True, time_limit_s=3600)

    words = set(options(asked))

    assert {"--nodes=2", "--ntasks-per-node=4", "--gpus-per-node=4", "--time=60", "--exclusive"} < words


def test_the_trial_is_not_made_where_there_are_no_such_nodes() -> None:
    checks = {
        check.name: check
        for check in node_checks(WANTED, lambda command, timeout_s: Completed(status=0, out="", err=""))
    }

    assert checks["nodes-trial-job"].needs == ("nodes",)
    assert checks["nodes"].needs == ("slurm-answers",)
