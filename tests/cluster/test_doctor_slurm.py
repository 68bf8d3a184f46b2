"""`gamefleet doctor --partition` against a real SLURM: sound, closed, drained, too small, silent, and through SSH."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests.waiting import until

from gamefleet.cluster.checks.base import Result, run_checks
from gamefleet.cluster.checks.programs import Programs
from gamefleet.cluster.checks.slurm import slurm_checks
from gamefleet.cluster.jobs import Resources
from gamefleet.testing.local_slurm import LocalSlurm
from gamefleet.testing.local_ssh import LocalSsh

DOCTOR = "import typer; from gamefleet.cli.doctor import doctor; typer.run(doctor)"
WANTED = Resources(partition="gpu-linuxlab", gres=("gpumem:20G",))
NAMES = ("slurm-programs", "slurm-answers", "slurm-partition", "slurm-limits", "slurm-trial-job")


def found_on(slurm: LocalSlurm, resources: Resources = WANTED) -> dict[str, Result]:
    with Programs(slurm.environment) as programs:
        return by_name(slurm_checks(resources, programs, place="this machine"))


def by_name(checks: list) -> dict[str, Result]:  # type: ignore[type-arg]
    return {check.name: result for check, result in run_checks(checks)}


def statuses(found: Mapping[str, Result]) -> list[str]:
    return [found[name].status for name in NAMES]


def test_a_sound_partition_passes_and_tells_its_limits(slurm: LocalSlurm) -> None:
    found = found_on(slurm)
    assert statuses(found) == ["ok", "ok", "ok", "skipped", "ok"]
    assert "4 of 4 nodes usable, 4 h, up to 8 CPUs, gpu:2, gpumem:80G" in found["slurm-partition"].found
    assert "a job of 4 h would be taken" in found["slurm-trial-job"].found
    assert slurm.run("squeue", "-h") == "", "nothing was submitted"


@pytest.mark.long
def test_limits_of_a_user_are_told_where_there_is_accounting(slurm_with_accounts: LocalSlurm) -> None:
    found = found_on(slurm_with_accounts)
    assert statuses(found) == ["ok"] * 5
    assert "4 running and 8 queued jobs per user" in found["slurm-limits"].found


def test_a_misspelt_partition_fails_with_the_nearest_name(slurm: LocalSlurm) -> None:
    found = found_on(slurm, Resources(partition="gpu-linuxlap"))
    assert statuses(found) == ["ok", "ok", "failed", "skipped", "skipped"]
    assert "Did you mean 'gpu-linuxlab'?" in found["slurm-partition"].remedy


def test_a_closed_partition_fails_although_slurm_would_take_the_job(slurm: LocalSlurm) -> None:
    slurm.run("scontrol", "update", "PartitionName=gpu-linuxlab", "State=DOWN")
    try:
        found = found_on(slurm)
    finally:
        slurm.run("scontrol", "update", "PartitionName=gpu-linuxlab", "State=UP")
    assert found["slurm-partition"].status == "failed"
    assert "gpu-linuxlab is closed" in found["slurm-partition"].found
    assert "sinfo -s" in found["slurm-partition"].remedy


def test_a_partition_of_drained_nodes_fails(slurm: LocalSlurm) -> None:
    slurm.run("scontrol", "update", "NodeName=n[1-4]", "State=DRAIN", "Reason=test")
    try:
        found = found_on(slurm)
    finally:
        slurm.run("scontrol", "update", "NodeName=n[1-4]", "State=UNDRAIN")
        until(lambda: set(slurm.run("sinfo", "-h", "-o", "%T").split()) == {"idle"}, "idle nodes")
    assert "no usable node (drained)" in found["slurm-partition"].found
    assert "sinfo -R" in found["slurm-partition"].remedy


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        (Resources(partition="gpu-linuxlab", time_limit_s=5 * 3600), "ends jobs after 4 h, and 5 h are asked for"),
        (Resources(partition="gpu-linuxlab", gres=("gpumem:90G",)), "gpumem:90G"),
        (Resources(partition="gpu-linuxlab", cpus=99), "99 CPUs"),
    ],
)
def test_a_job_that_could_never_start_fails(slurm: LocalSlurm, resources: Resources, words: str) -> None:
    result = found_on(slurm, resources)["slurm-partition"]
    assert result.status == "failed"
    assert words in result.found
    assert result.remedy


def test_a_job_of_ours_that_waits_for_ever_is_named(slurm: LocalSlurm) -> None:
    job = slurm.run("sbatch", "--parsable", "--hold", "--gres=gpu:1", "-p", "gpu-linuxlab", "--wrap=true")
    result = found_on(slurm)["slurm-answers"]
    slurm.run("scancel", job)
    assert result.status == "warning"
    assert f"job {job} is held" in result.found
    assert "scontrol release" in result.remedy


@pytest.mark.long
def test_a_controller_that_is_down_fails_with_how_to_see_it_come_back(slurm: LocalSlurm) -> None:
    slurm.stop_controller()
    try:
        found = found_on(slurm)
    finally:
        slurm.start_controller()
    assert statuses(found) == ["ok", "failed", "skipped", "skipped", "skipped"]
    assert "Unable to contact slurm controller" in found["slurm-answers"].found
    assert "scontrol ping" in found["slurm-answers"].remedy


def test_slurm_on_another_host_is_asked_through_ssh(
    slurm: LocalSlurm, tmp_path: Path, require_program: Callable[[str, str], str]
) -> None:
    require_program("ssh", "apt-get install openssh-client")
    folder = tmp_path / "ssh"
    folder.mkdir(mode=0o700)
    path = str(Path(str(shutil.which("sbatch"))).parent)
    there = {"SLURM_CONF": slurm.environment["SLURM_CONF"], "PATH": f"{path}:/usr/bin:/bin"}
    here = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    with LocalSsh(folder, environment=there) as server:
        words = ["--host", server.host, "--ssh-config", str(server.config), "--partition", "gpu-linuxlab"]
        groups = ["--only", "slurm", "--only", "ssh-connection", "--json"]
        command = [sys.executable, "-c", DOCTOR, *words, *groups]
        done = subprocess.run(command, env=here, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    found = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert done.returncode == 0, done.stdout
    assert [found[name]["status"] for name in NAMES] == ["ok", "ok", "ok", "skipped", "ok"]
    assert found["slurm-programs"]["found"].endswith(f"on {server.host}")
