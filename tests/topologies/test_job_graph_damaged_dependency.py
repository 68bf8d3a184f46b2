"""Files of completed skills are damaged: the file is named, nothing is burnt, and a retry mends it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.topologies.graph_cases import JobsHere, schedule, state_of, statuses

from gamefleet.errors import CorruptCheckpointError
from gamefleet.testing.crafting_play import read_arrays
from gamefleet.topologies.job_graph.paths import GraphPaths
from gamefleet.topologies.job_graph.requests import ask_to_retry
from gamefleet.weights.experts import ExpertStore

FRONTIER = "skills/1_Place_Table/frontier.safetensors"
EXPERT = "skills/1_Place_Table/expert_1_policy/params.safetensors"


@pytest.fixture(scope="module")
def two_skills(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A graph with two completed skills."""
    root = tmp_path_factory.mktemp("two") / "graph"
    schedule(root, JobsHere(root), asked={"max_nodes": 2})
    return root


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:300])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def all_cut(path: Path) -> None:
    """The copy under the fixed name, and the file from which a scheduler would mend it."""
    for one in path.parent.iterdir():
        cut(one)


def all_gone(path: Path) -> None:
    for one in path.parent.iterdir():
        one.unlink()


@pytest.mark.parametrize(
    ("file", "damage"),
    [(FRONTIER, cut), (FRONTIER, flip), (FRONTIER, Path.unlink), (EXPERT, all_cut), (EXPERT, all_gone)],
)
def test_the_damaged_file_is_named_and_nothing_is_burnt(
    two_skills: Path, tmp_path: Path, file: str, damage: Callable[[Path], None]
) -> None:
    root = tmp_path / "graph"
    shutil.copytree(two_skills, root)
    damage(root / file)
    jobs = JobsHere(root)

    outcome = schedule(root, jobs, asked={"max_nodes": 6})

    assert "files of Place_Table are damaged" in outcome
    assert statuses(root)["Place_Table"] == "failed"
    assert [name for name, _ in jobs.trained].count("Make_Wood_Pickaxe") == 1, "it has looked, once"
    assert not any("_2" in name for name in statuses(root)), "nothing easier is proposed"
    table, pickaxe = state_of(root)["skills"][1:3]
    assert str(root / file) in table["reason"]
    assert table["reason"].endswith("gamefleet skills retry Place_Table")
    assert (pickaxe["status"], pickaxe["reason"]) == ("blocked", "it needs Place_Table (failed)")
    assert pickaxe["spent"] == {}


def test_a_retry_trains_the_damaged_skill_anew_and_the_graph_goes_on(two_skills: Path, tmp_path: Path) -> None:
    root = tmp_path / "graph"
    shutil.copytree(two_skills, root)
    cut(root / FRONTIER)
    all_cut(root / EXPERT)
    schedule(root, JobsHere(root), asked={"max_nodes": 3})
    ask_to_retry(GraphPaths(root), "Place_Table")
    jobs = JobsHere(root)

    outcome = schedule(root, jobs)

    assert outcome == "3 completed; 3 skills were wanted"
    assert jobs.trained == [("Place_Table", 2), ("Make_Wood_Pickaxe", 2)]
    assert ExpertStore(root).damage() == ()
    assert ExpertStore(root).latest().experts[1].facts.attempt == 2


def test_the_toy_worlds_reader_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "frontier.safetensors"
    path.write_bytes(b"nothing of the kind")

    with pytest.raises(CorruptCheckpointError, match=str(path)):
        read_arrays(path)
