"""Removing what nobody needs any more from a shared folder.

Job: keep the folder small without taking a file from under a reader. Place in the data flow: after a merge, and when a
member has taken over newer weights. Left out: experience, which its sender removes.

Nothing younger than the grace period goes, by the file server's clock, and manifests go before their blobs. A member
removes its own contributions; a home process also removes merged versions, and what other members left lying about for
twice the grace period.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from gamefleet.errors import CorruptCheckpointError
from gamefleet.files import TEMPORARY_PREFIX
from gamefleet.weights.blobs import SUFFIX, remove
from gamefleet.weights.manifests import Contribution, Heartbeat, Version, read
from gamefleet.weights.settings import MergeSettings
from gamefleet.weights.shared_paths import SharedPaths, numbered

OTHERS_FACTOR = 2
"""Grace periods that pass before a home process removes another member's file: its owner goes first."""

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
    doomed = list(_contributions(paths, member, included.get(member, 0), own_before))
    if is_home and head is not None:
        before = now - OTHERS_FACTOR * settings.grace_s
        for other in paths.member_ids():
            if other != member:
                doomed += _contributions(paths, other, included.get(other, 0), before)
        doomed += _versions(paths, head, settings, own_before)
    for path in doomed:
        remove(path)
    return len(doomed)


def _newest(paths: SharedPaths) -> Version | None:
    for number in reversed(numbered(paths.merged)):
        try:
            return read(paths.version(number), Version)
        except (OSError, CorruptCheckpointError):
            continue
    return None


def _contributions(paths: SharedPaths, member: str, included: int, before: float) -> Iterator[Path]:
    """A member's contributions that were merged or replaced; the newest one that still waits stays."""
    folder = paths.weights(member)
    seqs = numbered(folder)
    done = [seq for seq in seqs if seq <= included or seq != seqs[-1]]
    yield from _files(folder, seqs, done, before)


def _versions(paths: SharedPaths, head: Version, settings: MergeSettings, before: float) -> Iterator[Path]:
    """Versions that are neither among the newest nor evaluated nor what somebody still goes on from."""
    numbers = numbered(paths.merged)
    kept = {*numbers[-settings.keep_versions :], head.version}
    kept |= set(numbered(paths.verdicts)[-KEPT_VERDICTS:])
    kept |= {base for base in _bases(paths, head) if base >= head.version - settings.max_age_versions}
    yield from _files(paths.merged, numbers, [number for number in numbers if number not in kept], before)


def _bases(paths: SharedPaths, head: Version) -> Iterator[int]:
    """Versions from which members go on, and from which what waits has grown."""
    for member in paths.member_ids():
        with suppress(OSError, CorruptCheckpointError):
            yield read(paths.heartbeat(member), Heartbeat).version
        for seq in (seq for seq in numbered(paths.weights(member)) if seq > head.included.get(member, 0)):
            with suppress(OSError, CorruptCheckpointError):
                yield read(paths.contribution(member, seq), Contribution).base


def _files(folder: Path, numbers: list[int], done: list[int], before: float) -> Iterator[Path]:
    """Manifests of `done`, then blobs that no kept manifest has, then what crashed writers left; all of them old."""
    doomed = {f"{number:06d}.json" for number in done}
    kept = {f"{number:06d}" for number in set(numbers) - set(done)}
    names = _old_names(folder, before)
    yield from (folder / name for name in names if name in doomed)
    yield from (folder / name for name in names if name.endswith(SUFFIX) and name.partition("-")[0] not in kept)
    yield from (folder / name for name in names if name.startswith(TEMPORARY_PREFIX))


def _old_names(folder: Path, before: float) -> list[str]:
    names = []
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return []
    for path in paths:
        try:
            if path.is_file() and path.stat().st_mtime < before:
                names.append(path.name)
        except OSError:
            continue
    return names
