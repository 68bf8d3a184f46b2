"""Chains on a real SLURM that loses a node, goes silent, is restarted, or takes no more jobs."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.cluster.test_fleet_checker import Watched, attempts_of, saves_of
from tests.waiting import until

from gamefleet.cluster.records import read_record
from gamefleet.errors import ClusterError
from gamefleet.runs.events import read_events
from gamefleet.testing.local_slurm import LocalSlurm

ENDLESS = 100_000

AT_WORK = ("idle", "mixed", "allocated", "completing")
"""States of a node that answers."""


@pytest.fixture
def answering(slurm: LocalSlurm) -> Iterator[LocalSlurm]:
    """An instance whose controller may be stopped; afterwards it answers again."""
    yield slurm
    slurm.start_controller()


def is_alive(pid: int) -> bool:
    """Whether a process runs, and is not merely waiting to be collected."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def child_of(fleet: Watched, leg: int) -> int:
    """Process id of the run in a leg."""
    return next(int(row["pid"]) for row in attempts_of(fleet.run()) if row["leg"] == leg)


def working(fleet: Watched, leg: int) -> str:
    """Wait until a leg has saved; returns its job."""
    until(lambda: len(fleet.saved_in(leg)) > 0, f"leg {leg} saves")
    return fleet.legs()[leg - 1].job


@pytest.mark.long
def test_the_run_of_a_lost_node_goes_on_writing_until_the_fence_of_the_next_leg_stops_it(
    slurm: LocalSlurm, tmp_path: Path
) -> None:
    with Watched(slurm=slurm, folder=tmp_path, total=ENDLESS, options=("--deaf",)) as fleet:
        fleet.start()
        job = working(fleet, 1)
        until(lambda: fleet.accepted(2), "the successor waits")
        node, old, old_leg = fleet.legs()[0].host, child_of(fleet, 1), json_of(fleet, 1)["pid"]
        slurm.kill_node(node)
        saved = len(fleet.saved_in(1))
        until(lambda: len(fleet.legs()) > 1, "the next leg takes over")

        assert is_alive(old) or "no longer holds this run" in fleet.output(job, "err")
        assert len(fleet.saved_in(1)) > saved  # it went on after its node was gone
        assert fleet.legs()[1].host != node
        working(fleet, 2)
        until(lambda: "leg 2 took over" in fleet.output(job, "err"), "the fence stops the old run")
        until(lambda: not is_alive(old) and not is_alive(old_leg), "the old processes end")
        last = fleet.saved_in(1)[-1]
        assert attempts_of(fleet.run())[1]["resumed_step"] == last
        assert fleet.fleet.executor.ended([job])[job].how == "node_fail"
        slurm.start_node(node)
        until(lambda: slurm.run("sinfo", "-h", "-n", node, "-p", "linuxlab", "-o", "%T") in AT_WORK, "the node is back")
        working(fleet, 2)
        assert fleet.saved_in(1)[-1] == last
        fleet.stop(now=True)
        fleet.check()


@pytest.mark.long
def test_a_stopped_run_of_a_lost_node_wakes_up_to_a_fence_and_the_node_clears_it_away(
    slurm: LocalSlurm, tmp_path: Path
) -> None:
    with Watched(slurm=slurm, folder=tmp_path, total=ENDLESS, options=("--deaf",)) as fleet:
        fleet.start()
        job = working(fleet, 1)
        until(lambda: fleet.accepted(2), "the successor waits")
        node, supervisor, old = fleet.legs()[0].host, json_of(fleet, 1)["pid"], child_of(fleet, 1)
        for pid in (supervisor, old):
            os.kill(pid, signal.SIGSTOP)  # a machine that hangs
        slurm.kill_node(node)
        try:
            working(fleet, 2)
            before = [save for save in saves_of(fleet.run()) if save[0] == 1]
            assert is_alive(old)
            os.kill(old, signal.SIGCONT)
            until(lambda: "leg 2 took over" in fleet.output(job, "err"), "the fence stops the old run")
            assert [save for save in saves_of(fleet.run()) if save[0] == 1] == before
            slurm.start_node(node)
            until(lambda: not is_alive(supervisor), "the node clears its old job away")
        finally:
            for pid in (supervisor, old):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
            with suppress(ClusterError):
                slurm.start_node(node)
        fleet.stop(now=True)
        fleet.check()


def json_of(fleet: Watched, leg: int) -> dict[str, int]:
    """What a leg said of itself when it began."""
    content: dict[str, int] = json.loads((fleet.chain().leg(leg) / "leg.json").read_text())
    return content


@pytest.mark.long
def test_while_slurm_is_silent_nothing_is_concluded_and_the_leg_goes_on_and_so_does_the_chain_afterwards(
    answering: LocalSlurm, tmp_path: Path
) -> None:
    with Watched(slurm=answering, folder=tmp_path, total=ENDLESS, is_quick=True) as fleet:
        fleet.start()
        job = working(fleet, 1)
        until(lambda: fleet.accepted(2), "the successor waits")
        submissions = fleet.chain().numbers(fleet.chain().submissions, ".json")
        answering.stop_controller()
        chain = fleet.status()[0]
        assert chain["state"] == "unknown"
        with pytest.raises(ClusterError, match="written down, but nothing could be submitted"):
            fleet.start()
        saves = len(fleet.saved_in(1))
        until(lambda: len(fleet.saved_in(1)) > saves + 4, "the leg goes on")
        assert fleet.chain().numbers(fleet.chain().submissions, ".json") == submissions
        answering.start_controller()

        assert fleet.status()[0]["state"] == "running"
        answering.run("scancel", "--signal=USR1", "--batch", job)
        working(fleet, 2)
        assert fleet.legs()[0].outcome == "saved"
        fleet.stop()
        fleet.check()


@pytest.mark.long
def test_a_leg_that_ends_while_slurm_is_silent_is_followed_by_its_successor_afterwards(
    answering: LocalSlurm, tmp_path: Path
) -> None:
    options = ("--max-runtime-s", "5")
    with Watched(slurm=answering, folder=tmp_path, total=ENDLESS, options=options) as fleet:
        fleet.start()
        working(fleet, 1)
        until(lambda: fleet.accepted(2), "the successor waits")
        answering.stop_controller()
        until(lambda: (fleet.chain().leg(1) / "end.json").exists(), "the first leg ends")
        answering.start_controller()
        working(fleet, 2)

        assert fleet.legs()[0].outcome == "saved"
        assert fleet.legs()[1].job == fleet.accepted(2)
        fleet.stop()
        fleet.check()


@pytest.mark.long
def test_a_successor_that_could_not_be_handed_over_while_slurm_was_silent_is_handed_over_later(
    answering: LocalSlurm, tmp_path: Path
) -> None:
    options = ("--max-runtime-s", "4")
    with Watched(slurm=answering, folder=tmp_path, total=ENDLESS, options=options, is_quick=True) as fleet:
        fleet.start()
        until(lambda: len(fleet.legs()) > 1, "a hand-over begins")
        answering.stop_controller()  # before or after the second leg queued the third: both must come right
        until(lambda: (fleet.chain().leg(2) / "end.json").exists(), "the second leg ends in the silence")
        answering.start_controller()

        def moves_on() -> bool:
            fleet.status()
            return len(fleet.saved_in(3)) > 0

        until(moves_on, "a third leg")
        fleet.stop()
        fleet.check()


@pytest.mark.long
def test_a_controller_that_is_restarted_in_the_middle_of_hand_overs_changes_nothing(
    answering: LocalSlurm, tmp_path: Path
) -> None:
    options = ("--leg-steps", "30")
    with Watched(slurm=answering, folder=tmp_path, total=150, options=options) as fleet:
        fleet.start()
        for leg in (1, 2, 3):
            until(lambda leg=leg: (fleet.chain().leg(leg) / "end.json").exists(), f"leg {leg} ends")
            answering.stop_controller()
            answering.start_controller()
        until(fleet.is_done, "all steps are done")
        until(lambda: fleet.jobs() == [], "nothing is left in the queue")

        assert saves_of(fleet.run())[-1][1] == 150
        fleet.check()


@pytest.mark.long
def test_a_successor_refused_because_the_queue_is_full_is_handed_over_once_there_is_room(
    slurm_with_accounts: LocalSlurm, tmp_path: Path
) -> None:
    slurm = slurm_with_accounts
    held = [slurm.run("sbatch", "--parsable", "--hold", "-o", "/dev/null", "--wrap", "true") for _ in range(7)]
    with Watched(slurm=slurm, folder=tmp_path, total=ENDLESS, max_jobs=20, is_quick=True) as fleet:
        fleet.start()
        until(lambda: read_record(fleet.chain().refused(2, 1)), "the successor is refused")
        refusal = read_record(fleet.chain().refused(2, 1))["reason"]
        assert "you have as many jobs in the queue as you may" in refusal
        assert fleet.status()[0]["reason"] == refusal
        slurm.run("scancel", *held)
        until(lambda: fleet.accepted(2), "the leg hands it over by itself")
        slurm.run("scancel", "--signal=USR1", "--batch", fleet.legs()[0].job)
        working(fleet, 2)

        fleet.stop()
        fleet.check()


@pytest.mark.long
def test_a_first_job_refused_because_the_queue_is_full_is_handed_over_by_the_next_start(
    slurm_with_accounts: LocalSlurm, tmp_path: Path
) -> None:
    slurm = slurm_with_accounts
    held = [slurm.run("sbatch", "--parsable", "--hold", "-o", "/dev/null", "--wrap", "true") for _ in range(8)]
    with Watched(slurm=slurm, folder=tmp_path, total=20, max_jobs=20) as fleet:
        fleet.start()
        assert fleet.jobs() == []
        assert "you have as many jobs in the queue as you may" in fleet.status()[0]["reason"]
        slurm.run("scancel", *held)
        fleet.start()
        until(fleet.is_done, "all steps are done")

        rows = read_events(fleet.run().events("train")).rows
        assert rows[-1]["outcome"] == "finished"
        fleet.check()
