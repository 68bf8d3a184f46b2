"""Laptops for a rehearsal: processes of this machine that reach "the cluster" by ssh only.

Job: set one up as its owner would (a key, the cluster's name, a folder for the copy), start it, cut its power, end it.
Place in the data flow: started by `fleet_rehearsal`; what it does is done by `gamefleet actors --sync`. Left out: what
it plays.

What is separated: each laptop has its own home folder, working folder, temporary folder, settings, key and environment,
and knows of the cluster only `USER@HOST:DIR`. Where the system allows it (`unshare`), an empty file system also hides
the cluster's folders and the other laptops' from it; `Veil.is_drawn` says whether that is so. What is not separated:
processor, disk, user, network and the installed program are the same.
"""

from __future__ import annotations

import getpass
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from gamefleet.errors import CorruptCheckpointError
from gamefleet.testing.local_ssh import LocalSsh
from gamefleet.testing.rehearsal_chains import GAMEFLEET
from gamefleet.weights.manifests import Heartbeat, read
from gamefleet.weights.shared_paths import SharedPaths
from gamefleet.weights.store import SharedStore

CLUSTER_NAME = "login.cluster.example.edu"
END_PATIENCE_S = 90.0
WAYS = (
    ("unshare", "--mount"),
    ("unshare", "--user", "--map-current-user", "--keep-caps", "--mount"),
)
"""Ways to a mount table of one's own: root's, and anybody's where the system allows it."""

HIDE = 'while [ "$1" != -- ]; do mount -t tmpfs none "$1" || exit; shift; done; shift; exec "$@"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Veil:
    """Hides folders from the processes that are started behind it.

    Args:
        hidden: Folders that exist.
        way: Words before the command; empty where the system does not allow it.
    """

    hidden: tuple[Path, ...]
    way: tuple[str, ...]

    @property
    def is_drawn(self) -> bool:
        """Whether anything is hidden."""
        return bool(self.way)

    def behind(self, command: Sequence[str]) -> list[str]:
        """The command line of a process that does not see the folders."""
        if not self.is_drawn:
            return list(command)
        return [*self.way, "sh", "-c", HIDE, "veil", *map(str, self.hidden), "--", *command]


def draw(hidden: Sequence[Path]) -> Veil:
    """Find out how folders can be hidden here, by trying."""
    for way in WAYS:
        veil = Veil(hidden=tuple(hidden), way=way)
        if shutil.which(way[0]) and all(is_empty_behind(veil, folder) for folder in hidden):
            return veil
    return Veil(hidden=tuple(hidden), way=())


def is_empty_behind(veil: Veil, folder: Path) -> bool:
    """Whether a process behind the veil finds nothing in a folder."""
    done = subprocess.run(veil.behind(["ls", "-A", str(folder)]), capture_output=True, text=True)
    return done.returncode == 0 and not done.stdout


@dataclass(slots=True, kw_only=True)
class Laptop:
    """One laptop.

    Args:
        name: In the fleet.
        words: Further words for `gamefleet actors`.
        folder: Everything it has.
        remote: `USER@HOST:DIR` of the shared folder.
        veil: What it does not see.
    """

    name: str
    words: tuple[str, ...]
    folder: Path
    remote: str
    veil: Veil
    starts: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _steps_before: int = field(default=0, init=False)

    @property
    def copy(self) -> SharedPaths:
        """Its copy of the shared folder."""
        return SharedPaths(self.home / "shared_weights")

    @property
    def store(self) -> SharedStore:
        """Reads its copy."""
        return SharedStore(self.copy, clock=time.time)

    @property
    def home(self) -> Path:
        """Its home folder."""
        return self.folder / "home"

    @property
    def log(self) -> Path:
        """What its terminal showed, over all starts."""
        return self.folder / "terminal.txt"

    @property
    def runs_folder(self) -> Path:
        """Where it keeps its own run, when it learns."""
        return self.folder / "runs"

    @property
    def learns(self) -> bool:
        """Whether it contributes weights, too."""
        return "--contribute" in self.words

    def steps_played(self) -> int:
        """Steps over all starts that its terminal or its last sign of life tell of; at the moment of a death, fewer."""
        told = re.findall(r"^ended: .*? ([0-9,]+) steps played", self._said(), re.MULTILINE)
        return self._steps_before + (int(told[-1].replace(",", "")) if told else 0)

    @property
    def command(self) -> tuple[str, ...]:
        """What its owner types."""
        copy = str(self.copy.root)
        words = ("actors", "--shared-dir", copy, "--sync", self.remote, "--user-id", self.name)
        return ("gamefleet", *words, *self.words)

    def start(self) -> None:
        """Type the command."""
        self.starts += 1
        command = self.veil.behind([*GAMEFLEET, *self.command[1:]])
        with open(self.log, "ab") as terminal:
            self._process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=terminal,
                stderr=terminal,
                start_new_session=True,
            )

    def check(self) -> None:
        """Fail if it ended by itself.

        Raises:
            RuntimeError: It did; carries its last words.
        """
        if self._process is not None and self._process.poll() is not None:
            raise RuntimeError(f"{self.name} ended with status {self._process.returncode}: {self.last_words()}")

    def cut_power(self) -> int:
        """SIGKILL to all of its processes at once; returns how many there were."""
        killed: list[psutil.Process] = []
        while found := self.processes():  # again, until none was started between looking and killing
            for process in found:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(found, timeout=10)
            killed += found
        if self._process is not None:
            self._process.wait()
            self._process = None
            with suppress(OSError, CorruptCheckpointError):
                self._steps_before += read(self.copy.heartbeat(self.name), Heartbeat).step
        return len(killed)

    def processes(self) -> list[psutil.Process]:
        """All that is going on in its home folder; `ssh` among them, which leaves its parent."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("HOME") == str(self.home) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def end(self) -> None:
        """Ctrl-C, and time to hand over what is there.

        Raises:
            RuntimeError: It did not end, or not as it should.
        """
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            status = self._process.wait(END_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.cut_power()
            raise RuntimeError(f"{self.name} did not end: {self.last_words()}") from None
        self._process = None
        if status not in (0, -signal.SIGINT, 128 + signal.SIGINT):
            raise RuntimeError(f"{self.name} ended with status {status}: {self.last_words()}")

    def last_words(self) -> str:
        """The end of what its terminal showed."""
        return self._said().strip()[-600:]

    def _said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def _environment(self) -> dict[str, str]:
        """Nothing of this process's environment but where programs are."""
        return {
            "HOME": str(self.home),
            "USER": getpass.getuser(),
            "LOGNAME": getpass.getuser(),
            "PATH": os.environ.get("PATH", os.defpath),
            "TMPDIR": str(self.folder / "tmp"),
            "LANG": "C.UTF-8",
        }


def set_up(laptop: Laptop, server: LocalSsh) -> None:
    """What a guide lets its owner do first: make a key, make it known to the cluster, name the cluster.

    `ssh-copy-id` would ask for a password, which nobody is there to type: the key is put into its place. `ssh` takes
    the home folder from the user database instead of `HOME`, so the settings of the sync name the file for it.
    """
    keys = laptop.home / ".ssh"
    for folder in (keys, laptop.folder / "tmp", laptop.home / ".config" / "gamefleet"):
        folder.mkdir(mode=0o700, parents=True)
    key = keys / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", laptop.name, "-f", key], check=True)
    with open(server.folder / "authorized_keys", "a") as known:
        known.write(key.with_suffix(".pub").read_text())
    hosts = server.folder / "known_hosts"
    shutil.copy(hosts, keys / "known_hosts")
    settings = server.with_key(key).read_text().replace(str(hosts), str(keys / "known_hosts"))
    (keys / "config").write_text(settings.replace(f"Host {server.host}\n", f"Host {CLUSTER_NAME}\n"))
    (laptop.home / ".config" / "gamefleet" / "sync.toml").write_text(f'ssh_config = "{keys / "config"}"\n')
