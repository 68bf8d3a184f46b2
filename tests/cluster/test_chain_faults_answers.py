"""Chains on a real SLURM whose answers take long, get lost, or come after somebody stopped everything.

The SLURM is the real one; a few lines of shell stand before its `sbatch` and take their time, or lose its answer.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cluster.test_fleet_checker import Watched
from tests.waiting import until

from gamefleet.cluster.fleet import write_facts
from gamefleet.cluster.records import read_record
from gamefleet.runs.checkpoint_reading import find_checkpoint, open_checkpoint
from gamefleet.testing.local_slurm import LocalSlurm

ENDLESS = 100_000

SLOW = 'echo . >>"{folder}/begun"; sleep 2; exec {sbatch} "$@"'
LOSES_ANSWERS = """
{sbatch} "$@" >>"{folder}/lost"
echo "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation" >&2
exit 1
"""


@pytest.fixture
def programs(slurm: LocalSlurm, tmp_path: Path) -> Callable[[str], Path]:
    """Call with shell text: a folder that holds it as `sbatch`."""

    def put(text: str) -> Path:
        folder = tmp_path / "programs"
        folder.mkdir()
        path = folder / "sbatch"
        path.write_text("#!/bin/sh\n" + text.format(folder=folder, sbatch=shutil.which("sbatch")))
        path.chmod(0o755)
        return folder

    return put


def begun(folder: Path) -> int:
    """How often the slow sbatch was called."""
    path = folder / "begun"
    return len(path.read_text().split()) if path.exists() else 0


def starter(fleet: Watched, repository: Path) -> subprocess.Popen[str]:
    """A process of its own that starts the fleet."""
    words = [sys.executable, "-m", "tests.cluster.test_fleet_checker", str(fleet.fleet.paths.root)]
    return subprocess.Popen(words, cwd=repository, env=fleet.environment, stdout=subprocess.PIPE, text=True)


@pytest.mark.long
def test_of_two_starts_at_the_same_moment_one_hands_over_the_first_job(
    slurm: LocalSlurm, tmp_path: Path, repository: Path
) -> None:
    for index in range(4):
        folder = tmp_path / str(index)
        folder.mkdir()
        with Watched(slurm=slurm, folder=folder, total=5, chains=2) as fleet:
            write_facts(fleet.fleet.paths, fleet.fleet.facts)
            both = [starter(fleet, repository) for _ in range(2)]
            assert [one.communicate(timeout=300) and one.returncode for one in both] == [0, 0]
            until(fleet.is_done, "both chains are done")
            until(lambda fleet=fleet: fleet.jobs() == [], "nothing is left in the queue")

            names = slurm.run("squeue", "-h", "-t", "all", "-o", "%j").split()
            firsts = [f"{fleet.fleet.facts.job_name(member)}.1" for member in ("m0", "m1")]
            assert [names.count(name) for name in firsts] == [1, 1]
            fleet.check()


@pytest.mark.long
def test_a_start_during_a_slow_start_hands_nothing_over_a_second_time(
    slurm: LocalSlurm, tmp_path: Path, repository: Path, programs: Callable[[str], Path]
) -> None:
    folder = programs(SLOW)
    with Watched(slurm=slurm, folder=tmp_path, total=ENDLESS, programs=folder) as fleet:
        write_facts(fleet.fleet.paths, fleet.fleet.facts)
        first = starter(fleet, repository)
        until(lambda: begun(folder) == 1, "the first start calls sbatch")
        fleet.start()
        assert begun(folder) == 1
        assert first.communicate(timeout=300)
        until(lambda: len(fleet.saved_in(1)) > 0, "the first leg works")

        assert first.returncode == 0
        fleet.stop()
        fleet.check()


@pytest.mark.long
def test_a_stop_while_a_leg_queues_its_successor_leaves_nothing(
    slurm: LocalSlurm, tmp_path: Path, programs: Callable[[str], Path]
) -> None:
    folder = programs(SLOW)
    with Watched(slurm=slurm, folder=tmp_path, total=ENDLESS, programs=folder) as fleet:
        fleet.start()
        until(lambda: begun(folder) == 2, "the first leg calls sbatch")
        fleet.stop()

        assert fleet.jobs() == []
        assert len(fleet.legs()) == 1
        assert open_checkpoint(find_checkpoint(fleet.run().root)).step == fleet.legs()[0].end_step
        fleet.start()
        until(lambda: len(fleet.saved_in(2)) > 0, "it goes on")
        fleet.stop()
        fleet.check()


@pytest.mark.long
def test_a_job_that_is_handed_over_after_the_stop_has_returned_does_not_work(
    slurm: LocalSlurm, tmp_path: Path, repository: Path, programs: Callable[[str], Path]
) -> None:
    folder = programs(SLOW)
    with Watched(slurm=slurm, folder=tmp_path, total=ENDLESS, programs=folder) as fleet:
        write_facts(fleet.fleet.paths, fleet.fleet.facts)
        late = starter(fleet, repository)
        until(lambda: begun(folder) == 1, "sbatch is called")
        fleet.stop()
        assert late.communicate(timeout=300)
        assert fleet.accepted(1)
        until(lambda: fleet.jobs() == [], "the late job sees the mark, or the late start does")

        assert fleet.legs() == []
        fleet.start()
        until(lambda: len(fleet.saved_in(1)) > 0, "start goes on")
        fleet.stop()
        fleet.check()


@pytest.mark.long
def test_jobs_whose_ids_got_lost_are_found_by_their_names_and_not_handed_over_again(
    slurm: LocalSlurm, tmp_path: Path, programs: Callable[[str], Path]
) -> None:
    folder = programs(LOSES_ANSWERS)
    options = ("--max-runtime-s", "8")
    with Watched(slurm=slurm, folder=tmp_path, total=ENDLESS, options=options, programs=folder, is_quick=True) as fleet:
        fleet.start()
        until(lambda: len(fleet.saved_in(3)) > 0, "three legs without a single answer")

        jobs = (folder / "lost").read_text().split()
        assert [fleet.accepted(number) for number in range(1, len(jobs) + 1)][:3] == jobs[:3]
        assert not list(fleet.chain().submissions.glob("*.retry-*"))
        fleet.stop()
        fleet.check()


@pytest.mark.long
def test_a_leg_that_ends_uses_the_room_that_came_after_its_successor_was_refused(
    slurm_with_accounts: LocalSlurm, tmp_path: Path
) -> None:
    slurm = slurm_with_accounts
    held = [slurm.run("sbatch", "--parsable", "--hold", "-o", "/dev/null", "--wrap", "true") for _ in range(7)]
    options = ("--max-runtime-s", "6")
    with Watched(slurm=slurm, folder=tmp_path, total=ENDLESS, options=options, max_jobs=20) as fleet:
        fleet.start()
        until(lambda: read_record(fleet.chain().refused(2, 1)), "the successor is refused")
        slurm.run("scancel", *held)
        until(lambda: len(fleet.saved_in(2)) > 0, "the chain goes on by itself")

        fleet.stop()
        fleet.check()
