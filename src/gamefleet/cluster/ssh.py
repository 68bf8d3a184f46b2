"""The way to another machine: how it is written, how `ssh` is called, one connection for many calls.

Job: read `[USER@]HOST:DIR` so that nothing in it can be taken for an option or for shell text, run programs that may
take long, and share one connection. Place in the data flow: under `rsync` and `sync`. Left out: what is moved, and what
went wrong (`rsync`); finding out whether a host can be reached (`checks.host`).
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO

from gamefleet.cluster.checks.host import CONNECT_TIMEOUT_S, Host
from gamefleet.cluster.checks.programs import NEVER_ASK, NOT_FOUND_STATUS, Completed, Runner
from gamefleet.errors import ConfigError

FORM = "Write [USER@]HOST:DIR, for example USER@login.cluster.example.edu:shared_weights."

USER_PATTERN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
HOST_PATTERN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
WILDCARDS = re.compile(r"[*?\[\\\x00-\x1f\x7f]")
"""rsync on the other side expands these itself, whatever a shell does."""

TIMED_OUT_STATUS = 124
"""As `timeout` has it."""

ASK_TIMEOUT_S = 40.0
TERMINATE_PATIENCE_S = 3.0
ALIVE_INTERVAL_S, ALIVE_COUNT = 5, 3
SOCKET_LONGEST = 80
"""Addresses of sockets end at 104 characters on macOS; `ssh` adds some of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A folder of another machine.

    Args:
        user: Empty for what `ssh` chooses.
        host: A name, or an alias of the user's SSH settings.
        folder: Absolute, or relative to the home folder there.
    """

    user: str
    host: str
    folder: str

    @property
    def login(self) -> str:
        """As for `ssh`."""
        return f"{self.user}@{self.host}" if self.user else self.host

    def __str__(self) -> str:
        return f"{self.login}:{self.folder}"


def parse_remote(text: str, *, user: str = "") -> Remote:
    """Read `[USER@]HOST:DIR`.

    Args:
        text: As the user wrote it.
        user: Taken where the text names none.

    Raises:
        ConfigError: It has another form, or a part of it would be read as something else by ssh, rsync or a shell.
    """
    login, colon, folder = text.partition(":")
    named, at, host = login.rpartition("@")
    if not colon or "/" in login:
        raise ConfigError("This is not a folder on another machine", value=text, remedy=FORM)
    return make_remote(user=named if at else user, host=host, folder=folder)


def make_remote(*, user: str, host: str, folder: str) -> Remote:
    """A remote folder from its parts.

    Raises:
        ConfigError: As in `parse_remote`.
    """
    if not HOST_PATTERN.fullmatch(host):
        remedy = f"{FORM} Addresses in other forms can have a name in ~/.ssh/config."
        raise ConfigError("This cannot be the name of a host", value=host, remedy=remedy)
    if user and not USER_PATTERN.fullmatch(user):
        raise ConfigError("This cannot be a user's name on another machine", value=user, remedy=FORM)
    return Remote(user=user, host=host, folder=plain_folder(folder))


def plain_folder(folder: str) -> str:
    """A folder's name without what only shells understand.

    Raises:
        ConfigError: It is empty, has wildcards, or is relative to somebody else's home folder.
    """
    if not folder.strip():
        raise ConfigError("The folder on the other machine has no name", value=folder, remedy=FORM)
    if found := WILDCARDS.search(folder):
        remedy = "Choose a folder whose name has no * ? [ or backslash: rsync takes them for patterns."
        raise ConfigError(f"The folder's name has the character {found.group()!r}", value=folder, remedy=remedy)
    if folder == "~" or folder.startswith("~/"):  # `ssh` starts in the home folder, so the rest is enough
        folder = folder[2:] or "."
    if folder.startswith("~"):
        raise ConfigError("Home folders of others are not looked up", value=folder, remedy="Write the whole path.")
    if folder.startswith("-"):
        folder = f"./{folder}"
    return folder.rstrip("/") or "/"


@dataclass(frozen=True, slots=True)
class LongPrograms:
    """Runs programs that may take hours; whatever ends the wait ends them, too. A `Runner`.

    Args:
        environment: Of this process. Habits of the user that change what rsync does are left out.
    """

    environment: Mapping[str, str]

    def __call__(self, command: Sequence[str], timeout_s: float) -> Completed:
        """Run a program; its status is 124 when it was stopped after `timeout_s`."""
        # Files instead of pipes: a connection that stays open in the background would keep a pipe open with it.
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            try:
                process = self._start(command, out, err)
            except (FileNotFoundError, PermissionError):
                return Completed(status=NOT_FOUND_STATUS, out="", err=f"{command[0]}: not found")
            try:
                status = process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                status = TIMED_OUT_STATUS
            finally:
                end(process)
            return Completed(status=status, out=text_of(out), err=text_of(err))

    def _start(self, command: Sequence[str], out: IO[bytes], err: IO[bytes]) -> subprocess.Popen[bytes]:
        kept = {name: value for name, value in self.environment.items() if not name.startswith("RSYNC_")}
        # A session of its own has no terminal, so that nothing can ask there for a password.
        return subprocess.Popen(
            command,
            env={**kept, **NEVER_ASK},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )


def end(process: subprocess.Popen[bytes]) -> None:
    """End a program that still runs, gently first: rsync then keeps the part of a file that it has."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(TERMINATE_PATIENCE_S)


def text_of(stream: IO[bytes]) -> str:
    """What a program wrote."""
    stream.seek(0)
    return stream.read().decode(errors="replace")


@contextmanager
def shared_connection(host: Host, runner: Runner) -> Iterator[list[str]]:
    """Have all calls within the block use one connection.

    Where the user's own settings share connections already, those are used: on a host that asks for a second factor
    the user's open connection is then the one that works.

    Yields:
        `ssh` with its options, without the host.
    """
    words = ssh_words(host)
    if has_own_sharing(host, runner):
        yield words
        return
    with tempfile.TemporaryDirectory(prefix="gf-") as folder:  # only its owner may enter
        socket = f"{folder}/s"
        if len(socket) > SOCKET_LONGEST or re.search(r"[\s%]", socket):
            yield words
            return
        sharing = ("ControlMaster=auto", f"ControlPath={socket}", "ControlPersist=60")
        words += [word for option in sharing for word in ("-o", option)]
        try:
            yield words
        finally:
            runner([*words, "-O", "exit", host.name], ASK_TIMEOUT_S)


def ssh_words(host: Host) -> list[str]:
    """`ssh` with options, without the host: it never asks, and notices within seconds that a connection is dead."""
    options = (
        "BatchMode=yes",
        f"ConnectTimeout={CONNECT_TIMEOUT_S}",
        f"ServerAliveInterval={ALIVE_INTERVAL_S}",
        f"ServerAliveCountMax={ALIVE_COUNT}",
        "LogLevel=ERROR",
    )
    config = ["-F", str(host.ssh_config)] if host.ssh_config else []
    return ["ssh", *config, *(word for option in options for word in ("-o", option))]


def has_own_sharing(host: Host, runner: Runner) -> bool:
    """Whether the user's settings share connections to this host."""
    answer = runner([*ssh_words(host), "-G", host.name], ASK_TIMEOUT_S)
    return re.search(r"^controlpath (?!none$)", answer.out, re.MULTILINE) is not None
