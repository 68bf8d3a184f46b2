"""The dashboard of a folder on another machine.

Job: keep a copy below the user's cache fresh in the background, and say how fresh it is. Place in the data flow:
HOST:DIR -> `cluster.mirror` -> a copy that the readers show. Left out: which files are copied.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gamefleet.errors import GamefleetError

if TYPE_CHECKING:
    from gamefleet.cluster.checks.programs import Runner
    from gamefleet.cluster.mirror import Mirror
    from gamefleet.watch.site import CopyState

INTERVAL_S = 4.0
SLOWEST_INTERVAL_S = 60.0
"""After failures it is tried less and less often."""


def is_remote(text: str) -> bool:
    """Whether it names a folder of another machine; a folder of this machine that is there comes first."""
    return ":" in text and "/" not in text.partition(":")[0] and not Path(text).expanduser().exists()


def copy_folder(environment: Mapping[str, str], login: str, folder: str) -> Path:
    """Where the copy of a folder lies; two folders never have one copy."""
    cache = Path(environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME", "~")).expanduser() / ".cache")
    parts = [re.sub(r"[^A-Za-z0-9._@-]", "_", part) for part in folder.split("/") if part not in ("", ".")]
    root = "root" if folder.startswith("/") else "home"
    return cache.joinpath("gamefleet", "mirrors", login, root, *(f"_{p}" if p == ".." else p for p in parts))


@dataclass(slots=True, kw_only=True)
class Copying:
    """Keeps a copy fresh while the dashboard lives.

    Args:
        mirror: The copy.
        state: How fresh it is; the pages show it.
        runner: Runs ssh and rsync.
        ssh_config: As for `ssh -F`.
    """

    mirror: Mirror
    state: CopyState
    runner: Runner
    ssh_config: Path | None = None
    interval_s: float = INTERVAL_S
    _stopped: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Copy in the background."""
        self._thread = threading.Thread(target=self._copy, name="dashboard-copy", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it; a transfer that is going on is waited for a moment only."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout=5.0)

    def _copy(self) -> None:
        from gamefleet.cluster.sync.copying import open_link

        failures = 0
        while not self._stopped.is_set():
            try:
                with open_link(self.mirror.remote, self.mirror.local, self.runner, ssh_config=self.ssh_config) as link:
                    while not self._stopped.is_set():
                        self.mirror.refresh(link)
                        self.state.copied_at, self.state.error, failures = time.time(), "", 0
                        self._stopped.wait(self.interval_s)
            except (GamefleetError, OSError) as error:
                self.state.error, failures = str(error), failures + 1
            self._stopped.wait(min(SLOWEST_INTERVAL_S, self.interval_s * 2**failures))


def copy_of(text: str, *, ssh_config: Path | None) -> Copying:
    """The copy of `[USER@]HOST:DIR`.

    Raises:
        ConfigError: It is not written so.
    """
    from gamefleet.cluster.mirror import Mirror
    from gamefleet.cluster.ssh import LongPrograms, parse_remote
    from gamefleet.files import make_folder
    from gamefleet.watch.site import CopyState

    remote = parse_remote(text)
    local = copy_folder(os.environ, remote.login, remote.folder)
    make_folder(local)
    return Copying(
        mirror=Mirror(remote=remote, local=local),
        state=CopyState(origin=str(remote)),
        runner=LongPrograms(os.environ),
        ssh_config=ssh_config,
    )
