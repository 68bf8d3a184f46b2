"""Chains on a real SLURM whose jobs are killed, cancelled, put back or started too early."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.cluster.counting_run import WRITER
from tests.cluster.test_fleet_checker import SMALL, Watched, attempts_of
from tests.waiting import until

from gamefleet.cluster.chain import YIELDED
from gamefleet.cluster.records import read_record
from gamefleet.errors import ClusterError
from gamefleet.runs.checkpoint_reading import find_checkpoint, open_checkpoint
from gamefleet.runs.events import read_events
from gamefleet.testing.local_slurm import LocalSlurm

LIMIT = replace(SMALL, time_limit_s=60)
ENDLESS = 100_000


def working(fleet: Watched, leg: int, *, saves: int = 1) -> str:
    """Wait until a leg has saved so often; returns its job."""
    until(lambda: len(fleet.saved_in(leg)) >= saves, f"leg {leg} saves")
    return fleet.legs()[leg - 1].job


def successor(fleet: Watched, number: int) -> str:
    """Wait until a submission has its job, and return that."""
    until(lambda: fleet.accepted(number), f"submission {number} is handed over")
    return fleet.accepted(number)


@pytest.mark.long
def test_a_leg_that_hears_nothing_is_killed_at_the_limit_and_the_next_goes_on_from_the_last_checkpoint(
    fast_slurm: LocalSlurm, tmp_path: Path
) -> None:
    resources = replace(LIMIT, signal_s=10)
    with Watched(slurm=fast_slurm, folder=tmp_path, total=ENDLESS, options=("--deaf",), resources=resources) as fleet:
        fleet.start()
        until(lambda: len(fleet.saved_in(2)) > 0, "a second leg saves")
        first, second = fleet.legs()[:2]

        assert (first.outcome, second.outcome) == ("", "")
        assert fleet.fleet.executor.ended([first.job])[first.job].how == "timeout"
        assert attempts_of(fleet.run())[1]["resumed_step"] == fleet.saved_in(1)[-1] == second.step
        fleet.stop(now=True)
        fleet.check()


@pytest.mark.long
def test_a_signal_sent_a_minute_early_ends_a_leg_with_a_checkpoint_or_not_at_all(
    slurm: LocalSlurm, tmp_path: Path
) -> None:
    resources = replace(LIMIT, signal_s=60)  # the whole limit as notice: it may come before anybody listens
    options = ("--no-clock",)
    with Watched(slurm=slurm, folder=tmp_path, total=ENDLESS, options=options, resources=resources) as fleet:
        fleet.start()
        until(lambda: len(fleet.saved_in(2)) > 0, "a second leg saves")
        first = fleet.legs()[0]
        rows = read_events(fleet.run().events(WRITER)).rows

        assert first.outcome == "saved"
        reason = next(row["reason"] for row in rows if row["kind"] == "attempt_ended")
        assert reason in ("signal SIGUSR1", "signal SIGTERM")  # the latter when it came before the leg listened
        fleet.stop()
        fleet.check()


@pytest.mark.long
def test_stop_now_ends_even_a_run_that_ignores_sigterm_and_start_goes_on_from_its_last_checkpoint(
    slurm: LocalSlurm, tmp_path: Path
) -> None:
    with Watched(slurm=slurm, folder=tmp_path, total=ENDLESS, options=("--deaf",)) as fleet:
        fleet.start()
        job = working(fleet, 1, saves=2)
        fleet.stop(now=True)

        assert fleet.jobs() == []
        saved = fleet.saved_in(1)[-1]
        assert open_checkpoint(find_checkpoint(fleet.run().root)).step == saved
        assert fleet.fleet.executor.ended([job])[job].how == "cancelled"
        fleet.start()
        working(fleet, 2)
        assert attempts_of(fleet.run())[1]["resumed_step"] == saved
        fleet.stop(now=True)
        fleet.check()


def test_a_running_leg_that_is_cancelled_saves_and_is_followed(slurm: LocalSlurm, tmp_path: Path) -> None:
    with Watched(slurm=slurm, folder=tmp_path, total=ENDLESS) as fleet:
        fleet.start()
        job = working(fleet, 1)
        successor(fleet, 2)
        slurm.run("scancel", job)
        working(fleet, 2)

        assert fleet.legs()[0].outcome == "saved"
        fleet.stop()
        fleet.check()


@pytest.mark.long
@pytest.mark.parametrize("instance", ["slurm", "slurm_with_accounts"])
def test_cancelling_the_waiting_successor_holds_the_chain_and_start_goes_on_with_it(
    instance: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    slurm: LocalSlurm = request.getfixturevalue(instance)
    with Watched(slurm=slurm, folder=tmp_path, total=ENDLESS, options=("--max-runtime-s", "8")) as fleet:
        fleet.start()
        job = successor(fleet, 2)
        slurm.run("scancel", job)
        until(lambda: fleet.mark("held"), "the chain is held")
        until(lambda: fleet.jobs() == [], "the first leg ends and nothing follows")

        assert fleet.mark("held")["reason"] == f"job {job} was cancelled while it waited"
        assert fleet.status()[0]["state"] == "held"
        assert fleet.legs()[0].outcome == "saved"
        fleet.start()
        working(fleet, 2)
        assert fleet.legs()[1].submission == 3
        fleet.stop()
        fleet.check()


@pytest.mark.long
def test_a_requeue_of_our_jobs_is_refused_and_one_that_is_forced_becomes_the_next_leg_with_one_successor(
    slurm: LocalSlurm, tmp_path: Path
) -> None:
    with Watched(slurm=slurm, folder=tmp_path, total=ENDLESS) as fleet:
        fleet.start()
        job = working(fleet, 1)
        following = successor(fleet, 2)
        with pytest.raises(ClusterError, match="Requested operation is presently disabled"):
            slurm.run("scontrol", "requeue", job)

        slurm.run("scontrol", "update", f"jobid={job}", "Requeue=1")
        slurm.run("scontrol", "requeue", job)
        until(lambda: len(fleet.saved_in(2)) > 0, "the job works again")

        legs = fleet.legs()
        assert [leg.job for leg in legs[:2]] == [job, job]
        assert "Restarts=1" in slurm.run("scontrol", "show", "job", job)
        assert {one.id for one in fleet.jobs()} == {job, following}
        assert f"leg {legs[0].number} saved" in fleet.output(job)  # the first stretch's log is still there
        fleet.stop()
        fleet.check()


@pytest.mark.long
def test_a_job_that_starts_before_its_parent_ended_gives_way_and_the_chain_goes_on_afterwards(
    slurm: LocalSlurm, tmp_path: Path
) -> None:
    options = ("--max-runtime-s", "20")
    with Watched(slurm=slurm, folder=tmp_path, total=ENDLESS, options=options, is_quick=True) as fleet:
        fleet.start()
        job = working(fleet, 1)
        early = successor(fleet, 2)
        slurm.run("scontrol", "update", f"jobid={early}", "Dependency=")
        until(lambda: read_record(fleet.chain().ended(2)), "the early job gives way")

        assert read_record(fleet.chain().ended(2))["outcome"] == YIELDED
        assert [leg.job for leg in fleet.legs()] == [job]
        third = successor(fleet, 3)
        until(lambda: len(fleet.saved_in(2)) > 0, "the chain goes on")
        assert fleet.legs()[1].job == third
        fleet.stop()
        fleet.check()


@pytest.mark.long
def test_a_job_that_starts_just_before_its_parent_ends_waits_for_it_and_works_then(
    slurm: LocalSlurm, tmp_path: Path
) -> None:
    with Watched(slurm=slurm, folder=tmp_path, total=ENDLESS, options=("--max-runtime-s", "12")) as fleet:
        fleet.start()
        working(fleet, 1)
        early = successor(fleet, 2)
        slurm.run("scontrol", "update", f"jobid={early}", "Dependency=")
        until(lambda: len(fleet.saved_in(2)) > 0, "the early job works in the end")

        first, second = fleet.legs()[:2]
        assert second.job == early
        assert second.began_at > first.ended_at > second.script_started_at
        fleet.stop()
        fleet.check()
