"""A scheduler of skills that dies at every step it takes: nothing is lost, nothing is trained twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.topologies.graph_cases import JobsHere, schedule, state_of, statuses

from gamefleet.errors import RunFolderError
from gamefleet.testing.scripted_slurm import KilledError
from gamefleet.topologies.job_graph.paths import GraphPaths
from gamefleet.weights.experts import ExpertStore

SKILLS = ("Collect_Wood", "Place_Table", "Make_Wood_Pickaxe")


@pytest.fixture(scope="module")
def uncut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A graph that was trained one skill after the other, by one scheduler."""
    root = tmp_path_factory.mktemp("uncut")
    schedule(root, JobsHere(root), asked={"max_parallel_skills": 1})
    return root


def test_a_scheduler_that_dies_at_every_single_step_gets_to_the_same_end(uncut: Path, tmp_path: Path) -> None:
    jobs, deaths, outcome = JobsHere(tmp_path), 0, ""
    while not outcome:
        try:
            outcome = schedule(tmp_path, jobs, dies_after=deaths)
        except KilledError:
            deaths += 1
            assert deaths < 200, "it does not get on"

    assert outcome == "3 completed; 3 skills were wanted"
    assert deaths > 8, "each time it gets one step further than the time before"
    assert jobs.trained == [(name, 1) for name in SKILLS], "each once"
    assert ExpertStore(tmp_path).latest().contents == ExpertStore(uncut).latest().contents
    assert ExpertStore(tmp_path).damage() == ()


def test_the_folder_is_the_one_of_the_guide(uncut: Path) -> None:
    names = {path.relative_to(uncut).as_posix() for path in uncut.rglob("*") if path.is_file()}

    for index, name in enumerate(SKILLS):
        folder = f"skills/{index}_{name}"
        kept = ("skill.json", "result.json", "frontier.safetensors", f"{index}.py", "training.log")
        expected = {f"{folder}/{file}" for file in kept if file != "training.log"}
        assert names >= expected | {f"{folder}/expert_{index}_policy/params.safetensors"}
    assert names >= {"scheduler_state.json", "checkpoints/global_latest.json", "events/scheduler.jsonl"}
    assert [name for name in names if name.startswith("training_runs/")] == [], "only while something trains"
    assert "GLOBAL_TO_LOCAL = {0: 0, 1: 1, 2: 2}" in (uncut / "skills/2_Make_Wood_Pickaxe/2.py").read_text()


def test_going_on_with_a_finished_graph_trains_nothing_again_and_more_where_more_are_wanted(uncut: Path) -> None:
    jobs = JobsHere(uncut)

    assert schedule(uncut, jobs) == "3 completed; 3 skills were wanted"
    assert jobs.trained == []
    assert schedule(uncut, jobs, asked={"max_nodes": 4}) == "4 completed; 4 skills were wanted"
    assert jobs.trained == [("Make_Wood_Sword", 1)]


def test_what_the_state_tells_is_what_pages_and_people_read(uncut: Path) -> None:
    state = state_of(uncut)

    assert (state["version"], state["state"], state["frontier"]["state"]) == (1, "done", "full")
    wood = state["skills"][0]
    assert (wood["skill_name"], wood["status"], wood["index"], wood["attempts"]) == ("Collect_Wood", "completed", 0, 1)
    assert wood["success_rate"] >= wood["lower_bound"] >= 0.9
    assert wood["verdict"]["accepted"] is True
    assert wood["failure"] is None
    assert state["skills"][1]["dependencies"] == ["Collect_Wood"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 99}'])
def test_a_state_that_cannot_be_read_is_refused_and_left_alone(text: str, tmp_path: Path) -> None:
    path = GraphPaths(tmp_path).state
    path.write_text(text)

    with pytest.raises(RunFolderError, match="scheduler state"):
        schedule(tmp_path, JobsHere(tmp_path))

    assert path.read_text() == text


def test_a_damaged_expert_is_trained_again_and_what_was_saved_of_the_first_try_is_set_aside(tmp_path: Path) -> None:
    class Damaging(JobsHere):
        def submit(self, request: object) -> str:
            job = super().submit(request)  # type: ignore[arg-type]
            if len(self.trained) == 1:
                (path,) = self.root.glob("training_runs/*/expert.safetensors")
                path.write_bytes(path.read_bytes()[:-100])
            return job

    jobs = Damaging(tmp_path)
    outcome = schedule(tmp_path, jobs, asked={"max_nodes": 1})

    assert outcome.startswith("1 completed")
    assert [attempt for _, attempt in jobs.trained] == [1, 2]
    assert state_of(tmp_path)["skills"][0]["jobs"][0]["how"] == "damaged"


def test_a_skill_that_nobody_can_learn_fails_blocks_what_needs_it_and_the_run_ends(tmp_path: Path) -> None:
    jobs = JobsHere(tmp_path)

    schedule(tmp_path, jobs, asked={"total_timesteps": 100, "max_retries": 1, "max_waiting_skills": 2, "max_nodes": 2})

    assert set(statuses(tmp_path).values()) == {"failed", "blocked"}
    first = state_of(tmp_path)["skills"][0]
    assert first["failure"]["kind"] == "did_not_learn"
    assert [attempt for name, attempt in jobs.trained if name == first["skill_name"]] == [1, 2]
    folder = tmp_path / "training_runs" / f"skill_0_{first['skill_name']}"
    assert json.loads((folder / "result.json").read_text())["attempt"] == 2
    assert json.loads((folder / "attempt-1/result.json").read_text())["attempt"] == 1
