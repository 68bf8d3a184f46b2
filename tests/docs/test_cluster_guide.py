"""Every command of the guide to the cluster is executed, in order, by a newcomer: a real SSH server, a real SLURM.

What stands in for a cluster: the copy of the checkout has an environment that is set up already (setting one up is
tested with deploy/), its `configs/slim.yaml` trains a tiny network, and `cluster.toml` is edited, as the page tells
users to, to jobs of one minute. `ssh-copy-id` cannot type a password here, so the server is told the key right after
the page has made it. The guide's cluster is reached under its name, which `ssh -F` leads to this machine.
"""

from __future__ import annotations

import getpass
import json
import os
import re
import subprocess
import sys
import sysconfig
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gamefleet.testing.local_slurm import LocalSlurm, LocalSlurmSettings
from gamefleet.testing.local_ssh import LocalSsh

HOST = "login.cluster.example.edu"
PAGE = "docs/guides/cluster.md"

CLUSTER_CONFIG = {
    "run_name": "slim_run",
    "run_dir": "runs/slim_run",
    "training": {
        "total_steps": 5000000,
        "num_envs": 8,
        "batch_size": 64,
        "device": "cuda",
        "stream": True,
        "stream_port": 9999,
    },
    "collaboration": {"enabled": True, "shared_dir": "shared_weights"},
}
"""The original guide's file; its folder is one that exists here."""


@pytest.fixture
def checkout(repository: Path, repository_files: tuple[Path, ...], tmp_path: Path) -> Path:
    """A copy of the repository with an environment that finds what this one has."""
    copy = tmp_path / "gamefleet"
    for path in repository_files:
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        (copy / path).write_bytes((repository / path).read_bytes())
    venv = copy / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    [packages] = venv.glob("lib/python3*/site-packages")
    (packages / "all.pth").write_text(f"{copy / 'src'}\n{sysconfig.get_path('purelib')}\n")
    command = venv / "bin" / "gamefleet"
    command.write_text(f"#!{venv}/bin/python\nfrom gamefleet.cli.main import main\nmain()\n")
    command.chmod(0o755)
    checksum = subprocess.run(
        ["cksum"], input=(copy / "pyproject.toml").read_bytes(), capture_output=True
    ).stdout.decode()
    (venv / ".gamefleet-installed").write_text(f"{copy} {checksum.strip()}\n")
    settings = tomllib.loads((repository / "configs" / "smoke.toml").read_text())
    # Saves some seconds apart: whoever evaluates a run while it trains reads a checkpoint before it is replaced.
    settings["run"] |= {"total_steps": 10_000_000, "checkpoint_interval_steps": 4_000}
    (copy / "configs" / "slim.yaml").write_text(yaml.safe_dump(settings))
    (copy / "cluster_config.json").write_text(json.dumps(CLUSTER_CONFIG))
    return copy


@pytest.fixture
def cluster(require_program: Callable[[str, str], str]) -> Iterator[LocalSlurm]:
    require_program("slurmctld", "make cluster-demo installs it")
    with LocalSlurm(LocalSlurmSettings(has_accounting=True, max_jobs=4)) as slurm:
        yield slurm


@pytest.fixture
def home(tmp_path: Path, require_program: Callable[[str, str], str]) -> Iterator[tuple[Path, LocalSsh]]:
    """A home folder whose `ssh` finds the guide's cluster; ssh itself would look into the real one."""
    require_program("ssh", "apt-get install openssh-client openssh-server")
    folder, programs = tmp_path / "home", tmp_path / "home" / "bin"
    (folder / ".ssh").mkdir(mode=0o700, parents=True)
    programs.mkdir()
    (tmp_path / "sshd").mkdir(mode=0o700)
    with LocalSsh(tmp_path / "sshd") as server:
        settings = server.with_key(folder / ".ssh" / "id_ed25519").read_text()
        (folder / ".ssh" / "config").write_text(settings.replace(f"Host {server.host}", f"Host {HOST}"))
        wrapper = programs / "ssh"
        wrapper.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {folder}/.ssh/config "$@"\n')
        wrapper.chmod(0o755)
        yield folder, server


def lines_of(page: str) -> list[str]:
    """The commands of all bash blocks, in order."""
    blocks = re.findall(r"^```bash\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines() if line.strip()]


class Newcomer:
    """Types one line after the other, in one folder.

    Args:
        folder: The checkout.
        environment: Variables of the shell.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self.typed: list[str] = []

    def type(self, line: str) -> str:
        self.typed.append(line)
        return self.run(line.replace("USER@", f"{getpass.getuser()}@"))

    def run(self, line: str) -> str:
        activate = "source .venv/bin/activate; " if any("bin/activate" in typed for typed in self.typed) else ""
        done = subprocess.run(
            ["bash", "-c", f"{activate}{line}"],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def chains(self, run: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.run(f"gamefleet fleet status --run {run} --json"))["chains"]
        return found

    def wait_for_hand_over(self, run: str) -> None:
        give_up_at = time.monotonic() + 300
        while not any(len(chain["legs"]) > 1 and chain["legs"][0]["handover"] for chain in self.chains(run)):
            assert time.monotonic() < give_up_at, self.chains(run)
            time.sleep(3)


def edit(profile: Path) -> None:
    """What the page asks for: the limits of this cluster."""
    text = profile.read_text()
    for before, after in (('time_limit = "4:00:00"', 'time_limit = "0:01:00"'), ("cpus = 8", "cpus = 1")):
        assert before in text
        text = text.replace(before, after)
    profile.write_text(text)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_following_the_guide_leads_from_an_account_to_a_running_chain(
    repository: Path, checkout: Path, cluster: LocalSlurm, home: tuple[Path, LocalSsh]
) -> None:
    folder, server = home
    path = f"{folder}/bin:{os.environ['PATH']}"
    newcomer = Newcomer(checkout, {**cluster.environment, "HOME": str(folder), "USER": getpass.getuser(), "PATH": path})
    lines = lines_of((repository / PAGE).read_text())
    assert len(lines) > 15, "the page's commands are found"
    said: dict[str, str] = {}
    for line in lines:
        if line == "gamefleet fleet status --run red1":
            newcomer.wait_for_hand_over("red1")
        said[line] = newcomer.type(line)
        if line.startswith("ssh-keygen"):
            with open(server.folder / "authorized_keys", "a") as keys:
                keys.write((folder / ".ssh" / "id_ed25519.pub").read_text())
        elif line.endswith("> cluster.toml"):
            edit(checkout / "cluster.toml")
        elif "--ddp-world-size 4" in line:
            run = "slim_run" if "cluster_config" in line else "red4"
            assert [chain["chain"] for chain in newcomer.chains(run)] == ["m0", "m1", "m2", "m3"]
            newcomer.run(f"gamefleet fleet stop --now --run {run}")  # two cores are not a cluster

    assert newcomer.typed == lines
    assert "SSH key works!" in said["ssh USER@login.cluster.example.edu \"echo 'SSH key works!'\""]
    assert "Nothing was submitted" in next(text for line, text in said.items() if line.endswith("--dry-run"))
    assert "running" in said["gamefleet fleet status --run red1"]
    assert re.search(r"m0 +1 +\d+ +n\d", said["gamefleet fleet status --run red1 --legs"])
    assert "step" in said["gamefleet fleet logs --run red1"]
    assert "red1" in said["gamefleet runs list"]
    assert "No job of red1 is left" in said["gamefleet fleet stop --run red1"]
    assert cluster.run("squeue", "-h", "--me") == ""
    [chain] = newcomer.chains("red1")
    assert chain["state"] == "stopped"
    assert [row["handover"]["lost_steps"] for row in chain["legs"] if row["handover"]] == [0] * (len(chain["legs"]) - 1)
    assert re.search(r"ok +checkpoint: .* is whole", newcomer.run("gamefleet doctor --only checkpoint --run red1"))
