"""The cluster profile: a file that users edit, with errors that say what to write instead."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path

import pytest

from gamefleet.cluster.jobs import Resources
from gamefleet.cluster.profile import (
    PACKAGED,
    ClusterProfile,
    find_profile,
    load_profile,
    make_profile,
    profile_text,
    resources,
)
from gamefleet.errors import ConfigError

GUIDE = ClusterProfile()


def test_the_packaged_profile_holds_the_guide_s_limits() -> None:
    profile = make_profile(tomllib.loads(PACKAGED.read_text()), source="x")

    assert (profile.max_jobs, profile.cpus, profile.gpus, profile.gpu_memory_gb) == (4, 8, 1, 20)
    assert profile.time_limit_s == 4 * 3600


def test_the_packaged_file_says_every_setting_with_its_default_and_what_it_means() -> None:
    values = tomllib.loads(PACKAGED.read_text())
    settings = {field.name: field.default for field in dataclasses.fields(ClusterProfile) if field.name != "source"}
    lines = [line for line in PACKAGED.read_text().splitlines() if "=" in line and not line.startswith("#")]

    assert {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()} == settings
    assert [line for line in lines if " # " not in line] == []


def test_a_file_that_is_named_goes_before_the_folder_s_before_the_user_s_before_the_packaged(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path)}
    assert find_profile(None, environment=environment, folder=tmp_path) == PACKAGED

    mine = tmp_path / ".config" / "gamefleet" / "cluster.toml"
    mine.parent.mkdir(parents=True)
    mine.write_text("max_jobs = 3")
    assert find_profile(None, environment=environment, folder=tmp_path) == mine

    here = tmp_path / "cluster.toml"
    here.write_text("max_jobs = 2")
    assert load_profile(None, environment=environment, folder=tmp_path).max_jobs == 2

    named = tmp_path / "other.toml"
    named.write_text("max_jobs = 1")
    assert load_profile(named, environment=environment, folder=tmp_path).max_jobs == 1


def test_the_folder_for_settings_may_be_elsewhere(tmp_path: Path) -> None:
    place = tmp_path / "settings" / "gamefleet" / "cluster.toml"
    place.parent.mkdir(parents=True)
    place.write_text("cpus = 2")
    environment = {"HOME": "/nowhere", "XDG_CONFIG_HOME": str(tmp_path / "settings")}

    assert load_profile(environment=environment, folder=tmp_path).cpus == 2


def test_a_copy_of_the_printed_profile_is_a_profile(tmp_path: Path) -> None:
    copy = tmp_path / "cluster.toml"
    copy.write_text(profile_text(PACKAGED))

    assert load_profile(copy) == dataclasses.replace(GUIDE, source=str(copy))


def test_a_named_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no such cluster profile.*--profile"):
        load_profile(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("max_job = 3", "Did you mean 'max_jobs'"),
        ("cpus = '8'", "whole number"),
        ("cpus = true", "whole number"),
        ("cpus = 0", "at least 1"),
        ("gpus = -1", "at least 0"),
        ("partition = 3", "text in quotes"),
        ("setup = 'module load cuda'", "list of texts"),
        ("time_limit = 'four hours'", "hours:minutes:seconds"),
        ("time_limit = '0'", "hours:minutes:seconds"),
        ("source = 'x'", "no such setting"),
        ("cpus = ", "no TOML"),
    ],
)
def test_a_mistake_is_named_with_the_file_and_the_way_out(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "cluster.toml"
    path.write_text(text)

    with pytest.raises(ConfigError, match=words) as error:
        load_profile(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("text", "hours"),
    [("'4:00:00'", 4.0), ("'1-12'", 36.0), ("'90'", 1.5), ("'90:30'", 1.5 + 30 / 3600), ("04:30:00", 4.5)],
)
def test_times_are_written_as_for_slurm(tmp_path: Path, text: str, hours: float) -> None:
    path = tmp_path / "cluster.toml"
    path.write_text(f"time_limit = {text}")

    assert load_profile(path).time_limit_s == hours * 3600


def test_a_job_asks_for_what_the_profile_allows() -> None:
    assert resources(GUIDE, partition="gpu-linuxlab") == Resources(
        partition="gpu-linuxlab", time_limit_s=4 * 3600, cpus=8, gpus=1, gres=("gpumem:20G",), signal_s=180
    )


def test_a_cpu_job_asks_for_no_gpu_and_no_gpu_memory() -> None:
    asked = resources(GUIDE, gpus=0, partition="linuxlab")

    assert (asked.gpus, asked.gres) == (0, ())


def test_where_gpu_memory_is_not_counted_none_is_asked_for() -> None:
    assert resources(dataclasses.replace(GUIDE, gpu_memory_gres="")).gres == ()
    assert resources(GUIDE, gpu_memory_gb=0).gres == ()
    assert resources(dataclasses.replace(GUIDE, gpu_memory_gres="vram"), gpu_memory_gb=10).gres == ("vram:10G",)


def test_what_is_asked_for_goes_before_the_profile() -> None:
    profile = dataclasses.replace(GUIDE, partition="a", account="b", qos="c", memory="16G", options=("--exclude=n3",))
    asked = resources(profile, account="d", cpus=4, gpu_memory_gb=10, time_limit="1:00:00")

    assert (asked.partition, asked.account, asked.qos) == ("a", "d", "c")
    assert (asked.cpus, asked.gres, asked.time_limit_s, asked.memory) == (4, ("gpumem:10G",), 3600, "16G")
    assert asked.options == ("--exclude=n3",)


@pytest.mark.parametrize(
    ("asked", "limit"),
    [
        ({"cpus": 9}, "cpus = 8"),
        ({"gpus": 2}, "gpus = 1"),
        ({"gpu_memory_gb": 40}, "gpu_memory_gb = 20"),
        ({"time_limit": "5:00:00"}, "time_limit = 4:00:00"),
    ],
)
def test_asking_for_more_than_the_profile_allows_names_limit_and_value(asked: dict[str, object], limit: str) -> None:
    profile = dataclasses.replace(GUIDE, source="cluster.toml")

    with pytest.raises(ConfigError, match=limit) as error:
        resources(profile, **asked)  # type: ignore[arg-type]
    assert repr(next(iter(asked.values()))) in str(error.value)
    assert "cluster.toml" in str(error.value)


def test_asking_for_less_than_nothing_is_an_error() -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        resources(GUIDE, cpus=0)
    with pytest.raises(ConfigError, match="at least 0"):
        resources(GUIDE, gpus=-1)


def test_a_short_job_is_told_after_half_of_its_time() -> None:
    assert resources(GUIDE, time_limit="2:00").signal_s == 60


def test_an_empty_profile_does_not_count_since_the_shell_empties_the_file_that_it_writes_to(tmp_path: Path) -> None:
    (tmp_path / "cluster.toml").touch()

    assert find_profile(None, environment={}, folder=tmp_path).name == "profile.toml"
