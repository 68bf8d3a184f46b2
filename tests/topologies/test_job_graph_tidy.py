"""What of a skill's training stays once it is merged: the skill's own folder, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.topologies.graph_cases import JobsHere, schedule, statuses

from gamefleet.cluster.jobs import JobRequest
from gamefleet.topologies.job_graph import merging

WOOD = "training_runs/skill_0_Collect_Wood"
KEPT = {"skill.json", "result.json", "frontier.safetensors", "0.py", "expert_0_policy"}


@dataclass(slots=True)
class Looking(JobsHere):
    """Sees which trainings there are when a job is handed over."""

    trainings: list[list[str]] = field(default_factory=list)
    kept: list[set[str]] = field(default_factory=list)

    def submit(self, request: JobRequest) -> str:
        self.trainings.append(sorted(path.name for path in self.root.glob("training_runs/*")))
        self.kept.append({path.name for path in self.root.glob("skills/0_*/*")})
        return JobsHere.submit(self, request)


def test_the_training_of_a_completed_skill_is_gone_before_the_next_one_starts(tmp_path: Path) -> None:
    jobs = Looking(tmp_path)

    schedule(tmp_path, jobs, asked={"max_nodes": 2})

    assert jobs.trainings == [["skill_0_Collect_Wood"], ["skill_1_Place_Table"]]
    assert jobs.kept[1] >= KEPT, "and all that is kept is with the skill"


def test_what_cannot_be_removed_now_goes_the_next_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(folder: Path) -> None:
        folder.rename(folder.with_name(f"{merging.TEMPORARY_PREFIX}{folder.name}"))
        raise OSError("device or resource busy")

    schedule(tmp_path, JobsHere(tmp_path), asked={"max_nodes": 1})
    (tmp_path / WOOD / "output").mkdir(parents=True)
    with monkeypatch.context() as patched:
        patched.setattr(merging, "remove_folder", busy)
        patched.setattr(merging.shutil, "rmtree", lambda folder, ignore_errors: None)
        schedule(tmp_path, JobsHere(tmp_path), asked={"max_nodes": 1})
    assert len(list((tmp_path / "training_runs").iterdir())) == 1

    schedule(tmp_path, JobsHere(tmp_path), asked={"max_nodes": 1})

    assert list((tmp_path / "training_runs").iterdir()) == []
    assert statuses(tmp_path) == {"Collect_Wood": "completed"}
