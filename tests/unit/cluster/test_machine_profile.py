"""Profiles of machines: kept, found again, and not believed when they no longer fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gamefleet.cluster.autotune import recommend
from gamefleet.cluster.hardware import Accelerator, Hardware
from gamefleet.cluster.machine_profile import (
    MachineProfile,
    default_user_id,
    load_profile,
    profile_path,
    recommended,
    save_profile,
)
from gamefleet.cluster.measurements import GIB, Measurements, Needs, Play, Timing
from gamefleet.errors import ConfigError

HARDWARE = Hardware(
    system="Linux",
    machine="x86_64",
    cpus=8,
    granted_cpus=6,
    ram_bytes=32 * GIB,
    free_ram_bytes=20 * GIB,
    accelerators=(Accelerator(device="cuda", name="a card", memory_bytes=8 * GIB),),
)
MEASUREMENTS = Measurements(
    game="toy",
    plays=(
        Play(num_envs=7, num_workers=4, random_steps_per_s=900.0, policy_steps_per_s=500.0, worker_bytes=70_000_000),
    ),
    inference=(Timing(device="cpu", batch=4, seconds=0.004),),
    learner_bytes=500_000_000,
    missing={"mps": "no Apple GPU"},
    took_s=21.0,
)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CONFIG_HOME": str(tmp_path)}


@pytest.fixture
def profile() -> MachineProfile:
    return MachineProfile(
        user_id="annas-laptop.local",
        hardware=HARDWARE,
        measurements=MEASUREMENTS,
        recommendation=recommend(HARDWARE, Needs(), MEASUREMENTS),
        gamefleet="0.1.0",
        date="2026-01-02T03:04:05+00:00",
    )


def test_a_profile_is_read_back_as_it_was_written(profile: MachineProfile, environ: dict[str, str]) -> None:
    path = save_profile(profile, environ)
    assert path == Path(environ["XDG_CONFIG_HOME"]) / "gamefleet/machines/annas-laptop.local.json"
    assert load_profile("annas-laptop.local", environ) == profile


def test_without_xdg_the_home_folder_holds_the_profiles() -> None:
    assert profile_path("box", {"HOME": "/there"}) == Path("/there/.config/gamefleet/machines/box.json")
    with pytest.raises(ConfigError, match="no folder for profiles"):
        profile_path("box", {})


@pytest.mark.parametrize("name", ["", ".", "..", "../box", "a/b", "-box", "a b", "box\n", "x" * 129])
def test_a_name_that_could_leave_the_folder_is_refused(name: str, environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="no name for a machine"):
        load_profile(name, environ)


@pytest.mark.parametrize("name", ["box", "Anna's MacBook", "...", "", "löwe", "node-17.cluster.example.edu"])
def test_every_host_name_gives_a_usable_name(name: str, environ: dict[str, str]) -> None:
    assert profile_path(default_user_id(name), environ).suffix == ".json"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"user_id": "box"}'])
def test_a_profile_that_cannot_be_read_counts_as_none(content: bytes, environ: dict[str, str]) -> None:
    path = profile_path("box", environ)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert load_profile("box", environ) is None


def test_a_fitting_profile_is_followed(profile: MachineProfile, environ: dict[str, str]) -> None:
    save_profile(profile, environ)
    advice = recommended("annas-laptop.local", HARDWARE, Needs(), game="toy", environ=environ)
    assert advice.recommendation.num_envs == 7
    assert advice.source == "measured on 2026-01-02 with gamefleet 0.1.0"


def test_a_fitting_profile_yields_to_memory_that_is_taken_now(profile: MachineProfile, environ: dict[str, str]) -> None:
    save_profile(profile, environ)
    busy = replace(HARDWARE, free_ram_bytes=GIB)
    assert recommended("annas-laptop.local", busy, Needs(), game="toy", environ=environ).recommendation.num_envs == 1


def test_without_a_profile_the_rule_decides_and_says_so(environ: dict[str, str]) -> None:
    advice = recommended("box", HARDWARE, Needs(), game="toy", environ=environ)
    assert advice.recommendation == recommend(HARDWARE, Needs())
    assert "without measurements" in advice.source
    assert "gamefleet autotune --user-id box" in advice.source


@pytest.mark.parametrize(
    ("present", "game", "words"),
    [
        (replace(HARDWARE, granted_cpus=2), "toy", "2 of 8 CPUs now, 6 of 8 when it was measured"),
        (replace(HARDWARE, ram_bytes=16 * GIB), "toy", "16.0 GB RAM now, 32.0 GB when it was measured"),
        (replace(HARDWARE, accelerators=()), "toy", "cpu now, cpu, cuda when it was measured"),
        (HARDWARE, "chess", "measured with toy, not chess"),
    ],
)
def test_a_profile_of_other_hardware_or_another_game_is_ignored_with_a_line(
    present: Hardware, game: str, words: str, profile: MachineProfile, environ: dict[str, str]
) -> None:
    save_profile(profile, environ)
    advice = recommended("annas-laptop.local", present, Needs(), game=game, environ=environ)
    assert words in advice.source
    assert advice.recommendation == recommend(present, Needs())


def test_a_little_less_memory_after_a_kernel_update_is_the_same_machine(
    profile: MachineProfile, environ: dict[str, str]
) -> None:
    save_profile(profile, environ)
    present = replace(HARDWARE, ram_bytes=int(31.5 * GIB))
    assert recommended("annas-laptop.local", present, Needs(), game="toy", environ=environ).source.startswith(
        "measured"
    )
