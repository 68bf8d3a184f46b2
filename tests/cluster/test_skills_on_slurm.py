"""A graph of skills whose jobs are those of SLURM: one that is cancelled goes on in the next."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.topologies.graph_cases import FIRST, start, state_of, statuses
from tests.waiting import until

from gamefleet.testing.local_slurm import LocalSlurm


@pytest.mark.long
def test_skills_train_as_jobs_of_slurm_and_one_that_is_cancelled_goes_on(
    slurm: LocalSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_CONF", slurm.environment["SLURM_CONF"])
    profile = tmp_path / "cluster.toml"
    profile.write_text('memory = "2G"\nsetup = ["export SAID_BY_PROFILE=yes"]\n')
    more = ("--executor", "slurm", "--time_limit", "0:10:00", "--max_nodes", "2", "--cpus", "1")
    more += ("--gpus", "1", "--gpu_memory_gb", "5", "--sbatch=--exclude=n4", "--profile", str(profile))
    scheduler = start(tmp_path, *FIRST, *more)
    checkpoints = "training_runs/*/checkpoint.safetensors"
    until(lambda: list(tmp_path.glob(checkpoints)) or scheduler.poll() is not None, "a checkpoint is there")
    (job,) = slurm.run("squeue", "-h", "-o", "%i %j").splitlines() or ["0 none"]
    number, name = job.split()
    granted = slurm.run("scontrol", "show", "job", number)
    slurm.run("scancel", number)
    output, _ = scheduler.communicate(timeout=300)

    assert scheduler.returncode == 0, output
    assert name.startswith("gamefleet_e0_"), name
    assert set(statuses(tmp_path).values()) == {"completed"}, output
    first = state_of(tmp_path)["skills"][0]
    assert first["attempts"] == 1
    assert first["jobs"][0]["id"] == number
    assert [each["how"] for each in first["jobs"]] in (["stopped", "succeeded"], ["cancelled", "succeeded"])
    for text in ("MinMemoryNode=2G", "ExcNodeList=n4", "gpumem:5G"):
        assert text in granted
    (script, *_) = (tmp_path / "scripts").iterdir()
    assert "export SAID_BY_PROFILE=yes" in script.read_text().splitlines()
