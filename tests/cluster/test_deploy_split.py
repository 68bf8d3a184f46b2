"""What is in `deploy/` for a learner on another machine: thin scripts, typed in a prepared checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = {"run_gpu_server.sh": ["learner", "serve"], "run_coordinator.sh": ["coordinate"]}
SET_UPS = ("setup_laptop.sh", "setup_server.sh")
"""Typed in earnest by the reader of the guide, in tests/docs."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def only_tools(tmp_path: Path) -> Path:
    """A folder for the PATH, without Python or conda."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for tool in ("bash", "env", "sh", "dirname", "cat", "cksum", "ls", "mkdir", "cp", "hostname"):
        (folder / tool).symlink_to(shutil.which(tool) or tool)
    return folder


def run(script: Path, *words: str, path: Path | str, home: Path, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(path), "HOME": str(home), **more}
    return subprocess.run([str(script), *words], env=environment, cwd=home, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("name", [*SCRIPTS, *SET_UPS, "env_setup.sh"])
def test_the_scripts_can_be_started_and_stop_at_the_first_error(repository: Path, name: str) -> None:
    script = repository / "deploy" / name
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in script.read_text()
    subprocess.run(["bash", "-n", str(script)], check=True, timeout=300)


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_scripts_hand_on_every_option_and_no_token(
    repository: Path, only_tools: Path, home: Path, name: str
) -> None:
    program = only_tools / "gamefleet"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$AUTH_TOKEN" "$@"\n')
    program.chmod(0o755)
    script = repository / "deploy" / name

    done = run(script, "--port", "a word", path=only_tools, home=home, AUTH_TOKEN="secret")

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["secret", *SCRIPTS[name], "--auth-token-env", "AUTH_TOKEN", "--port", "a word"]


def test_without_an_environment_the_scripts_say_how_to_get_one(repository: Path, only_tools: Path, home: Path) -> None:
    folder = home / "deploy"
    folder.mkdir()
    for name in ("run_gpu_server.sh", "activate.sh"):
        shutil.copy(repository / "deploy" / name, folder)

    done = run(folder / "run_gpu_server.sh", path=only_tools, home=home)

    assert done.returncode == 1
    assert "deploy/env_setup.sh" in done.stderr


def test_the_server_gets_the_example_to_edit(repository: Path, tmp_path: Path, home: Path, only_tools: Path) -> None:
    folder = tmp_path / "gamefleet"
    (folder / "deploy").mkdir(parents=True)
    (folder / "configs").mkdir()
    shutil.copy(repository / "configs" / "hanabi_distributed.toml", folder / "configs")
    shutil.copy(repository / "deploy" / "setup_server.sh", folder / "deploy")
    (folder / "deploy" / "env_setup.sh").write_text('#!/bin/sh\necho "$EXTRAS $*"\n')
    (folder / "deploy" / "env_setup.sh").chmod(0o755)

    done = run(folder / "deploy" / "setup_server.sh", path=only_tools, home=home)

    assert done.stdout.splitlines()[0] == "torch,wandb --cpu --venv"
    example = (repository / "configs" / "hanabi_distributed.toml").read_text()
    assert (folder / "distributed_config.toml").read_text() == example
    (folder / "distributed_config.toml").write_text("mine")
    assert run(folder / "deploy" / "setup_server.sh", path=only_tools, home=home).returncode == 0
    assert (folder / "distributed_config.toml").read_text() == "mine"
