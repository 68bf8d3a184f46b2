"""`gamefleet fleet` and `gamefleet runs` on fleets: which fleet is meant, what is refused, what is written."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gamefleet.cli.main import make_app
from gamefleet.cluster.fleet import ChainFacts, FleetFacts, write_facts
from gamefleet.cluster.fleet_paths import FleetPaths
from gamefleet.cluster.jobs import Resources
from gamefleet.cluster.store import give_mark
from gamefleet.errors import ConfigError, GamefleetError, IncompatibleError, RunFolderError
from gamefleet.files import write_json


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def run(*words: str) -> str:
        make_app()(args=list(words), prog_name="gamefleet", standalone_mode=False)
        return capsys.readouterr().out

    return run


def make_fleet(folder: Path, name: str, members: int = 1) -> FleetPaths:
    """A fleet that is stopped, so that nothing is submitted when it is looked at."""
    paths = FleetPaths(folder / name)
    chains = tuple(
        ChainFacts(member=f"m{number}", run_folder=str(folder / f"{name}-m{number}"), command=("true",))
        for number in range(members)
    )
    facts = FleetFacts(
        name=name,
        id="ab12",
        executor="local",
        chains=chains,
        resources=Resources(),
        max_jobs=4,
        leg_command=("true",),
        work_folder=str(folder),
        created_at=1.0,
    )
    write_facts(paths, facts)
    write_json(paths.stop, {"by": "me", "at": 1.0})
    return paths


def test_the_only_fleet_need_not_be_named(folder: Path, call: Callable[..., str]) -> None:
    make_fleet(folder / "runs", "red1")
    assert "red1 (local" in call("fleet", "status")

    make_fleet(folder / "runs", "red2")
    with pytest.raises(RunFolderError, match="Which fleet"):
        call("fleet", "status")


def test_settings_name_the_fleet_and_its_folder_and_a_name_on_the_command_line_wins(
    folder: Path, call: Callable[..., str]
) -> None:
    make_fleet(folder / "elsewhere", "slim_run")
    make_fleet(folder / "elsewhere", "other")
    (folder / "guide.json").write_text(json.dumps({"run_name": "slim_run", "run_dir": "elsewhere/slim_run"}))

    assert "slim_run (local" in call("fleet", "status", "--config", "guide.json")
    assert "other (local" in call("fleet", "status", "--config", "guide.json", "--run", "other")


def test_a_misspelt_fleet_is_answered_with_the_nearest(folder: Path, call: Callable[..., str]) -> None:
    make_fleet(folder / "runs", "red1")

    with pytest.raises(RunFolderError, match="Did you mean 'red1'"):
        call("fleet", "stop", "--run", "rde1")


def test_status_as_json_is_json(folder: Path, call: Callable[..., str]) -> None:
    make_fleet(folder / "runs", "red4", 2)

    found = json.loads(call("fleet", "status", "--json"))
    assert [(chain["chain"], chain["state"], chain["legs"]) for chain in found["chains"]] == [
        ("m0", "stopped", []),
        ("m1", "stopped", []),
    ]


def test_a_dry_run_writes_nothing(folder: Path, call: Callable[..., str]) -> None:
    said = call("fleet", "start", "--run", "red1", "--executor", "local", "--dry-run", "--set", "run.total_steps=99")

    assert "Nothing was submitted" in said
    assert "total_steps = 99" in said
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--run", ""), "name of the fleet is empty"),
        (("--run", "a", "--ddp-world-size", "0"), "at least one chain"),
        (("--run", "a", "--jobs", "0"), "at least one"),
        (("--run", "a", "--executor", "slrum"), "Did you mean 'slurm'"),
        (("--run", "a", "--time-limit", "soon"), "time_limit|--time-limit"),
        (("--run", "a", "--cpus", "99"), "99"),
    ],
)
def test_impossible_fleets_are_refused_before_anything_is_written(
    folder: Path, call: Callable[..., str], words: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(GamefleetError, match=reason):
        call("fleet", "start", *([] if "--executor" in words else ["--executor", "local"]), *words)
    assert list(folder.iterdir()) == []


def test_logs_say_when_there_are_none(folder: Path, call: Callable[..., str]) -> None:
    make_fleet(folder / "runs", "red1")

    assert "no output yet" in call("fleet", "logs")
    with pytest.raises(RunFolderError, match="no such chain"):
        call("fleet", "logs", "--chain", "m7")


def test_settings_without_a_name_do_not_name_a_fleet(folder: Path, call: Callable[..., str]) -> None:
    (folder / "slim.json").write_text(json.dumps({"total_steps": 5}))

    with pytest.raises(ConfigError, match="do not name a run"):
        call("fleet", "status", "--config", "slim.json")


def test_a_fleet_of_several_runs_is_listed_and_removed_once_it_is_stopped(
    folder: Path, call: Callable[..., str]
) -> None:
    paths = make_fleet(folder / "runs", "red4", 2)
    assert "red4" in call("runs", "list")

    paths.stop.unlink()
    with pytest.raises(RunFolderError, match=r"at work.*fleet stop --run red4"):
        call("runs", "rm", "red4", "--yes")
    write_json(paths.stop, {"by": "me"})
    call("runs", "rm", "red4", "--yes")
    assert not paths.root.exists()


def test_settings_that_do_not_fit_the_run_that_is_there_are_refused_before_anything_changes(
    folder: Path, call: Callable[..., str], repository: Path
) -> None:
    config = ("--config", str(repository / "configs" / "smoke.toml"))
    call("train", "pokemon_red", *config, "--run", "red1", "--total-steps", "200", "--no-video")
    start = ("fleet", "start", *config, "--run", "red1", "--executor", "local", "--dry-run")

    assert "Nothing was submitted" in call(*start)
    with pytest.raises(IncompatibleError, match="hidden_size"):
        call(*start, "--set", "network.hidden_size=24")
    assert not (folder / "runs" / "red1" / "fleet").exists()


def test_a_folder_that_cannot_be_made_is_one_clear_sentence(folder: Path, call: Callable[..., str]) -> None:
    (folder / "afile").touch()

    with pytest.raises(RunFolderError, match="Cannot write"):
        call("fleet", "start", "--executor", "local", "--run", "a", "--runs-folder", "afile")


def test_a_broken_profile_is_refused_where_it_is_looked_at(folder: Path, call: Callable[..., str]) -> None:
    assert "max_jobs = 4" in call("fleet", "profile")
    (folder / "cluster.toml").write_text("max_job = 3\n")

    with pytest.raises(ConfigError, match="max_jobs"):
        call("fleet", "profile")


def test_there_is_nothing_to_stop_when_all_runs_have_finished(folder: Path, call: Callable[..., str]) -> None:
    paths = make_fleet(folder / "runs", "red1")
    paths.stop.unlink()
    give_mark(paths.chain("m0"), "done", {"reason": "all steps are done"})

    assert "nothing to stop" in call("fleet", "stop")
    assert not paths.stop.exists()
