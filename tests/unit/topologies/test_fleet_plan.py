"""A fleet's plan: names, seeds and commands of its chains, and what may become of a fleet that is there."""

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gamefleet.cluster.fleet import write_facts
from gamefleet.cluster.jobs import Resources
from gamefleet.cluster.store import give_mark
from gamefleet.errors import ConfigError, RunFolderError
from gamefleet.games import open_game
from gamefleet.topologies.config import ask, make_config
from gamefleet.topologies.fleet import FleetRequest, plan, settings_text
from gamefleet.topologies.fleet_runs import is_finished, newest_step


def request(folder: Path, name: str, chains: int = 1, **changes: Any) -> FleetRequest:
    flags = {"run.name": name, "run.runs_folder": str(folder), "run.seed": 7, "run.total_steps": 100}
    asked = ask(file=None, assignments=[], flags=flags)
    return FleetRequest(
        game="pokemon_red",
        asked=asked,
        config=make_config(open_game("pokemon_red"), asked),
        num_chains=chains,
        **{"executor": "local", "resources": Resources(), "max_jobs": 4, **changes},
    )


def test_one_chain_carries_the_run_of_the_fleets_name(tmp_path: Path) -> None:
    facts = plan(request(tmp_path, "red1"))

    [chain] = facts.chains
    assert (chain.member, chain.run_path) == ("m0", tmp_path / "red1")
    assert chain.command[-4:] == ("--run", "red1", "--seed", "7")
    unasked = request(tmp_path, "red1")
    del unasked.asked.settings["run"]["seed"]
    assert plan(unasked).chains[0].command[-2:] == ("--run", "red1"), "a run that is there keeps its seed"
    assert "--auto-resume" in chain.command


def test_several_chains_carry_runs_of_their_own_with_seeds_of_their_own(tmp_path: Path) -> None:
    chains = plan(request(tmp_path, "red4", 3)).chains

    assert [chain.run_path.name for chain in chains] == ["red4-m0", "red4-m1", "red4-m2"]
    assert [chain.command[-1] for chain in chains] == ["7", "8", "9"]


def test_every_leg_reads_settings_that_do_not_depend_on_the_folder_it_starts_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = tomllib.loads(settings_text(request(Path("runs"), "red1")))

    assert settings["run"] == {"total_steps": 100, "runs_folder": str(tmp_path / "runs")}


def test_a_fleet_that_is_there_keeps_its_identity_and_takes_what_is_asked_now(tmp_path: Path) -> None:
    before = plan(request(tmp_path, "red4", 2))
    write_facts(request(tmp_path, "red4").paths, before)

    after = plan(request(tmp_path, "red4", 3, max_jobs=2, resources=Resources(cpus=2)))

    assert (after.id, after.created_at) == (before.id, before.created_at)
    assert (after.max_jobs, after.resources.cpus, len(after.chains)) == (2, 2, 3)


@pytest.mark.parametrize(("chains", "changes"), [(1, {}), (4, {"executor": "slurm"})])
def test_what_would_make_another_fleet_of_it_is_refused(tmp_path: Path, chains: int, changes: dict[str, str]) -> None:
    write_facts(request(tmp_path, "red4").paths, plan(request(tmp_path, "red4", 4)))

    with pytest.raises(RunFolderError, match="another name with --run"):
        plan(request(tmp_path, "red4", chains, **changes))


@pytest.mark.parametrize(("first", "second"), [(("a", 2), ("a-m1", 1)), (("a-m1", 1), ("a", 2))])
def test_two_fleets_do_not_carry_one_run(tmp_path: Path, first: tuple[str, int], second: tuple[str, int]) -> None:
    paths = request(tmp_path, *first).paths
    write_facts(paths, plan(request(tmp_path, *first)))

    with pytest.raises(RunFolderError, match=r"carries the run 'a-m1' already.*fleet stop --run"):
        plan(request(tmp_path, *second))
    for chain in paths.found_chains():
        give_mark(chain, "done", {"reason": "all steps are done"})
    plan(request(tmp_path, *second))


@pytest.mark.parametrize(("chains", "jobs"), [(0, 4), (1, 0)])
def test_a_fleet_of_nothing_is_refused(tmp_path: Path, chains: int, jobs: int) -> None:
    with pytest.raises(ConfigError, match="at least one"):
        plan(request(tmp_path, "red1", chains, max_jobs=jobs))


def test_a_run_that_does_not_exist_has_no_step_and_is_not_finished(tmp_path: Path) -> None:
    assert newest_step(tmp_path / "none") == -1
    assert not is_finished(tmp_path / "none")


@pytest.mark.parametrize(("chains", "kept"), [(1, "library"), (3, None)])
def test_with_collaboration_every_chain_is_a_member_under_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chains: int, kept: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = [
        "collaboration.enabled=true",
        "collaboration.shared_dir=shared",
        "collaboration.member=library",
    ]
    asked = ask(file=None, assignments=settings, flags={"run.name": "red4"})
    config = make_config(open_game("pokemon_red"), asked)
    wanted = replace(request(tmp_path, "red4", chains), asked=asked, config=config)

    section = tomllib.loads(settings_text(wanted))["collaboration"]

    assert section["shared_dir"] == str(tmp_path / "shared"), "jobs may start elsewhere"
    assert section.get("member") == kept, "a name that several chains had would make them one member"
