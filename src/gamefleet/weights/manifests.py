"""The small JSON files of the shared folder as types.

Job: write them and read them back, whoever wrote them: what is not as expected is an error of ours, never a crash.
Place in the data flow: between the shared folder and everything in this package. Left out: blobs (`blobs`), and whether
a contribution is good (`guard`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from gamefleet.errors import CorruptCheckpointError
from gamefleet.untrusted import NotPlainError, read_plain

FORMAT = "gamefleet shared 1"
CAP_BYTES = 4 << 20
"""No manifest is larger: a folder that others can write to must not fill our memory."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedFacts:
    """What a fleet trains.

    Args:
        fleet: Its name.
        game_name: Its game.
        settings: Sections of the settings that others need to play and learn alike.
        compatibility: `{"hash": ..., "parts": ...}` of game, observation, reward and architecture.
        seed: The fleet's seed.
        lineage: Checksum of version 0; the store fills it in.
        format: Of the folder.
    """

    fleet: str
    game_name: str
    settings: dict[str, Any]
    compatibility: dict[str, Any]
    seed: int
    lineage: str = ""
    format: str = FORMAT


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A blob beside its manifest.

    Args:
        name: Of the file, in the manifest's folder.
        size_bytes: Its length.
        xxh3: xxh3-128 of the whole file, in hex.
    """

    name: str
    size_bytes: int
    xxh3: str


NO_BLOB = Blob(name="", size_bytes=0, xxh3="")
"""Of a manifest whose blob is still to be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """Manifest of a member's weights.

    Args:
        member: Who learned.
        token: The process's random mark.
        seq: Number among the member's contributions, from 1.
        lineage: Of the fleet's version 0.
        compatibility: As in `SharedFacts`.
        base: Merged version from which the work grew; `content - base` is what was learned.
        since: Merged version at which the oldest part of that work began; `base` unless the work was carried over.
        included: This member's seq that its base includes.
        samples: Environment steps of this work.
        updates: Updates of this work.
        total_samples: Of the member's run so far.
        total_updates: Likewise.
        step: Of the member's run.
        published_at: By the member's clock, for people.
        blob: The content.
    """

    member: str
    token: str
    seq: int
    lineage: str
    compatibility: dict[str, Any]
    base: int
    since: int
    included: int
    samples: int
    updates: int
    total_samples: int
    total_updates: int
    step: int
    published_at: float
    blob: Blob = NO_BLOB
    format: str = FORMAT


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedInput:
    """One contribution that a version was made of.

    Args:
        member: Whose.
        seq: Which.
        base: Version from which it grew.
        samples: Environment steps.
        updates: Updates.
        age: Versions between the beginning of the work and this one's parent.
        weight: Its weight in the sum.
        norm: Of the change of the network per root of updates, as it was merged.
        xxh3: Of its blob.
        part: Of its change that was merged; below 1 when it went further than is usual.
    """

    member: str
    seq: int
    base: int
    samples: int
    updates: int
    age: int
    weight: float
    norm: float
    xxh3: str
    part: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What a member has given to the fleet so far, all zero at first.

    Args:
        samples: Environment steps of merged work.
        updates: Updates of merged work.
        merges: Merged contributions.
        rejected: Contributions in quarantine when the version was made.
    """

    samples: int = 0
    updates: int = 0
    merges: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Norm:
    """How far one merged contribution had moved the network.

    Args:
        norm: Euclidean norm of the change per root of updates.
        updates: Updates it took.
    """

    norm: float
    updates: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """Manifest of a merged version.

    Args:
        version: Its number, from 0.
        lineage: Checksum of version 0's content.
        parent: Version it was made from; -1 for version 0.
        kind: How it came about: `first`, `merge` or `rollback`.
        rule: `{"rule": ..., "tau": ..., ...}`: everything that the merge depended on besides its inputs.
        blob: Content and momentum.
        inputs: Contributions, in the order of their sum.
        included: Last included seq by member.
        checksums: xxh3 of that contribution's blob by member.
        totals: Accounts by member.
        norms: Of the last merged contributions, oldest first.
        rolled_back: Versions whose work is void.
        merged_by: Member whose process made it.
        merged_at: By that process's clock, for people.
        mark: Random, by which a process knows its own work.
        reason: Of a rollback.
        facts: Of version 0: the content of shared.json, so that nobody can make one without the other.
    """

    version: int
    lineage: str
    parent: int
    kind: str
    rule: dict[str, Any] = field(default_factory=dict)
    blob: Blob = NO_BLOB
    inputs: list[MergedInput] = field(default_factory=list)
    included: dict[str, int] = field(default_factory=dict)
    checksums: dict[str, str] = field(default_factory=dict)
    totals: dict[str, Totals] = field(default_factory=dict)
    norms: list[Norm] = field(default_factory=list)
    rolled_back: list[int] = field(default_factory=list)
    merged_by: str = ""
    merged_at: float = 0.0
    mark: str = ""
    reason: str = ""
    facts: SharedFacts | None = None
    format: str = FORMAT


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A contribution, or a whole member, in quarantine.

    Args:
        member: Whose.
        seq: Which contribution; 0 for the whole member.
        reason: Why, for people.
        counts: Whether it counts towards the quarantine of the member: being late does not.
        rejected_by: Member whose process decided.
        rejected_at: By that process's clock, for people.
    """

    member: str
    seq: int
    reason: str
    counts: bool = True
    rejected_by: str = ""
    rejected_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """Who a member is.

    Args:
        kind: `learner` or `actors`.
        token: Random mark of the process; the newest holder of a name has it.
        host: Label of the machine.
        version: Of gamefleet.
        joined_at: By the member's clock.
    """

    kind: str
    token: str
    host: str = ""
    version: str = ""
    joined_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """How far a member is; its age is that of the file.

    Args:
        at: By the member's clock, for people.
        step: Of its run.
        version: Merged version that it goes on from; -1 when there is none yet.
        steps_per_s: Environment steps per second.
        samples: Environment steps of its run.
    """

    at: float
    step: int = 0
    version: int = -1
    steps_per_s: float = 0.0
    samples: int = 0


def as_json(value: object) -> Mapping[str, Any]:
    """One of the types above as JSON values, for `files`."""
    return dict(msgspec.to_builtins(value))


def read(path: Path, kind: type[T]) -> T:
    """Read one of the files above.

    Raises:
        FileNotFoundError: There is no such file, or no longer.
        CorruptCheckpointError: It is too large or not what it should be.
    """
    try:
        data = read_plain(path, max_bytes=CAP_BYTES)
    except NotPlainError as error:
        raise _damaged(str(error), path) from error
    try:
        value = msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _damaged(f"cannot be understood: {error}", path) from error
    found = getattr(value, "format", FORMAT)
    if found != FORMAT:
        raise _damaged(f"is of format {found!r}, this version reads {FORMAT!r}", path)
    return value


def _damaged(what: str, path: Path) -> CorruptCheckpointError:
    remedy = "It is ignored. If it is shared.json, check that the folder is the right one."
    return CorruptCheckpointError(f"{path.name} {what}", where=path, remedy=remedy)
