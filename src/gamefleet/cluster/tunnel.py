"""Tunnels to a viewer: a laptop that holds one open, and a job that goes through the login node's.

Job: `ssh -R`, kept up with a session and published where jobs look; and one connection by `ssh -W`. Place in the data
flow: under the viewer's and the players' links, which bring their own encryption and token. Left out: the link.

A session is held, never `-N`: without one, OpenSSH lets small messages wait for 40 ms, and the far end has nobody who
notices that the tunnel is gone. The far end chooses the port, because one whose laptop fell asleep stays taken for
hours.
"""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, Literal

from gamefleet.cluster.checks.host import CONNECT_TIMEOUT_S, Host
from gamefleet.cluster.checks.programs import NEVER_ASK, Completed
from gamefleet.cluster.ssh import ALIVE_COUNT, ALIVE_INTERVAL_S, Remote, end, ssh_words, text_of
from gamefleet.cluster.tunnel_scripts import AGREE, NO_FOLDER_STATUS, PUBLISH, PUBLISHED
from gamefleet.errors import ClusterError

LOOPBACK = "127.0.0.1"
ALLOCATED = re.compile(r"Allocated port (\d+) for remote forward")
BEAT_INTERVAL_S = 10.0
LOOK_INTERVAL_S = 0.2
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
ASK_TIMEOUT_S = 40.0

TunnelKind = Literal["connecting", "open", "down", "closed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelState:
    """How a tunnel is.

    Args:
        kind: `down` is tried again by itself.
        why: In words.
        port: On the far end, when open.
    """

    kind: TunnelKind
    why: str
    port: int = 0


def agree_on_token(remote: Remote, offered: str, *, ssh: Sequence[str]) -> str:
    """The token in `remote`'s folder; ours where it has none. It goes through `ssh`'s input and output only.

    Args:
        remote: The run's or the fleet's folder on the login node.
        offered: The token to put there when there is none.
        ssh: `ssh` with its options.

    Raises:
        ClusterError: The host or the folder cannot be reached.
    """
    script = AGREE.format(folder=shlex.quote(remote.folder), no_folder=NO_FOLDER_STATUS)
    command = [*ssh, remote.login, f"sh -c {shlex.quote(script)}"]
    try:
        answer = subprocess.run(
            command, input=offered + "\n", capture_output=True, text=True, timeout=ASK_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ClusterError(f"The host does not answer: {error}", where=remote.login, remedy=_try(remote)) from error
    if answer.returncode == NO_FOLDER_STATUS:
        remedy = "Name the folder of a run (runs/NAME) or a fleet's shared folder, as it is called there."
        raise ClusterError("There is no such folder", value=remote.folder, where=remote.login, remedy=remedy)
    if answer.returncode:
        words = Completed(status=answer.returncode, out="", err=answer.stderr).last_words
        raise ClusterError(f"The token cannot be fetched: {words}", where=str(remote), remedy=_try(remote))
    return answer.stdout.strip()


def _try(remote: Remote) -> str:
    return f"`gamefleet doctor --host {remote.login} --only ssh` says what is wrong; `ssh-copy-id {remote.login}`."


class ReverseTunnel:
    """Holds a port of the login node that leads here, and says there where it is; close it to end it.

    Args:
        remote: Where to; its folder gets the announcement.
        port: Here.
        viewer: Name of this machine's viewer there: letters, digits, dots and dashes.
        ssh: `ssh` with its options; see `tunnel_words`.
    """

    def __init__(self, remote: Remote, *, port: int, viewer: str, ssh: Sequence[str]) -> None:
        self._remote = remote
        self._port = port
        self._viewer = viewer
        self._ssh = list(ssh)
        self._state = TunnelState(kind="connecting", why=f"connecting to {remote.login}")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._hold, name="tunnel", daemon=True)
        self._thread.start()

    @property
    def state(self) -> TunnelState:
        """How it is now."""
        return self._state

    def close(self) -> None:
        """End it; its announcement goes away."""
        self._stop.set()
        self._thread.join()
        self._state = TunnelState(kind="closed", why="closed")

    def _hold(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._stop.is_set():
            was_open = self._once()
            pause_s = FIRST_PAUSE_S if was_open else min(LONGEST_PAUSE_S, 2 * pause_s)
            self._stop.wait(pause_s)

    def _once(self) -> bool:
        """One connection from its beginning to its end; returns whether the tunnel was up."""
        command = [*self._ssh, "-T", "-R", f"{LOOPBACK}:0:{LOOPBACK}:{self._port}", self._remote.login, self._script()]
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,  # ssh says the port there, the script that it is published
                start_new_session=True,
            )
        except OSError as error:
            self._state = TunnelState(kind="down", why=f"ssh cannot be started: {error}")
            return False
        reader = threading.Thread(target=self._read, args=(process,), name="tunnel-reader", daemon=True)
        reader.start()
        beat_at = time.monotonic() + BEAT_INTERVAL_S
        while process.poll() is None and not self._stop.wait(LOOK_INTERVAL_S):
            if time.monotonic() >= beat_at and self._state.kind == "open":
                beat_at = time.monotonic() + BEAT_INTERVAL_S
                write_line(process, "beat")
        was_open = self._state.kind == "open"
        _end_input(process)
        end(process)
        reader.join()
        if process.stdout is not None:
            process.stdout.close()
        return was_open

    def _script(self) -> str:
        script = PUBLISH.format(
            folder=shlex.quote(self._remote.folder),
            viewer=self._viewer,
            no_folder=NO_FOLDER_STATUS,
            published=PUBLISHED,
        )
        return f"sh -c {shlex.quote(script)}"

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        """Hear what ssh and the script say, up to their end."""
        last_words, port = "", 0
        for line in process.stdout or ():
            text = line.decode(errors="replace").strip()
            if found := ALLOCATED.search(text):
                port = int(found.group(1))
                write_line(process, str(port))
            elif text == PUBLISHED:
                why = f"{self._remote.login}, port {port} there leads here"
                self._state = TunnelState(kind="open", why=why, port=port)
            elif text:
                last_words = text
        status = process.wait()
        if status == NO_FOLDER_STATUS:
            last_words = f"there is no folder {self._remote.folder}"
        why = f"{self._remote.login}: {last_words or f'ssh ended with {status}'}"
        self._state = TunnelState(kind="down", why=why)


def _end_input(process: subprocess.Popen[bytes]) -> None:
    """Let the script on the other side end by itself, so that it takes its announcement away."""
    try:
        if process.stdin is not None:
            process.stdin.close()
        process.wait(2.0)
    except (OSError, subprocess.TimeoutExpired):
        return


def write_line(process: subprocess.Popen[bytes], text: str) -> None:
    """Say something to a program that may be gone."""
    try:
        if process.stdin is not None:
            process.stdin.write(f"{text}\n".encode())
            process.stdin.flush()
    except (OSError, ValueError):
        return


def tunnel_words(host: Host) -> list[str]:
    """`ssh` with options for a tunnel, without the host; it says which port it got."""
    options = (
        "BatchMode=yes",
        f"ConnectTimeout={CONNECT_TIMEOUT_S}",
        f"ServerAliveInterval={ALIVE_INTERVAL_S}",
        f"ServerAliveCountMax={ALIVE_COUNT}",
        "ExitOnForwardFailure=yes",
        "ControlMaster=no",
        # A shared connection would keep the forward when this process ends.
        "ControlPath=none",
        "LogLevel=INFO",
    )
    config = ["-F", str(host.ssh_config)] if host.ssh_config else []
    return ["ssh", *config, *(word for option in options for word in ("-o", option))]


class StdioTunnel:
    """One connection to a port of another machine's loopback address, by `ssh -W`.

    Args:
        ssh: Gives `ssh` with its options for a host.
    """

    def __init__(self, ssh: Callable[[Host], Sequence[str]] = ssh_words) -> None:
        self._ssh = ssh
        self._process: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None
        self._last_words = ""

    def connect(self, host: str, port: int) -> socket.socket:
        """Begin to connect; the one before is given up. Whether it worked shows when something is read.

        Raises:
            OSError: `ssh` cannot be started.
        """
        self.close()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 -- closed with the connection
        ours, theirs = socket.socketpair()
        command = [*self._ssh(Host(name=host)), "-o", "ForwardAgent=no", "-W", f"{LOOPBACK}:{port}", host]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=self._said,
                start_new_session=True,
                env={**os.environ, **NEVER_ASK},
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        return ours

    @property
    def last_words(self) -> str:
        """What `ssh` last complained about, in one line."""
        if self._said is not None:
            self._last_words = " ".join(text_of(self._said).split())[-200:]
        return self._last_words

    def close(self) -> None:
        """End the connection that there is."""
        if self._process is not None:
            end(self._process)
            self._process = None
        if self._said is not None:
            self._last_words = self.last_words
            self._said.close()
            self._said = None
