"""Who reads a member's experience, and how far everybody is.

Job: turn what learners say in `reading.json` into two numbers per environment: what somebody has read, and what all
have. Place in the data flow: asked by the folder's sender before it writes and before it removes. Left out: both of
these.

A learner is live while its heartbeat changes. Only that is judged, by this process's own clock: the times that files
carry are of other machines, rsync may bring them late, and a laptop's clock may be anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from gamefleet.transport.folder_files import SEQ_CAP, read_regular
from gamefleet.weights.shared_paths import SharedPaths

JSON_BYTES_CAP = 4 * 1024 * 1024
NOTHING = -1
"""How far a learner is that has read nothing."""


class _Kind(msgspec.Struct):
    kind: str


@dataclass(slots=True, kw_only=True)
class _Reader:
    """One learner as it was last seen."""

    pulse: tuple[int, int]
    changed_at: float
    read: Mapping[str, int] = field(default_factory=dict)


class Readers:
    """See the module's docstring.

    Args:
        paths: Of the shared folder.
        me: Whose experience is asked about.
        live_s: A learner whose heartbeat has not changed for so long does not count as live.
        monotonic: Clock in seconds.
    """

    def __init__(self, paths: SharedPaths, me: str, *, live_s: float, monotonic: Callable[[], float]) -> None:
        self._paths = paths
        self._me = me
        self._live_s = live_s
        self._monotonic = monotonic
        self._readers: dict[str, _Reader] = {}

    @property
    def num_live(self) -> int:
        """Learners that are at work."""
        return len(self._live())

    def look(self) -> None:
        """Read anew what the learners say; those that have gone are forgotten."""
        now = self._monotonic()
        seen: dict[str, _Reader] = {}
        for member in self._paths.member_ids():
            if member != self._me and self._is_reader(member):
                seen[member] = self._seen(member, now)
        self._readers = seen

    def _is_reader(self, member: str) -> bool:
        """Whether a learner takes in what others play: it says how far it is from its first round on."""
        return self._paths.reading(member).exists() and _kind_of(self._paths.card(member)) == "learner"

    def _seen(self, member: str, now: float) -> _Reader:
        before, reading = self._readers.get(member), self._paths.reading(member)
        pulse = (_changed_at(self._paths.heartbeat(member)), _changed_at(reading))
        changed_at = now if before is None or before.pulse != pulse else before.changed_at
        read = read_of(reading, self._me)
        if read is None:  # a file that is being replaced, or damaged: what was known still holds
            read = before.read if before is not None else {}
        return _Reader(pulse=pulse, changed_at=changed_at, read=read)

    def _live(self) -> list[_Reader]:
        now = self._monotonic()
        return [reader for reader in self._readers.values() if now - reader.changed_at <= self._live_s]

    def read_by_one(self, environment: str) -> int:
        """The last chunk that a live learner has read, or any learner when none is live."""
        readers = self._live() or list(self._readers.values())
        return max((reader.read.get(environment, NOTHING) for reader in readers), default=NOTHING)

    def read_by_all(self, environment: str) -> int:
        """The last chunk that every live learner has read; nothing when none is live."""
        return min((reader.read.get(environment, NOTHING) for reader in self._live()), default=NOTHING)

    def ever_read(self, environment: str) -> int:
        """The last chunk that anybody, live or not, has read: numbers up to it have been used."""
        reached = (reader.read.get(environment, NOTHING) for reader in self._readers.values())
        return max(reached, default=NOTHING)


def _kind_of(card: Path) -> str:
    try:
        return msgspec.json.decode(read_regular(card, max_bytes=JSON_BYTES_CAP).data, type=_Kind).kind
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""


def _changed_at(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def read_of(reading: Path, member: str) -> Mapping[str, int] | None:
    """How far a learner is with the experience of one member, by environment; None when it cannot be read just now."""
    read = all_read(reading)
    return None if read is None else read.get(member, {})


def all_read(reading: Path) -> dict[str, dict[str, int]] | None:
    """How far a learner is: member -> environment -> last number; None when it cannot be read just now."""
    found = read_regular(reading, max_bytes=JSON_BYTES_CAP)
    if found.kind == "gone":
        return {}
    try:
        read = msgspec.json.decode(found.data, type=dict[str, dict[str, int]])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return {
        member: {environment: seq for environment, seq in rows.items() if NOTHING <= seq <= SEQ_CAP}
        for member, rows in read.items()
    }
