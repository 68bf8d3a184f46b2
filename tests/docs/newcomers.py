"""People who type what a page says: a prepared checkout, a home folder whose `ssh` finds the guides' cluster, a shell.

What stands in for the world: the copy of the checkout has an environment that is set up already (setting one up is
tested with deploy/), and its `configs/slim.yaml` trains a tiny network. `ssh-copy-id` cannot type a password here, so
the server is told a key right after it was made. The guides' cluster is reached under its name, which `ssh -F` leads to
this machine.
"""

from __future__ import annotations

import getpass
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from gamefleet.testing.local_ssh import LocalSsh

HOST = "login.cluster.example.edu"

USER = {"USER@": f"{getpass.getuser()}@"}


def prepare_checkout(repository: Path, files: Iterable[Path], copy: Path) -> Path:
    """A copy of the repository with an environment that finds what this one has."""
    for path in files:
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(repository / path, copy / path)
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
    return copy


def make_home(folder: Path, server: LocalSsh) -> dict[str, str]:
    """A home folder whose `ssh` finds the guides' cluster; ssh itself would look into the real one.

    Returns:
        Variables of a shell whose user lives there.
    """
    programs = folder / "bin"
    (folder / ".ssh").mkdir(mode=0o700, parents=True)
    programs.mkdir()
    settings = server.with_key(folder / ".ssh" / "id_ed25519").read_text()
    (folder / ".ssh" / "config").write_text(settings.replace(f"Host {server.host}\n", f"Host {HOST}\n"))
    wrapper = programs / "ssh"
    wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/.ssh/config "$@"\n')
    wrapper.chmod(0o755)
    path = f"{programs}:{os.environ['PATH']}"
    return {"HOME": str(folder), "USER": getpass.getuser(), "PATH": path}


def allow(folder: Path, server: LocalSsh) -> None:
    """What `ssh-copy-id` would do with the password: let the server know the key of a home folder."""
    with open(server.folder / "authorized_keys", "a") as keys:
        keys.write((folder / ".ssh" / "id_ed25519.pub").read_text())


def lines_of(page: str) -> list[str]:
    """The commands of all bash blocks, in order."""
    blocks = re.findall(r"^```bash\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines() if line.strip()]


class Newcomer:
    """Types one line after the other, in one folder.

    Args:
        folder: Where, at first.
        environment: Variables of the shell.
        words: What to put for the page's placeholders.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], words: Mapping[str, str] = USER) -> None:
        self.folder = folder
        self.environment = dict(environment)
        self.words = dict(words)
        self.typed: list[str] = []

    def type(self, line: str, *, statuses: tuple[int, ...] = (0,)) -> str:
        """Type a line of the page; returns what it said on standard output."""
        self.typed.append(line)
        if variable := re.fullmatch(r'export (\w+)="(.*)"', self.spelt(line)):
            self.environment[variable[1]] = variable[2]
        return self.run(line, statuses=statuses)

    def run(self, line: str, *, statuses: tuple[int, ...] = (0,)) -> str:
        """Type a line that is not on the page."""
        done = subprocess.run(
            self.command(line),
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode in statuses, f"{line}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def begin(self, line: str, log: Path) -> subprocess.Popen[bytes]:
        """Type a line of the page that does not end by itself; what it says is appended to a file."""
        self.typed.append(line)
        with open(log, "ab") as output:
            return subprocess.Popen(
                self.command(f"exec {line.removesuffix('&')}"),
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def command(self, line: str) -> list[str]:
        """The shell that is given a line."""
        activate = "source .venv/bin/activate; " if any("bin/activate" in typed for typed in self.typed) else ""
        return ["bash", "-c", f"{activate}{self.spelt(line)}"]

    def spelt(self, line: str) -> str:
        """A line with what stands for the placeholders here."""
        for placeholder, meaning in self.words.items():
            line = line.replace(placeholder, meaning)
        return line
