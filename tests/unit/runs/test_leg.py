"""A later leg of a chain takes the run over at once; the earlier one may write no more, however alive it is."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gamefleet.errors import ConfigError, RunFolderError
from gamefleet.files import read_json, write_bytes
from gamefleet.runs.claim import claim, refuse_if_held
from gamefleet.runs.leg import LEG_VARIABLE, Leg, leg_from
from gamefleet.runs.paths import RunPaths


@pytest.fixture
def legs(tmp_path: Path) -> Path:
    folder = tmp_path / "fleet" / "m0" / "legs"
    folder.mkdir(parents=True)
    return folder


def make(legs: Path, number: int) -> Leg:
    (legs / f"{number:04d}").mkdir()
    leg = leg_from({LEG_VARIABLE: str(legs / f"{number:04d}")})
    assert leg is not None
    return leg


def test_the_environment_names_the_leg(legs: Path) -> None:
    leg = make(legs, 7)

    assert (leg.chain, leg.number, leg.folder) == (str(legs), 7, legs / "0007")
    assert leg_from({}) is None
    assert leg_from({LEG_VARIABLE: ""}) is None


@pytest.mark.parametrize("name", ["0008", "seven", "07", "."])
def test_what_is_no_folder_of_a_leg_is_refused(legs: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"not the folder of a leg.*{LEG_VARIABLE}"):
        leg_from({LEG_VARIABLE: str(legs / name)})


def test_a_relative_path_is_refused(legs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(legs, 1)
    monkeypatch.chdir(legs)

    with pytest.raises(ConfigError, match="not the folder of a leg"):
        leg_from({LEG_VARIABLE: "0001"})


def test_a_leg_holds_until_a_higher_number_is_there(legs: Path) -> None:
    leg = make(legs, 7)
    (legs / "notes.txt").touch()
    (legs / "0006").mkdir()
    leg.fence()
    later = make(legs, 8)

    with pytest.raises(RunFolderError, match="Leg 7 no longer holds this run: leg 8 took over"):
        leg.fence()
    later.fence()


def test_a_leg_whose_folder_has_vanished_holds_nothing(legs: Path, tmp_path: Path) -> None:
    leg = make(legs, 1)
    legs.rename(tmp_path / "elsewhere")

    with pytest.raises(RunFolderError, match="its folder has vanished"):
        leg.fence()


def test_a_later_leg_supersedes_the_claim_of_an_earlier_one_that_is_alive(
    legs: Path, paths: RunPaths, tmp_path: Path
) -> None:
    old = claim(paths, {}, leg=make(legs, 1))
    assert read_json(paths.attempt(1))["leg"] == {"chain": str(legs), "number": 1}

    held = claim(paths, {}, leg=make(legs, 2))

    assert held.number == 2
    with pytest.raises(RunFolderError, match="leg 2 took over"):
        write_bytes(tmp_path / "file", b"late", fence=old.fence)
    with pytest.raises(RunFolderError, match="leg 2 took over"):
        old.release()
    assert "ended_at" not in read_json(paths.attempt(1))
    held.release(outcome="ended")


def test_an_earlier_leg_stops_before_the_later_one_has_claimed(legs: Path, paths: RunPaths) -> None:
    old = claim(paths, {}, leg=make(legs, 1))
    make(legs, 2)

    with pytest.raises(RunFolderError, match="leg 2 took over"):
        old.fence()


def test_an_earlier_leg_that_starts_late_claims_nothing(legs: Path, paths: RunPaths) -> None:
    late, newest = make(legs, 1), make(legs, 2)
    claim(paths, {}, leg=newest).release(outcome="ended")

    with pytest.raises(RunFolderError, match="leg 2 took over"):
        claim(paths, {}, leg=late)
    assert len(paths.found_attempts()) == 1


def test_without_a_leg_of_the_same_chain_the_holder_is_respected(legs: Path, paths: RunPaths, tmp_path: Path) -> None:
    leg = make(legs, 3)
    held = claim(paths, {}, leg=leg)
    foreign = tmp_path / "other" / "legs"
    foreign.mkdir(parents=True)

    for other in (None, leg, make(foreign, 9)):
        with pytest.raises(RunFolderError, match="in use by process"):
            claim(paths, {}, leg=other)
        with pytest.raises(RunFolderError, match="in use by process"):
            refuse_if_held(paths, leg=other)
    held.fence()
    held.release()


def test_a_person_who_resumed_the_run_is_not_pushed_out_by_a_leg(legs: Path, paths: RunPaths) -> None:
    held = claim(paths, {})

    with pytest.raises(RunFolderError, match="in use by process"):
        claim(paths, {}, leg=make(legs, 1))
    held.release()


STARTER = """
    import os, sys
    from pathlib import Path
    from gamefleet.runs.claim import claim
    from gamefleet.runs.leg import leg_from
    from gamefleet.runs.paths import RunPaths

    leg = leg_from({"GAMEFLEET_LEG": sys.argv[2]})
    sys.stdin.readline()
    held = claim(RunPaths(Path(sys.argv[1])), {}, leg=leg)
    held.fence()
    print(held.number, flush=True)
    sys.stdin.readline()
"""


def test_of_legs_that_claim_at_once_the_latest_gets_the_run(
    start_program: Callable[..., subprocess.Popen[str]], legs: Path, paths: RunPaths
) -> None:
    numbers = range(1, 6)
    for number in numbers:
        make(legs, number)
    processes = [start_program(STARTER, paths.root, legs / f"{number:04d}") for number in numbers]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    answers = [process.communicate("\n") for process in processes]

    assert [process.returncode == 0 for process in processes] == [False] * 4 + [True], answers
    assert read_json(paths.found_attempts()[-1][1])["leg"]["number"] == 5
