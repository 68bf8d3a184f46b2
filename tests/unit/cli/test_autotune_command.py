"""`gamefleet autotune` as a user meets it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from gamefleet.cli.autotune import autotune, print_profile
from gamefleet.cluster.autotune import recommend
from gamefleet.cluster.hardware import Accelerator, Hardware
from gamefleet.cluster.machine_profile import MachineProfile
from gamefleet.cluster.measurements import GIB, Measurements, Needs, Play, Timing
from gamefleet.errors import ConfigError
from gamefleet.files import write_json

Call = Callable[..., Result]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run the command with its profiles in a folder of the test."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    app = typer.Typer()
    app.command()(autotune)
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


def test_a_dry_run_says_what_it_would_do_and_saves_nothing(call: Call, tmp_path: Path) -> None:
    result = call("--user-id", "box", "--dry-run")

    assert result.exit_code == 0, result.output
    assert "without measurements" in result.output
    assert "Would measure, environments x workers:" in result.output
    assert "config/gamefleet/machines/box.json" in result.output.replace("\n", "")
    for name in ("workers", "environments", "device", "learning device", "batch size", "replay steps"):
        assert name in result.output
    assert not (tmp_path / "config").exists()


def test_a_dry_run_can_be_one_json_object(call: Call) -> None:
    facts = json.loads(call("--user-id", "box", "--dry-run", "--json").stdout)

    assert facts["hardware"]["ram_bytes"] > 0
    assert facts["points"]
    assert facts["recommendation"]["num_envs"] >= 1


def test_the_settings_of_the_shared_folders_fleet_are_used(call: Call, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    settings = {"learner": {"batch_size": 7}, "replay": {"capacity_steps": 20_000}}
    write_json(shared / "shared.json", {"game_name": "pokemon_red", "settings": settings})

    facts = json.loads(call("--shared-dir", shared, "--dry-run", "--json").stdout)
    assert facts["recommendation"]["batch_size"] == 7
    assert facts["recommendation"]["capacity_steps"] == 20_000


def test_a_folder_without_a_fleet_is_refused(call: Call, tmp_path: Path) -> None:
    error = call("--shared-dir", tmp_path, "--dry-run").exception
    assert isinstance(error, ConfigError)
    assert "holds no fleet yet" in str(error)


def test_a_name_that_is_a_path_is_refused_before_anything_is_measured(call: Call) -> None:
    error = call("--user-id", "../box").exception
    assert isinstance(error, ConfigError)
    assert "no name for a machine" in str(error)


def test_a_profile_is_printed_with_tables_and_a_reason_per_choice(capsys: pytest.CaptureFixture[str]) -> None:
    hardware = Hardware(
        system="Darwin",
        machine="arm64",
        cpus=8,
        granted_cpus=8,
        ram_bytes=16 * GIB,
        performance_cores=4,
        efficiency_cores=4,
        free_ram_bytes=9 * GIB,
        accelerators=(Accelerator(device="mps", name="Apple GPU"),),
    )
    measured = Measurements(
        game="pokemon_red",
        plays=(
            Play(num_envs=4, num_workers=4, random_steps_per_s=4000, policy_steps_per_s=1500, worker_bytes=70 << 20),
        ),
        inference=(
            Timing(device="cpu", batch=4, seconds=0.001),
            Timing(device="mps", batch=4, seconds=0.003),
        ),
        missing={"cuda": "no CUDA device"},
        took_s=24.0,
        load=5.0,
    )
    advice = recommend(hardware, Needs(), measured)
    print_profile(
        MachineProfile(
            user_id="laptop",
            hardware=hardware,
            measurements=measured,
            recommendation=advice,
            gamefleet="0.1.0",
            date="2026-01-02T03:04:05+00:00",
        )
    )

    shown = capsys.readouterr().out
    assert "8 of 8 CPUs, 4 fast and 4 slow; 16.0 GB RAM, 9.0 GB free" in shown
    assert "mps: Apple GPU" in shown
    assert "cuda: not used, no CUDA device" in shown
    assert "<- chosen" in shown
    assert "Other programs were busy (load 5.0): measure again when they are not." in shown
    assert "4 fast and 4 slow cores count as 6, less 1 for the system" in shown
    assert "3.0 ms per call on mps, 1.0 ms on the CPU" in shown
    assert all(chosen.name in shown for chosen in advice.reasons)
    assert max(map(len, shown.splitlines())) <= 120


@pytest.mark.long
def test_the_real_benchmark_prints_and_saves(call: Call, tmp_path: Path) -> None:
    result = call("--user-id", "box", "--set", "network.hidden_size=32")

    assert result.exit_code == 0, result.output
    saved = json.loads((tmp_path / "config/gamefleet/machines/box.json").read_text())
    assert saved["measurements"]["game"] == "pokemon_red"
    assert saved["recommendation"]["num_envs"] >= 1
    assert "Choices for box" in result.output
