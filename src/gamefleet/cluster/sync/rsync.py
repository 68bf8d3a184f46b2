"""rsync: its command lines, its dialects, and what its messages mean.

Job: make the words of one transfer, and turn the way it failed into a sentence with a remedy. Place in the data flow:
`copying` decides what is moved and calls this. Left out: running (`ssh`), and which files there are (`copying`).

Two dialects are spoken: rsync 3, and the options that rsync 2.6.9 had, which the openrsync of macOS takes as well.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gamefleet.cluster.checks.host import Host, explain, judge_rsync
from gamefleet.cluster.checks.programs import NOT_FOUND_STATUS, Completed
from gamefleet.cluster.ssh import TIMED_OUT_STATUS, Remote
from gamefleet.errors import ClusterError

PROGRAM = "rsync"
STALL_TIMEOUT_S = 30
PARTIAL_FOLDER = ".rsync-partial"
VANISHED_STATUS = 24
"""Files went away between listing and sending; the next cycle sees what is there."""

IMMUTABLE = ("--ignore-existing", f"--partial-dir={PARTIAL_FOLDER}")
"""A file under this name never changes: what is there is not looked at again."""

SMALL = ("-c",)
"""By content. Times are not carried over: a file's time is when its content came, by the clock of who reads it."""

DELETE = "--delete"
GROUP_MODES = "--chmod=Dg+s,ug+rwX,o-rwx"
GROUP_UMASK = "007"

REFUSED_LOGIN = re.compile(r"Permission denied \([a-z]")
"""ssh lists the ways to log in; refusals of files have a number there."""

Dialect = Literal["full", "basic"]
Kind = Literal[
    "rsync-here",
    "rsync-there",
    "rsync-too-old",
    "ssh-here",
    "login",
    "disk-here",
    "disk-there",
    "silent",
    "cut",
    "no-folder",
    "denied",
    "taken",
    "nothing",
    "failed",
]

HOPELESS: frozenset[Kind] = frozenset({"rsync-here", "ssh-here", "rsync-too-old", "taken"})
"""No use in trying again without somebody's help."""

EXIT_CODES: dict[Kind, int] = {"rsync-here": 3, "ssh-here": 3, "disk-here": 4}
"""As `MissingDependencyError` and `StorageFullError`; 8 for all others."""


class SyncError(ClusterError):
    """Files did not get to the other machine or from it.

    Args:
        kind: What kind of failure.
        what: As in `GamefleetError`.
        where: As in `GamefleetError`.
        remedy: As in `GamefleetError`.
    """

    def __init__(self, kind: Kind, what: str, *, where: object = None, remedy: str = "") -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.kind = kind
        self.exit_code = EXIT_CODES.get(kind, ClusterError.exit_code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One call of rsync.

    Args:
        remote: The shared folder on the other machine.
        below: Folder in it, and in the copy; empty for all of it.
        local: The copy.
        pushes: From here to there, else from there to here.
        patterns: What is moved, relative to `below`: `/weights/*.json`. Everything else is left alone.
        excluded: What is not, although a pattern fits.
        options: `IMMUTABLE`, `SMALL`, `DELETE`.
        is_group: The folder there belongs to a group whose members shall read what is pushed.
    """

    remote: Remote
    below: str
    local: Path
    pushes: bool
    patterns: Sequence[str]
    excluded: Sequence[str] = ()
    options: Sequence[str] = ()
    is_group: bool = False


def read_dialect(told: str) -> Dialect:
    """Which options an rsync has, from what `rsync --version` printed."""
    version = re.search(r"^rsync\s+version\s+v?(\d+)\.", told, re.MULTILINE)
    return "full" if version and int(version.group(1)) >= 3 and "openrsync" not in told else "basic"


def command(transfer: Transfer, ssh: Sequence[str], dialect: Dialect) -> list[str]:
    """The words of one transfer.

    Args:
        transfer: What goes where.
        ssh: `ssh` with its options.
        dialect: Of the rsync on this machine.
    """
    there = "/".join(part for part in (transfer.remote.folder.rstrip("/"), transfer.below) if part) + "/"
    if dialect == "basic":
        there = shlex.quote(there)  # a shell on the other side reads it; rsync 3 is told to keep it from any shell
    ends = [f"{transfer.remote.login}:{there}", f"{transfer.local / transfer.below}/"]
    return [
        PROGRAM,
        "-r",
        *(["-s"] if dialect == "full" else []),
        f"--timeout={STALL_TIMEOUT_S}",
        *transfer.options,
        *group_options(transfer, dialect),
        "-e",
        shlex.join(ssh),
        *filters(transfer.patterns, transfer.excluded),
        *(reversed(ends) if transfer.pushes else ends),
    ]


def group_options(transfer: Transfer, dialect: Dialect) -> list[str]:
    """What makes pushed files readable for the group; a copy that is pulled is its owner's alone."""
    if not (transfer.is_group and transfer.pushes):
        return []
    return ["-p", GROUP_MODES] if dialect == "full" else [f"--rsync-path=umask {GROUP_UMASK}; {PROGRAM}"]


def filters(patterns: Sequence[str], excluded: Sequence[str] = ()) -> list[str]:
    """Options that let only `patterns` through, with the folders on the way to them."""
    words = [f"--exclude={name}" for name in excluded]
    seen: dict[str, None] = {}
    for pattern in patterns:
        parts = pattern.strip("/").split("/")
        seen.update({f"/{'/'.join(parts[:depth])}/": None for depth in range(1, len(parts))})
        seen[pattern] = None
    return [*words, *(f"--include={name}" for name in seen), "--exclude=*"]


def check(answer: Completed, transfer: Transfer, host: Host) -> None:
    """Accept a transfer that worked.

    Raises:
        SyncError: It did not; says why.
    """
    if answer.status in (0, VANISHED_STATUS):
        return
    raise (
        program_fault(answer, host)
        or room_fault(answer, transfer)
        or folder_fault(answer, transfer)
        or way_fault(answer, host, transfer)
    )


def program_fault(answer: Completed, host: Host) -> SyncError | None:
    """Whether a program is missing, here or there, or too old."""
    if answer.status == NOT_FOUND_STATUS and answer.err == f"{PROGRAM}: not found":
        result = judge_rsync(answer, "this machine", "")
        return SyncError("rsync-here", result.found, remedy=f"Install it: {result.remedy}")
    if "Failed to exec ssh" in answer.err or answer.err == "ssh: not found":
        remedy = "Install OpenSSH: `sudo apt-get install openssh-client`, or `brew install openssh`."
        return SyncError("ssh-here", "ssh is not installed on this machine", remedy=remedy)
    if re.search(rf"{PROGRAM}: (command )?not found|{PROGRAM}: No such file", answer.err):
        result = judge_rsync(Completed(status=NOT_FOUND_STATUS, out="", err=""), host.name, f"On {host.name}: ")
        return SyncError("rsync-there", result.found, remedy=result.remedy)
    if re.search(r"unrecogni[sz]ed option|unknown option|syntax or usage", answer.err):
        remedy = "Install a newer one, for example `brew install rsync`, and see that it is first on PATH."
        return SyncError("rsync-too-old", f"rsync does not know an option: {first_line(answer)}", remedy=remedy)
    return None


def room_fault(answer: Completed, transfer: Transfer) -> SyncError | None:
    """Whether a disk or quota is full on the side that receives."""
    if not re.search(r"No space left on device|[Qq]uota exceeded", answer.err):
        return None
    remote = transfer.remote
    if transfer.pushes:
        remedy = f"Free some space there; `ssh {remote.login} df -h {shlex.quote(remote.folder)}`, `quota -s`."
        return SyncError("disk-there", f"The disk or quota is full on {remote.login}", where=remote, remedy=remedy)
    remedy = f"Free some space, or choose another LOCAL folder: df -h {shlex.quote(str(transfer.local))}"
    return SyncError("disk-here", "The disk of this machine is full", where=transfer.local, remedy=remedy)


def folder_fault(answer: Completed, transfer: Transfer) -> SyncError | None:
    """Whether something is wrong with a folder or file; looked at before the way, which breaks off as a consequence."""
    said = "\n".join(line for line in answer.err.splitlines() if not REFUSED_LOGIN.search(line))
    if answer.status == 255:
        return None
    remote = transfer.remote
    look = f"ssh {remote.login} ls -ld {shlex.quote(remote.folder)}"
    if re.search(r"(change_dir|link_stat|mkdir|stat).*No such file", said):
        remedy = f"Is it spelled right, and has the fleet been started? `{look}`; `gamefleet sync setup` makes it."
        return SyncError("no-folder", f"There is no such folder on {remote.login}", where=remote, remedy=remedy)
    if re.search(r"Permission denied|Operation not permitted|Read-only file system", said):
        remedy = f"Who may read and write there: `{look}` and `ls -ld {shlex.quote(str(transfer.local))}`."
        what = f"A file may not be read or written: {first_line(answer)}"
        return SyncError("denied", what, where=remote, remedy=remedy)
    return None


def way_fault(answer: Completed, host: Host, transfer: Transfer) -> SyncError:
    """What was wrong on the way."""
    dead = r"client_loop|Timeout, server|closed by remote host|mux_client"
    said = [line for line in answer.err.splitlines() if line.strip() and not line.startswith(PROGRAM)]
    is_login = answer.status in (12, 255) or any(REFUSED_LOGIN.search(line) for line in said)
    if is_login and said and not any(re.search(dead, line) for line in said):
        result = explain(Completed(status=answer.status, out="", err="\n".join(said)), host)
        return SyncError("login", result.found, remedy=result.remedy)
    kept = "What came so far is kept; the next try goes on there."
    if answer.status in (30, 35, TIMED_OUT_STATUS):
        return SyncError("silent", f"{host.name} fell silent for {STALL_TIMEOUT_S} seconds", remedy=kept)
    lost = rf"connection unexpectedly closed|Broken pipe|lost connection|{dead}"
    if answer.status in (10, 20, 255) or re.search(lost, answer.err):
        return SyncError("cut", f"The connection to {host.name} was cut", remedy=kept)
    return SyncError(
        "failed",
        f"rsync failed: {first_line(answer)}",
        where=transfer.remote,
        remedy=f"rsync's exit status is {answer.status}; its manual page explains the number.",
    )


def first_line(answer: Completed) -> str:
    """The line that says most; the last one only counts what went wrong."""
    lines = [line.strip() for line in answer.err.splitlines() if line.strip()]
    return lines[0] if lines else f"exit status {answer.status}, without a word"
