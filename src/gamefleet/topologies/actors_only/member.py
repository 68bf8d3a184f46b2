"""Being one member that only plays: a name that belongs to one machine and one process.

Job: take a member's name in a shared folder, notice when somebody else has it, say that one is alive. Place in the data
flow: around the loop of `actors_only`. Left out: playing.

A copy of the shared folder looks the same on every machine, so the name's owner is told by a token that is also kept on
the machine, outside of the folder: whoever lacks it has the same name by accident. A second process of the same machine
is told by its process id.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import psutil

from gamefleet import __version__
from gamefleet.cluster.sync.members import own_tokens
from gamefleet.errors import ConfigError, RunFolderError
from gamefleet.files import explained, write_json
from gamefleet.transport.folder_files import read_regular
from gamefleet.weights.manifests import Card, Heartbeat, SharedFacts
from gamefleet.weights.shared_paths import check_member
from gamefleet.weights.store import SharedStore


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRecord:
    """What a machine keeps of its membership.

    Args:
        token: The same in the member's card.
        starts: How often it has played under this name; tells random streams apart.
        pid: Process that plays now or played last.
        pid_started: When that process began, because numbers come again.
    """

    token: str
    starts: int = 0
    pid: int = 0
    pid_started: float = 0.0


class _Refusal(msgspec.Struct):
    reason: str


def state_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where this machine keeps its memberships.

    Raises:
        ConfigError: There is no home folder.
    """
    base = environ.get("XDG_STATE_HOME") or (f"{environ['HOME']}/.local/state" if environ.get("HOME") else "")
    if not base:
        raise ConfigError("There is no folder for memberships", where="HOME", remedy="Set HOME or XDG_STATE_HOME.")
    return Path(base) / "gamefleet" / "members"


class Membership:
    """A name that is held; see the module's docstring.

    Args:
        store: The shared folder.
        facts: What the fleet trains.
        member: The name.
        folder: See `state_folder`; several hosts may share it.
        host: This machine's name.

    Raises:
        ConfigError: The name is none, or another machine or process has it.
        RunFolderError: The shared folder or the machine's own cannot be written.
    """

    def __init__(
        self, store: SharedStore, facts: SharedFacts, member: str, *, folder: Path, host: str | None = None
    ) -> None:
        self.member = check_member(member)
        self._lineage = facts.lineage
        self._store = store
        self._host = socket.gethostname() if host is None else host
        self._path = folder / f"{facts.lineage[:12]}-{member}-{self._host}.json"
        with explained(self._path):
            folder.mkdir(parents=True, exist_ok=True)
        record = self._own_record()
        self._refuse_running(record)
        self._record = replace(record, starts=record.starts + 1, pid=os.getpid(), pid_started=_started(os.getpid()))
        self.check()
        self._keep()
        store.introduce(member, self._card())

    @property
    def starts(self) -> int:
        """How often this machine has played under this name, this time included."""
        return self._record.starts

    @property
    def token(self) -> str:
        """What proves that the name is this machine's."""
        return self._record.token

    def check(self) -> None:
        """Fail when another machine has the name; a card that is not there is no sign of one.

        Raises:
            ConfigError: Proposes another name.
        """
        card = self._store.card(self.member)
        if card is not None and card.token != self._record.token:
            raise ConfigError(
                f"Another machine ({card.host or 'unknown'}) plays for this fleet under the same name",
                value=self.member,
                where=self._store.paths.card(self.member),
                remedy=f"Choose another one, for example --user-id {self.member}-2. If that machine is this one, "
                f"reinstalled, remove {self._store.paths.member(self.member)} here and where it is pushed to.",
            )

    def look(self) -> None:
        """See that the folder is there and still this fleet's, and the name this machine's; write the card if it went.

        Raises:
            ConfigError: Another machine has the name.
            RunFolderError: The folder is gone, or another fleet has begun in it.
        """
        facts = self._store.facts()
        if facts is None or facts.lineage != self._lineage:
            what = "The shared folder is not there" if facts is None else "Another fleet has begun in this folder"
            remedy = "Mount it, or let it be synchronised." if facts is None else "Start again to play for that one."
            raise RunFolderError(what, where=self._store.paths.root, remedy=remedy)
        self.check()
        if self._store.card(self.member) is None:
            self._store.introduce(self.member, self._card())

    def refusal(self) -> str:
        """Why the learners refuse what this member plays; empty when they do not."""
        found = read_regular(self._store.paths.experience_quarantine(self.member), max_bytes=1 << 16)
        try:
            return msgspec.json.decode(found.data, type=_Refusal).reason if found.data else ""
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return "a reason that cannot be read"

    def beat(self, *, step: int, version: int, steps_per_s: float) -> None:
        """Say that this member is alive.

        Raises:
            RunFolderError: The folder is gone or not writable.
            StorageFullError: No space.
        """
        beat = Heartbeat(at=time.time(), step=step, version=version, steps_per_s=steps_per_s, samples=step)
        self._store.heartbeat(self.member, beat)

    def leave(self) -> None:
        """Let another process of this machine have the name."""
        self._record = replace(self._record, pid=0, pid_started=0.0)
        self._keep()

    def _own_record(self) -> OwnRecord:
        try:
            record = msgspec.json.decode(self._path.read_bytes(), type=OwnRecord)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            record = OwnRecord(token=secrets.token_hex(16))
        card = self._store.card(self.member)
        # A learner of this machine may have made the name on this copy.
        is_own = card is not None and card.token in own_tokens(self._store.paths.root)
        return replace(record, token=card.token) if card is not None and is_own else record

    def _keep(self) -> None:
        write_json(self._path, msgspec.to_builtins(self._record))

    def _refuse_running(self, record: OwnRecord) -> None:
        if record.pid in (0, os.getpid()) or _started(record.pid) != record.pid_started:
            return
        raise RunFolderError(
            f"Process {record.pid} of this machine plays under this name already",
            value=self.member,
            where=self._store.paths.root,
            remedy=f"Let it, end it (kill {record.pid}), or play beside it with --user-id {self.member}-2.",
        )

    def _card(self) -> Card:
        return Card(
            kind="actors", token=self._record.token, host=self._host, version=__version__, joined_at=time.time()
        )


def _started(pid: int) -> float:
    """When a process began, seconds since 1970; 0 when there is none."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return 0.0
