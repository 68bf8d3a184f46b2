"""Records of a fleet are made once, by one of several processes, and read as what they say."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gamefleet.cluster.chain_view import Submit
from gamefleet.cluster.fleet import ChainFacts, FleetFacts, read_facts, write_facts
from gamefleet.cluster.fleet_paths import ChainPaths, FleetPaths
from gamefleet.cluster.jobs import Resources
from gamefleet.cluster.store import (
    Place,
    accept_job,
    begin_submission,
    claim_leg,
    end_submission,
    forgive,
    forgive_stop,
    give_mark,
    places_taken,
    read_chain,
    refuse_submission,
    take_place,
)
from gamefleet.errors import RunFolderError
from gamefleet.files import write_json


@pytest.fixture
def chain(tmp_path: Path) -> ChainPaths:
    return FleetPaths(tmp_path / "run").chain("m0")


def seen(chain: ChainPaths, **facts: bool):  # type: ignore[no-untyped-def]
    given = {"is_stopped": False, "place": Place(turn=1, member="m0"), **facts}
    return read_chain(chain, step=-1, job_name="run.ab12.m0", **given)


def test_a_chain_without_records_has_no_past(chain: ChainPaths) -> None:
    view = seen(chain)

    assert (view.submissions, view.legs, view.ending, view.counts_from) == ((), (), "", 0)


def test_of_many_processes_one_may_submit_and_one_job_counts(chain: ChainPaths) -> None:
    chain.root.mkdir(parents=True)
    with ThreadPoolExecutor(8) as pool:
        begun = list(pool.map(lambda by: begin_submission(chain, Submit(number=1), now=1.0, by=str(by)), range(20)))
        counted = set(pool.map(lambda job: accept_job(chain, 1, str(job), now=2.0), range(20)))

    assert sum(begun) == 1
    assert len(counted) == 1
    assert seen(chain).last.job == counted.pop()


def test_of_many_processes_each_leg_is_taken_by_one(chain: ChainPaths) -> None:
    chain.root.mkdir(parents=True)
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda job: claim_leg(chain, {"submission": job, "step": 0}), range(20)))

    numbers = [number for number in taken if number is not None]
    assert len(set(numbers)) == len(numbers)
    assert sorted(numbers) == chain.numbers(chain.legs)


def test_a_leg_whose_process_died_before_it_spoke_is_still_a_leg(chain: ChainPaths) -> None:
    chain.leg(1).mkdir(parents=True)

    [leg] = seen(chain).legs
    assert (leg.number, leg.submission, leg.step) == (1, 0, -1)
    assert claim_leg(chain, {"submission": 2, "step": 5}) == 2


def test_refusals_retries_and_outcomes_belong_to_their_submission(chain: ChainPaths) -> None:
    first = Submit(number=1, after="6")
    begin_submission(chain, first, now=1.0, by="a")
    refuse_submission(chain, first, "no room", now=2.0)
    assert seen(chain).last.refusal == "no room"

    begin_submission(chain, Submit(number=1, after="6", retry=1), now=50.0, by="b")
    last = seen(chain).last
    assert (last.tries, last.asked_at, last.after, last.refusal) == (2, 50.0, "6", "")
    end_submission(chain, 1, "yielded")
    assert seen(chain).last.outcome == "yielded"


def test_what_a_later_start_forgives_is_kept_and_no_longer_counts(chain: ChainPaths) -> None:
    begin_submission(chain, Submit(number=1), now=1.0, by="a")
    assert give_mark(chain, "failed", {"reason": "three in a row"})
    assert not give_mark(chain, "failed", {"reason": "again"})
    assert seen(chain).ending == "failed"

    assert forgive(chain) == ["failed"]
    assert (seen(chain).ending, seen(chain).counts_from) == ("", 1)
    assert [path.name for path in chain.root.glob("failed*")] == ["failed-0001.json"]


def test_a_stop_ends_every_chain_until_it_is_taken_back(tmp_path: Path) -> None:
    paths = FleetPaths(tmp_path / "run")
    for member in ("m0", "m1"):
        begin_submission(paths.chain(member), Submit(number=1), now=1.0, by="a")
    write_json(paths.stop, {"by": "me"})
    assert seen(paths.chain("m1"), is_stopped=True).ending == "stopped"

    assert forgive_stop(paths)
    assert not forgive_stop(paths)
    assert seen(paths.chain("m1")).counts_from == 1


def test_a_finished_chain_stays_finished_when_the_fleet_is_stopped(chain: ChainPaths) -> None:
    chain.root.mkdir(parents=True)
    give_mark(chain, "done", {"reason": "all steps are done"})

    assert seen(chain, is_stopped=True).ending == "done"


def test_a_place_has_one_holder_at_a_time(tmp_path: Path) -> None:
    paths = FleetPaths(tmp_path / "run")
    paths.folder.mkdir(parents=True)

    assert take_place(paths, 0, Place(turn=1, member="m0"))
    assert not take_place(paths, 0, Place(turn=1, member="m1"))
    second = Place(turn=2, member="m1", after="7")
    assert take_place(paths, 0, second), "the next turn is another record"
    assert places_taken(paths) == {0: second}
    write_json(paths.place(1, 1), {"member": "m2", "at": 1.0})
    assert places_taken(paths)[1] == Place(turn=1, member="m2"), "as fleets wrote it that began before"


def test_a_damaged_record_is_named(chain: ChainPaths) -> None:
    begin_submission(chain, Submit(number=1), now=1.0, by="a")
    chain.submission(1).write_text("{")

    with pytest.raises(RunFolderError, match=r"damaged.*0001\.json"):
        seen(chain)


def facts(**changes: object) -> FleetFacts:
    chains = (ChainFacts(member="m0", run_folder="runs/a", command=("train", "x")),)
    given = {
        "name": "a",
        "id": "ab12",
        "executor": "local",
        "chains": chains,
        "resources": Resources(gres=("gpumem:20G",)),
        "max_jobs": 4,
        "leg_command": ("leg",),
        "work_folder": "w",
        "created_at": 1.0,
    }
    return FleetFacts(**{**given, **changes})  # type: ignore[arg-type]


def test_a_fleets_facts_are_read_as_they_were_written(tmp_path: Path) -> None:
    paths = FleetPaths(tmp_path / "a")
    write_facts(paths, facts(setup=("module load cuda",), notify="mail me"))

    assert read_facts(paths) == facts(setup=("module load cuda",), notify="mail me")


def test_two_that_start_one_fleet_at_the_same_moment_agree_on_its_id(tmp_path: Path) -> None:
    paths = FleetPaths(tmp_path / "a")

    first, second = write_facts(paths, facts(id="1111")), write_facts(paths, facts(id="2222", max_jobs=2))

    assert (first.id, second.id, read_facts(paths).id) == ("1111", "1111", "1111")
    assert read_facts(paths).max_jobs == 2


def test_a_missing_a_damaged_and_a_foreign_fleet_are_told_apart(tmp_path: Path) -> None:
    paths = FleetPaths(tmp_path / "a")
    write_facts(FleetPaths(tmp_path / "ab"), facts())
    with pytest.raises(RunFolderError, match="Did you mean 'ab'"):
        read_facts(paths)

    write_facts(paths, facts())
    paths.facts.write_text("{}")
    with pytest.raises(RunFolderError, match="another version"):
        read_facts(paths)
    paths.facts.write_text('{"format_version": 1}')
    with pytest.raises(RunFolderError, match=r"damaged.*missing required field"):
        read_facts(paths)


def test_a_chain_that_does_not_exist_is_answered_with_those_that_do() -> None:
    with pytest.raises(RunFolderError, match="Choices: m0"):
        facts().chain("m7")
