"""`gamefleet sync` beside `gamefleet actors`: fetched once before, kept running meanwhile.

Job: run `gamefleet sync` as a process of its own, so that a slow or broken line never holds up the games. Place in the
data flow: started and ended by `cli.actors`. Left out: synchronising.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from gamefleet.errors import ClusterError

INTERVAL_S = 5
RESTART_S = 60.0
EXIT_TIMEOUT_S = 20.0
LAST_PUSH_S = 60.0


def command_of(mode: str, remote: str, folder: Path, *more: str) -> list[str]:
    """The command line of a sync."""
    return [sys.executable, "-P", "-m", "gamefleet.cli.main", "sync", mode, remote, str(folder), *more]


def pull_once(remote: str, folder: Path) -> None:
    """Fetch what is there before anything starts; what goes wrong now is the user's to mend.

    A copy that another process keeps is left to it.

    Raises:
        ClusterError: It failed; what was wrong has been printed.
    """
    if is_kept(folder):
        return
    status = subprocess.run(command_of("pull", remote, folder), stdin=subprocess.DEVNULL, check=False).returncode
    if status:
        raise ClusterError(
            "The shared folder could not be fetched",
            value=remote,
            where=folder,
            remedy="The line above says why. `gamefleet sync setup` helps with keys and names.",
        )


def is_kept(folder: Path) -> bool:
    """Whether another process pushes and pulls already."""
    from gamefleet.cluster.sync.presence import sync_state

    state = sync_state(folder)
    return state is not None and state.is_running


class KeptInSync:
    """A sync that runs while the block lasts, and is started again when it ended by itself.

    Args:
        remote: `[USER@]HOST:DIR`; empty for what `sync setup` said.
        folder: The copy.
    """

    def __init__(self, remote: str, folder: Path) -> None:
        self._command = command_of("bidirectional", remote, folder, str(INTERVAL_S))
        self._remote = remote
        self._folder = folder
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="sync", daemon=True)

    def __enter__(self) -> KeptInSync:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(2 * EXIT_TIMEOUT_S)
        if error is None and not is_kept(self._folder):
            self._push_the_last()

    def _push_the_last(self) -> None:
        """Send what was written since the last cycle; if that does not go, the next sync of the copy does it."""
        with suppress(subprocess.TimeoutExpired):
            command = command_of("push", self._remote, self._folder, "--quiet")
            subprocess.run(command, stdin=subprocess.DEVNULL, check=False, timeout=LAST_PUSH_S)

    def _keep(self) -> None:
        while not self._ended.is_set():
            if not is_kept(self._folder):
                self._run()
            self._ended.wait(RESTART_S)

    def _run(self) -> None:
        # A session of its own keeps Ctrl-C of the terminal away from it: the last chunks are still to be sent.
        process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, start_new_session=True)
        while process.poll() is None and not self._ended.wait(1.0):
            continue
        if process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
