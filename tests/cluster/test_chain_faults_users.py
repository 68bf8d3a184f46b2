"""Chains on a real SLURM whose users start twice, submit by hand, stop at the worst moment, or run what cannot work."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from tests.cluster.test_fleet_checker import Watched, attempts_of, saves_of
from tests.waiting import until

from gamefleet.cluster.records import read_record
from gamefleet.runs.checkpoint_reading import find_checkpoint, open_checkpoint
from gamefleet.testing.local_slurm import LocalSlurm

ENDLESS = 100_000


def working(fleet: Watched, leg: int) -> str:
    """Wait until a leg has saved; returns its job."""
    until(lambda: len(fleet.saved_in(leg)) > 0, f"leg {leg} saves")
    return fleet.legs()[leg - 1].job


def test_a_batch_script_that_is_submitted_again_by_hand_ends_itself(slurm: LocalSlurm, tmp_path: Path) -> None:
    with Watched(slurm=slurm, folder=tmp_path, total=ENDLESS, may_double=True) as fleet:
        fleet.start()
        job = working(fleet, 1)
        script = fleet.fleet.paths.scripts / f"{fleet.fleet.facts.job_name('m0')}.1.sh"
        double = slurm.run("sbatch", "--parsable", str(script))
        until(lambda: fleet.fleet.executor.ended([double]), "the double ends")

        assert fleet.output(double) == f"job {job} counts for submission 1; this one ends\n"
        assert [leg.job for leg in fleet.legs()] == [job]
        assert {one.id for one in fleet.jobs()} == {job, fleet.accepted(2)}
        fleet.stop()
        fleet.check()


@pytest.mark.long
def test_a_foreign_job_of_the_user_counts_against_the_cap(slurm: LocalSlurm, tmp_path: Path) -> None:
    foreign = slurm.run("sbatch", "--parsable", "-o", "/dev/null", "--wrap", "sleep 900")
    with Watched(slurm=slurm, folder=tmp_path, total=ENDLESS, chains=2, max_jobs=2, is_quick=True) as fleet:
        fleet.start()
        working(fleet, 1)
        assert [chain["state"] for chain in fleet.status()] == ["running", "waiting for a place"]
        assert not fleet.accepted(1, "m1")

        slurm.run("scancel", foreign)
        until(lambda: len(fleet.saved_in(1, "m1")) > 0, "a leg of the first chain starts the second")
        assert [chain["state"] for chain in fleet.status()] == ["running", "running"]
        fleet.stop()
        fleet.check()


@pytest.mark.long
def test_three_legs_without_progress_fail_the_chain_with_a_reason_and_one_notice(
    slurm: LocalSlurm, tmp_path: Path
) -> None:
    notify = f'echo "$GAMEFLEET_EVENT $GAMEFLEET_MEMBER $GAMEFLEET_REASON" >>{tmp_path}/notices'
    options = ("--fail-with", "1")
    with Watched(slurm=slurm, folder=tmp_path, total=ENDLESS, options=options, notify=notify) as fleet:
        fleet.start()
        until(lambda: fleet.mark("failed"), "the chain fails")
        until(lambda: fleet.jobs() == [], "nothing is left in the queue")

        reason = "3 jobs in a row ended without a newer checkpoint"
        assert reason in fleet.mark("failed")["reason"]
        assert [leg.outcome for leg in fleet.legs()[:3]] == ["failed"] * 3
        assert len(fleet.legs()) <= 4  # the fourth may have been queued behind the third
        status = fleet.status()[0]
        assert (status["state"], status["reason"]) == ("failed", fleet.mark("failed")["reason"])
        assert (tmp_path / "notices").read_text().splitlines() == [f"failed m0 {fleet.mark('failed')['reason']}"]
        fleet.check()


def test_three_legs_that_are_killed_before_their_first_checkpoint_fail_the_chain(
    slurm: LocalSlurm, tmp_path: Path
) -> None:
    with Watched(slurm=slurm, folder=tmp_path, total=ENDLESS, options=("--save-every", "100000")) as fleet:
        fleet.start()
        for leg in (1, 2, 3):
            until(lambda leg=leg: len(attempts_of(fleet.run())) == leg, f"leg {leg} works")
            until(lambda leg=leg: fleet.accepted(leg + 1), f"leg {leg} has queued its successor")
            supervisor = read_record(fleet.chain().leg(leg) / "leg.json")["pid"]
            for pid in (supervisor, attempts_of(fleet.run())[-1]["pid"]):
                os.kill(pid, signal.SIGKILL)
        until(lambda: fleet.mark("failed"), "the chain fails")
        until(lambda: fleet.jobs() == [], "nothing is left in the queue")

        assert [leg.outcome for leg in fleet.legs()] == ["", "", ""]
        assert "3 jobs in a row ended without a newer checkpoint" in fleet.mark("failed")["reason"]
        fleet.check()


@pytest.mark.parametrize("code", [2, 3])
def test_wrong_settings_and_missing_programs_fail_the_chain_at_once(
    code: int, slurm: LocalSlurm, tmp_path: Path
) -> None:
    with Watched(slurm=slurm, folder=tmp_path, total=ENDLESS, options=("--fail-with", str(code))) as fleet:
        fleet.start()
        until(lambda: fleet.mark("failed"), "the chain fails")
        until(lambda: fleet.jobs() == [], "the successor is taken back")

        assert f"leg 1 ended with exit code {code}" in fleet.mark("failed")["reason"]
        assert len(fleet.legs()) == 1
        fleet.check()


@pytest.mark.long
@pytest.mark.parametrize("moment", ["the first job is handed over", "a leg begins", "a leg has ended"])
def test_a_stop_at_any_moment_leaves_no_job_and_a_whole_checkpoint_and_start_goes_on(
    moment: str, slurm: LocalSlurm, tmp_path: Path
) -> None:
    options = ("--step-s", "0.05", "--leg-steps", "35")
    with Watched(slurm=slurm, folder=tmp_path, total=ENDLESS, options=options, chains=2) as fleet:
        for turn in range(3):
            legs = len(fleet.legs())
            fleet.start()
            if moment == "a leg begins":  # and is about to queue its successor
                until(lambda legs=legs: len(fleet.legs()) > legs, "a leg begins")
            elif moment == "a leg has ended":
                end = fleet.chain().leg(legs + 1) / "end.json"
                until(end.exists, "a leg ends")
            fleet.stop(now=turn == 2)

            assert fleet.jobs() == []
            for member in ("m0", "m1"):
                if saves_of(fleet.run(member)):
                    assert open_checkpoint(find_checkpoint(fleet.run(member).root)).step >= 0
            fleet.check()
        fleet.start()
        known = len(saves_of(fleet.run()))
        until(lambda: len(saves_of(fleet.run())) > known, "it goes on")
        fleet.stop()
        fleet.check()


@pytest.mark.long
def test_a_fleet_that_was_stopped_and_started_again_comes_to_its_end(slurm: LocalSlurm, tmp_path: Path) -> None:
    options = ("--step-s", "0.05", "--leg-steps", "35")
    with Watched(slurm=slurm, folder=tmp_path, total=80, options=options) as fleet:
        fleet.start()
        working(fleet, 1)
        fleet.gamefleet("stop")
        assert fleet.jobs() == []
        assert fleet.status()[0]["state"] == "stopped"
        fleet.start()
        until(fleet.is_done, "all steps are done")
        until(lambda: fleet.jobs() == [], "nothing is left in the queue")

        assert saves_of(fleet.run())[-1][1] == 80
        assert "80" in fleet.gamefleet("status", "--legs")
        assert f"leg {len(fleet.legs())} finished with exit code 0" in fleet.gamefleet("logs")
        fleet.check()


def test_a_chain_whose_jobs_can_never_start_fails_and_says_why(slurm: LocalSlurm, tmp_path: Path) -> None:
    with Watched(slurm=slurm, folder=tmp_path, total=ENDLESS) as fleet:
        facts = replace(fleet.fleet.facts, resources=replace(fleet.fleet.facts.resources, time_limit_s=5 * 3600))
        fleet.fleet = replace(fleet.fleet, facts=facts)  # the partition allows 4 hours, which sbatch does not check
        fleet.start()
        until(lambda: fleet.status()[0]["state"] == "failed", "the chain fails")
        until(lambda: fleet.jobs() == [], "nothing is left in the queue")

        assert "PartitionTimeLimit" in fleet.status()[0]["reason"]
        fleet.check()
