"""What the dashboard says of chains equals the records, and looking moves nothing."""

import json
from pathlib import Path

import pytest

from gamefleet.cli.dashboard_chains import Chains, job_json
from gamefleet.cluster.executors import Scheduler
from gamefleet.cluster.fleet import ChainFacts, FleetFacts, write_facts
from gamefleet.cluster.fleet_paths import FleetPaths
from gamefleet.cluster.jobs import Job, Resources
from gamefleet.files import write_json
from gamefleet.runs.paths import RunPaths

ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


@pytest.fixture
def fleet(tmp_path: Path) -> FleetPaths:
    """A chain of three legs: one saved, one was killed, one says nothing yet; the first hand-over took 9 seconds."""
    paths = FleetPaths(tmp_path / "red")
    chain = ChainFacts(member="m0", run_folder=str(paths.root), command=("true",))
    facts = FleetFacts(
        name="red",
        id="ab12",
        executor="local",
        chains=(chain,),
        resources=Resources(time_limit_s=600),
        max_jobs=4,
        leg_command=("true",),
        work_folder=str(tmp_path),
        created_at=1000.0,
    )
    write_facts(paths, facts)
    records = paths.chain("m0")
    for number, began in enumerate((1010.0, 1120.0, 1300.0), start=1):
        records.leg(number).mkdir(parents=True)
        records.submissions.mkdir(exist_ok=True)
        write_json(records.submission(number), {"asked_at": began - 10})
        write_json(records.accepted(number), {"job": str(number), "accepted_at": began - 9})
        began_facts = {"submission": number, "job": str(number), "node": f"n{number}", "step": 100 * (number - 1)}
        write_json(records.leg(number) / "leg.json", {**began_facts, "script_started_at": began, "began_at": began + 1})
    write_json(records.leg(1) / "end.json", {"step": 100, "outcome": "saved", "exit_code": 0, "ended_at": 1115.0})
    events = RunPaths(paths.root).events("train")
    events.parent.mkdir(parents=True)
    events.write_text("".join(json.dumps(row) + "\n" for row in EVENTS))
    return paths


EVENTS = [
    {"time": 1012.0, "kind": "attempt_started", "attempt": 1, "step": 0, "resumed_step": -1, "leg": 1},
    {"time": 1014.0, "kind": "training_began", "attempt": 1, "step": 10, "first_round_at": 1013.0},
    {"time": 1050.0, "kind": "milestone_reached", "attempt": 1, "step": 40, "milestone": "first_door"},
    {"time": 1112.0, "kind": "checkpoint_saved", "attempt": 1, "step": 100},
    {"time": 1113.0, "kind": "attempt_ended", "attempt": 1, "step": 100, "reason": "time", "last_round_at": 1116.0},
    {"time": 1122.0, "kind": "attempt_started", "attempt": 2, "step": 100, "resumed_step": 100, "leg": 2},
    {"time": 1126.0, "kind": "training_began", "attempt": 2, "step": 110, "first_round_at": 1125.0},
    {"time": 1200.0, "kind": "checkpoint_saved", "attempt": 2, "step": 180},
    {"time": 1200.0, "kind": 7, "attempt": None},
]


def test_legs_equal_what_jobs_and_runs_wrote_down(fleet: FleetPaths) -> None:
    found = Chains(environment=ENVIRONMENT)([fleet.root])
    chain = found["chains"][0]
    first, second, third = chain["legs"]

    assert found["available"] is True
    assert (chain["name"], chain["run"], chain["run_folder"], chain["time_limit_s"]) == (
        "m0",
        "red",
        str(fleet.root),
        600,
    )
    assert (first["queued_at"], first["started_at"], first["training_at"], first["ended_at"]) == (
        1001.0,
        1010.0,
        1013.0,
        1115.0,
    )
    assert (first["outcome"], first["from_step"], first["to_step"], first["checkpoints"]) == ("saved", 0, 100, [1112.0])
    assert (first["milestones"], first["gap_s"], first["ours_s"]) == (["first_door"], 9.0, 4.0)
    assert (second["host"], second["outcome"], second["ended_at"], second["to_step"]) == ("n2", "killed", 1200.0, 180)
    assert (third["number"], third["outcome"], third["checkpoints"]) == (3, "killed", []), "its job is gone"


def test_in_a_copy_the_newest_leg_counts_as_at_work_until_it_says_otherwise(fleet: FleetPaths) -> None:
    found = Chains(environment=ENVIRONMENT, is_copy=True)([fleet.root])

    assert [leg["outcome"] for leg in found["chains"][0]["legs"]] == ["saved", "killed", ""]


def test_looking_moves_nothing_on_and_writes_nothing(fleet: FleetPaths) -> None:
    """`gamefleet fleet status` would hand over the next job of a chain that has none."""
    before = {path: path.stat().st_mtime_ns for path in sorted(fleet.root.rglob("*"))}
    chains = Chains(environment=ENVIRONMENT)
    states = {chains([fleet.root])["chains"][0]["state"] for _ in range(3)}

    assert states <= {"between jobs", "waiting for a place"}
    assert {path: path.stat().st_mtime_ns for path in sorted(fleet.root.rglob("*"))} == before


def test_a_copy_asks_no_scheduler_and_finds_the_run_beside_it(fleet: FleetPaths) -> None:
    moved = fleet.root.rename(fleet.root.with_name("copy"))
    moved.rename(fleet.root.with_name("elsewhere"))
    (fleet.root.parent / "mirror").mkdir()
    folder = (fleet.root.parent / "elsewhere").rename(fleet.root.parent / "mirror" / "red")
    chain = Chains(environment=ENVIRONMENT, is_copy=True)([folder])["chains"][0]

    assert (chain["state"], chain["silence"], chain["run_folder"]) == ("unknown", "", str(folder))


def test_a_stopped_chain_says_so(fleet: FleetPaths) -> None:
    write_json(fleet.stop, {"reason": "asked to"})

    chain = Chains(environment=ENVIRONMENT)([fleet.root])["chains"][0]
    assert (chain["state"], chain["reason"]) == ("stopped", "asked to")


def test_why_a_job_waits_is_told_in_words(fleet: FleetPaths) -> None:
    scheduler = Scheduler.named("slurm", fleet, ENVIRONMENT)
    waiting = job_json(Job(id="7", name="x", state="pending", reason="Priority", started=5000.0), scheduler)
    running = job_json(Job(id="8", name="x", state="running", started=4000.0, ends=9000.0, node="n1"), scheduler)
    hopeless = job_json(Job(id="9", name="x", state="pending", reason="QOSMaxWallDurationPerJobLimit"), scheduler)

    assert waiting["reason_text"]
    assert waiting["reason_text"] != "Priority"
    assert (waiting["expected_start"], waiting["never_starts"]) == (5000.0, "")
    assert (running["reason_text"], running["ends_at"], running["host"]) == ("", 9000.0, "n1")
    assert hopeless["never_starts"]
