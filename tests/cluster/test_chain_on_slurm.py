"""Chains on a real SLURM when nothing goes wrong: hand-overs, caps, limits, with and without accounting."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.cluster.counting_run import WRITER
from tests.cluster.test_fleet_checker import SMALL, Watched, attempts_of, saves_of
from tests.waiting import until

from gamefleet.runs.events import read_events
from gamefleet.testing.local_slurm import LocalSlurm

SHORT = ("--step-s", "0.05", "--leg-steps", "25")
"""Attempts that end by themselves soon: each is followed by the next leg."""


def reasons(fleet: Watched, member: str = "m0") -> list[str]:
    """Why each attempt ended, as far as it could say."""
    rows = read_events(fleet.run(member).events(WRITER)).rows
    return [row["reason"] for row in rows if row["kind"] == "attempt_ended"]


@pytest.mark.parametrize("instance", ["slurm", pytest.param("slurm_with_accounts", marks=pytest.mark.long)])
def test_each_leg_goes_on_exactly_where_the_one_before_stopped_with_and_without_sacct(
    instance: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    slurm: LocalSlurm = request.getfixturevalue(instance)
    with Watched(slurm=slurm, folder=tmp_path, total=70, options=SHORT) as fleet:
        fleet.start()
        until(fleet.is_done, "all steps are done")
        until(lambda: fleet.jobs() == [], "nothing is left in the queue")

        legs = fleet.legs()
        assert len(legs) >= 3
        assert [leg.outcome for leg in legs] == ["saved"] * (len(legs) - 1) + ["finished"]
        assert saves_of(fleet.run())[-1][1] == 70
        fleet.check()


@pytest.mark.long
def test_six_chains_under_a_cap_of_four_all_come_to_their_end(slurm_with_accounts: LocalSlurm, tmp_path: Path) -> None:
    with Watched(slurm=slurm_with_accounts, folder=tmp_path, total=60, options=SHORT, chains=6) as fleet:
        fleet.start()
        assert [bool(fleet.accepted(1, f"m{index}")) for index in range(6)] == [True] * 4 + [False] * 2
        until(fleet.is_done, "all six chains are done")
        until(lambda: fleet.jobs() == [], "nothing is left in the queue")

        for chain in fleet.fleet.facts.chains:
            assert len(fleet.legs(chain.member)) >= 2
            assert saves_of(fleet.run(chain.member))[-1][1] == 60
        assert fleet.sampler.most == 4
        fleet.check()


@pytest.mark.long
def test_a_leg_whose_end_is_known_works_on_through_the_signal_until_the_clock_says_that_it_must_save(
    slurm: LocalSlurm, tmp_path: Path
) -> None:
    resources = replace(SMALL, time_limit_s=60, signal_s=20)  # comes after 10 to 40 s: SLURM looks every 30 s
    with Watched(slurm=slurm, folder=tmp_path, total=100_000, resources=resources) as fleet:
        fleet.start()
        until(lambda: len(fleet.saved_in(2)) > 0, "the second leg saves")
        first, second = fleet.legs()[:2]

        assert first.outcome == "saved"
        assert "the job ends in" in reasons(fleet)[0]
        assert json.loads((fleet.chain().leg(1) / "end.json").read_text())["signals"] == ["SIGUSR1"]
        assert attempts_of(fleet.run())[1]["resumed_step"] == fleet.saved_in(1)[-1] == first.end_step == second.step
        assert fleet.fleet.executor.ended([first.job])[first.job].how == "completed"
        fleet.stop()
        fleet.check()


@pytest.mark.long
def test_a_leg_whose_end_is_not_known_saves_at_the_signal_and_the_next_goes_on_from_there(
    slurm: LocalSlurm, tmp_path: Path
) -> None:
    resources = replace(SMALL, time_limit_s=60, signal_s=20)
    options = ("--no-clock",)
    with Watched(slurm=slurm, folder=tmp_path, total=100_000, options=options, resources=resources) as fleet:
        fleet.start()
        until(lambda: len(fleet.saved_in(2)) > 0, "the second leg saves")
        first, second = fleet.legs()[:2]

        assert first.outcome == "saved"
        assert reasons(fleet)[0] == "signal SIGUSR1"
        assert attempts_of(fleet.run())[1]["resumed_step"] == fleet.saved_in(1)[-1] == first.end_step == second.step
        fleet.stop()
        fleet.check()


def test_every_job_of_a_chain_has_a_log_of_its_own(slurm: LocalSlurm, tmp_path: Path) -> None:
    with Watched(slurm=slurm, folder=tmp_path, total=40, options=SHORT) as fleet:
        fleet.start()
        until(fleet.is_done, "all steps are done")
        until(lambda: fleet.jobs() == [], "nothing is left in the queue")

        for leg, after in itertools.pairwise(fleet.legs()):
            assert f"leg {leg.number} saved with exit code 0" in fleet.output(leg.job)
            assert after.job != leg.job
        assert "finished with exit code 0" in fleet.output(fleet.legs()[-1].job)
