"""What the dashboard shows of a shared folder: members, versions, what was merged and what was refused.

Job: read manifests, never weights, and write nothing. Place in the data flow: shared folder -> JSON values for `watch`.
Left out: the folder's rules (`weights`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gamefleet.errors import CorruptCheckpointError

if TYPE_CHECKING:
    from gamefleet.weights.manifests import Rejection, Version
    from gamefleet.weights.members import MemberRow
    from gamefleet.weights.store import SharedStore

NEWEST_VERSIONS = 60
NEWEST_REJECTIONS = 200

Json = dict[str, Any]


@dataclass(slots=True)
class Stores:
    """Shared folders that were opened; manifests never change, so what was read is kept."""

    _opened: dict[Path, SharedStore] = field(default_factory=dict)

    def of(self, folders: Sequence[Path]) -> list[SharedStore]:
        """Those of the folders that hold a fleet."""
        from gamefleet.weights.shared_paths import SharedPaths
        from gamefleet.weights.store import SharedStore

        for folder in folders:
            if folder not in self._opened:
                self._opened[folder] = SharedStore(SharedPaths(folder), clock=time.time)
        return [self._opened[folder] for folder in folders if (folder / "shared.json").exists()]


@dataclass(slots=True)
class Machines:
    """The provider of `/api/machines`."""

    stores: Stores = field(default_factory=Stores)

    def __call__(self, folders: Sequence[Path]) -> Json:
        """Every member of every fleet."""
        stores = self.stores.of(folders)
        members = [row for store in stores for row in members_of(store)]
        return {"available": bool(stores), "members": members} | absence(folders, stores)


def absence(folders: Sequence[Path], stores: Sequence[SharedStore]) -> Json:
    """Why nothing is shown of a folder that a run names; a copy of its run may be looked at on another machine."""
    if stores or not folders:
        return {}
    why = f"The run shares its weights through {folders[0]}, which is not on this machine. "
    return {"why": f"{why}`gamefleet dashboard USER@HOST:{folders[0]}` shows it from another one."}


def members_of(store: SharedStore) -> list[Json]:
    """The members of one fleet."""
    from gamefleet.weights.members import look

    head = store.head()
    facts = store.facts()
    shares = shares_of(head)
    rows = look(store, now=time.time())
    return [
        {**member_json(store, row, head), "weight": shares.get(row.member), "fleet": facts.fleet if facts else ""}
        for row in rows
    ]


def member_json(store: SharedStore, row: MemberRow, head: Version | None) -> Json:
    """One member."""
    newest = head.version if head else -1
    from gamefleet.cli.members import play_refused

    false_play = play_refused(store, row.member)
    return {
        **asdict(row),
        "is_quarantined": row.is_quarantined or bool(false_play),
        "head_version": newest,
        "lag": newest - row.version if row.version >= 0 and newest >= 0 else None,
        "reason": "; ".join(filter(None, (reason_of(store, row), false_play))),
    }


def reason_of(store: SharedStore, row: MemberRow) -> str:
    """Why a member is in quarantine, or why its last refused contribution was refused."""
    from gamefleet.weights.manifests import Rejection, read

    if not row.is_quarantined:
        return row.last_reason
    try:
        return read(store.paths.quarantine(row.member), Rejection).reason
    except (OSError, CorruptCheckpointError):
        return row.last_reason


def shares_of(version: Version | None) -> dict[str, float]:
    """Member -> its share of a merge, 0 to 1."""
    total = sum(one.weight for one in version.inputs) if version else 0.0
    return {one.member: one.weight / total for one in version.inputs} if version and total > 0 else {}


@dataclass(slots=True)
class Averaging:
    """The provider of `/api/averaging`."""

    stores: Stores = field(default_factory=Stores)
    _rejections: dict[Path, Rejection] = field(default_factory=dict)

    def __call__(self, folders: Sequence[Path]) -> Json:
        """The versions of the first fleet, the newest first; a run has one."""
        stores = self.stores.of(folders)
        if not stores:
            return {"available": False} | absence(folders, stores)
        from gamefleet.weights.shared_paths import numbered

        store = stores[0]
        facts, head = store.facts(), store.head()
        numbers = numbered(store.paths.merged)
        found = [store.version(number) for number in numbers[-NEWEST_VERSIONS:]]
        versions = [version for version in found if version is not None]
        refused = self.rejections(store)
        return {
            "available": True,
            "fleet": facts.fleet if facts else "",
            "head": head.version if head else -1,
            "num_versions": len(numbers),
            "unreadable": [n for n, one in zip(numbers[-NEWEST_VERSIONS:], found, strict=True) if one is None],
            "versions": versions_json(store, versions, refused)[::-1],
            "rejected": [asdict(one) for one in refused[::-1]],
        }

    def rejections(self, store: SharedStore) -> list[Rejection]:
        """The newest refusals, oldest first."""
        from gamefleet.weights.manifests import Rejection, read

        try:
            paths = sorted(path for path in store.paths.rejected.iterdir() if is_of_weights(path))
        except (FileNotFoundError, NotADirectoryError):
            return []
        newest = sorted(paths, key=modified)[-NEWEST_REJECTIONS:]
        self._rejections = {path: one for path, one in self._rejections.items() if path in set(newest)}
        for path in newest:
            if path not in self._rejections:
                try:
                    self._rejections[path] = read(path, Rejection)
                except (OSError, CorruptCheckpointError) as error:
                    why = f"the record of why is damaged: {error}"
                    self._rejections[path] = Rejection(member=path.stem, seq=0, reason=why)
        return sorted(self._rejections.values(), key=lambda one: one.rejected_at)


def is_of_weights(path: Path) -> bool:
    """Whether a file says why weights were refused; what is said of play has another form."""
    return path.suffix == ".json" and not path.name.endswith(".experience.json")


def modified(path: Path) -> float:
    """When a file was changed; 0 when it is gone."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def versions_json(store: SharedStore, versions: Sequence[Version], refused: Sequence[Rejection]) -> list[Json]:
    """Versions, each with what was refused since the one before it."""
    rows = []
    before = 0.0
    for version in versions:
        since = [one for one in refused if before < one.rejected_at <= version.merged_at]
        rows.append(version_json(store, version, since))
        before = version.merged_at
    return rows


def version_json(store: SharedStore, version: Version, refused: Sequence[Rejection]) -> Json:
    """One merged version."""
    from gamefleet.topologies.shared_folder.gate import read_verdict

    shares = shares_of(version)
    verdict = read_verdict(store.paths, version.version)
    return {
        "version": version.version,
        "parent": version.parent,
        "at": version.merged_at,
        "kind": version.kind,
        "rule": version.rule,
        "by": version.merged_by,
        "reason": version.reason,
        "rolled_back": version.rolled_back,
        "inputs": [{**asdict(one), "share": shares.get(one.member)} for one in version.inputs],
        "rejected": [{"member": one.member, "seq": one.seq, "reason": one.reason} for one in refused],
        "verdict": asdict(verdict) if verdict else None,
    }
