"""A real SSH server on this machine, for tests.

Job: one `sshd` on 127.0.0.1 with keys of its own, for the user who starts it. Place in the data flow: tests hand its
`config` to `ssh -F` and to whatever takes such a file. Left out: passwords, other users, anything outside one folder.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from gamefleet.errors import ClusterError, MissingDependencyError

HOST = "cluster"
"""The name by which `config` knows the server."""

START_TIMEOUT_S = 300.0
PRIVILEGE_FOLDER = Path("/run/sshd")
"""An sshd that root starts wants this folder to exist, empty."""


class LocalSsh:
    """One SSH server, up within a `with` block.

    Args:
        folder: An empty folder for keys, settings and the log; only its owner may write to it.
        environment: Variables of everything that is run on "the host", for example another `PATH`.
    """

    def __init__(self, folder: Path, *, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.host = HOST
        self.port = 0
        self.config = folder / "config"
        self.key = folder / "key"
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> LocalSsh:
        for name in ("host_key", "key", "stranger"):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(self.folder / name))
        shutil.copy(self.folder / "key.pub", self.folder / "authorized_keys")
        if os.geteuid() == 0:
            PRIVILEGE_FOLDER.mkdir(mode=0o755, exist_ok=True)
        self.port = free_port()
        self._write_settings()
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen.

        Raises:
            ClusterError: The server does not start; shows its log.
        """
        log = self.folder / "log"
        command = [sshd(), "-D", "-f", str(self.folder / "sshd_config"), "-E", str(log)]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        end = time.monotonic() + START_TIMEOUT_S
        while not is_listening(self.port):
            if self._process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise ClusterError("The local sshd did not start", where=log, remedy=log.read_text()[-500:])
            time.sleep(0.02)

    def stop(self) -> None:
        """Listen no more: connections are refused from now on."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def with_key(self, key: Path) -> Path:
        """A client's settings that offer another key; returns the file."""
        path = self.folder / f"config-{key.name}"
        path.write_text(self.config.read_text().replace(f"IdentityFile {self.key}\n", f"IdentityFile {key}\n"))
        return path

    @property
    def stranger(self) -> Path:
        """A key that the server does not know."""
        return self.folder / "stranger"

    def _write_settings(self) -> None:
        host_key = (self.folder / "host_key.pub").read_text().split()[:2]
        known = self.folder / "known_hosts"
        known.write_text(f"[127.0.0.1]:{self.port} {' '.join(host_key)}\n")
        # One line: of several sshd takes the first.
        words = " ".join(f'"{name}={value}"' for name, value in self._environment.items())
        server = [
            f"Port {self.port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {self.folder / 'host_key'}",
            f"AuthorizedKeysFile {self.folder / 'authorized_keys'}",
            f"PidFile {self.folder / 'pid'}",
            "StrictModes no",
            "UsePAM no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin prohibit-password",
            *([f"SetEnv {words}"] if words else []),
        ]
        client = [
            f"Host {self.host}",
            "HostName 127.0.0.1",
            f"Port {self.port}",
            f"User {getpass.getuser()}",
            f"IdentityFile {self.key}",
            "IdentitiesOnly yes",
            "IdentityAgent none",
            f"UserKnownHostsFile {known}",
            "GlobalKnownHostsFile none",
            "StrictHostKeyChecking yes",
        ]
        (self.folder / "sshd_config").write_text("\n".join(server) + "\n")
        self.config.write_text("\n".join(client) + "\n")


def sshd() -> str:
    """Path of the server's program.

    Raises:
        MissingDependencyError: It is not installed.
    """
    found = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise MissingDependencyError(
            "sshd is not installed", remedy="apt-get install --no-install-recommends openssh-server"
        )
    return found


def run(*command: str) -> None:
    """Run a program that must succeed."""
    subprocess.run(command, check=True, capture_output=True)


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def is_listening(port: int) -> bool:
    """Whether something listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
