"""`gamefleet service` as a user meets it; what the files do is tested with `cluster.remote_services`."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from gamefleet.cli.main import make_app
from gamefleet.cluster.remote_services import files_by_hand

PROGRAM = "/opt/gamefleet/.venv/bin/gamefleet"
VALUES = {"${PORT}": "5555", "${GPU_PORT}": "5555", "${HOST}": "127.0.0.1", "$OPTIONS": ""}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", [name for name in files_by_hand(PROGRAM) if name.endswith(".service")])
def test_the_command_of_a_unit_is_one_that_gamefleet_takes(name: str) -> None:
    text = files_by_hand(PROGRAM)[name]
    [line] = [line.removeprefix("ExecStart=") for line in text.splitlines() if line.startswith("ExecStart=")]
    for variable, value in VALUES.items():
        line = line.replace(variable, value)
    _, *words = shlex.split(line)
    context = None
    command = typer.main.get_command(make_app())
    while hasattr(command, "commands"):
        context = command.make_context(words[0], words[:1], parent=context, resilient_parsing=True)
        command, words = command.commands[words[0]], words[1:]

    with command.make_context("unit", words, parent=context) as parsed:
        assert parsed.params["auth_token_env"] == "AUTH_TOKEN"


def test_a_dry_run_prints_the_files_and_writes_nothing(gamefleet: Callable, home: Path) -> None:
    answer = gamefleet(
        "service", "install", "coordinator", "--dry-run", "--gpu-host", "laptop", "--options", "--seed 3"
    )

    assert answer.status == 0, answer.err
    assert f"# {home}/.config/systemd/user/gamefleet-coordinator.service" in answer.out
    assert f"WorkingDirectory={home}\n" in answer.out
    assert "GPU_HOST=laptop\n" in answer.out
    assert 'OPTIONS="--seed 3"\n' in answer.out
    assert "coordinator.env (mode 600)" in answer.out
    assert list(home.iterdir()) == []


def test_a_service_takes_a_file_of_settings_and_the_learners_place_in_it(gamefleet: Callable, home: Path) -> None:
    (home / "split.toml").write_text('[network]\ngpu_host = "laptop"\ngpu_port = 6000\n')
    words = ("service", "install", "--dry-run", "--config", "split.toml")

    playing = gamefleet(*words, "coordinator", "--options", "--seed 3")
    learning = gamefleet(*words, "learner")

    assert {"GPU_HOST=laptop", "GPU_PORT=6000"} <= set(playing.out.splitlines()), playing.err
    assert f'OPTIONS="--config {home}/split.toml --seed 3"\n' in playing.out
    assert "PORT=6000\n" in learning.out, learning.err
    assert gamefleet(*words, "coordinator", "--gpu-host", "other").out.count("GPU_HOST=other") == 2


def test_what_a_service_could_never_start_with_is_refused(gamefleet: Callable, home: Path) -> None:
    port = gamefleet("service", "install", "learner", "--dry-run", "--port", "99999")
    other = gamefleet("service", "install", "learner", "--dry-run", "--gpu-host", "x")

    assert (port.status, other.status) == (2, 2)
    assert "--port" in port.err
    assert "no such option: '--gpu-host'" in other.err


def test_nothing_is_installed_until_it_is(gamefleet: Callable, home: Path) -> None:
    assert gamefleet("service", "status").out.splitlines() == [
        "gamefleet-learner: not installed",
        "gamefleet-coordinator: not installed",
    ]
    assert "nothing to do" in gamefleet("service", "uninstall", "learner").out


def test_services_of_the_whole_machine_are_roots(
    gamefleet: Callable, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    answer = gamefleet("service", "install", "learner", "--system")
    assert answer.status == 8
    assert "sudo " in answer.err
    assert "service install learner --system" in answer.err

    monkeypatch.setenv("SUDO_USER", "alice")
    shown = gamefleet("service", "install", "learner", "--system", "--dry-run")
    assert "# /etc/systemd/system/gamefleet-learner@.service" in shown.out
    assert "WorkingDirectory=~\n" in shown.out
    assert "# /etc/default/gamefleet-learner (mode 600)" in shown.out


def test_files_for_those_who_install_by_hand_are_written_with_their_own_path(gamefleet: Callable, home: Path) -> None:
    answer = gamefleet("service", "files", "units", "--program", "/srv/venv/bin/gamefleet")

    assert answer.status == 0, answer.err
    assert (
        "ExecStart=/srv/venv/bin/gamefleet learner serve" in (home / "units" / "gamefleet-learner@.service").read_text()
    )
    assert "#AUTH_TOKEN=" in (home / "units" / "gamefleet-learner.example").read_text()
