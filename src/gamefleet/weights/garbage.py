"""Removing what nobody needs any more from a shared folder.

Job: keep the folder small without taking a file from under a reader. Place in the data flow: after a merge, and when a
member has taken over newer weights. Left out: experience, which its sender removes.

Nothing younger than the grace period goes, by the file server's clock, and manifests go before their blobs. A member
removes its own contributions; a home process also removes merged versions, and what other members left lying about for
twice the grace period. Only names of our own making are removed, and no link is followed: whoever may write into the
folder must not make others' processes remove files elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from gamefleet.errors import CorruptCheckpointError
from gamefleet.files import TEMPORARY_PREFIX
from gamefleet.untrusted import remove_below
from gamefleet.weights.blobs import BLOB_NAME
from gamefleet.weights.manifests import Contribution, Heartbeat, Version, read
from gamefleet.weights.settings import MergeSettings
from gamefleet.weights.shared_paths import REJECTION_PATTERN, SharedPaths, numbered

OTHERS_FACTOR = 2
"""Grace periods that pass before a home process removes another member's file: its owner goes first."""

LEFTOVER = re.compile(rf"{re.escape(TEMPORARY_PREFIX)}[0-9]{{6,12}}.*-[0-9a-f]{{12}}")
"""What a writer of `files` leaves of a manifest or a blob when it is killed."""

KEPT_VERDICTS = 5
"""So many of the versions that were evaluated last stay: the fleet may have to go back to one of them."""


def collect(paths: SharedPaths, member: str, settings: MergeSettings, *, now: float, is_home: bool) -> int:
    """Remove what is no longer needed.

    Args:
        paths: The shared folder.
        member: Who collects.
        settings: What is kept, and for how long.
        now: The file server's time.
        is_home: Whether this process reaches the shared folder itself: copies of it leave `merged/` alone.

    Returns:
        How many files are gone.
    """
    head = _newest(paths)
    included = head.included if head else {}
    own_before = now - settings.grace_s
    gone = _contributions(paths, member, included.get(member, 0), own_before)
    if is_home and head is not None:
        before = now - OTHERS_FACTOR * settings.grace_s
        others = (other for other in paths.member_ids() if other != member)
        gone += sum(_contributions(paths, other, included.get(other, 0), before) for other in others)
        gone += _versions(paths, head, settings, own_before)
        gone += remove_below(paths.root, paths.rejected, _is_old_rejection(included, before))
    return gone


def _newest(paths: SharedPaths) -> Version | None:
    for number in reversed(numbered(paths.merged)):
        try:
            return read(paths.version(number), Version)
        except (OSError, CorruptCheckpointError):
            continue
    return None


def _contributions(paths: SharedPaths, member: str, included: int, before: float) -> int:
    """A member's contributions that were merged or replaced; the newest one that still waits stays."""
    folder = paths.weights(member)
    seqs = numbered(folder)
    done = {seq for seq in seqs if seq <= included or seq != seqs[-1]}
    return _removed(paths, folder, set(seqs), done, before)


def _versions(paths: SharedPaths, head: Version, settings: MergeSettings, before: float) -> int:
    """Versions that are neither among the newest nor evaluated nor what somebody still goes on from."""
    numbers = numbered(paths.merged)
    kept = {*numbers[-settings.keep_versions :], head.version}
    kept |= set(numbered(paths.verdicts)[-KEPT_VERDICTS:])
    kept |= {base for base in _bases(paths, head) if base >= head.version - settings.max_age_versions}
    return _removed(paths, paths.merged, set(numbers), set(numbers) - kept, before)


def _is_old_rejection(included: Mapping[str, int], before: float) -> Callable[[str, float], bool]:
    """Refused contributions that were followed by a merged one are history; what sets a whole member aside stays."""

    def is_old(name: str, changed: float) -> bool:
        found = REJECTION_PATTERN.fullmatch(name)
        return changed < before and found is not None and int(found[2]) <= included.get(found[1], 0)

    return is_old


def _bases(paths: SharedPaths, head: Version) -> Iterator[int]:
    """Versions from which members go on, and from which what waits has grown."""
    for member in paths.member_ids():
        with suppress(OSError, CorruptCheckpointError):
            yield read(paths.heartbeat(member), Heartbeat).version
        for seq in (seq for seq in numbered(paths.weights(member)) if seq > head.included.get(member, 0)):
            with suppress(OSError, CorruptCheckpointError):
                yield read(paths.contribution(member, seq), Contribution).base


def _removed(paths: SharedPaths, folder: Path, numbers: set[int], done: set[int], before: float) -> int:
    """Manifests of `done`, then blobs that no kept manifest has, and what crashed writers left; all of them old."""
    doomed = {f"{number:06d}.json" for number in done}
    kept = {f"{number:06d}" for number in numbers - done}

    def is_manifest(name: str, changed: float) -> bool:
        return changed < before and name in doomed

    def is_leftover(name: str, changed: float) -> bool:
        is_blob = BLOB_NAME.fullmatch(name) is not None and name.partition("-")[0] not in kept
        return changed < before and (is_blob or LEFTOVER.fullmatch(name) is not None)

    gone = remove_below(paths.root, folder, is_manifest)
    return gone + remove_below(paths.root, folder, is_leftover)
