"""All members' experience folders, seen by one learner: what is new, in order, a bounded amount per look.

Job: hand out each chunk once, per environment in the order of the numbers, and say why one was not. Place in the data
flow: under `folder.FolderExperienceReceiver`. Left out: what a chunk holds, and saying what has been read.

A look never waits and never raises for what others have written. A number that is missing while later ones are there is
waited for a while, because rsync brings files in any order, and then passed over: its owner has removed it, or it never
comes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from gamefleet.experience.chunk_file import MAX_FILE_BYTES
from gamefleet.transport.folder_files import environments, listed, read_chunk
from gamefleet.transport.folder_readers import NOTHING
from gamefleet.weights.shared_paths import SharedPaths

MEGABYTE = 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class TakingBounds:
    """How much is taken at a time.

    Args:
        quota_bytes: Per member and look.
        quota_chunks: Per member and look.
        max_chunk_bytes: Larger chunks are refused unread.
        patience_s: So long a chunk that is missing or not whole holds up those behind it.
        max_environments: Per member; further ones are not looked at.
    """

    quota_bytes: int = 16 * MEGABYTE
    quota_chunks: int = 16
    max_chunk_bytes: int = MAX_FILE_BYTES
    patience_s: float = 60.0
    max_environments: int = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One chunk as it was found.

    Args:
        member: Whose.
        environment: Name of the environment's folder, for example `e003`.
        seq: Its number.
        data: The file's content, verified against its manifest.
    """

    member: str
    environment: str
    seq: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One chunk that was passed over.

    Args:
        member: Whose.
        environment: As in `Parcel`.
        seq: Its number.
        kind: `damaged`, `gap` (never came), `vanished` (removed by its owner first) or `refused` (by what it holds).
        reason: For people.
    """

    member: str
    environment: str
    seq: int
    kind: str
    reason: str


class UnreadChunks:
    """See the module's docstring.

    Args:
        paths: Of the shared folder.
        settings: Bounds.
        cursors: Where an earlier process stopped: member -> environment -> last number taken.
        monotonic: Clock in seconds.
    """

    def __init__(
        self,
        paths: SharedPaths,
        settings: TakingBounds,
        *,
        cursors: dict[str, dict[str, int]],
        monotonic: Callable[[], float],
    ) -> None:
        self._paths = paths
        self._settings = settings
        self._monotonic = monotonic
        self._missing_since: dict[tuple[str, str, int], float] = {}
        self.cursors = cursors
        self.refusals: list[Refusal] = []
        self.counts: Counter[str] = Counter()

    def look(self, skip: Collection[str]) -> Iterator[Parcel]:
        """What is new, within the quotas.

        Args:
            skip: Members that are not looked at now.
        """
        for member in self._others(skip):
            num_bytes = num_chunks = 0
            for parcel in self._of_member(member):
                yield parcel
                num_bytes, num_chunks = num_bytes + len(parcel.data), num_chunks + 1
                if num_bytes >= self._settings.quota_bytes or num_chunks >= self._settings.quota_chunks:
                    break

    def _others(self, skip: Collection[str]) -> list[str]:
        return [name for name in self._paths.member_ids() if name not in skip]

    def _of_member(self, member: str) -> Iterator[Parcel]:
        """One member's news, one chunk of each environment in turn, so that none of them starves."""
        folder = self._paths.experience(member)
        names = environments(folder)[: self._settings.max_environments]
        rows = [self._of_environment(member, name, folder / name) for name in names]
        while rows:
            for row in list(rows):
                parcel = next(row, None)
                if parcel is None:
                    rows.remove(row)
                else:
                    yield parcel

    def _of_environment(self, member: str, environment: str, folder: Path) -> Iterator[Parcel]:
        cursors = self.cursors.setdefault(member, {})
        manifests = listed(folder)
        for seq, manifest in manifests.items():
            last = cursors.get(environment, NOTHING)
            if seq <= last:
                continue
            if environment in cursors and seq != last + 1 and not self._passes_over(member, environment, last + 1):
                return
            found = read_chunk(manifest, max_bytes=self._settings.max_chunk_bytes)
            if found.kind == "arriving" and self._is_patient(member, environment, seq):
                return
            self._missing_since.pop((member, environment, seq), None)
            cursors[environment] = seq
            if found.kind == "whole":
                self.counts["taken"] += 1
                yield Parcel(member=member, environment=environment, seq=seq, data=found.data)
            else:
                kind = "vanished" if found.kind == "gone" else "damaged"
                self.refuse(member, environment, seq, kind=kind, reason=found.reason)

    def _passes_over(self, member: str, environment: str, seq: int) -> bool:
        """Whether a number that is missing has been waited for long enough."""
        if self._is_patient(member, environment, seq):
            return False
        self._missing_since.pop((member, environment, seq), None)
        self.refuse(member, environment, seq, kind="gap", reason="it never came")
        return True

    def _is_patient(self, member: str, environment: str, seq: int) -> bool:
        now = self._monotonic()
        since = self._missing_since.setdefault((member, environment, seq), now)
        return now - since < self._settings.patience_s

    def refuse(self, member: str, environment: str, seq: int, *, kind: str, reason: str) -> None:
        """Note that a chunk was passed over."""
        self.counts[kind] += 1
        self.refusals.append(Refusal(member=member, environment=environment, seq=seq, kind=kind, reason=reason))
