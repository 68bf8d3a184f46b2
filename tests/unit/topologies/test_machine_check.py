"""Whether a machine knows how many games it can play, and has the memory for them: hardware is given."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gamefleet.cluster.autotune import recommend
from gamefleet.cluster.checks.base import Result, run_checks
from gamefleet.cluster.hardware import Hardware
from gamefleet.cluster.machine_profile import MachineProfile, profile_path, save_profile
from gamefleet.cluster.measurements import GIB, Measurements, Needs, Play
from gamefleet.topologies.machine_check import judge_room, known_id, laptop_checks

LAPTOP = Hardware(system="Linux", machine="x86_64", cpus=8, granted_cpus=8, ram_bytes=16 * GIB, free_ram_bytes=12 * GIB)
PLAY = Play(num_envs=5, num_workers=5, random_steps_per_s=900.0, policy_steps_per_s=500.0, worker_bytes=80_000_000)
MEASURED = Measurements(game="pokemon_red", plays=(PLAY,), learner_bytes=500_000_000)
PROFILE = MachineProfile(
    user_id="my-laptop",
    hardware=LAPTOP,
    measurements=MEASURED,
    recommendation=recommend(LAPTOP, Needs(), MEASURED),
    gamefleet="0.1.0",
    date="2026-01-02T03:04:05+00:00",
)


@pytest.fixture
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {"XDG_CONFIG_HOME": str(tmp_path_factory.mktemp("config"))}


def found_on(hardware: Hardware, environ: dict[str, str]) -> dict[str, Result]:
    checks = laptop_checks("pokemon_red", environ, hardware=hardware)
    return {check.name: result for check, result in run_checks(checks)}


def test_a_machine_that_was_not_measured_is_told_how_and_plays_by_its_cores(environ: dict[str, str]) -> None:
    found = found_on(LAPTOP, environ)
    assert found["machine-profile"].status == "skipped"
    assert "gamefleet autotune --user-id" in found["machine-profile"].found
    assert "room for games: " in found["room-for-games"].found


def test_a_measured_machine_passes_under_whatever_name_it_was_measured(environ: dict[str, str]) -> None:
    save_profile(PROFILE, environ)
    assert known_id(environ) == "my-laptop"
    found = found_on(LAPTOP, environ)
    assert found["machine-profile"].status == "ok"
    assert "my-laptop was measured on 2026-01-02: games: 5" in found["machine-profile"].found
    assert found["room-for-games"].status == "ok"


def test_another_machine_s_profile_does_not_count_and_is_measured_again(environ: dict[str, str]) -> None:
    save_profile(PROFILE, environ)
    found = found_on(replace(LAPTOP, ram_bytes=32 * GIB), environ)["machine-profile"]
    assert found.status == "warning"
    assert "32.0 GB RAM now, 16.0 GB when it was measured" in found.found
    assert found.remedy == "gamefleet autotune --user-id my-laptop"


def test_a_damaged_profile_is_a_warning(environ: dict[str, str]) -> None:
    path = save_profile(PROFILE, environ)
    assert path == profile_path("my-laptop", environ)
    path.write_text(path.read_text()[:100])
    found = found_on(LAPTOP, environ)["machine-profile"]
    assert found.status == "warning"
    assert "cannot be read" in found.found


def test_memory_that_others_take_is_told_with_a_number_of_games_that_fits() -> None:
    needs = Needs()
    few = needs.learner_bytes + int(2.5 * (needs.env_bytes + needs.steps_per_env * needs.slot_bytes))
    result = judge_room("my-laptop", replace(LAPTOP, free_ram_bytes=int(few / 0.9)), needs, None)
    assert result.status == "warning"
    assert "gamefleet actors --num-envs 2" in result.remedy
    assert "gamefleet autotune --user-id my-laptop" in result.remedy


def test_memory_that_is_short_for_one_game_says_what_needs_least() -> None:
    result = judge_room("my-laptop", replace(LAPTOP, free_ram_bytes=GIB // 4), Needs(), PROFILE)
    assert result.status == "warning"
    assert "even for one game" in result.found
    assert "gamefleet actors --num-envs 1" in result.remedy
    assert "--contribute experience" in result.remedy
