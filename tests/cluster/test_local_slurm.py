"""The local SLURM is a real one: it runs jobs, counts limits, loses nodes, and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.waiting import until

from gamefleet.errors import ClusterError, MissingDependencyError
from gamefleet.testing.local_slurm import LocalSlurm, LocalSlurmSettings


def processes_of(folder: Path) -> list[int]:
    """Live processes whose environment or words name the folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            is_zombie = "\nState:\tZ" in (entry / "status").read_text()
        except OSError:
            continue
        if str(folder).encode() in words and not is_zombie and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


def test_a_job_runs_with_the_guide_s_spelling_of_gpu_memory(slurm: LocalSlurm) -> None:
    seen = slurm.run(
        "srun", "-G", "1", "--gres=gpumem:10G", "-c", "4", "-t", "04:00:00", "printenv", "CUDA_VISIBLE_DEVICES"
    )

    assert seen == "0"


def test_more_gpu_memory_than_a_node_has_is_refused(slurm: LocalSlurm) -> None:
    with pytest.raises(ClusterError, match="Requested node configuration is not available"):
        slurm.run("sbatch", "--gres=gpumem:81G", "--wrap", "true")


def test_two_instances_live_side_by_side_and_leave_nothing_behind(slurm: LocalSlurm) -> None:
    with LocalSlurm(LocalSlurmSettings(nodes=1)) as second:
        assert second.run("sinfo", "-h", "-o", "%D", "-p", "linuxlab") == "1"
        assert slurm.run("sinfo", "-h", "-o", "%D", "-p", "linuxlab") == "4"
        second.run("sbatch", "-o", "/dev/null", "--wrap", "trap '' TERM; sleep 900")
        folder = second.folder

    assert not folder.exists()
    until(lambda: processes_of(folder) == [], "the killed processes are gone")


def test_a_lost_node_is_noticed_while_its_jobs_go_on(slurm: LocalSlurm, tmp_path: Path) -> None:
    beats = tmp_path / "beats"
    script = f"while :; do echo . >>{beats}; sleep 0.1; done"
    job = slurm.run("sbatch", "--parsable", "-w", "n3", "-o", "/dev/null", "--no-requeue", "--wrap", script)
    until(beats.exists, "the job's first beat")

    slurm.kill_node("n3")
    before = beats.stat().st_size
    until(lambda: beats.stat().st_size > before, "the job of the lost node goes on")
    slurm.start_node("n3")
    slurm.run("scancel", job)

    until(lambda: slurm.run("sinfo", "-h", "-n", "n3", "-p", "linuxlab", "-o", "%T") == "idle", "the node is back")


@pytest.mark.long
def test_a_stopped_controller_answers_nobody_and_knows_its_jobs_afterwards(slurm: LocalSlurm) -> None:
    job = slurm.run("sbatch", "--parsable", "-o", "/dev/null", "--wrap", "sleep 900")

    slurm.stop_controller()
    with pytest.raises(ClusterError, match="Unable to contact slurm controller"):
        slurm.run("squeue")
    slurm.start_controller()

    assert slurm.run("squeue", "-h", "-o", "%i") == job


def test_a_user_runs_four_jobs_at_once_and_has_eight(slurm_with_accounts: LocalSlurm) -> None:
    submit = ("sbatch", "--parsable", "-o", "/dev/null", "--wrap", "sleep 900")
    for _ in range(8):
        slurm_with_accounts.run(*submit)

    with pytest.raises(ClusterError, match="QOSMaxSubmitJobPerUserLimit"):
        slurm_with_accounts.run(*submit)
    until(
        lambda: slurm_with_accounts.run("squeue", "-h", "-o", "%T %r").splitlines().count("RUNNING None") == 4,
        "four running jobs",
    )
    until(lambda: "QOSMaxJobsPerUserLimit" in slurm_with_accounts.run("squeue", "-h", "-o", "%r"), "the others wait")


@pytest.mark.long
def test_a_minute_s_limit_ends_a_job_of_the_fast_slurm_within_seconds(fast_slurm: LocalSlurm, tmp_path: Path) -> None:
    out = tmp_path / "out"
    script = "trap 'echo warned' USR1; trap 'echo ended; exit 1' TERM; while :; do sleep 0.1; done"
    job = fast_slurm.run("sbatch", "--parsable", "-t", "1", "--signal=B:USR1@30", "-o", str(out), "--wrap", script)

    until(lambda: not fast_slurm.run("squeue", "-h", "-j", job), "the limit")

    assert out.read_text().split()[:1] == ["warned"]
    # The controller's clock is ahead, and what begins in the future is left out unless it is asked for.
    words = ("sacct", "-X", "-n", "-P", "-j", job, "--endtime", "now+10days", "-o", "State")
    until(lambda: "TIMEOUT" in fast_slurm.run(*words), "its record")


def test_an_instance_goes_down_with_the_process_that_started_it(slurm: LocalSlurm) -> None:
    program = (
        "from gamefleet.testing.local_slurm import *\n"
        "one = LocalSlurm(LocalSlurmSettings(nodes=1)); one.up(); print(one.folder, flush=True); input()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stdin=subprocess.PIPE, env=slurm.environment, text=True
    )
    assert child.stdout is not None
    assert child.stdin is not None
    folder = Path(child.stdout.readline().strip())
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdin.close()
    child.stdout.close()

    until(lambda: processes_of(folder) == [], "its daemons end")
    until(lambda: not folder.exists(), "its folder is removed")


def test_missing_packages_are_named(tmp_path: Path) -> None:
    for program in ("bash", "id", "realpath", "flock", "dirname", "mkdir"):
        (tmp_path / program).symlink_to(str(shutil.which(program)))
    bare = {"PATH": str(tmp_path), "DAEMON_FOLDERS": ""}

    with pytest.raises(MissingDependencyError, match="munge slurmctld slurmd slurm-client slurmdbd mariadb-server"):
        LocalSlurm(LocalSlurmSettings(has_accounting=True), folder=tmp_path / "slurm", base=bare).up()
