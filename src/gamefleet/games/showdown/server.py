"""A Pokémon Showdown server of one's own, on this machine only.

Job: start the real server in a temporary folder and stop it. Place in the data flow: under `play showdown` and matches
over a websocket; everything else needs no server (`host`). Left out: what is said over the websocket (`client`).

The package's own settings would listen on all addresses, ask a public login server and leave a back door for the
project's administrators; all of that is switched off here. Names are taken without a password.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from gamefleet.errors import WorkerError
from gamefleet.games.showdown.host.install import SOURCES, find_node, find_package

ADDRESS = "127.0.0.1"
START_S = 120.0
STOP_S = 10.0
PAGE = SOURCES / "page"
"""A page with which a person can play in a browser, without the public client."""

WITH_PARENT = SOURCES / "with_parent.js"
LISTENING = "listening"
"""The file in which `with_parent.js` writes the port."""


_LINKED = ("dist", "data", "lib", "sim", "tools", "translations", "package.json", "pokemon-showdown")
_COPIED = ("config", "databases")
_MADE = ("logs/repl", "config/chat-plugins", "config/ladders", "server")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalServer:
    """A running server.

    Args:
        port: Where it listens, on 127.0.0.1.
        folder: Its files; they vanish with it.
    """

    port: int
    folder: Path

    @property
    def websocket(self) -> str:
        """Where programs connect."""
        return f"ws://{ADDRESS}:{self.port}/showdown/websocket"

    @property
    def page(self) -> str:
        """Where people connect."""
        return f"http://{ADDRESS}:{self.port}/"


def settings(port: int) -> dict[str, Any]:
    """What replaces the package's own settings."""
    closed: dict[str, Any] = dict.fromkeys(
        ("backdoor", "repl", "watchconfig", "usesqlite", "logchat", "autolockdown"), False
    )
    opened: dict[str, Any] = dict.fromkeys(("noguestsecurity", "nothrottle", "noipchecks"), True)
    # Port 9 is the discard service: nothing answers, so nothing is ever asked of the public login server.
    place = {"port": port, "bindaddress": ADDRESS, "loginserver": f"http://{ADDRESS}:9/"}
    return {**closed, **opened, **place, "subprocesses": 0, "wsdeflate": None, "crashguard": False}


@contextmanager
def local_server(port: int = 0, environ: Mapping[str, str] | None = None) -> Iterator[LocalServer]:
    """Run a server for the length of a `with` block.

    Args:
        port: Where it listens; any free one if 0.
        environ: Says where the simulator is installed; the process's own environment if None.

    Yields:
        The server, ready.

    Raises:
        MissingDependencyError: Node or the simulator are not installed.
        WorkerError: It did not start, for example because the port is taken.
    """
    around = dict(os.environ if environ is None else environ)
    node, package = find_node(), find_package(around)
    with tempfile.TemporaryDirectory(prefix="gamefleet-showdown-", ignore_cleanup_errors=True) as name:
        server = LocalServer(port=port or _free_port(), folder=Path(name))
        _furnish(server, package)
        log = server.folder / "server.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [node, "--require", str(WITH_PARENT), "pokemon-showdown", "start", "--skip-build", str(server.port)],
                cwd=server.folder,
                # Modules are found by the temporary folder's links, so that the server writes there.
                env={**around, "NODE_PRESERVE_SYMLINKS": "1", "NODE_PRESERVE_SYMLINKS_MAIN": "1"},
                stdin=subprocess.PIPE,  # its end tells the server that this process is gone
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            _await_start(server, process, log)
            yield server
        finally:
            _stop(process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        port: int = probe.getsockname()[1]
        return port


def _furnish(server: LocalServer, package: Path) -> None:
    folder = server.folder
    for name in _LINKED:
        (folder / name).symlink_to(package / name)
    (folder / "node_modules").symlink_to(package.parent)
    for name in _COPIED:
        shutil.copytree(package / name, folder / name)
    for name in _MADE:
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "server" / "static").symlink_to(PAGE)
    lines = [
        f"exports.{name} = {msgspec.json.encode(value).decode()};" for name, value in settings(server.port).items()
    ]
    (folder / "config" / "config.js").write_text("\n".join(lines) + "\n")


def _await_start(server: LocalServer, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        if _listens(server):
            return
        time.sleep(0.05)
    raise WorkerError(
        "The Pokémon Showdown server did not start",
        value=log.read_text(errors="replace")[-800:].strip() or None,
        where=f"{ADDRESS}:{server.port}",
        remedy="If the port is taken, choose another one with --port.",
    )


def _listens(server: LocalServer) -> bool:
    """Whether this very server says so: that somebody answers at the port does not tell who."""
    note = server.folder / LISTENING
    return note.exists() and note.read_text() == str(server.port)


def _stop(process: subprocess.Popen[bytes]) -> None:
    for number, patience in ((signal.SIGTERM, STOP_S), (signal.SIGKILL, STOP_S)):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=patience)
            break
    if process.stdin is not None:
        process.stdin.close()
