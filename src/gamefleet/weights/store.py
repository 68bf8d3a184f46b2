"""The shared folder as an object: versions, contributions, heartbeats.

Job: read and write what the manifests describe, so that any number of processes may do so at once without locks. Place
in the data flow: under `member`, `merging` and everyone who only reads weights. Left out: what is merged, when, and
what a member goes on with.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from gamefleet.errors import CheckpointError, CorruptCheckpointError, RunFolderError
from gamefleet.files import explained, make_folder, write_json
from gamefleet.weights.blobs import NotHereError, read_blob
from gamefleet.weights.content import Arrays, Content
from gamefleet.weights.contributions import Pending, publish, waiting
from gamefleet.weights.garbage import collect
from gamefleet.weights.manifests import Card, Contribution, Heartbeat, Rejection, SharedFacts, Version, as_json, read
from gamefleet.weights.quarantine import Refused, refused, reject
from gamefleet.weights.settings import MergeSettings
from gamefleet.weights.shared_paths import SharedPaths, numbered
from gamefleet.weights.versions import check_joins, found_fleet, write_version

CACHED_CONTENTS = 3
CACHED_MANIFESTS = 64

Clock = Callable[[], float]


class SharedStore:
    """One process's view of a shared folder; nothing in it is shared between threads.

    Args:
        paths: The folder.
        clock: Seconds since 1970 on this machine, for what only people read.
    """

    def __init__(self, paths: SharedPaths, *, clock: Clock) -> None:
        self.paths = paths
        self.clock = clock
        self._versions: dict[int, Version] = {}
        self._contents: OrderedDict[int, tuple[Content, Arrays]] = OrderedDict()
        self._damaged: set[int] = set()

    def begin(self, facts: SharedFacts, first: Content | None) -> SharedFacts:
        """Create the fleet, or join the one that is there.

        Args:
            facts: What this member trains.
            first: Content of version 0 if there is none yet; None for who may not create a fleet.

        Returns:
            What the fleet trains, with its lineage.

        Raises:
            IncompatibleError: The fleet trains something else; names the first difference.
            RunFolderError: There is no fleet, and this member may not create one; or the folder is not writable.
        """
        known = self.facts()
        if known is None and first is not None:
            known = found_fleet(self.paths, facts, first, now=self.clock())
        if known is None:
            raise RunFolderError(
                "There is no fleet in this shared folder yet",
                where=self.paths.root,
                remedy="Pull it first (gamefleet sync pull), or start a learner that reaches the folder itself.",
            )
        check_joins(known, facts, where=self.paths.shared)
        return known

    def facts(self) -> SharedFacts | None:
        """What the fleet trains; None when there is none here yet.

        Raises:
            CorruptCheckpointError: `shared.json` cannot be understood.
            RunFolderError: It may not be read.
        """
        try:
            return read(self.paths.shared, SharedFacts)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except PermissionError as error:
            raise RunFolderError(
                "This user may not read the shared folder",
                where=self.paths.shared,
                remedy=f"`gamefleet doctor --only fleet --shared-dir {self.paths.root}` says what its owner must type.",
            ) from error

    def head(self) -> Version | None:
        """The newest version whose manifest can be understood and whose blob is here."""
        for number in reversed(numbered(self.paths.merged)):
            version = None if number in self._damaged else self.version(number)
            if version is not None and self._has_blob(version):
                return version
        return None

    def _has_blob(self, version: Version) -> bool:
        try:
            return (self.paths.merged / version.blob.name).stat().st_size == version.blob.size_bytes
        except OSError:
            return False

    def version(self, number: int) -> Version | None:
        """A version's manifest; None when it is not here or cannot be understood."""
        if number not in self._versions:
            try:
                found = read(self.paths.version(number), Version)
            except (OSError, CorruptCheckpointError):
                return None
            if len(self._versions) >= CACHED_MANIFESTS:
                self._versions.clear()
            self._versions[number] = found
        return self._versions[number]

    def content(self, number: int) -> Content:
        """A version's content, read-only.

        Raises:
            CheckpointError: It is not here (any more).
            CorruptCheckpointError: It is damaged; `head` passes over it from now on.
        """
        return self._opened(number)[0]

    def momentum(self, number: int) -> Arrays:
        """The outer step's momentum in a version; raises as `content` does."""
        return self._opened(number)[1]

    def find_content(self, number: int) -> Content | None:
        """A version's content; None when it cannot be had."""
        try:
            return self.content(number)
        except CheckpointError:
            return None

    def newest(self) -> tuple[Version, Content] | None:
        """The newest version that can be read, with its content; None when the next look may find one."""
        before = None
        while (head := self.head()) is not None and head != before:
            try:
                return head, self.content(head.version)
            except CheckpointError:
                before = head
        return None

    def _opened(self, number: int) -> tuple[Content, Arrays]:
        if number in self._contents:
            self._contents.move_to_end(number)
            return self._contents[number]
        version = self.version(number)
        try:
            if version is None:
                raise NotHereError
            opened = read_blob(self.paths.merged, version.blob)
        except NotHereError as error:
            raise _missing(number, self.paths) from error
        except CorruptCheckpointError:
            self._damaged.add(number)
            raise
        self._keep(number, *opened)
        return opened

    def _keep(self, number: int, content: Content, momentum: Arrays) -> None:
        self._contents[number] = (content, momentum)
        while len(self._contents) > CACHED_CONTENTS:
            self._contents.popitem(last=False)

    def write_version(self, draft: Version, content: Content, momentum: Arrays) -> bool:
        """Write the next version: first its blob, then its manifest, which only one process can make.

        Args:
            draft: The manifest without its blob.
            content: The merged content; a copy of it is kept.
            momentum: Of the outer step.

        Returns:
            Whether this call made it; if not, somebody else's version is there.

        Raises:
            StorageFullError: The disk or quota is full; the folder is as it was.
            RunFolderError: The folder is not writable.
        """
        made = write_version(self.paths, replace(draft, merged_at=self.clock()), content, momentum)
        if made:
            self._keep(draft.version, content.copy(), dict(momentum))
        return made

    def next_number(self) -> int:
        """Number of the version to be made: above all that have a manifest, whatever it says."""
        return max(numbered(self.paths.merged), default=-1) + 1

    def publish(self, draft: Contribution, content: Content) -> Contribution:
        """Write a contribution; see `contributions.publish`."""
        return publish(self.paths, draft, content)

    def candidates(self, head: Version) -> dict[str, list[Pending]]:
        """Contributions that wait, by member, newest first."""
        return waiting(self.paths, head, self.refused())

    def refused(self) -> Refused:
        """What is in quarantine."""
        return refused(self.paths)

    def collect_garbage(self, member: str, settings: MergeSettings, *, is_home: bool) -> int:
        """Remove what nobody needs any more; see `garbage.collect`."""
        return collect(self.paths, member, settings, now=self.server_now(member), is_home=is_home)

    def reject(self, verdict: Rejection, *, included: int, max_rejections: int) -> None:
        """Put a contribution in quarantine; see `quarantine.reject`."""
        reject(self.paths, replace(verdict, rejected_at=self.clock()), included=included, max_rejections=max_rejections)

    def card(self, member: str) -> Card | None:
        """Who a member is; None when nobody can tell."""
        try:
            return read(self.paths.card(member), Card)
        except (OSError, CorruptCheckpointError):
            return None

    def introduce(self, member: str, card: Card) -> None:
        """Say who a member is; whoever had the name before has lost it."""
        make_folder(self.paths.weights(member))
        write_json(self.paths.card(member), as_json(card))

    def heartbeat(self, member: str, beat: Heartbeat) -> None:
        """Say that a member is alive."""
        write_json(self.paths.heartbeat(member), as_json(beat))

    def server_now(self, member: str) -> float:
        """The file server's time: that of a file in this member's folder, touched just now."""
        path = self.paths.clock(member)
        with explained(path):
            path.write_bytes(b"")
            os.utime(path)
            return path.stat().st_mtime

    def live_learners(self, now: float, live_s: float) -> frozenset[str]:
        """Learners whose heartbeat is younger than `live_s`, by the file server's clock."""
        return frozenset(member for member in self.paths.member_ids() if _is_live_learner(self, member, now, live_s))


def _is_live_learner(store: SharedStore, member: str, now: float, live_s: float) -> bool:
    try:
        age = now - store.paths.heartbeat(member).stat().st_mtime
    except OSError:
        return False
    card = store.card(member) if age < live_s else None
    return card is not None and card.kind == "learner"


def _missing(number: int, paths: SharedPaths) -> CheckpointError:
    return CheckpointError(
        "This version of the weights is not in the shared folder",
        value=number,
        where=paths.merged,
        remedy="It was removed because it is old, or is still on its way: take the newest one.",
    )
